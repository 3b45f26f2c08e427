"""Right and wrong pixels per tile and class, and the metrics that follow from the counts alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from satseg.data.labels import NO_LABEL

if TYPE_CHECKING:  # torch takes seconds to import, and only counting needs it
    import torch

COUNTS = ["tp", "fp", "fn", "tn"]
"""Columns of counts.csv, and what the last dimension of every array of counts holds."""
EPOCH_METRICS = ("jaccard", "dice", "pixel_accuracy", "precision", "recall")
"""The metrics of history.csv, in the order of its columns."""


def tile_counts(
    prediction: torch.Tensor,
    target: torch.Tensor,
    num_classes: int,
    ignore_index: int | None = NO_LABEL,
) -> torch.Tensor:
    """Count true and false positives and negatives per tile and class.

    Args:
        prediction: predicted class indices, integer [N, H, W] or [H, W].
        target: true class indices, same shape.
        num_classes: number of classes C.
        ignore_index: target value (0 to 255) whose pixels are left out, or None.

    Returns:
        int64 [N, C, 4] (or [C, 4] for one tile): tp, fp, fn, tn, on the inputs' device.

    Raises:
        ValueError: the shapes differ, or a counted pixel does not hold a class index.

    Source:
        The counts that mIoU^D, mIoU^I and mIoU^C are made of (arXiv 2310.19252).

    Example:
        counts = tile_counts(logits.argmax(1), masks, num_classes=5)
        tp, fp, fn, tn = counts.sum(0).T  # of all tiles, each [C]
    """
    import torch

    if prediction.shape != target.shape:
        raise ValueError(
            f"prediction is {tuple(prediction.shape)}, target {tuple(target.shape)}; "
            "they must be equal"
        )
    if prediction.dim() == 2:
        return tile_counts(prediction[None], target[None], num_classes, ignore_index)[0]

    tiles = len(target)
    truth = target.reshape(tiles, -1).long()
    guess = prediction.reshape(tiles, -1).long()
    if ignore_index is not None and _outside(guess, num_classes):
        # Ignored pixels may be predicted as anything. Only then: it takes a pass over all pixels.
        guess = torch.where(truth == ignore_index, 0, guess)
    if _outside(guess, num_classes):
        raise ValueError(f"prediction holds values outside the classes 0 to {num_classes - 1}")

    # One bin per (tile, truth, guess), for any truth of 8 bits: values that are not classes show up
    # in bins of their own, so that one pass over the pixels is enough.
    values = NO_LABEL + 1
    first_bin = torch.arange(tiles, device=truth.device)[:, None] * values * num_classes
    bins = torch.add(guess, truth, alpha=num_classes).add_(first_bin)
    invalid = _outside(truth, values)
    if not invalid:
        size = tiles * values * num_classes
        table = torch.bincount(bins.flatten(), minlength=size).reshape(tiles, values, num_classes)
        if ignore_index is not None:
            table[:, ignore_index] = 0
        invalid = bool(table[:, num_classes:].any())
    if invalid:
        raise ValueError(f"target holds values outside the classes 0 to {num_classes - 1}")

    confusion = table[:, :num_classes]
    tp = confusion.diagonal(dim1=1, dim2=2)
    fp = confusion.sum(1) - tp
    fn = confusion.sum(2) - tp
    tn = confusion.sum((1, 2))[:, None] - tp - fp - fn
    return torch.stack([tp, fp, fn, tn], dim=-1)


def known_tile_counts(
    prediction: torch.Tensor, target: torch.Tensor, num_classes: int
) -> torch.Tensor:
    """`tile_counts` of class indices that need no check; pixels labelled `NO_LABEL` are left out.

    On a GPU nothing is read back, and nothing is scattered: comparing every pixel with every class
    is faster than adding into few bins, and gives the same numbers in any order.

    Args:
        prediction: predicted class indices, integer [N, H, W].
        target: true class indices or `NO_LABEL`, same shape.
        num_classes: number of classes C.

    Returns:
        int64 [N, C, 4]: tp, fp, fn, tn, on the inputs' device.
    """
    import torch

    from satseg.devices import queues

    if not queues(target.device):
        return tile_counts(prediction, target, num_classes)

    truth = target.to(torch.uint8).flatten(1)[:, None]
    guess = prediction.to(torch.uint8).flatten(1)[:, None]
    classes = torch.arange(num_classes, dtype=torch.uint8, device=target.device)[:, None]
    labelled = truth != NO_LABEL
    actual = truth == classes
    guessed = (guess == classes) & labelled

    tp = (actual & guessed).sum(-1)
    fp = guessed.sum(-1) - tp
    fn = actual.sum(-1) - tp
    tn = labelled.sum(-1) - tp - fp - fn
    return torch.stack([tp, fp, fn, tn], dim=-1)


def _outside(values: torch.Tensor, end: int) -> bool:
    """Whether any value lies outside 0 to end - 1."""
    if not values.numel():
        return False
    low, high = values.aminmax()
    return int(low) < 0 or int(high) >= end


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Elementwise quotient, float64, of the common shape; NaN where the denominator is 0."""
    numerator = np.asarray(numerator, float)
    denominator = np.asarray(denominator, float)
    undefined = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    return np.divide(numerator, denominator, out=undefined, where=denominator != 0)


