"""The tiles of a training and what they hold."""

import numpy as np
import pandas as pd
import torch

from satseg.data.labels import pixels_column
from satseg.data.loader import subset_tiles
from satseg.data.store import Tiles
from satseg.errors import UserError
from satseg.jobs.slices import TrainSlice
from satseg.losses import class_weights


def labelled_tiles(spec: TrainSlice, tiles: Tiles, split: pd.DataFrame, subset: str) -> np.ndarray:
    """Tile numbers of a subset, ascending.

    Raises:
        UserError: there are none, or they hold no pixel to learn from or to be judged by.
    """
    chosen = subset_tiles(tiles, split, subset, spec.training.padded_tiles)
    if not _pixels(spec, tiles, chosen).sum():
        names = ", ".join(spec.classes[i] for i in spec.counted)
        raise UserError(
            f"no pixel of subset {subset!r} is labelled {names}; use another split, or label more"
        )
    return chosen


def _pixels(spec: TrainSlice, tiles: Tiles, chosen: np.ndarray) -> np.ndarray:
    """Pixels of each counted class in these tiles."""
    return (
        tiles.table.loc[chosen, [pixels_column(spec.classes[i]) for i in spec.counted]]
        .sum()
        .to_numpy()
    )


def loss_weights(spec: TrainSlice, tiles: Tiles, train_tiles: np.ndarray) -> torch.Tensor | None:
    """Weight of each counted class in the loss, float32 [C], from the training pixels; None for a
    recipe without."""
    pixels = torch.tensor(_pixels(spec, tiles, train_tiles))
    return class_weights(pixels, spec.training.loss.class_weights)
