"""The colours of other scenes, as means and deviations in a space whose axes hardly correlate."""

from typing import NamedTuple

import numpy as np

from satseg.data.labels import NO_LABEL
from satseg.data.store import Tiles

# Brightness, red against blue, green against both: orthonormal, and nearly what the principal axes
# of the colours of natural images are.
AXES = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
SMALLEST = 0.01  # deviation; below it a tile has one colour, which is moved but not stretched
MOST = 2.0  # a deviation is stretched or shrunk by no more than this
CHUNK = 64  # tiles read at once


class Palette(NamedTuple):
    """Colours of the training tiles."""

    tiles: np.ndarray
    """Tile numbers, ascending [N]."""
    scenes: np.ndarray
    """Number of each tile's scene [N]."""
    means: np.ndarray
    """Mean of its pixels along `AXES`, float64 [N, 3]; pixels are in [0, 1]."""
    deviations: np.ndarray
    """Standard deviation, likewise."""

    def matrix(self, tile: int, draw: float, share: float) -> np.ndarray | None:
        """What gives a tile the colours of another scene's: a matrix [3, 4] for (red, green, blue,
        1).

        Args:
            tile: its number.
            draw: which of the other scenes' tiles, 0 to 1.
            share: how much of the change, 0 to 1.

        Returns:
            The matrix; None if the tile is not among these, or there is no other scene.
        """
        own = int(np.searchsorted(self.tiles, tile))
        if own == len(self.tiles) or self.tiles[own] != tile:
            return None
        others = np.flatnonzero(self.scenes != self.scenes[own])
        if not len(others):
            return None
        whole = self.towards(own, others[min(int(draw * len(others)), len(others) - 1)])
        return np.eye(3, 4) + share * (whole - np.eye(3, 4))

    def towards(self, own: int, other: int) -> np.ndarray:
        """What gives one tile the colours of another in full, both by their places here."""
        stretch = np.maximum(self.deviations[other], SMALLEST) / np.maximum(
            self.deviations[own], SMALLEST
        )
        stretch = np.clip(stretch, 1 / MOST, MOST)
        turned = AXES.T @ np.diag(stretch) @ AXES
        offset = AXES.T @ (self.means[other] - stretch * self.means[own])
        return np.column_stack([turned, offset])


def palette(store: Tiles, tile_numbers: np.ndarray) -> Palette:
    """Measure the colours of tiles, padding left out; reads each of them once.

    Args:
        store: tiles of three bands.
        tile_numbers: those to measure, ascending [N].
    """
    means = []
    deviations = []
    for start in range(0, len(tile_numbers), CHUNK):
        numbers = tile_numbers[start : start + CHUNK]
        images = np.asarray(store.images[numbers]).reshape(len(numbers), -1, 3)
        labelled = (np.asarray(store.masks[numbers]) != NO_LABEL).reshape(len(numbers), -1)
        shown = labelled | images.any(-1)
        for image, seen in zip(images, shown, strict=True):
            pixels = image[seen] / 255 @ AXES.T if seen.any() else np.zeros((1, 3))
            means.append(pixels.mean(0))
            deviations.append(pixels.std(0))

    table = store.table.set_index("tile")
    scenes = table["scene"].astype("category").cat.codes.reindex(tile_numbers).to_numpy()
    return Palette(tile_numbers, scenes, np.array(means), np.array(deviations))
