"""The scores of a model: every metric and its interval."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from enum import IntEnum
from functools import partial

import numpy as np
import pandas as pd

from satseg.metrics.counts import class_mean, class_metrics, counts_array, pixel_accuracy, ratio
from satseg.statistics.intervals import ScoreInterval, score_interval
from satseg.statistics.jackknife import Jackknife, jackknife


class Sum(IntEnum):
    """What is summed per unit and class: every metric is a function of these sums."""

    TP = 0
    FP = 1
    FN = 2
    TN = 3
    MASK_IOU = 4
    """Tile IoU, over the tiles whose mask holds the class."""
    MASK_TILES = 5
    """Number of these tiles."""
    EITHER_IOU = 6
    """Tile IoU, over the tiles whose mask or prediction holds the class."""
    EITHER_TILES = 7
    """Number of these tiles."""
    MEAN_IOU = 8
    """Mean IoU of a tile over the classes in its mask, over tiles; the same for every class."""
    MEAN_TILES = 9
    """Number of tiles that have such a mean; the same for every class."""


def unit_sums(counts: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Add up everything the metrics are functions of, per unit.

    Args:
        counts: int64 [T, C, 4]: tp, fp, fn, tn.
        units: unit index of each tile, int [T], 0 to U-1.

    Returns:
        float64 [U, C, S], S in the order of `Sum`.
    """
    tp, fp, fn, tn = np.moveaxis(counts, -1, 0)
    iou = np.nan_to_num(ratio(tp, tp + fp + fn))
    in_mask = tp + fn > 0
    in_either = tp + fp + fn > 0
    tile_mean = class_mean(iou, in_mask)[:, None]
    terms = {
        Sum.TP: tp,
        Sum.FP: fp,
        Sum.FN: fn,
        Sum.TN: tn,
        Sum.MASK_IOU: iou * in_mask,
        Sum.MASK_TILES: in_mask,
        Sum.EITHER_IOU: iou * in_either,
        Sum.EITHER_TILES: in_either,
        Sum.MEAN_IOU: np.nan_to_num(tile_mean),
        Sum.MEAN_TILES: np.isfinite(tile_mean),
    }

    tile_terms = np.stack([np.broadcast_to(terms[key], iou.shape) for key in Sum], axis=-1)
    sums = np.zeros((units.max() + 1, counts.shape[1], len(Sum)))
    np.add.at(sums, units, tile_terms)
    return sums


def summed_metrics(sums: np.ndarray, classes: Sequence[str]) -> dict[tuple[str, str], np.ndarray]:
    """Every metric, from sums over units.

    mIoU^D, mIoU^I and mIoU^C are those of arXiv 2310.19252; what each metric is, in words:
    `satseg.measures`.

    Args:
        sums: [..., C, S] as of `unit_sums`, added over units.
        classes: names of the classes [C].

    Returns:
        (metric, class name or `all`) → float64 [...]; NaN where it is not defined.
    """
    counts = sums[..., [Sum.TP, Sum.FP, Sum.FN, Sum.TN]]
    in_mask = sums[..., Sum.MASK_TILES] > 0
    in_either = sums[..., Sum.EITHER_TILES] > 0
    mask_iou = ratio(sums[..., Sum.MASK_IOU], sums[..., Sum.MASK_TILES])
    published_iou = ratio(sums[..., Sum.EITHER_IOU], sums[..., Sum.EITHER_TILES])
    published_iou = np.nan_to_num(published_iou)
    any_class = sums[..., 0, :]  # for the sums that are the same for every class

    per_class = class_metrics(counts)
    per_class["iou"] = per_class.pop("jaccard")
    metrics = {
        ("miou_d", "all"): class_mean(per_class["iou"], in_either),
        ("miou_i", "all"): ratio(any_class[..., Sum.MEAN_IOU], any_class[..., Sum.MEAN_TILES]),
        ("miou_c", "all"): class_mean(mask_iou, in_mask),
        ("miou_published", "all"): published_iou.mean(-1),
        ("pixel_accuracy", "all"): pixel_accuracy(counts),
    }
    for name in ("dice", "precision", "recall"):
        metrics[name, "all"] = class_mean(per_class[name], in_either)
    for name in ("iou", "dice", "precision", "recall"):
        for index, label in enumerate(classes):
            metrics[name, label] = per_class[name][..., index]
    for index, label in enumerate(classes):
        metrics["iou_published", label] = published_iou[..., index]
    return metrics


def jackknifed(
    frames: Sequence[pd.DataFrame], groups: Mapping[int, Hashable]
) -> dict[tuple[str, str], Jackknife]:
    """Every metric of one model in its runs, over all groups of tiles and without each of them.

    A group is the unit, because its tiles show the same ground; those of two groups never do.

    Args:
        frames: the counts.csv frame of each run, all over the same tiles and classes.
        groups: the group of each tile.

    Returns:
        (metric, class name or `all`) → its values. Those of models evaluated on the same tiles have
        the same units in the same order.

    Raises:
        ValueError: a frame is not one row per tile × class, or the frames differ in tiles or
            classes.
    """
    arrays = [counts_array(frame) for frame in frames]
    _, classes, scenes = arrays[0]
    tiles = frames[0]["tile"].unique()
    for frame, (_, run_classes, run_scenes) in zip(frames, arrays, strict=True):
        same_tiles = np.array_equal(frame["tile"].unique(), tiles)
        same_scenes = np.array_equal(run_scenes, scenes)
        if run_classes != classes or not same_tiles or not same_scenes:
            raise ValueError("the runs were evaluated on different tiles or classes")

    units, _ = pd.factorize(np.array([groups[tile] for tile in tiles], object))
    sums = np.stack([unit_sums(counts, units) for counts, _, _ in arrays])
    return jackknife(sums, partial(summed_metrics, classes=classes))


def intervals(metrics: Mapping[tuple[str, str], Jackknife]) -> dict[tuple[str, str], ScoreInterval]:
    """Each metric of `jackknifed`, with its 95 % interval where there is one."""
    return {key: score_interval(replicates) for key, replicates in metrics.items()}


def scores(frames: Sequence[pd.DataFrame], groups: Mapping[int, Hashable]) -> pd.DataFrame:
    """Every metric of one model, with 95 % intervals; arguments and errors as of `jackknifed`.

    Returns:
        metric, class, value (mean over runs), low, high (NaN where there is no interval), deviation
        (over runs, sample standard deviation; NaN for one).
    """
    rows = []
    for key, score in intervals(jackknifed(frames, groups)).items():
        rows.append([*key, score.value, score.low, score.high, score.deviation])
    return pd.DataFrame(rows, columns=["metric", "class", "value", "low", "high", "deviation"])
