"""The baseline: what always answering the most frequent class would score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from satseg.data.labels import pixels_column

MAJORITY = "majority"  # how tables and figures call the predictor of the most frequent class


def training_pixels(
    tiles: pd.DataFrame, split: pd.DataFrame, classes: Sequence[str], padded_tiles: bool
) -> dict[str, int]:
    """Pixels of each class in the training tiles; arguments as of `majority_counts`."""
    pool = _pool(tiles, split, "train", padded_tiles)
    return {name: int(pool[pixels_column(name)].sum()) for name in classes}


def _pool(
    tiles: pd.DataFrame, split: pd.DataFrame, subset: str, padded_tiles: bool
) -> pd.DataFrame:
    """The tiles of a subset that a recipe uses."""
    pool = tiles.merge(split[["tile", "subset"]], on="tile")
    return pool[(pool["subset"] == subset) & (padded_tiles | (pool["whole"] == 1))]


def majority_counts(
    tiles: pd.DataFrame,
    split: pd.DataFrame,
    classes: Sequence[str],
    subset: str,
    padded_tiles: bool,
) -> tuple[pd.DataFrame, str]:
    """Counts of the predictor that always says the most frequent class of the training tiles.

    Args:
        tiles: the tile store's tiles.csv.
        split: tile, subset.
        classes: names of the classes that count; pixels of others are left out.
        subset: subset that is judged.
        padded_tiles: whether tiles that reach over a scene's edge take part.

    Returns:
        A counts.csv frame, and the name of that class (the first of equals).
    """
    said = int(np.argmax(list(training_pixels(tiles, split, classes, padded_tiles).values())))
    judged = _pool(tiles, split, subset, padded_tiles).sort_values("tile")
    pixels = judged[[pixels_column(name) for name in classes]].to_numpy(np.int64)
    total, is_said = pixels.sum(1, keepdims=True), np.arange(len(classes)) == said
    frame = pd.DataFrame(
        {
            "tile": np.repeat(judged["tile"].to_numpy(), len(classes)),
            "scene": np.repeat(judged["scene"].to_numpy(), len(classes)),
            "class": np.tile(np.array(classes, object), len(judged)),
            "tp": np.where(is_said, pixels, 0).ravel(),
            "fp": np.where(is_said, total - pixels, 0).ravel(),
            "fn": np.where(is_said, 0, pixels).ravel(),
            "tn": np.where(is_said, 0, total - pixels).ravel(),
        }
    )
    return frame, classes[said]
