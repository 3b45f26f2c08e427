"""Scenes put together again from the tiles they were cut into."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd


class Mosaic(NamedTuple):
    """Where a scene lies in the arrays of its tile store."""

    name: str
    group: str
    tiles: np.ndarray
    """Number of each tile, int [rows, cols]."""
    height: int
    width: int

    @property
    def pixels(self) -> int:
        """Number of pixels, without the padding."""
        return self.height * self.width


def mosaics(table: pd.DataFrame) -> dict[str, Mosaic]:
    """Every scene of a tiles.csv, by name."""
    scenes = {}
    for name, rows in table.groupby("scene", sort=False):
        tiles = np.empty((rows["row"].max() + 1, rows["col"].max() + 1), int)
        tiles[rows["row"], rows["col"]] = rows["tile"]
        height = rows.loc[rows["col"] == 0, "height"].sum()
        width = rows.loc[rows["row"] == 0, "width"].sum()
        scenes[name] = Mosaic(name, rows["group"].iloc[0], tiles, int(height), int(width))
    return scenes


def cut_out(array: np.ndarray, scene: Mosaic, box: tuple[int, int, int, int]) -> np.ndarray:
    """A part [h, w, …] of a scene.

    Args:
        array: tiles [N, S, S, …].
        scene: the scene.
        box: first row and column of the part, and its height and width in pixels; within the scene.
    """
    top, left, height, width = box
    size = array.shape[1]
    rows = slice(top // size, -(-(top + height) // size))
    cols = slice(left // size, -(-(left + width) // size))
    tiles = array[scene.tiles[rows, cols]]

    above, aside = tiles.shape[:2]
    whole = tiles.swapaxes(1, 2).reshape(above * size, aside * size, *array.shape[3:])
    top -= rows.start * size
    left -= cols.start * size
    return whole[top : top + height, left : left + width]


def brightness(array: np.ndarray, scene: Mosaic, box: tuple[int, int, int, int]) -> np.ndarray:
    """The sum over the bands of a part, float32 [h, w]; arguments as of `cut_out`."""
    bands = cut_out(array, scene, box)
    total = bands[..., 0].astype(np.float32)
    for band in range(1, bands.shape[2]):  # an axis of three is slow to sum over
        total += bands[..., band]
    return total


def reduced(array: np.ndarray, scene: Mosaic, factor: int) -> np.ndarray:
    """The brightness of a whole scene, float32, each pixel the mean of `factor`² pixels; what is
    left over at the lower and right edge is dropped."""
    height = scene.height // factor
    width = scene.width // factor
    sums = np.zeros((height + 1, width + 1), np.float32)
    size = array.shape[1]

    for top, rows in strips(scene.height, size):
        strip = brightness(array, scene, (top, 0, rows, scene.width))
        sides = np.add.reduceat(strip, np.arange(0, scene.width, factor), axis=1)
        np.add.at(sums, (top + np.arange(rows)) // factor, _wide(sides, width + 1))

    return sums[:height, :width] / factor**2


def _wide(values: np.ndarray, width: int) -> np.ndarray:
    """Columns of zeros appended up to this width."""
    return np.pad(values, ((0, 0), (0, width - values.shape[1])))


def strips(height: int, size: int) -> Iterator[tuple[int, int]]:
    """First row and number of rows of parts that are at most `size` rows high."""
    for top in range(0, height, size):
        yield top, min(size, height - top)
