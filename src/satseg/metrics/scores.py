"""The scores of a study: every metric, its interval, and the baseline they are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from satseg.metrics.counts import class_mean, class_metrics, counts_array, pixel_accuracy, ratio

FEW_SCENES = 10  # below this many, tiles are resampled


def resampling_unit(scenes: Sequence) -> str:
    """What the bootstrap draws: `scene`, or `tile` where there are fewer than ten scenes.

    Args:
        scenes: the scene of each tile [T].
    """
    return "scene" if len(set(scenes)) >= FEW_SCENES else "tile"


def unit_sums(counts: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Add up everything the metrics are functions of, per resampling unit.

    Args:
        counts: int64 [T, C, 4].
        units: unit index of each tile, int [T], 0 to U-1.

    Returns:
        float64 [U, C, 10]: tp, fp, fn, tn; sum of tile IoU and number of tiles where the class is
        in the mask; the same where it is in mask or prediction; the sum of the tiles' mean IoU and
        the number of tiles that have one (these two the same for every class).
    """
    tp, fp, fn, _ = np.moveaxis(counts, -1, 0)
    iou = np.nan_to_num(ratio(tp, tp + fp + fn))
    in_mask, in_either = tp + fn > 0, tp + fp + fn > 0
    mean = class_mean(iou, in_mask)[:, None]
    columns = [
        iou * in_mask,
        in_mask,
        iou * in_either,
        in_either,
        np.nan_to_num(mean),
        np.isfinite(mean),
    ]
    columns = [np.broadcast_to(column, iou.shape)[..., None] for column in columns]
    sums = np.zeros((units.max() + 1, counts.shape[1], 10))
    np.add.at(sums, units, np.concatenate([counts, *columns], axis=-1))
    return sums


def summed_metrics(sums: np.ndarray, classes: Sequence[str]) -> dict[tuple[str, str], np.ndarray]:
    """Every metric, from sums over units.

    Args:
        sums: [..., C, 10] as of `unit_sums`, added over units.
        classes: names of the classes [C].

    Returns:
        (metric, class name or `all`) → float64 [...]; NaN where it is not defined.
    """
    counts = sums[..., :4]
    in_mask, occurs = sums[..., 5] > 0, sums[..., 7] > 0
    published = np.nan_to_num(ratio(sums[..., 6], sums[..., 7]))
    means = class_metrics(counts)
    means["iou"] = means.pop("jaccard")
    metrics = {
        ("miou_d", "all"): class_mean(means["iou"], occurs),
        ("miou_i", "all"): ratio(sums[..., 0, 8], sums[..., 0, 9]),
        ("miou_c", "all"): class_mean(ratio(sums[..., 4], sums[..., 5]), in_mask),
        ("miou_published", "all"): published.mean(-1),
        ("pixel_accuracy", "all"): pixel_accuracy(counts),
    }
    metrics |= {
        (name, "all"): class_mean(means[name], occurs) for name in ("dice", "precision", "recall")
    }
    for name in ("iou", "dice", "precision", "recall"):
        metrics |= {(name, label): means[name][..., i] for i, label in enumerate(classes)}
    return metrics | {
        ("iou_published", label): published[..., i] for i, label in enumerate(classes)
    }


def bootstrap_weights(units: int, resamples: int = 1000, seed: int = 0) -> np.ndarray:
    """How often each resample draws each unit: int64 [resamples, units], the same for the same
    arguments."""
    return np.random.default_rng(seed).multinomial(units, np.full(units, 1 / units), size=resamples)


class Resampled(NamedTuple):
    """One metric of one model."""

    each: np.ndarray
    """Its value in each training, float64 [trainings]."""
    draws: np.ndarray
    """Its value in each bootstrap resample, float64 [resamples]; NaN where it is not defined."""

    def row(self) -> tuple[float, float, float, float]:
        """Mean over trainings, 95 % percentile interval, sample standard deviation over trainings
        (NaN for one)."""
        value = float(_weighted_mean(self.each, np.ones(len(self.each))))
        return value, *interval(self.draws), self.each.std(ddof=1) if len(self.each) > 1 else np.nan


def scores(frames: Sequence[pd.DataFrame], resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Every metric of one model, with 95 % bootstrap percentile intervals; as `resampled`.

    Returns:
        metric, class, value, low, high, deviation (over trainings, sample standard deviation; NaN
        for one).
    """
    return scores_frame(resampled(frames, resamples, seed))


def scores_frame(metrics: dict[tuple[str, str], Resampled]) -> pd.DataFrame:
    """The frame of `scores`, from the metrics of `resampled`."""
    rows = [(*key, *metric.row()) for key, metric in metrics.items()]
    return pd.DataFrame(rows, columns=["metric", "class", "value", "low", "high", "deviation"])


def resampled(
    frames: Sequence[pd.DataFrame], resamples: int = 1000, seed: int = 0
) -> dict[tuple[str, str], Resampled]:
    """Every metric of one model, in its trainings and in bootstrap resamples.

    Scenes (tiles, where there are fewer than ten scenes) are drawn with replacement; of several
    trainings the metric is the mean over them, and they are drawn with replacement too.

    Args:
        frames: the counts.csv frame of each training, all over the same tiles and classes.
        resamples: number of bootstrap resamples.
        seed: seed of the draws; models judged on the same tiles get the same draws, so that their
            differences, draw by draw, are those of the pair.

    Returns:
        (metric, class name or `all`) → its values.

    Raises:
        ValueError: a frame is not one row per tile × class, or the frames differ in tiles or
            classes.
    """
    arrays = [counts_array(frame) for frame in frames]
    _, classes, scenes = arrays[0]
    for frame, (_, others, places) in zip(frames, arrays, strict=True):
        same_tiles = np.array_equal(frame["tile"].unique(), frames[0]["tile"].unique())
        if others != classes or not same_tiles or not np.array_equal(places, scenes):
            raise ValueError("the trainings were judged on different tiles or classes")
    by_scene = resampling_unit(scenes) == "scene"
    units = pd.factorize(scenes)[0] if by_scene else np.arange(len(scenes))
    weights = bootstrap_weights(units.max() + 1, resamples, seed)
    draws = bootstrap_weights(len(frames), resamples, seed)
    sums = [unit_sums(counts, units) for counts, _, _ in arrays]
    values = [summed_metrics(one.sum(0), classes) for one in sums]
    samples = [summed_metrics(np.tensordot(weights, one, 1), classes) for one in sums]
    return {
        key: Resampled(
            np.array([one[key] for one in values]),
            _weighted_mean(np.stack([one[key] for one in samples], axis=1), draws),
        )
        for key in values[0]
    }


def _weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over the last axis, leaving out what is NaN."""
    known = np.isfinite(values) * weights
    return ratio((np.nan_to_num(values) * known).sum(-1), known.sum(-1))


def interval(samples: np.ndarray) -> tuple[float, float]:
    """The 2.5 and 97.5 percentiles of the resamples in which the metric is defined."""
    known = samples[np.isfinite(samples)]
    return tuple(np.percentile(known, [2.5, 97.5]).tolist()) if len(known) else (np.nan, np.nan)
