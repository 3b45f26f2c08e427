"""Counts of true and false positives and negatives, and every metric derived from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # torch takes seconds to import, and only counting needs it
    import torch

NO_LABEL = 255


def tile_counts(
    prediction: torch.Tensor, target: torch.Tensor, num_classes: int, ignore_index: int | None = NO_LABEL
) -> torch.Tensor:
    """Count pixels per tile and class.

    Args:
        prediction: predicted class indices, integer [N, H, W] or [H, W].
        target: true class indices, same shape.
        num_classes: number of classes C.
        ignore_index: target value that is left out, or None.

    Returns:
        int64 [N, C, 4] (or [C, 4] for one tile): tp, fp, fn, tn.

    Raises:
        ValueError: shapes differ, or a counted pixel holds no class index.
    """
    import torch

    if prediction.shape != target.shape:
        raise ValueError(f"prediction is {tuple(prediction.shape)}, target {tuple(target.shape)}; they must be equal")
    if prediction.dim() == 2:
        return tile_counts(prediction[None], target[None], num_classes, ignore_index)[0]
    n, c = len(target), num_classes
    truth, guess = target.reshape(n, -1).long(), prediction.reshape(n, -1).long()
    keep = torch.ones_like(truth, dtype=torch.bool) if ignore_index is None else truth != ignore_index
    for name, values in (("prediction", guess), ("target", truth)):
        if bool(((values < 0) | (values >= c))[keep].any()):
            raise ValueError(f"{name} holds values outside the classes 0 to {c - 1}")
    # One bin per (tile, truth, guess); left-out pixels share one bin behind them all.
    tile = torch.arange(n, device=truth.device)[:, None]
    bins = torch.where(keep, (tile * c + truth) * c + guess, n * c * c)
    confusion = torch.bincount(bins.flatten(), minlength=n * c * c + 1)[:-1].reshape(n, c, c)
    tp = confusion.diagonal(dim1=1, dim2=2)
    fp, fn = confusion.sum(1) - tp, confusion.sum(2) - tp
    tn = confusion.sum((1, 2))[:, None] - tp - fp - fn
    return torch.stack([tp, fp, fn, tn], dim=-1)


def ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """Elementwise over / under as float64; NaN where `under` is 0."""
    over, under = np.asarray(over, float), np.asarray(under, float)
    return np.divide(over, under, out=np.full(np.broadcast(over, under).shape, np.nan), where=under != 0)


def class_metrics(counts: np.ndarray) -> dict[str, np.ndarray]:
    """IoU (jaccard), dice, precision and recall per class.

    Args:
        counts: [..., C, 4]: tp, fp, fn, tn.

    Returns:
        name → float64 [..., C]; NaN where the denominator is 0.
    """
    tp, fp, fn, _ = np.moveaxis(np.asarray(counts), -1, 0)
    return {
        "jaccard": ratio(tp, tp + fp + fn),
        "dice": ratio(2 * tp, 2 * tp + fp + fn),
        "precision": ratio(tp, tp + fp),
        "recall": ratio(tp, tp + fn),
    }


def pixel_accuracy(counts: np.ndarray) -> np.ndarray:
    """Share of the counted pixels that are right: [..., C, 4] → [...]; NaN where none is counted."""
    counts = np.asarray(counts)
    return ratio(counts[..., 0].sum(-1), counts[..., 0, :].sum(-1))


def epoch_metrics(counts: np.ndarray) -> dict[str, float]:
    """The columns of history.csv: means over the classes that occur, from counts [C, 4] of a whole epoch."""
    means = {}
    occurs = np.asarray(counts)[:, :3].sum(1) > 0
    for name, values in class_metrics(counts).items():
        # A class that occurs but is never predicted has no precision; it counts as 0, not as missing.
        means[name] = float(np.nan_to_num(values[occurs]).mean()) if occurs.any() else float("nan")
    return means | {"pixel_accuracy": float(pixel_accuracy(counts))}
