"""The baseline: what predicting the most frequent class everywhere would score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from satseg.data.labels import pixels_column


def subset_pixels(
    tiles: pd.DataFrame,
    split: pd.DataFrame,
    classes: Sequence[str],
    subset: str,
    padded_tiles: bool,
) -> dict[str, int]:
    """Pixels of each class in a subset's tiles, by name; arguments as of `majority_counts`."""
    pool = _pool(tiles, split, subset, padded_tiles)
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
    """Counts of a predictor that gives every pixel the most frequent class of the training tiles.

    Args:
        tiles: tiles.csv of the tile store: tile, scene, whole, pixels_<class>.
        split: tile, subset.
        classes: names of the counted classes [C]; pixels of others are left out.
        subset: the evaluated subset.
        padded_tiles: whether tiles that extend beyond a scene's edge take part.

    Returns:
        A counts.csv frame: tile, scene, class, tp, fp, fn, tn; and the name of that class (the
        first of several equally frequent ones).
    """
    frequencies = subset_pixels(tiles, split, classes, "train", padded_tiles)
    majority_class = max(classes, key=frequencies.get)

    evaluated = _pool(tiles, split, subset, padded_tiles).sort_values("tile")
    pixels = evaluated[[pixels_column(name) for name in classes]].to_numpy(np.int64)
    others = pixels.sum(1, keepdims=True) - pixels
    predicted = np.array(classes) == majority_class

    frame = pd.DataFrame(
        {
            "tile": np.repeat(evaluated["tile"].to_numpy(), len(classes)),
            "scene": np.repeat(evaluated["scene"].to_numpy(), len(classes)),
            "class": np.tile(np.array(classes, object), len(evaluated)),
            "tp": np.where(predicted, pixels, 0).ravel(),
            "fp": np.where(predicted, others, 0).ravel(),
            "fn": np.where(predicted, 0, pixels).ravel(),
            "tn": np.where(predicted, 0, others).ravel(),
        }
    )
    return frame, majority_class
