"""Class maps as polygons: GeoJSON in longitude and latitude (RFC 7946), GeoPackage or
FlatGeobuf."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import rasterio
from rasterio.features import shapes
from rasterio.transform import Affine
from rasterio.warp import transform as transformed

from satseg.data.globe import ring_area
from satseg.data.labels import NO_LABEL
from satseg.data.origin import pixel_size
from satseg.prediction.antimeridian import cut, is_wide
from satseg.prediction.generalise import Area, Shape, sieved, simplified
from satseg.prediction.vector import is_vector, write_vector

CHUNK = 2000  # polygons transformed at a time
DIGITS = 9  # decimals of a degree: a tenth of a millimetre


def write_polygons(
    raster: str | Path,
    out: str | Path,
    classes: list[str],
    name: str,
    min_area: float = 0,
    simplify: float = 0,
) -> None:
    """Write a polygon for every connected area of one class; areas that touch only at corners stay
    separate.

    Memory grows with the number of polygons, not with that of pixels; with a minimum area, with
    that of pixels too.

    Args:
        raster: a class map with a CRS: uint8 class indices, 255 where there is no data.
        out: the file: GeoJSON in degrees; GeoPackage (`.gpkg`) or FlatGeobuf (`.fgb`) in the map's
            coordinate system. Features have the properties `class`, `index` and `area_m2`, the area
            on the WGS 84 ellipsoid.
        classes: class names by class index.
        name: the name of the collection.
        min_area: square metres; smaller areas become part of the largest neighbour, and are left
            out where all neighbours are too small themselves, or there is none.
        simplify: metres by which borders may be smoothed; neighbours keep a common border.

    Raises:
        UserError: a library of the extra `gis` is needed and missing.
    """
    with rasterio.open(raster) as file:
        areas = _areas(file, min_area, simplify)
        if is_vector(out):
            write_vector(out, areas, classes, name, file.crs)
        else:
            _write_geojson(out, areas, classes, name)


def _write_geojson(out: str | Path, areas: Iterable[Area], classes: list[str], name: str) -> None:
    with Path(out).open("w", encoding="utf-8") as text:
        text.write(f'{{"type": "FeatureCollection", "name": {json.dumps(name)}, "features": [')
        separator = "\n"
        for area in areas:
            properties = {
                "class": classes[area.index],
                "index": area.index,
                "area_m2": round(area.square_metres, 3),
            }
            geometry = _geometry(area.parts)
            feature = {"type": "Feature", "properties": properties, "geometry": geometry}
            text.write(separator + json.dumps(feature, ensure_ascii=False))
            separator = ",\n"
        text.write("\n]}\n")


def _geometry(polygons: list[list[np.ndarray]]) -> dict:
    coordinates = []
    for polygon in polygons:
        coordinates.append([ring.round(DIGITS).tolist() for ring in polygon])
    if len(coordinates) == 1:
        return {"type": "Polygon", "coordinates": coordinates[0]}
    return {"type": "MultiPolygon", "coordinates": coordinates}


def _areas(file: rasterio.DatasetReader, min_area: float, simplify: float) -> Iterator[Area]:
    """Every area of the map."""
    side = pixel_size(file) or 1
    known = _shapes(file, min_area / side**2)
    if simplify:
        in_pixels = [(index, _placed(rings, ~file.transform)) for index, rings in known]
        smooth = simplified(in_pixels, simplify / side, file.shape)
        known = ((index, _placed(rings, file.transform)) for index, rings in smooth)

    # A tenth of a pixel; a minute of arc is a nautical mile.
    tolerance = side / 10 / 1852 / 60

    def degrees(places: np.ndarray) -> np.ndarray:
        return np.column_stack(transformed(file.crs, "EPSG:4326", *places.T))

    while chunk := list(islice(known, CHUNK)):
        oriented = [_oriented(polygon) for _, polygon in chunk]
        rings = [ring for area in oriented for ring in area]
        ends = np.cumsum([len(ring) for ring in rings])
        in_degrees = iter(np.split(degrees(np.concatenate(rings)), ends[:-1]))

        for (index, _), area in zip(chunk, oriented, strict=True):
            polygon = [next(in_degrees) for _ in area]
            wide = any(map(is_wide, polygon))
            parts = cut(area, degrees, tolerance) if wide else [polygon]
            yield Area(index, sum(map(_square_metres, parts)), area, parts)


def _shapes(file: rasterio.DatasetReader, min_pixels: float) -> Iterator[tuple[int, Shape]]:
    """Class index of each area that has so many pixels, or gets them, and its rings."""
    source = sieved(file.read(1), min_pixels) if min_pixels > 1 else rasterio.band(file, 1)
    for shape, index in shapes(source, connectivity=4, transform=file.transform):
        rings = [np.array(ring) for ring in shape["coordinates"]]
        if index != NO_LABEL and _pixels(rings, file) >= min_pixels:
            yield int(index), rings


def _pixels(rings: Shape, file: rasterio.DatasetReader) -> int:
    """Pixels within the rings of an area."""
    outer, *holes = (abs(_signed_area(ring)) for ring in rings)
    return round((outer - sum(holes)) / abs(file.transform.determinant))


def _square_metres(rings: list[np.ndarray]) -> float:
    outer, *holes = map(ring_area, rings)
    return outer - sum(holes)


def _placed(polygon: Shape, transform: Affine) -> Shape:
    """Rings in pixels as rings in the map's coordinate system, or the reverse."""
    return [np.column_stack(transform @ ring.T) for ring in polygon]


def _oriented(polygon: Shape) -> Shape:
    """The closed rings [n, 2] of a polygon, the outer one anticlockwise, holes clockwise."""
    rings = []
    for k, ring in enumerate(polygon):
        anticlockwise = _signed_area(ring) > 0
        rings.append(ring if anticlockwise == (k == 0) else ring[::-1])
    return rings


def _signed_area(ring: np.ndarray) -> float:
    """Area of a closed ring in its own units, positive anticlockwise."""
    x, y = (ring - ring[0]).T
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2)
