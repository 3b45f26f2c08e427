"""Counts of true and false positives and negatives, and every metric derived from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:  # torch takes seconds to import, and only counting needs it
    import torch

NO_LABEL = 255
MAJORITY = "majority"  # how tables and figures call the predictor of the most frequent class
COUNTS = ["tp", "fp", "fn", "tn"]
FEW_SCENES = 10  # below this many, tiles are resampled

DEFINITIONS = {
    "miou_d": "IoU of each class from the pixels of all judged tiles together, then the mean over the "
    "classes that occur in the masks or in the predictions; a class that occurs in neither is left out.",
    "miou_i": "In each tile, the mean IoU of the classes present in its mask; then the mean over the tiles "
    "that have a labelled pixel.",
    "miou_c": "For each class, the mean IoU over the tiles whose mask holds it; then the mean over the "
    "classes that some mask holds.",
    "miou_published": "For each class, the mean IoU over the tiles where it is present in the mask or in the "
    "prediction; then the plain mean over all counted classes, one that is never present counting as 0.",
    "pixel_accuracy": "Share of all labelled pixels that are given their class.",
    "iou": "True positives over the union of mask and prediction, from the pixels of all judged tiles.",
    "iou_published": "Mean of the class's IoU over the tiles where it is present in the mask or in the "
    "prediction; 0 where it never is.",
    "dice": "Twice the true positives over the sum of mask and prediction, from the pixels of all judged "
    "tiles; as a mean, over the classes that occur.",
    "precision": "Share of the pixels predicted as the class that are of it; as a mean, over the classes "
    "that occur, one that is never predicted counting as 0.",
    "recall": "Share of the class's pixels that are predicted as it; as a mean, over the classes that occur, "
    "one that no mask holds counting as 0.",
}
"""What each metric of scores.csv is, in a sentence."""


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
        means[name] = float(_class_mean(values, occurs))
    return means | {"pixel_accuracy": float(pixel_accuracy(counts))}


def _class_mean(values: np.ndarray, occurs: np.ndarray) -> np.ndarray:
    """Mean over the classes that occur: [..., C] → [...]; NaN where none does."""
    # A class that occurs but is never predicted has no precision; it counts as 0, not as missing.
    return ratio(np.where(occurs, np.nan_to_num(values), 0).sum(-1), occurs.sum(-1))


# --- scores of an evaluation, with intervals -------------------------------------------------------------


def counts_array(frame: pd.DataFrame) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Turn a counts.csv frame into an array.

    Args:
        frame: tile, scene, class, tp, fp, fn, tn; a row per tile × class.

    Returns:
        int64 [T, C, 4] in the frame's order of tiles and classes, the class names [C], the scenes [T].

    Raises:
        ValueError: the frame is empty, or does not hold exactly one row per tile × class.
    """
    tiles, classes = frame["tile"].unique(), frame["class"].unique()
    full = pd.MultiIndex.from_product([tiles, classes])
    indexed = frame.set_index(["tile", "class"])
    if frame.empty or len(frame) != len(full) or not indexed.index.is_unique:
        raise ValueError(f"{len(frame)} rows for {len(tiles)} tiles × {len(classes)} classes; one each is expected")
    counts = indexed.loc[full, COUNTS].to_numpy(np.int64).reshape(len(tiles), len(classes), 4)
    return counts, list(classes), frame.drop_duplicates("tile")["scene"].to_numpy()


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
        float64 [U, C, 10]: tp, fp, fn, tn; sum of tile IoU and number of tiles where the class is in the
        mask; the same where it is in mask or prediction; the sum of the tiles' mean IoU and the number of
        tiles that have one (these two the same for every class).
    """
    tp, fp, fn, _ = np.moveaxis(counts, -1, 0)
    iou = np.nan_to_num(ratio(tp, tp + fp + fn))
    in_mask, in_either = tp + fn > 0, tp + fp + fn > 0
    mean = _class_mean(iou, in_mask)[:, None]
    columns = [iou * in_mask, in_mask, iou * in_either, in_either, np.nan_to_num(mean), np.isfinite(mean)]
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
        ("miou_d", "all"): _class_mean(means["iou"], occurs),
        ("miou_i", "all"): ratio(sums[..., 0, 8], sums[..., 0, 9]),
        ("miou_c", "all"): _class_mean(ratio(sums[..., 4], sums[..., 5]), in_mask),
        ("miou_published", "all"): published.mean(-1),
        ("pixel_accuracy", "all"): pixel_accuracy(counts),
    }
    metrics |= {(name, "all"): _class_mean(means[name], occurs) for name in ("dice", "precision", "recall")}
    for name in ("iou", "dice", "precision", "recall"):
        metrics |= {(name, label): means[name][..., i] for i, label in enumerate(classes)}
    return metrics | {("iou_published", label): published[..., i] for i, label in enumerate(classes)}


def bootstrap_weights(units: int, resamples: int = 1000, seed: int = 0) -> np.ndarray:
    """How often each resample draws each unit: int64 [resamples, units], the same for the same arguments."""
    return np.random.default_rng(seed).multinomial(units, np.full(units, 1 / units), size=resamples)


def scores(frames: Sequence[pd.DataFrame], resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Every metric of one model, with 95 % bootstrap percentile intervals.

    Scenes (tiles, where there are fewer than ten scenes) are drawn with replacement; of several trainings
    the metric is the mean over them, and they are drawn with replacement too.

    Args:
        frames: the counts.csv frame of each training, all over the same tiles and classes.
        resamples: number of bootstrap resamples.
        seed: seed of the draws; models judged on the same tiles get the same draws.

    Returns:
        metric, class, value, low, high, deviation (over trainings, sample standard deviation; NaN for one).

    Raises:
        ValueError: a frame is not one row per tile × class, or the frames differ in tiles or classes.
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
    rows = []
    for metric, label in values[0]:
        each = np.array([one[metric, label] for one in values])
        drawn = np.stack([one[metric, label] for one in samples], axis=1)
        low, high = _interval(_weighted_mean(drawn, draws))
        value = _weighted_mean(each, np.ones(len(each)))
        deviation = each.std(ddof=1) if len(each) > 1 else np.nan
        rows.append((metric, label, float(value), low, high, deviation))
    return pd.DataFrame(rows, columns=["metric", "class", "value", "low", "high", "deviation"])


def _weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over the last axis, leaving out what is NaN."""
    known = np.isfinite(values) * weights
    return ratio((np.nan_to_num(values) * known).sum(-1), known.sum(-1))


