"""Which class is taken for which, and how bright the pixels are where that happens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from satseg.data.labels import NO_LABEL

if TYPE_CHECKING:  # torch takes seconds to import, and only counting needs it
    import torch

COLUMNS = ["brightness", "truth", "prediction", "pixels"]
"""Of confusion.csv: `brightness` is the lowest value of a bin."""
BINS = 8
"""Bins of brightness, equally wide."""
WIDTH = 256 // BINS
"""Of a bin, in units of a pixel's 8 bits."""


class Confusion:
    """Pixels by brightness, true and predicted class, added up batch by batch.

    Nothing is read back from a GPU before the end.

    Args:
        num_classes: number of classes C.
        device: where to add up.
    """

    def __init__(self, num_classes: int, device: torch.device | str = "cpu"):
        import torch

        self.shape = (BINS, num_classes + 1, num_classes)  # a last row for pixels without a label
        size = BINS * (num_classes + 1) * num_classes
        self.pixels = torch.zeros(size, dtype=torch.int64, device=device)

    def add(self, images: torch.Tensor, target: torch.Tensor, prediction: torch.Tensor) -> None:
        """Count the pixels of a batch.

        Args:
            images: uint8, or float in [0, 1], [N, bands, H, W]; a pixel is as bright as the mean
                of its bands.
            target: class indices or `NO_LABEL`, integer [N, H, W].
            prediction: class indices, integer [N, H, W].
        """
        import torch

        _, rows, classes = self.shape
        scale = 255 if images.is_floating_point() else 1
        level = images.float().mean(1) * scale
        brightness = level.clamp(0, 255).long() // WIDTH
        truth = torch.where(target == NO_LABEL, rows - 1, target.long())
        bins = ((brightness * rows + truth) * classes + prediction.long()).flatten()
        if bins.device.type == "cpu":
            self.pixels += torch.bincount(bins, minlength=len(self.pixels))
        else:
            self.pixels.scatter_add_(0, bins, torch.ones_like(bins))

    def counts(self) -> np.ndarray:
        """Labelled pixels so far: int64 [BINS, C, C], by brightness, truth and prediction."""
        return self.pixels.reshape(self.shape)[:, :-1].cpu().numpy()


def confusion_table(counts: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """The content of confusion.csv, a row per brightness × truth × prediction.

    Args:
        counts: int64 [BINS, C, C], as of `Confusion.counts`.
        classes: names of the classes [C].
    """
    levels = [WIDTH * place for place in range(BINS)]
    rows = pd.MultiIndex.from_product([levels, classes, classes], names=COLUMNS[:3])
    return pd.DataFrame({"pixels": counts.ravel()}, index=rows).reset_index()


def class_counts(confusion: np.ndarray) -> np.ndarray:
    """tp, fp, fn, tn of each class [..., C, 4], from a confusion matrix [..., C, C] whose rows are
    the true classes."""
    tp = np.diagonal(confusion, axis1=-2, axis2=-1)
    fp = confusion.sum(-2) - tp
    fn = confusion.sum(-1) - tp
    tn = confusion.sum((-2, -1))[..., None] - tp - fp - fn
    return np.stack([tp, fp, fn, tn], axis=-1)
