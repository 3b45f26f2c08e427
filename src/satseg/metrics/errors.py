"""What a mean hides: the worst tiles, agreement beyond chance, areas, and dark pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from satseg.metrics.confusion import class_counts
from satseg.metrics.counts import class_mean, class_metrics, ratio, tile_means

WORST = (5, 10)
"""Per cent of the tiles that the worst-case means are over."""


def error_metrics(counts: np.ndarray, classes: Sequence[str]) -> dict[tuple[str, str], float]:
    """The metrics of errors.csv that follow from counts.

    Args:
        counts: int64 [T, C, 4]: tp, fp, fn, tn of each tile and class.
        classes: names of the classes [C].

    Returns:
        (metric, class name or `all`) → value; NaN where it is not defined.
    """
    tp, fp, fn, _ = np.moveaxis(counts, -1, 0)
    iou = np.nan_to_num(ratio(tp, tp + fp + fn))
    in_mask = tp + fn > 0
    of_tiles = tile_means(counts)

    metrics = {("kappa", "all"): kappa(counts.sum(0))}
    for share in WORST:
        metrics[f"miou_i_{share}", "all"] = lowest_mean(of_tiles, share)
        of_classes = [lowest_mean(iou[in_mask[:, c], c], share) for c in range(len(classes))]
        known = np.isfinite(of_classes)
        metrics[f"miou_c_{share}", "all"] = float(ratio(np.nansum(of_classes), known.sum()))

    predicted = (tp + fp).sum(0)
    true = (tp + fn).sum(0)
    for name, area in zip(classes, ratio(predicted, true), strict=True):
        metrics["area", name] = float(area)
    return metrics


def lowest_mean(values: np.ndarray, share: int) -> float:
    """Mean of the lowest `share` per cent of the values that are not NaN, at least of one; NaN for
    none."""
    ordered = np.sort(values[np.isfinite(values)])
    if not len(ordered):
        return float("nan")
    return float(ordered[: max(1, len(ordered) * share // 100)].mean())


def kappa(counts: np.ndarray) -> float:
    """Cohen's kappa of mask and prediction: counts [C, 4]; NaN if chance alone would agree."""
    tp, fp, fn, _ = np.moveaxis(np.asarray(counts, float), -1, 0)
    pixels = counts[0].sum()
    observed = ratio(tp.sum(), pixels)
    expected = ratio(((tp + fp) * (tp + fn)).sum(), pixels**2.0)
    return float(ratio(observed - expected, 1 - expected))


def brightness_iou(
    confusion: np.ndarray, classes: Sequence[str]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """IoU among the pixels of each brightness.

    Args:
        confusion: pixels [B, C, C] by brightness, truth and prediction.
        classes: names of the classes [C].

    Returns:
        `all` → mIoU over the classes that occur there [B], NaN where there is no pixel, and the
        share of all pixels that are as bright [B]; class name → its IoU [B], NaN where it does not
        occur, and the share of all pixels that are as bright and of this class [B].
    """
    counts = class_counts(confusion)
    occurs = counts[..., :3].sum(-1) > 0
    ious = class_metrics(counts)["jaccard"]
    true = ratio(confusion.sum(2), confusion.sum())
    found = {"all": (class_mean(ious, occurs), true.sum(1))}
    for place, name in enumerate(classes):
        found[name] = (ious[:, place], true[:, place])
    return found
