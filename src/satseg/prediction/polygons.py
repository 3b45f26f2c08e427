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
        for index, rings in _areas(file):
            feature = {
                "type": "Feature",
                "properties": {"class": classes[index], "index": index},
                "geometry": {"type": "Polygon", "coordinates": rings},
            }
            text.write(separator + json.dumps(feature, ensure_ascii=False))
            separator = ",\n"
        text.write("\n]}\n")


def _areas(file: rasterio.DatasetReader) -> Iterator[tuple[int, list]]:
    """Class index and rings in degrees, the outer one first, of each area."""
    every = shapes(rasterio.band(file, 1), connectivity=4, transform=file.transform)
    known = ((int(index), shape["coordinates"]) for shape, index in every if index != NO_LABEL)

    while chunk := list(islice(known, CHUNK)):
        rings = [np.array(ring) for _, polygon in chunk for ring in polygon]
        corners = np.concatenate(rings)
        degrees = np.column_stack(transform(file.crs, "EPSG:4326", *corners.T)).round(DIGITS)

        ends = np.cumsum([len(ring) for ring in rings])
        in_degrees = iter(np.split(degrees, ends[:-1]))
        for index, polygon in chunk:
            yield index, [_oriented(next(in_degrees), k == 0).tolist() for k in range(len(polygon))]


def _oriented(ring: np.ndarray, outer: bool) -> np.ndarray:
    """A closed ring [n, 2], anticlockwise if it is an outer one, clockwise if it is a hole."""
    x, y = (ring - ring[0]).T
    anticlockwise = (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() > 0
    return ring if anticlockwise == outer else ring[::-1]
