"""Class maps as polygons: GeoJSON in longitude and latitude (RFC 7946)."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import rasterio
from rasterio.features import shapes
from rasterio.warp import transform

from satseg.data.labels import NO_LABEL
from satseg.data.origin import pixel_size
from satseg.prediction.antimeridian import cut, is_wide

CHUNK = 2000  # polygons transformed at a time
DIGITS = 9  # decimals of a degree: a tenth of a millimetre


def write_polygons(raster: str | Path, out: str | Path, classes: list[str], name: str) -> None:
    """Write a polygon for every connected area of one class; areas that touch only at corners stay
    separate.

    Memory grows with the number of polygons, not with that of pixels.

    Args:
        raster: a class map with a CRS: uint8 class indices, 255 where there is no data.
        out: the GeoJSON file; features have the properties `class` and `index`.
        classes: class names by class index.
        name: the name of the collection.
    """
    with rasterio.open(raster) as file, Path(out).open("w", encoding="utf-8") as text:
        text.write(f'{{"type": "FeatureCollection", "name": {json.dumps(name)}, "features": [')
        separator = "\n"
        for index, polygons in _areas(file):
            feature = {
                "type": "Feature",
                "properties": {"class": classes[index], "index": index},
                "geometry": _geometry(polygons),
            }
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


def _areas(file: rasterio.DatasetReader) -> Iterator[tuple[int, list[list[np.ndarray]]]]:
    """Class index and polygons of each area, as rings in degrees, the outer one first; several
    polygons where the antimeridian cuts it."""
    every = shapes(rasterio.band(file, 1), connectivity=4, transform=file.transform)
    known = ((int(index), shape["coordinates"]) for shape, index in every if index != NO_LABEL)

    # A tenth of a pixel; a minute of arc is a nautical mile.
    tolerance = (pixel_size(file) or 1) / 10 / 1852 / 60

    def degrees(places: np.ndarray) -> np.ndarray:
        return np.column_stack(transform(file.crs, "EPSG:4326", *places.T))

    while chunk := list(islice(known, CHUNK)):
        areas = [_oriented(polygon) for _, polygon in chunk]
        rings = [ring for area in areas for ring in area]
        ends = np.cumsum([len(ring) for ring in rings])
        in_degrees = iter(np.split(degrees(np.concatenate(rings)), ends[:-1]))

        for (index, _), area in zip(chunk, areas, strict=True):
            polygon = [next(in_degrees) for _ in area]
            wide = any(map(is_wide, polygon))
            yield index, cut(area, degrees, tolerance) if wide else [polygon]


def _oriented(polygon: list) -> list[np.ndarray]:
    """The closed rings [n, 2] of a polygon, the outer one anticlockwise, holes clockwise."""
    rings = []
    for k, points in enumerate(polygon):
        ring = np.array(points)
        x, y = (ring - ring[0]).T
        anticlockwise = (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() > 0
        rings.append(ring if anticlockwise == (k == 0) else ring[::-1])
    return rings
