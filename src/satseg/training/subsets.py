"""The tiles of a run, and the pixels of each class in them."""

import numpy as np
import pandas as pd
import torch

from satseg.config.grid import check_bands
from satseg.data.labels import pixels_column
from satseg.data.loader import subset_tiles
from satseg.data.store import Tiles, check_labels
from satseg.devices import device
from satseg.errors import UserError
from satseg.jobs.slices import TrainSlice
from satseg.losses import class_weights
from satseg.models import check_tiles


def labelled_tiles(job: TrainSlice, tiles: Tiles, split: pd.DataFrame, subset: str) -> np.ndarray:
    """Tile numbers of a subset, int64 [N], ascending.

    Args:
        job: the cell.
        tiles: the tile store.
        split: tile, scene, subset.
        subset: `train` or `val`.

    Raises:
        UserError: there are none, or none of their pixels has a counted class.
    """
    tile_numbers = subset_tiles(tiles, split, subset, job.training.padded_tiles)
    if not _class_pixels(job, tiles, tile_numbers).sum():
        names = ", ".join(job.classes[index] for index in job.counted)
        raise UserError(
            f"no pixel of subset {subset!r} is labelled {names}; use another split, or label more"
        )
    return tile_numbers


def loss_weights(job: TrainSlice, tiles: Tiles, train_tiles: np.ndarray) -> torch.Tensor | None:
    """Weight of each counted class in the loss, float32 [C], from the pixels of the training tiles;
    None if the recipe does not weight classes."""
    pixels = torch.tensor(_class_pixels(job, tiles, train_tiles))
    loss = job.training.loss
    return class_weights(pixels, loss.class_weights, loss.class_weights_scale)


def _class_pixels(job: TrainSlice, tiles: Tiles, tile_numbers: np.ndarray) -> np.ndarray:
    """Pixels of each counted class in these tiles, int64 [C]."""
    columns = [pixels_column(job.classes[index]) for index in job.counted]
    return tiles.table.loc[tile_numbers, columns].sum().to_numpy()


def check_trainable(job: TrainSlice, tiles: Tiles, split: pd.DataFrame) -> None:
    """Refuse, before anything is written, a cell that would fail later.

    Raises:
        UserError: a subset has no labelled pixel, a mask holds a value that is no class, or the
            bands, the tile size or the batch size do not fit the recipe or the model.
    """
    settings = job.training
    _, size, _, bands = tiles.images.shape
    check_bands(settings, bands, f"recipes.{job.cell.recipe}", job.cell.dataset)

    train_tiles = labelled_tiles(job, tiles, split, "train")
    val_tiles = labelled_tiles(job, tiles, split, "val")
    # Once for all: a look at every batch would keep a GPU waiting.
    check_labels(tiles, [*train_tiles, *val_tiles], len(job.classes), job.cell.dataset)

    # On a CPU, each process normalises over its own share of the batch.
    sharing = 1 if device().type == "cuda" else settings.devices
    share = settings.batch_size // sharing
    smallest_batch = min(2, share, settings.epoch_tiles or 2, len(train_tiles))
    check_tiles(job.cell.model, job.model, len(job.classes), bands, size, smallest_batch)
