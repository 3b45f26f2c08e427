"""The tiles whose predictions are kept, for the figures to choose from."""

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

from satseg.data.store import Tiles

POOL = 64  # tiles drawn, whatever they look like
HARD = 2  # tiles that are hard, beside these
LEAST_SHARE = 0.01  # of a tile that a class must cover to have a look there


class Panels(NamedTuple):
    """The tiles to keep."""

    tiles: np.ndarray
    """Tile numbers [K], ascending."""
    hard: list[str]
    """For each, the class that makes it hard, or an empty text."""


def panel_tiles(
    store: Tiles, tile_numbers: np.ndarray, counted: list[int], classes: list[str]
) -> Panels:
    """The tiles to keep, the same for every model: some drawn at random from every group, and some
    that are hard.

    Args:
        store: the tiles.
        tile_numbers: those to choose from, int64 [N].
        counted: class indices that count [C].
        classes: their names [C].
    """
    names = dict.fromkeys(_drawn_tiles(store, tile_numbers), "")
    names |= _hard_tiles(store, tile_numbers, counted, classes)
    tiles = sorted(names)
    return Panels(np.array(tiles), [names[tile] for tile in tiles])


def _drawn_tiles(store: Tiles, tile_numbers: np.ndarray) -> list[int]:
    """Tiles at random, from each group in turn: the same draw every time."""
    order = np.random.default_rng(0).permutation(tile_numbers)
    rows = store.table.loc[order]
    turn = rows.groupby("group", sort=False).cumcount()
    drawn = rows.assign(turn=turn).sort_values("turn", kind="stable")
    return drawn["tile"].head(POOL).tolist()


def _hard_tiles(
    store: Tiles, tile_numbers: np.ndarray, counted: list[int], classes: list[str]
) -> dict[int, str]:
    """The oddest tiles, of different classes: tile → class."""
    hard: dict[int, str] = {}
    for tile, name in odd_tiles(store, tile_numbers, counted, classes):
        if len(hard) < HARD and name not in hard.values() and tile not in hard:
            hard[tile] = name
    return hard


def odd_tiles(
    store: Tiles, tile_numbers: np.ndarray, counted: list[int], classes: list[str]
) -> list[tuple[int, str]]:
    """Tiles where a class looks least like itself elsewhere, such as roads in shadow: (tile,
    class), oddest first.

    A class's look in a tile is its mean colour there; how odd it is, the distance in standard
    deviations from the mean over these tiles. Only tiles of which the class covers at least 1 %
    count. Arguments as of `panel_tiles`.
    """
    looks = np.full((len(tile_numbers), len(counted), store.images.shape[-1]), np.nan)
    for row, tile in enumerate(tile_numbers):
        # A quarter of the pixels gives the mean colour well enough.
        image = store.images[tile][::2, ::2].astype(np.float32)
        mask = store.masks[tile][::2, ::2]
        for column, index in enumerate(counted):
            of_class = mask == index
            if of_class.mean() >= LEAST_SHARE:
                looks[row, column] = image[of_class].mean(0)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a class that never occurs has no mean
        spread = np.nanstd(looks, 0)
        deviations = (looks - np.nanmean(looks, 0)) / np.where(spread > 0, spread, np.nan)
    oddness = np.nan_to_num(np.sqrt((deviations**2).mean(-1)))

    order = np.argsort(-oddness, axis=None, kind="stable")
    rows, columns = np.unravel_index(order, oddness.shape)
    return [
        (int(tile_numbers[row]), classes[column])
        for row, column in zip(rows, columns, strict=True)
        if oddness[row, column] > 0
    ]


def save_panels(path: Path, panels: Panels, predictions: np.ndarray) -> None:
    """Write panels.npz.

    Args:
        path: the file.
        panels: the tiles.
        predictions: class index of each of their pixels, uint8 [K, H, W].
    """
    hard = np.array(panels.hard, np.str_)
    np.savez_compressed(path, tiles=panels.tiles, predictions=predictions, hard=hard)
