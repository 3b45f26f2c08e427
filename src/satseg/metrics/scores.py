"""The scores of a model: every metric and its bootstrap interval."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import pandas as pd

from satseg.metrics.counts import class_mean, class_metrics, counts_array, pixel_accuracy, ratio

FEW_SCENES = 10  # with fewer, tiles are resampled
INTERVAL = [2.5, 97.5]  # percentiles: a 95 % interval


def resampling_unit(scenes: Sequence) -> str:
    """What the bootstrap draws: `scene`, or `tile` if there are fewer than ten scenes.

    Args:
        scenes: the scene of each tile [T].
    """
    return "scene" if len(set(scenes)) >= FEW_SCENES else "tile"


class Sum(IntEnum):
    """What is summed per resampling unit and class: every metric is a function of these sums."""

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
    """Add up everything the metrics are functions of, per resampling unit.

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


def bootstrap_weights(units: int, resamples: int = 1000, seed: int = 0) -> np.ndarray:
    """How often each resample draws each unit: int64 [resamples, units], the same for the same
    arguments."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(units, np.full(units, 1 / units), size=resamples)


class Resampled(NamedTuple):
    """One metric of one model."""

    each: np.ndarray
    """Its value in each run, float64 [runs]."""
    draws: np.ndarray
    """Its value in each bootstrap resample, float64 [resamples]; NaN where it is not defined."""

    def row(self) -> tuple[float, float, float, float]:
        """Mean over runs, low and high end of the 95 % percentile interval, sample standard
        deviation over runs (NaN for one)."""
        runs = len(self.each)
        value = float(_weighted_mean(self.each, np.ones(runs)))
        low, high = interval(self.draws)
        deviation = self.each.std(ddof=1) if runs > 1 else np.nan
        return value, low, high, deviation


def scores(frames: Sequence[pd.DataFrame], resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Every metric of one model, with 95 % bootstrap percentile intervals; arguments and errors as
    of `resampled`.

    Returns:
        metric, class, value, low, high, deviation (over runs, sample standard deviation; NaN for
        one).
    """
    return scores_frame(resampled(frames, resamples, seed))


def scores_frame(metrics: dict[tuple[str, str], Resampled]) -> pd.DataFrame:
    """The frame of `scores`, from the metrics of `resampled`."""
    rows = [(*key, *metric.row()) for key, metric in metrics.items()]
    return pd.DataFrame(rows, columns=["metric", "class", "value", "low", "high", "deviation"])


def resampled(
    frames: Sequence[pd.DataFrame], resamples: int = 1000, seed: int = 0
) -> dict[tuple[str, str], Resampled]:
    """Every metric of one model, in its runs and in bootstrap resamples.

    Scenes (tiles, if there are fewer than ten scenes) are drawn with replacement. A metric of
    several runs is the mean over them, and runs are drawn with replacement too.

    Args:
        frames: the counts.csv frame of each run, all over the same tiles and classes.
        resamples: number of bootstrap resamples.
        seed: seed of the draws; models evaluated on the same tiles get the same draws, so that
            their differences, draw by draw, are paired.

    Returns:
        (metric, class name or `all`) → its values.

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

    by_scene = resampling_unit(scenes) == "scene"
    units = pd.factorize(scenes)[0] if by_scene else np.arange(len(scenes))
    unit_draws = bootstrap_weights(units.max() + 1, resamples, seed)
    run_draws = bootstrap_weights(len(frames), resamples, seed)

    values = []
    samples = []
    for counts, _, _ in arrays:
        sums = unit_sums(counts, units)
        values.append(summed_metrics(sums.sum(0), classes))
        samples.append(summed_metrics(np.tensordot(unit_draws, sums, 1), classes))

    metrics = {}
    for key in values[0]:
        each = np.array([run_values[key] for run_values in values])
        draws = np.stack([run_samples[key] for run_samples in samples], axis=1)
        metrics[key] = Resampled(each, _weighted_mean(draws, run_draws))
    return metrics


def _weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over the last axis, without NaN."""
    known = np.isfinite(values) * weights
    return ratio((np.nan_to_num(values) * known).sum(-1), known.sum(-1))


def interval(samples: np.ndarray) -> tuple[float, float]:
    """Low and high end of the 95 % percentile interval, over the resamples [resamples] in which the
    metric is defined; NaN if there is none."""
    known = samples[np.isfinite(samples)]
    if not len(known):
        return np.nan, np.nan
    low, high = np.percentile(known, INTERVAL).tolist()
    return low, high
