"""Counting right and wrong pixels per tile and class, and what follows from the counts alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from satseg.data.labels import NO_LABEL

if TYPE_CHECKING:  # torch takes seconds to import, and only counting needs it
    import torch


COUNTS = ["tp", "fp", "fn", "tn"]


def tile_counts(
    prediction: torch.Tensor,
    target: torch.Tensor,
    num_classes: int,
    ignore_index: int | None = NO_LABEL,
) -> torch.Tensor:
    """Count pixels per tile and class.

    Args:
        prediction: predicted class indices, integer [N, H, W] or [H, W].
        target: true class indices, same shape.
        num_classes: number of classes C.
        ignore_index: target value (0 to 255) that is left out, or None.

    Returns:
        int64 [N, C, 4] (or [C, 4] for one tile): tp, fp, fn, tn.

    Raises:
        ValueError: shapes differ, or a counted pixel holds no class index.
    """
    import torch

    if prediction.shape != target.shape:
        raise ValueError(
            f"prediction is {tuple(prediction.shape)}, target {tuple(target.shape)}; they must be equal"
        )
    if prediction.dim() == 2:
        return tile_counts(prediction[None], target[None], num_classes, ignore_index)[0]
    n, c = len(target), num_classes
    truth, guess = target.reshape(n, -1).long(), prediction.reshape(n, -1).long()
    if ignore_index is not None and _outside(guess, c):
        # Seldom, and a pass over all pixels: something else than a class is predicted where nothing
        # counts.
        guess = torch.where(truth == ignore_index, 0, guess)
    if _outside(guess, c):
        raise ValueError(f"prediction holds values outside the classes 0 to {c - 1}")
    # One bin per (tile, truth, guess), whatever the truth: the bins show what is wrong, pixels are
    # passed over once.
    values = NO_LABEL + 1
    first = torch.arange(n, device=truth.device)[:, None] * values * c
    bins = torch.add(guess, truth, alpha=c).add_(first)
    strange = _outside(truth, values)
    if not strange:
        table = torch.bincount(bins.flatten(), minlength=n * values * c).reshape(n, values, c)
        if ignore_index is not None:
            table[:, ignore_index] = 0
        strange = bool(table[:, c:].any())
    if strange:
        raise ValueError(f"target holds values outside the classes 0 to {c - 1}")
    confusion = table[:, :c]
    tp = confusion.diagonal(dim1=1, dim2=2)
    fp, fn = confusion.sum(1) - tp, confusion.sum(2) - tp
    tn = confusion.sum((1, 2))[:, None] - tp - fp - fn
    return torch.stack([tp, fp, fn, tn], dim=-1)


def _outside(values: torch.Tensor, above: int) -> bool:
    """Whether any value lies outside 0 to above - 1."""
    if not values.numel():
        return False
    low, high = (int(bound) for bound in values.aminmax())
    return low < 0 or high >= above


def ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """Elementwise over / under as float64; NaN where `under` is 0."""
    over, under = np.asarray(over, float), np.asarray(under, float)
    return np.divide(
        over, under, out=np.full(np.broadcast(over, under).shape, np.nan), where=under != 0
    )


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
    """Share of the counted pixels that are right: [..., C, 4] → [...]; NaN where none is
    counted."""
    counts = np.asarray(counts)
    return ratio(counts[..., 0].sum(-1), counts[..., 0, :].sum(-1))


def epoch_metrics(counts: np.ndarray, classes: str = "macro") -> dict[str, float]:
    """The metrics of history.csv, from the counts of an epoch or a batch.

    Args:
        counts: int [C, 4]: tp, fp, fn, tn.
        classes: `macro`, means over the classes that occur; `micro`, from the sums over classes.
    """
    counts = np.asarray(counts)
    accuracy = float(pixel_accuracy(counts))
    if classes == "micro":
        counts = counts.sum(0, keepdims=True)
    occurs = counts[:, :3].sum(1) > 0
    metrics = class_metrics(counts)
    means = {name: float(class_mean(values, occurs)) for name, values in metrics.items()}
    return means | {"pixel_accuracy": accuracy}


def class_mean(values: np.ndarray, occurs: np.ndarray) -> np.ndarray:
    """Mean over the classes that occur: [..., C] → [...]; NaN where none does."""
    # A class that occurs but is never predicted has no precision; it counts as 0, not as missing.
    return ratio(np.where(occurs, np.nan_to_num(values), 0).sum(-1), occurs.sum(-1))


def counts_array(frame: pd.DataFrame) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Turn a counts.csv frame into an array.

    Args:
        frame: tile, scene, class, tp, fp, fn, tn; a row per tile × class.

    Returns:
        int64 [T, C, 4] in the frame's order of tiles and classes, the class names [C], the scenes
        [T].

    Raises:
        ValueError: the frame is empty, or does not hold exactly one row per tile × class.
    """
    tiles, classes = frame["tile"].unique(), frame["class"].unique()
    full = pd.MultiIndex.from_product([tiles, classes])
    indexed = frame.set_index(["tile", "class"])
    if frame.empty or len(frame) != len(full) or not indexed.index.is_unique:
        raise ValueError(
            f"{len(frame)} rows for {len(tiles)} tiles × {len(classes)} classes; one each is expected"
        )
    counts = indexed.loc[full, COUNTS].to_numpy(np.int64).reshape(len(tiles), len(classes), 4)
    return counts, list(classes), frame.drop_duplicates("tile")["scene"].to_numpy()
