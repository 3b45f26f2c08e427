"""Fewer and smoother polygons: small areas merged into their neighbours, borders simplified without
gaps."""

from importlib.util import find_spec
from math import ceil

import numpy as np
from rasterio.features import sieve

from satseg.data.labels import NO_LABEL
from satseg.errors import UserError

Shape = list[np.ndarray]
"""Closed rings [n, 2], the outer one first."""

INSTALL = 'not installed; `pip install -e ".[gis]"` from the checkout'
PASSES = 10  # of the sieve at one size, at most


def sieved(labels: np.ndarray, min_pixels: float) -> np.ndarray:
    """Merge areas of fewer pixels into their largest neighbour, the smallest areas first, so that
    specks without a large neighbour grow together. No data is no neighbour, and stays.

    Args:
        labels: class indices uint8 [H, W], 255 for no data.
        min_pixels: areas below this are merged.
    """
    valid = labels != NO_LABEL
    least = ceil(min_pixels)
    steps = [*(2**k for k in range(1, least.bit_length()) if 2**k < least), least]
    for size in steps:
        for _ in range(PASSES):
            merged = sieve(labels, size, mask=valid, connectivity=4)
            merged[~valid] = NO_LABEL
            if np.array_equal(merged, labels):
                break
            labels = merged
    return labels


def simplified(areas: list[tuple[int, Shape]], tolerance: float) -> list[tuple[int, Shape]]:
    """Smooth the borders of areas that fill a map without gaps; they still fill it, with the same
    outline, and neighbours share their borders.

    Corners go whose triangle with their neighbours is smaller than the square of the tolerance
    (Visvalingam & Whyatt 1993, on a coverage).

    Args:
        areas: class index and rings of each area.
        tolerance: in the units of the rings.

    Raises:
        UserError: shapely is missing.
    """
    if find_spec("shapely") is None:
        raise UserError(f"shapely: needed to simplify polygons, {INSTALL}")
    import shapely

    polygons = [shapely.Polygon(outer, holes) for _, (outer, *holes) in areas]
    smooth = shapely.coverage_simplify(polygons, tolerance, simplify_boundary=False)
    return [
        (index, [np.array(ring.coords) for ring in (polygon.exterior, *polygon.interiors)])
        for (index, _), polygon in zip(areas, smooth, strict=True)
    ]
