"""Fewer and smoother polygons: small areas merged into their neighbours, borders simplified without
gaps."""

from importlib.util import find_spec
from math import ceil
from typing import NamedTuple

import numpy as np
from rasterio.features import sieve

from satseg.data.labels import NO_LABEL
from satseg.errors import UserError

Shape = list[np.ndarray]
"""Closed rings [n, 2], the outer one first."""


class Area(NamedTuple):
    """A connected area of one class."""

    index: int
    """The class index."""
    square_metres: float
    shape: Shape
    """Its rings in the map's coordinate system: the outer one anticlockwise, holes clockwise."""
    parts: list[Shape]
    """Polygons in degrees: several where the antimeridian cuts it."""


INSTALL = 'not installed; `pip install -e ".[gis]"` from the checkout'
PASSES = 10  # of the sieve at one size, at most


def sieved(labels: np.ndarray, min_pixels: float) -> np.ndarray:
    """Merge areas of fewer pixels into their largest neighbour, step by step from the smallest. An
    area stays whose neighbours are all too small themselves; no data is no neighbour, and stays.

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


def simplified(
    areas: list[tuple[int, Shape]], tolerance: float, size: tuple[int, int]
) -> list[tuple[int, Shape]]:
    """Smooth the borders of areas; neighbours keep a common border, and the outline of them all
    stays.

    Corners go whose triangle with their neighbours is smaller than the square of the tolerance
    (Visvalingam & Whyatt 1993, on a coverage).

    Args:
        areas: class index and rings of each area, in pixels: whole columns and rows.
        tolerance: in pixels.
        size: height and width of the map.

    Raises:
        UserError: shapely is missing.
    """
    if find_spec("shapely") is None:
        raise UserError(f"shapely: needed to simplify polygons, {INSTALL}")
    import shapely

    corners = np.zeros((size[0] + 1, size[1] + 1), bool)
    for _, rings in areas:
        for ring in rings:
            x, y = _whole(ring).T
            corners[y, x] = True

    polygons = []
    for _, rings in areas:
        outer, *holes = (_with_corners(_whole(ring), corners) for ring in rings)
        polygons.append(shapely.Polygon(outer, holes))

    smooth = shapely.coverage_simplify(polygons, tolerance, simplify_boundary=False)
    shapes = []
    for (index, _), polygon in zip(areas, smooth, strict=True):
        rings = (polygon.exterior, *polygon.interiors)
        shapes.append((index, [np.array(ring.coords) for ring in rings]))
    return shapes


def _whole(ring: np.ndarray) -> np.ndarray:
    """Corners of pixels, which rounding keeps from being whole numbers."""
    return np.rint(ring).astype(int)


def _with_corners(ring: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """A ring with further points where others have a corner on its straight sides: without them,
    three areas that meet would not be known to."""
    sides = np.diff(ring, axis=0)
    lengths = np.abs(sides).sum(1)
    steps = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    points = np.repeat(ring[:-1], lengths, 0)
    points = points + np.repeat(np.sign(sides), lengths, 0) * steps[:, None]
    x, y = points.T
    return np.vstack([points[corners[y, x]], ring[:1]])
