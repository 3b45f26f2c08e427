"""What tiles keep of their scenes' files: bands, type and pixel size."""

import math
from collections.abc import Iterable
from pathlib import Path

import rasterio
from pydantic import ValidationError
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.warp import transform

from satseg.config.datasets import Pixels
from satseg.config.types import Strict
from satseg.data.images import chosen
from satseg.errors import UserError
from satseg.readers import read_json


class Origin(Strict):
    """What the images were before they became tiles: a model trained on the tiles wants others like
    them."""

    pixels: Pixels = Pixels()
    """Which of their bands were taken, and how these were scaled."""
    dtypes: tuple[str, ...] = ("uint8",)
    """Types of their pixels."""
    metres: tuple[float, float] | None = None
    """Sides of their smallest and largest pixels on the ground; None where the images do not
    say."""


def read_origin(folder: str | Path) -> Origin:
    """The tile store's `origin.json`; without one, the images were 8-bit ones and nothing else is
    known.

    Raises:
        UserError: it is damaged.
    """
    path = Path(folder) / "origin.json"
    if not path.exists():
        return Origin()
    try:
        return Origin.model_validate(read_json(path, list(Origin.model_fields)))
    except ValidationError:
        raise UserError(f"{path}: damaged; delete the folder and tile again") from None


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
    return Origin(
        pixels=pixels,
        dtypes=tuple(sorted(kinds)),
        metres=(min(known), max(known)) if known else None,
    )


def pixel_size(file: rasterio.DatasetReader) -> float | None:
    """Side of a pixel on the ground at the image's centre, in metres; None where the file does not
    say.

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
        math.hypot(east * (longitudes[i] - longitudes[0]), north * (latitudes[i] - latitudes[0]))
        / SPAN
        for i in (1, 2)
    ]
    return math.sqrt(sides[0] * sides[1]) or None
