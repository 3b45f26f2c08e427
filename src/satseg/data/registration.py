"""Whether a mask shows the same ground as its image, and reading one that is stored turned."""

import math
from typing import NamedTuple

import numpy as np
import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.warp import transform
from rasterio.windows import Window

from satseg.data.globe import degrees, geocentric
from satseg.data.layout import Scene
from satseg.errors import UserError

TOLERANCE = 0.5 + 1e-3  # pixels: half of one, as between its corner and its centre
WAY = (
    "put it on its image's grid (gdalwarp -r near, with -t_srs, -te and -ts of the image), or "
    "correct the position it states"
)
CORNERS = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)


class Turn(NamedTuple):
    """How a mask has to be mirrored to lie as its image does."""

    rows: bool = False
    """Its rows are stored in the opposite order: one of the two is south-up."""
    columns: bool = False
    """Its columns are."""

    def __str__(self) -> str:
        if self.rows and self.columns:
            return "turned by 180°"
        return "upside down" if self.rows else "mirrored"


def mask_turn(image: rasterio.DatasetReader, mask: rasterio.DatasetReader, scene: Scene) -> Turn:
    """How the mask lies on its image; not turned if one of them does not say where it lies.

    If one names no coordinate system, it is taken for the other's, unless they lie apart then.

    Args:
        image: the scene's image.
        mask: its mask.
        scene: their paths, for messages.

    Raises:
        UserError: they show different ground, or the same in other pixels.
    """
    if image.transform.is_identity or mask.transform.is_identity:
        return Turn()

    size = np.array([image.width, image.height], float)
    found = _in_image(image, mask, scene, CORNERS * [mask.width, mask.height])
    apart = (found.max(0) <= 0).any() or (found.min(0) >= size).any()
    if (image.crs is None) != (mask.crs is None) and apart:
        return Turn()

    for rows in (False, True):
        for columns in (False, True):
            mirrored = np.abs(CORNERS - np.array([columns, rows])) * size
            if mask.shape == image.shape and np.abs(found - mirrored).max() <= TOLERANCE:
                return Turn(rows, columns)
    raise UserError(_difference(image, mask, scene, found, CORNERS * size))


def read_mask(
    mask: rasterio.DatasetReader, turn: Turn, window: Window | None = None, **options
) -> np.ndarray:
    """A part of a mask [bands, h, w], mirrored as needed.

    Args:
        mask: the mask.
        turn: how it is mirrored.
        window: the part, in the pixels of the image; None for all of it.
        options: further arguments of rasterio's `read`.
    """
    if window and turn.rows:
        top = mask.height - window.row_off - window.height
        window = Window(window.col_off, top, window.width, window.height)
    if window and turn.columns:
        left = mask.width - window.col_off - window.width
        window = Window(left, window.row_off, window.width, window.height)

    values = mask.read(window=window, **options)
    if turn.rows:
        values = values[:, ::-1]
    if turn.columns:
        values = values[:, :, ::-1]
    return np.ascontiguousarray(values)


def _in_image(
    image: rasterio.DatasetReader, mask: rasterio.DatasetReader, scene: Scene, pixels: np.ndarray
) -> np.ndarray:
    """Places in the mask as columns and rows of the image: float64 [N, 2]."""
    x, y = mask.transform @ pixels.T
    if _in_other_systems(image, mask):
        try:
            x, y = np.array(transform(mask.crs, image.crs, x, y))
        except (RasterioError, CPLE_BaseError):
            x = y = np.full(len(pixels), np.nan)
        if not np.isfinite([x, y]).all():
            raise UserError(
                f"{scene.mask}: its coordinate system ({_name(mask)}) cannot be compared with that "
                f"of its image {scene.image.name} ({_name(image)}); save both in the same one"
            )
    return np.column_stack(~image.transform @ np.array([x, y]))


def _difference(
    image: rasterio.DatasetReader,
    mask: rasterio.DatasetReader,
    scene: Scene,
    found: np.ndarray,
    expected: np.ndarray,
) -> str:
    """What differs between the places of a mask and its image, and what to do about it."""
    shifts = found - expected
    furthest = int(np.argmax(np.linalg.norm(shifts, axis=1)))
    pixels = f"{math.hypot(*shifts[furthest]):,.4g} pixels"
    metres = _metres(image, found[furthest], expected[furthest])
    distance = f"{metres:,.4g} m ({pixels})" if metres else pixels

    if _in_other_systems(image, mask):
        what = f"is in {_name(mask)}, but its image {scene.image.name} is in {_name(image)}"
        what += f", and they lie up to {distance} apart"
    elif mask.shape == image.shape and np.ptp(shifts, axis=0).max() <= TOLERANCE:
        what = f"lies {distance} from its image {scene.image.name}"
    else:
        what = f"has {_grid(mask)}, but its image {scene.image.name} {_grid(image)}"
        if np.abs(shifts).max() > TOLERANCE:
            what += f", and their corners lie up to {distance} apart"
    return f"{scene.mask}: {what}; {WAY}"


def _metres(image: rasterio.DatasetReader, first: np.ndarray, second: np.ndarray) -> float | None:
    """Distance on the ground between two places in an image; None if that is unknown."""
    places = degrees(image, np.array([first, second]))
    return None if places is None else math.dist(*geocentric(places))


def _in_other_systems(image: rasterio.DatasetReader, mask: rasterio.DatasetReader) -> bool:
    return None not in (image.crs, mask.crs) and image.crs != mask.crs


def _grid(file: rasterio.DatasetReader) -> str:
    """Number of pixels, and their sides in the units of the coordinate system."""
    width = math.hypot(file.transform.a, file.transform.d)
    height = math.hypot(file.transform.b, file.transform.e)
    return f"{file.width}×{file.height} pixels of {width:.6g}×{height:.6g}"


def _name(file: rasterio.DatasetReader) -> str:
    """A coordinate system in a few characters."""
    authority = file.crs.to_authority()
    return ":".join(authority) if authority else "a system without a code"
