"""Counting a trained model's right and wrong pixels."""

from pathlib import Path

import numpy as np
import torch

from satseg.config.recipes import Augmentation
from satseg.data.augmentation import augment
from satseg.data.labels import pixels_column
from satseg.data.loader import TileDataset, loader
from satseg.data.store import Tiles
from satseg.devices import device
from satseg.errors import UserError
from satseg.metrics.counts import tile_counts
from satseg.models.segmenter import Segmenter, positions, predict
from satseg.progress import watched


def check_fit(segmenter: Segmenter, store: Tiles, weights: Path) -> None:
    """Refuse weights that were trained on other tiles than these.

    Raises:
        UserError: bands or classes differ.
    """
    bands = store.images.shape[-1]
    if segmenter.bands != bands:
        raise UserError(
            f"{weights}: trained on {segmenter.bands} bands, the tiles have {bands}; train the cell again"
        )
    unknown = [name for name in segmenter.classes if pixels_column(name) not in store.table]
    if unknown:
        raise UserError(
            f"{weights}: knows class {unknown[0]!r}, the tiles do not; train the cell again"
        )


def judge(
    segmenter: Segmenter, store: Tiles, chosen: np.ndarray, changes: Augmentation | None
) -> np.ndarray:
    """Counts int64 [N, C, 4] of the chosen tiles, after random changes of them where the recipe
    makes any."""
    counts = []
    batches = loader(TileDataset(store, chosen), segmenter.batch_size)
    for images, masks, numbers in watched(batches, len(batches), "evaluating", "batches"):
        images, masks = (
            images.to(device(), non_blocking=True),
            masks.to(device(), non_blocking=True),
        )
        if changes:
            # One draw for every model and seed: they are judged on the same pixels.
            images, masks = augment(images, masks, numbers, changes, seed=0, epoch=0)
        target = positions(masks, segmenter.counted)
        counts.append(tile_counts(predict(segmenter, images), target, len(segmenter.counted)).cpu())
    return torch.cat(counts).numpy()


def predicted(segmenter: Segmenter, store: Tiles, shown: np.ndarray) -> np.ndarray:
    """Class index of every pixel of the shown tiles, as they are: uint8 [K, H, W]."""
    counted = np.array(segmenter.counted, np.uint8)
    batches = loader(TileDataset(store, shown), segmenter.batch_size)
    return np.concatenate(
        [counted[predict(segmenter, images.to(device())).cpu().numpy()] for images, _, _ in batches]
    )
