"""What images were before they became tiles: the type of their pixels, and how large these are on the ground."""

import math
from collections.abc import Iterable
from pathlib import Path

import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.warp import transform

from satseg.config import Pixels
from satseg.data.bands import chosen
from satseg.data.store import Origin

RADIUS, ECCENTRICITY2 = 6378137.0, 0.00669437999014  # WGS 84
SPAN = 100  # pixels measured over: one alone may be less than what a transformation is exact to


def describe(images: Iterable[Path], pixels: Pixels) -> Origin:
    """What the images of a tile store have in common.

    Args:
        images: readable images.
        pixels: which bands are taken, and how they are scaled.
    """
    kinds, sizes = set(), []
    for path in images:
        with rasterio.open(path) as file:
            kinds |= {file.dtypes[band - 1] for band in chosen(file, pixels)}
            sizes.append(pixel_size(file))
    known = [size for size in sizes if size]
    return Origin(pixels=pixels, dtypes=tuple(sorted(kinds)), metres=(min(known), max(known)) if known else None)


def pixel_size(file: rasterio.DatasetReader) -> float | None:
    """Side of a pixel on the ground at the image's centre, in metres; None where the file does not say.

    It is measured on the WGS 84 ellipsoid, so that projections of other scales and degrees compare.
    """
    if not file.crs or file.transform.is_identity:
        return None
    x, y = file.width / 2, file.height / 2
    corners = [file.transform @ point for point in ((x, y), (x + SPAN, y), (x, y + SPAN))]
    try:
        longitudes, latitudes = transform(file.crs, "EPSG:4326", *zip(*corners, strict=True))
    except (RasterioError, CPLE_BaseError):  # a local system, whose place on the globe is not known
        return None
    if not all(map(math.isfinite, (*longitudes, *latitudes))):
        return None
    latitude = math.radians(latitudes[0])
    bent = 1 - ECCENTRICITY2 * math.sin(latitude) ** 2
    east = math.radians(1) * RADIUS / math.sqrt(bent) * math.cos(latitude)
    north = math.radians(1) * RADIUS * (1 - ECCENTRICITY2) / bent**1.5
    sides = [
        math.hypot(east * (longitudes[i] - longitudes[0]), north * (latitudes[i] - latitudes[0])) / SPAN for i in (1, 2)
    ]
    return math.sqrt(sides[0] * sides[1]) or None