def class_metrics(counts: np.ndarray) -> dict[str, np.ndarray]:
    """IoU (jaccard), dice, precision and recall per class.

    Args:
        counts: [..., C, 4]: tp, fp, fn, tn.

    Returns:
        name → float64 [..., C]: TP/(TP+FP+FN), 2TP/(2TP+FP+FN), TP/(TP+FP), TP/(TP+FN); NaN where
        the denominator is 0.
    """
    tp, fp, fn, _ = np.moveaxis(np.asarray(counts), -1, 0)
    return {
        "jaccard": ratio(tp, tp + fp + fn),
        "dice": ratio(2 * tp, 2 * tp + fp + fn),
        "precision": ratio(tp, tp + fp),
        "recall": ratio(tp, tp + fn),
    }


def pixel_accuracy(counts: np.ndarray) -> np.ndarray:
    """Share of the counted pixels that have the right class: counts [..., C, 4] → float64 [...];
    NaN where none is counted."""
    counts = np.asarray(counts)
    tp, *_ = np.moveaxis(counts, -1, 0)
    one_class = counts[..., 0, :]  # the four counts of any class add up to all pixels
    return ratio(tp.sum(-1), one_class.sum(-1))


def epoch_metrics(counts: np.ndarray, classes: str = "macro") -> dict[str, float]:
    """The metrics of history.csv, `EPOCH_METRICS`, of an epoch or a batch.

    Args:
        counts: int [C, 4]: tp, fp, fn, tn.
        classes: `macro` for the mean over the classes that occur in mask or prediction, `micro`
            for the metrics of the counts summed over classes.
    """
    counts = np.asarray(counts)
    accuracy = float(pixel_accuracy(counts))
    if classes == "micro":
        counts = counts.sum(0, keepdims=True)

    tp, fp, fn, _ = np.moveaxis(counts, -1, 0)
    occurs = tp + fp + fn > 0
    means = {
        name: float(class_mean(values, occurs)) for name, values in class_metrics(counts).items()
    }
    return means | {"pixel_accuracy": accuracy}


def class_mean(values: np.ndarray, occurs: np.ndarray) -> np.ndarray:
    """Mean over the classes that occur: values and bool [..., C] → float64 [...]; NaN if none
    does."""
    # A class that occurs but is never predicted has no precision: it counts as 0, not as missing.
    return ratio(np.where(occurs, np.nan_to_num(values), 0).sum(-1), occurs.sum(-1))


def tile_means(counts: np.ndarray) -> np.ndarray:
    """In each tile, the mean IoU over the classes of its mask: counts [T, C, 4] → float64 [T]; NaN
    for a tile without a counted pixel."""
    tp, _, fn, _ = np.moveaxis(np.asarray(counts), -1, 0)
    return class_mean(class_metrics(counts)["jaccard"], tp + fn > 0)


def counts_array(frame: pd.DataFrame) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Turn a counts.csv frame into an array.

    Args:
        frame: tile, scene, class, tp, fp, fn, tn; a row per tile × class.

    Returns:
        Counts int64 [T, C, 4], in the frame's order of tiles and classes; class names [C]; the
        scene of each tile [T].

    Raises:
        ValueError: the frame is empty, or does not hold exactly one row per tile × class.
    """
    tiles = frame["tile"].unique()
    classes = frame["class"].unique()
    full = pd.MultiIndex.from_product([tiles, classes])
    indexed = frame.set_index(["tile", "class"])
    if frame.empty or len(frame) != len(full) or not indexed.index.is_unique:
        raise ValueError(
            f"{len(frame)} rows for {len(tiles)} tiles × {len(classes)} classes; "
            "one each is expected"
        )

    counts = indexed.loc[full, COUNTS].to_numpy(np.int64)
    counts = counts.reshape(len(tiles), len(classes), len(COUNTS))
    scenes = frame.drop_duplicates("tile")["scene"].to_numpy()
    return counts, list(classes), scenes
