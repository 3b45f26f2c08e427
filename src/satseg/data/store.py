"""Opening the tile store: memory-mapped images and masks, and a table of where each tile comes
from."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from satseg.data.labels import NO_LABEL
from satseg.data.origin import Origin, read_origin
from satseg.errors import UserError
from satseg.readers import read_array, read_csv

COLUMNS = [
    "tile",
    "scene",
    "group",
    "row",
    "col",
    "whole",
    "height",
    "width",
    "official_split",
    "footprint",
]
_NUMBER = r"-?(\d+(\.\d+)?|nan|inf)"
FOOTPRINT = rf"(POLYGON\(\(({_NUMBER} {_NUMBER},){{4}}{_NUMBER} {_NUMBER}\)\))?"


class Tiles(NamedTuple):
    """An opened tile store."""

    images: np.ndarray
    """uint8 [N, H, W, C], memory-mapped."""
    masks: np.ndarray
    """uint8 [N, H, W], memory-mapped: class index, 255 for pixels without a label."""
    table: pd.DataFrame
    """A row per tile: tile, scene, group, row, col, whole, height and width without the padding,
    official_split, footprint (a WKT polygon in longitude and latitude, or empty), pixels_<class>.
    """
    origin: Origin = Origin()
    """What the images were before they became tiles."""


def open_tiles(folder: str | Path) -> Tiles:
    """Open what `satseg.data.tiling.build_tiles` wrote.

    Raises:
        UserError: a file is missing or damaged, or they do not belong together.
    """
    folder = Path(folder)
    images = read_array(folder / "images.npy")
    masks = read_array(folder / "masks.npy")
    tiles = Tiles(images, masks, read_table(folder), read_origin(folder))

    for name, dimensions in (("images", 4), ("masks", 3)):
        array = getattr(tiles, name)
        if array.ndim != dimensions or array.dtype != np.uint8 or len(array) != len(tiles.table):
            raise UserError(
                f"{folder / name}.npy: {array.dtype} {list(array.shape)} does not fit the "
                f"{len(tiles.table)} tiles of tiles.csv; delete the folder and tile again"
            )
    if masks.shape != images.shape[:3]:
        raise UserError(
            f"{folder / 'masks.npy'}: {list(masks.shape)} does not fit the images, "
            f"{list(images.shape)}; delete the folder and tile again"
        )
    return tiles


def read_table(folder: str | Path, columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
    """The tile store's `tiles.csv`; the index of a row is its tile number.

    Args:
        folder: the tile store.
        columns: those that it must have, `tile` among them; older stores have fewer.

    Raises:
        UserError: it is missing or damaged.
    """
    path = Path(folder) / "tiles.csv"
    table = read_csv(path, list(columns))
    if not np.array_equal(table["tile"], np.arange(len(table))) or table.isna().any(axis=None):
        raise UserError(
            f"{path}: its tiles are not numbered from 0, or cells are empty; delete it and tile "
            f"again"
        )
    if "footprint" not in table:
        return table
    wrong = ~table["footprint"].str.fullmatch(FOOTPRINT)
    if wrong.any():
        raise UserError(
            f"{path}: the footprint of tile {wrong.idxmax()} is no polygon of four corners; delete "
            f"it and tile again"
        )
    return table


def check_labels(tiles: Tiles, tile_numbers: Iterable[int], classes: int, dataset: str) -> None:
    """Refuse masks that hold anything but class indices and `NO_LABEL`.

    Args:
        tiles: the tile store.
        tile_numbers: the tiles to look at.
        classes: number of classes.
        dataset: name of the dataset, for the message.

    Raises:
        UserError: a mask holds another value.
    """
    for tile in tile_numbers:
        values = tiles.masks[tile]
        wrong = (values >= classes) & (values != NO_LABEL)
        if wrong.any():
            raise UserError(
                f"tiles of {dataset}: the mask of tile {tile} holds {values[wrong][0]}, no class; "
                f"the store is damaged: delete it and tile again"
            )