def _interval(samples: np.ndarray) -> tuple[float, float]:
    """The 2.5 and 97.5 percentiles of the resamples in which the metric is defined."""
    known = samples[np.isfinite(samples)]
    return tuple(np.percentile(known, [2.5, 97.5]).tolist()) if len(known) else (np.nan, np.nan)


def majority_counts(
    tiles: pd.DataFrame, split: pd.DataFrame, classes: Sequence[str], subset: str, padded_tiles: bool
) -> tuple[pd.DataFrame, str]:
    """Counts of the predictor that always says the most frequent class of the training tiles.

    Args:
        tiles: the tile store's tiles.csv.
        split: tile, subset.
        classes: names of the classes that count; pixels of others are left out.
        subset: subset that is judged.
        padded_tiles: whether tiles that reach over a scene's edge take part.

    Returns:
        A counts.csv frame, and the name of that class (the first of equals).
    """
    pool = tiles.merge(split[["tile", "subset"]], on="tile")
    pool = pool if padded_tiles else pool[pool["whole"] == 1]
    columns = [f"pixels_{name}" for name in classes]
    said = int(pool.loc[pool["subset"] == "train", columns].sum().to_numpy().argmax())
    judged = pool[pool["subset"] == subset].sort_values("tile")
    pixels = judged[columns].to_numpy(np.int64)
    total, is_said = pixels.sum(1, keepdims=True), np.arange(len(classes)) == said
    frame = pd.DataFrame(
        {
            "tile": np.repeat(judged["tile"].to_numpy(), len(classes)),
            "scene": np.repeat(judged["scene"].to_numpy(), len(classes)),
            "class": np.tile(np.array(classes, object), len(judged)),
            "tp": np.where(is_said, pixels, 0).ravel(),
            "fp": np.where(is_said, total - pixels, 0).ravel(),
            "fn": np.where(is_said, 0, pixels).ravel(),
            "tn": np.where(is_said, 0, total - pixels).ravel(),
        }
    )
    return frame, classes[said]
