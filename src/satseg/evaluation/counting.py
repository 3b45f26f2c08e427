"""Counting a trained model's right and wrong pixels."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from satseg.config.recipes import Augmentation
from satseg.data.augmentation import augment
from satseg.data.labels import pixels_column
from satseg.data.loader import TileDataset, loader
from satseg.data.store import Tiles
from satseg.devices import device, loader_workers
from satseg.errors import UserError
from satseg.metrics.confusion import Confusion
from satseg.metrics.counts import COUNTS, known_tile_counts
from satseg.models.segmenter import Segmenter, choose, positions, predict
from satseg.models.voting import VIEWS, mean_probabilities
from satseg.progress import watched

Choice = Callable[[torch.Tensor], torch.Tensor]
"""Images uint8 [B, C, H, W] → positions of their classes, int64 [B, H, W]."""


def check_fit(segmenter: Segmenter, store: Tiles, weights: Path) -> None:
    """Refuse weights that were trained on other tiles than these.

    Args:
        segmenter: the trained model.
        store: the tiles.
        weights: the file the model was read from, for the message.

    Raises:
        UserError: bands or classes differ.
    """
    bands = store.images.shape[-1]
    if segmenter.bands != bands:
        raise UserError(
            f"{weights}: trained on {segmenter.bands} bands, the tiles have {bands}; "
            "train the cell again"
        )
    unknown = [name for name in segmenter.classes if pixels_column(name) not in store.table]
    if unknown:
        raise UserError(
            f"{weights}: was trained with class {unknown[0]!r}, which the tiles do not have; "
            "train the cell again"
        )


class KeptPredictions:
    """The predictions of some of the evaluated tiles.

    Args:
        segmenter: the trained model.
        tile_numbers: the tiles to keep, ascending, int64 [K].
    """

    def __init__(self, segmenter: Segmenter, tile_numbers: np.ndarray):
        self.class_indices = np.array(segmenter.counted, np.uint8)
        self.tile_numbers = tile_numbers
        self.pixels: list[np.ndarray] = []

    def add(self, numbers: torch.Tensor, prediction: torch.Tensor) -> None:
        """Keep those of a batch: tile numbers [B], counted positions [B, H, W]."""
        rows = np.flatnonzero(np.isin(numbers.numpy(), self.tile_numbers))
        if len(rows):
            self.pixels.append(self.class_indices[prediction[rows].cpu().numpy()])

    def all(self) -> np.ndarray:
        """Class index of every pixel, uint8 [K, H, W], once every tile was evaluated."""
        return np.concatenate(self.pixels)


def evaluate_tiles(
    segmenter: Segmenter,
    store: Tiles,
    tile_numbers: np.ndarray,
    augmentation: Augmentation | None = None,
    confusion: Confusion | None = None,
    kept: KeptPredictions | None = None,
    choice: Choice | None = None,
) -> np.ndarray:
    """Predict tiles and count pixels.

    Args:
        segmenter: the trained model, on the device at hand.
        store: the tiles.
        tile_numbers: those to evaluate, int64 [N].
        augmentation: random changes of the tiles, for a recipe that augments them too.
        confusion: where to count which class is taken for which.
        kept: where to keep predictions; `tile_numbers` must rise.
        choice: what chooses the classes (default: the model alone).

    Returns:
        int64 [N, C, 4]: tp, fp, fn, tn of each tile and counted class.
    """
    counts = []
    batches = loader(TileDataset(store, tile_numbers), segmenter.batch_size, loader_workers())
    for images, masks, numbers in watched(batches, len(batches), "evaluating", "batches"):
        images = images.to(device(), non_blocking=True)
        masks = masks.to(device(), non_blocking=True)
        if augmentation:
            # The same draws for every model and seed: all are evaluated on the same pixels.
            images, masks = augment(images, masks, numbers, augmentation, seed=0, epoch=0)

        prediction = choice(images) if choice else predict(segmenter, images)
        target = positions(masks, segmenter.counted)
        counts.append(known_tile_counts(prediction, target, len(segmenter.counted)))
        if confusion:
            confusion.add(images, target, prediction)
        if kept:
            kept.add(numbers, prediction)
    return torch.cat(counts).cpu().numpy()


def voted(members: Sequence[Segmenter], tta: str) -> Choice | None:
    """What chooses the classes by the mean probabilities of several models and views; None if there
    is but one of both."""
    if len(members) == 1 and tta == "none":
        return None

    def choose_likeliest(images: torch.Tensor) -> torch.Tensor:
        shares = mean_probabilities(members, images, VIEWS[tta])
        return choose(shares, range(shares.shape[1]))

    return choose_likeliest


def predict_tiles(
    segmenter: Segmenter, store: Tiles, tile_numbers: np.ndarray, choice: Choice | None = None
) -> np.ndarray:
    """Predicted class index of every pixel of these tiles, not augmented: uint8 [N, H, W]."""
    class_indices = np.array(segmenter.counted, np.uint8)
    predictions = []
    for images, _, _ in loader(TileDataset(store, tile_numbers), segmenter.batch_size):
        images = images.to(device())
        prediction = choice(images) if choice else predict(segmenter, images)
        predictions.append(class_indices[prediction.cpu().numpy()])
    return np.concatenate(predictions)


def counts_table(
    counts: np.ndarray, store: Tiles, tile_numbers: np.ndarray, classes: list[str]
) -> pd.DataFrame:
    """The content of counts.csv: tile, scene, class, tp, fp, fn, tn; a row per tile × class.

    Args:
        counts: int64 [N, C, 4], as of `evaluate_tiles`.
        store: the tiles.
        tile_numbers: the evaluated ones, int64 [N].
        classes: names of the counted classes [C].
    """
    scenes = store.table.loc[tile_numbers, "scene"].to_numpy()
    table = pd.DataFrame(counts.reshape(-1, len(COUNTS)), columns=COUNTS)
    table.insert(0, "tile", np.repeat(tile_numbers, len(classes)))
    table.insert(1, "scene", np.repeat(scenes, len(classes)))
    table.insert(2, "class", np.tile(classes, len(tile_numbers)))
    return table
