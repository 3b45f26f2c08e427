"""What a tile store records about its scenes' files: bands, data type and pixel size."""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import rasterio
from pydantic import ValidationError

from satseg.config.datasets import Pixels
from satseg.config.types import Strict
from satseg.data.globe import degrees, geocentric
from satseg.data.images import selected_bands
from satseg.data.opening import open_image
from satseg.errors import UserError
from satseg.readers import read_json

SPAN = 100  # pixels measured over: one alone may be below the precision of a transformation


class Origin(Strict):
    """What the images were before they became tiles: a model trained on the tiles expects images
    like them."""

    pixels: Pixels = Pixels()
    """The bands that were taken, and how they were scaled."""
    dtypes: tuple[str, ...] = ("uint8",)
    """Data types of their pixels."""
    metres: tuple[float, float] | None = None
    """Sides of their smallest and largest pixels on the ground; None if the images are not
    georeferenced."""


def read_origin(folder: str | Path) -> Origin:
    """The tile store's `origin.json`; without one, the images were 8-bit and nothing else is known.

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


def describe(images: Iterable[Path], pixels: Pixels) -> Origin:
    """What the images of a tile store have in common.

    Args:
        images: readable images.
        pixels: which bands are taken, and how they are scaled.
    """
    dtypes = set()
    sizes = []

    for path in images:
        with open_image(path) as file:
            dtypes |= {file.dtypes[band - 1] for band in selected_bands(file, pixels)}
            size = pixel_size(file)
        if size:
            sizes.append(size)

    return Origin(
        pixels=pixels,
        dtypes=tuple(sorted(dtypes)),
        metres=(min(sizes), max(sizes)) if sizes else None,
    )


def pixel_size(file: rasterio.DatasetReader) -> float | None:
    """Side of a pixel on the ground at the image's centre, in metres; None if the file is not
    georeferenced.

    It is measured on the WGS 84 ellipsoid, so that it compares across projections and degrees.
    """
    x = file.width / 2
    y = file.height / 2
    places = degrees(file, np.array([(x, y), (x + SPAN, y), (x, y + SPAN)]))
    if places is None:
        return None

    centre, right, below = geocentric(places)
    sides = [math.dist(centre, other) / SPAN for other in (right, below)]
    return math.sqrt(sides[0] * sides[1]) or None
