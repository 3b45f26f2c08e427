"""Opening the tile store: memory-mapped images and masks, and a table that says where each tile comes from."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from pydantic import ValidationError

from satseg.config import Pixels, Strict
from satseg.errors import UserError
from satseg.outputs import read_array, read_csv, read_json

NO_LABEL = 255  # mask value of pixels without a label


class Origin(Strict):
    """What the images were before they became tiles: a model trained on the tiles wants others like them."""

    pixels: Pixels = Pixels()
    """Which of their bands were taken, and how these were scaled."""
    dtypes: tuple[str, ...] = ("uint8",)
    """Types of their pixels."""
    metres: tuple[float, float] | None = None
    """Sides of their smallest and largest pixels on the ground; None where the images do not say."""


class Tiles(NamedTuple):
    """An opened tile store."""

    images: np.ndarray
    """uint8 [N, H, W, C], memory-mapped."""
    masks: np.ndarray
    """uint8 [N, H, W], memory-mapped: class index, 255 where there is no label."""
    table: pd.DataFrame
    """A row per tile: tile, scene, group, row, col, whole, official_split, pixels_<class>."""
    origin: Origin = Origin()
    """What the images were before."""


def open_tiles(folder: str | Path) -> Tiles:
    """Open what `satseg.data.tiles.build_tiles` wrote.

    Raises:
        UserError: a file is missing or damaged, or the three do not belong together.
    """
    folder = Path(folder)
    images, masks = (read_array(folder / name) for name in ("images.npy", "masks.npy"))
    tiles = Tiles(images, masks, read_table(folder), read_origin(folder))
    for name, dimensions in (("images", 4), ("masks", 3)):
        array = getattr(tiles, name)
        if array.ndim != dimensions or array.dtype != np.uint8 or len(array) != len(tiles.table):
            raise UserError(
                f"{folder / name}.npy: {array.dtype} {list(array.shape)} does not fit the {len(tiles.table)} tiles of "
                f"tiles.csv; delete the folder and tile again"
            )
    return tiles


def read_table(folder: str | Path) -> pd.DataFrame:
    """The tile store's `tiles.csv`; the index of a row is its tile.

    Raises:
        UserError: it is missing or damaged.
    """
    path = Path(folder) / "tiles.csv"
    table = read_csv(path, ["tile", "scene", "group", "row", "col", "whole", "official_split"])
    if not np.array_equal(table["tile"], np.arange(len(table))) or table.isna().any(axis=None):
        raise UserError(f"{path}: its tiles are not numbered from 0, or cells are empty; delete it and tile again")
    return table


def read_origin(folder: str | Path) -> Origin:
    """The tile store's `origin.json`; without one, the images were 8-bit ones and nothing else is known.

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
