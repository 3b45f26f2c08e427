"""Counts and metrics against per-pixel loops, torchmetrics and closed forms."""

import numpy as np
import pandas as pd
import pytest
import torch
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassF1Score,
    MulticlassJaccardIndex,
    MulticlassPrecision,
    MulticlassRecall,
)

from satseg.data.labels import NO_LABEL
from satseg.measures import CLASS_METRICS, MEASURES, METRICS
from satseg.metrics.baseline import majority_counts
from satseg.metrics.counts import (
    class_metrics,
    counts_array,
    epoch_metrics,
    pixel_accuracy,
    ratio,
    tile_counts,
)
from satseg.metrics.scores import (
    bootstrap_weights,
    resampled,
    resampling_unit,
    scores,
    summed_metrics,
    unit_sums,
)

CLASSES = ["a", "b", "c", "d"]


def random_masks(seed: int, tiles: int = 8, size: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and targets with absent classes, ignored pixels, and one tile that is all
    ignored."""
    rng = np.random.default_rng(seed)
    target = np.stack(
        [rng.choice(rng.choice(4, 1 + i % 3, replace=False), (size, size)) for i in range(tiles)]
    )
    prediction = np.where(rng.random(target.shape) < 0.4, rng.integers(0, 4, target.shape), target)
    target[rng.random(target.shape) < 0.15] = NO_LABEL
    target[3] = NO_LABEL
    return prediction, target


def loop_counts(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """int [T, C, 4], pixel by pixel."""
    counts = np.zeros((len(target), 4, 4), int)
    for tile in range(len(target)):
        for p, t in zip(prediction[tile].flat, target[tile].flat, strict=True):
            for c in range(4):
                if t != NO_LABEL:
                    counts[
                        tile,
                        c,
                        {(1, 1): 0, (1, 0): 1, (0, 1): 2, (0, 0): 3}[int(p == c), int(t == c)],
                    ] += 1
    return counts


def to_frame(counts: np.ndarray, scenes=None, classes=CLASSES) -> pd.DataFrame:
    scenes = [f"s{i}" for i in range(len(counts))] if scenes is None else scenes
    rows = []
    for tile, scene in enumerate(scenes):
        for position, name in enumerate(classes):
            rows.append([tile, scene, name, *counts[tile, position]])
    return pd.DataFrame(rows, columns=["tile", "scene", "class", "tp", "fp", "fn", "tn"])


def loop_scores(prediction: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """The overall metrics, each written out from its definition, without counts."""
    keep = target != NO_LABEL

    def iou(p: np.ndarray, t: np.ndarray, c: int) -> float | None:
        union = int(((p == c) | (t == c)).sum())
        return int(((p == c) & (t == c)).sum()) / union if union else None

    def mean(values: list) -> float:
        values = [v for v in values if v is not None]
        return sum(values) / len(values) if values else float("nan")

    tiles = [(p[k], t[k]) for p, t, k in zip(prediction, target, keep, strict=True)]
    whole = prediction[keep], target[keep]
    tile_means = []
    for p, t in tiles:
        if t.size:
            tile_means.append(mean([iou(p, t, c) for c in range(4) if (t == c).any()]))
    class_means = []
    published = []
    for c in range(4):
        in_mask = [iou(p, t, c) for p, t in tiles if (t == c).any()]
        if in_mask:
            class_means.append(mean(in_mask))
        in_either = [iou(p, t, c) for p, t in tiles if ((p == c) | (t == c)).any()]
        published.append(mean(in_either) if in_either else 0)
    return {
        "miou_d": mean([iou(*whole, c) for c in range(4)]),
        "miou_i": mean(tile_means),
        "miou_c": mean(class_means),
        "miou_published": sum(published) / 4,
        "pixel_accuracy": float((whole[0] == whole[1]).mean()),
    }


def overall(frame: pd.DataFrame, label: str = "all") -> dict[str, float]:
    table = scores([frame], resamples=50)
    return table[table["class"] == label].set_index("metric")["value"].to_dict()


# --- counts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_counts_equal_a_loop_over_pixels(seed):
    prediction, target = random_masks(seed)
    counts = tile_counts(torch.from_numpy(prediction), torch.from_numpy(target), 4)
    np.testing.assert_array_equal(counts.numpy(), loop_counts(prediction, target))
    assert counts.dtype == torch.int64


def test_counts_of_one_tile_and_without_ignore_index():
    prediction = torch.tensor([[0, 1], [1, 1]])
    target = torch.tensor([[0, 0], [1, 1]])
    assert tile_counts(prediction, target, 2, None).tolist() == [[1, 0, 1, 2], [2, 1, 0, 1]]


@pytest.mark.parametrize(
    ("prediction", "target", "what"), [([4], [0], "prediction"), ([0], [-1], "target")]
)
def test_counts_reject_what_is_no_class(prediction, target, what):
    with pytest.raises(ValueError, match=what):
        tile_counts(torch.tensor([prediction]), torch.tensor([target]), 4)


def test_counts_ignore_any_prediction_where_there_is_no_label():
    assert tile_counts(torch.tensor([[9, 1]]), torch.tensor([[NO_LABEL, 1]]), 2).tolist() == [
        [0, 0, 0, 1],
        [1, 0, 0, 0],
    ]


def test_counts_reject_different_shapes():
    with pytest.raises(ValueError, match="must be equal"):
        tile_counts(torch.zeros(2, 2, dtype=torch.long), torch.zeros(2, 3, dtype=torch.long), 2)


def test_ratio_is_nan_over_zero():
    np.testing.assert_array_equal(
        ratio(np.array([1, 0, 3]), np.array([2, 0, 0])), [0.5, np.nan, np.nan]
    )


# --- metrics --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_overall_metrics_equal_their_definitions_pixel_by_pixel(seed):
    prediction, target = random_masks(seed)
    found = overall(to_frame(loop_counts(prediction, target)))
    for name, value in loop_scores(prediction, target).items():
        assert found[name] == pytest.approx(value, abs=1e-12), name


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("iou", MulticlassJaccardIndex),
        ("dice", MulticlassF1Score),
        ("precision", MulticlassPrecision),
        ("recall", MulticlassRecall),
    ],
)
def test_class_metrics_equal_torchmetrics(name, reference):
    prediction, target = map(torch.from_numpy, random_masks(1))
    frame = to_frame(tile_counts(prediction, target, 4).numpy())
    each = reference(4, average="none", ignore_index=NO_LABEL)(prediction, target)
    mean = reference(4, average="macro", ignore_index=NO_LABEL)(prediction, target)
    assert [overall(frame, c)[name] for c in CLASSES] == pytest.approx(each.tolist(), abs=1e-6)
    assert overall(frame)["miou_d" if name == "iou" else name] == pytest.approx(
        mean.item(), abs=1e-6
    )


def test_pixel_accuracy_equals_torchmetrics():
    prediction, target = map(torch.from_numpy, random_masks(2))
    reference = MulticlassAccuracy(4, average="micro", ignore_index=NO_LABEL)(
        prediction, target
    ).item()
    counts = tile_counts(prediction, target, 4).numpy()
    assert overall(to_frame(counts))["pixel_accuracy"] == pytest.approx(reference, abs=1e-6)
    assert epoch_metrics(counts.sum(0))["pixel_accuracy"] == pytest.approx(reference, abs=1e-6)


def test_epoch_metrics_agree_with_the_scores_of_the_same_counts():
    counts = loop_counts(*random_masks(4))
    found = overall(to_frame(counts))
    epoch = epoch_metrics(counts.sum(0))
    assert epoch["jaccard"] == pytest.approx(found["miou_d"], abs=1e-12)
    for name in ("dice", "precision", "recall", "pixel_accuracy"):
        assert epoch[name] == pytest.approx(found[name], abs=1e-12)


def test_published_iou_of_a_class_counts_the_tiles_where_it_is_in_mask_or_prediction():
    # Tile 0 holds `a` (IoU 1/2), tile 1 only predicts it (IoU 0), tile 2 knows nothing of it.
    counts = np.array([[[2, 1, 1, 0]], [[0, 3, 0, 1]], [[0, 0, 0, 4]]])
    found = overall(to_frame(counts, classes=["a"]), "a")
    assert found["iou_published"] == pytest.approx(0.25)
    assert overall(to_frame(counts, classes=["a"]))["miou_c"] == pytest.approx(0.5)


def test_an_absent_class_is_left_out_but_counts_as_zero_under_the_published_rule():
    counts = np.zeros((2, 2, 4), int)
    counts[:, 0] = [6, 0, 2, 8]
    counts[:, 1] = [0, 0, 0, 16]
    found = overall(to_frame(counts, classes=["a", "b"]))
    absent = overall(to_frame(counts, classes=["a", "b"]), "b")
    assert [found[k] for k in ("miou_d", "miou_i", "miou_c")] == pytest.approx([0.75] * 3)
    assert found["miou_published"] == pytest.approx(0.375)
    assert absent["iou_published"] == 0
    assert np.isnan(absent["iou"])


def test_a_class_that_is_only_predicted_lowers_the_set_level_mean_alone():
    counts = np.array([[[4, 0, 4, 0], [0, 4, 0, 4]]])
    found = overall(to_frame(counts, classes=["a", "b"]))
    assert [found[k] for k in ("miou_d", "miou_i", "miou_c")] == pytest.approx([0.25, 0.5, 0.5])


def test_a_tile_without_labels_changes_nothing():
    counts = loop_counts(*random_masks(0))
    assert counts[3].sum() == 0
    assert overall(to_frame(counts)) == pytest.approx(overall(to_frame(np.delete(counts, 3, 0))))


def test_only_ignored_pixels_give_nan():
    found = overall(to_frame(np.zeros((2, 4, 4), int)))
    assert all(np.isnan(found[k]) for k in ("miou_d", "miou_i", "miou_c", "pixel_accuracy"))


def test_every_metric_that_may_be_named_is_scored_and_no_other():
    scored = scores([to_frame(loop_counts(*random_masks(0)))])["metric"]
    assert set(scored) == {*METRICS, *CLASS_METRICS}


def test_every_metric_is_defined_in_words():
    assert all(MEASURES[name].definition.endswith(".") for name in (*METRICS, *CLASS_METRICS))


# --- frames ---------------------------------------------------------------------------------------


def test_counts_array_restores_the_array_whatever_the_order_of_rows():
    counts = loop_counts(*random_masks(0))
    frame = to_frame(counts).sample(frac=1, random_state=1)
    array, classes, scenes = counts_array(frame)
    order = [int(scene[1:]) for scene in scenes]
    np.testing.assert_array_equal(array, counts[order][:, [CLASSES.index(c) for c in classes]])


@pytest.mark.parametrize(
    "spoil", [lambda f: f.iloc[1:], lambda f: pd.concat([f, f.iloc[:1]]), lambda f: f.iloc[:0]]
)
def test_counts_array_rejects_missing_and_double_rows(spoil):
    with pytest.raises(ValueError, match="one each is expected"):
        counts_array(spoil(to_frame(loop_counts(*random_masks(0)))))


# --- intervals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("per_scene", [1, 2])
def test_bootstrap_equals_drawing_the_tiles_themselves(per_scene):
    prediction, target = random_masks(6, tiles=20)
    scenes = [f"s{i // per_scene}" for i in range(20)]
    table = scores([to_frame(loop_counts(prediction, target), scenes)], resamples=40, seed=3)
    table = table[table["class"] == "all"].set_index("metric")
    samples = []
    for weights in bootstrap_weights(20 // per_scene, 40, 3):
        drawn = np.repeat(np.arange(20), np.repeat(weights, per_scene))
        samples.append(loop_scores(prediction[drawn], target[drawn]))
    for name in samples[0]:
        low, high = np.percentile([s[name] for s in samples], [2.5, 97.5])
        assert table.loc[name, ["low", "high"]].tolist() == pytest.approx([low, high], abs=1e-12), (
            name
        )
        assert table.loc[name, "low"] < table.loc[name, "value"] < table.loc[name, "high"]


def test_vectorised_metrics_equal_one_at_a_time():
    counts = loop_counts(*random_masks(2))
    sums = unit_sums(counts, np.arange(8))
    weights = bootstrap_weights(8, 5)
    together = summed_metrics(np.tensordot(weights, sums, 1), CLASSES)
    for i, weight in enumerate(weights):
        alone = summed_metrics((weight[:, None, None] * sums).sum(0), CLASSES)
        for key, value in alone.items():
            np.testing.assert_allclose(together[key][i], value, atol=1e-12)


def test_weights_are_reproducible_and_draw_as_many_units_as_there_are():
    weights = bootstrap_weights(13, 200, 7)
    np.testing.assert_array_equal(weights, bootstrap_weights(13, 200, 7))
    assert weights.shape == (200, 13)
    assert (weights.sum(1) == 13).all()
    assert not np.array_equal(weights, bootstrap_weights(13, 200, 8))


@pytest.mark.parametrize(("scenes", "unit"), [(9, "tile"), (10, "scene")])
def test_scenes_are_resampled_from_ten_on(scenes, unit):
    assert resampling_unit([f"s{i % scenes}" for i in range(40)]) == unit


def test_few_scenes_fall_back_to_tiles():
    counts = loop_counts(*random_masks(5, tiles=12))
    one_scene = scores([to_frame(counts, ["s"] * 12)])
    pd.testing.assert_frame_equal(one_scene, scores([to_frame(counts)]))


def test_one_unit_has_an_interval_without_width():
    table = scores([to_frame(loop_counts(*random_masks(1))[:1], ["s"])]).dropna(subset="value")
    assert len(table) > 10
    np.testing.assert_array_equal(table["low"], table["value"])
    np.testing.assert_array_equal(table["high"], table["value"])


def test_several_runs_give_mean_deviation_and_a_wider_interval():
    prediction, target = random_masks(3, tiles=30)
    worse = np.where(np.random.default_rng(0).random(target.shape) < 0.5, 0, prediction)
    frames = [to_frame(loop_counts(p, target)) for p in (prediction, worse)]
    alone = [scores([f]).set_index(["metric", "class"]) for f in frames]
    both = scores(frames).set_index(["metric", "class"]).loc["miou_d", "all"]
    values = [a.loc[("miou_d", "all"), "value"] for a in alone]
    assert both["value"] == pytest.approx(np.mean(values), abs=1e-12)
    assert both["deviation"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5, abs=1e-12)
    assert both["low"] < min(values) + 0.05 < max(values) - 0.05 < both["high"]
    assert alone[0]["deviation"].isna().all()


def test_draws_of_models_evaluated_on_the_same_tiles_are_paired():
    prediction, target = random_masks(3, tiles=12)
    shifted = np.roll(prediction, 1, axis=1)
    counts = [loop_counts(prediction, target), loop_counts(shifted, target)]
    first = resampled([to_frame(counts[0])], 20, 4)["miou_d", "all"].draws
    second = resampled([to_frame(counts[1])], 20, 4)["miou_d", "all"].draws
    for k, weight in enumerate(bootstrap_weights(12, 20, 4)):
        tiles = np.repeat(np.arange(12), weight)
        alone = [scores([to_frame(c[tiles])], 1).set_index(["metric", "class"]) for c in counts]
        one = alone[0].loc[("miou_d", "all"), "value"]
        two = alone[1].loc[("miou_d", "all"), "value"]
        assert second[k] - first[k] == pytest.approx(two - one, abs=1e-12)


def test_runs_evaluated_on_different_tiles_are_rejected():
    counts = loop_counts(*random_masks(3))
    with pytest.raises(ValueError, match="different tiles"):
        scores([to_frame(counts), to_frame(counts[:-1])])


# --- majority baseline ----------------------------------------------------------------------------


def stored_tiles() -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """A tile store's table, a split, and its masks: class 3 is most frequent but does not count."""
    rng = np.random.default_rng(0)
    masks = rng.choice(4, (12, 6, 6), p=[0.15, 0.3, 0.15, 0.4])
    masks[:, 0] = NO_LABEL
    tiles = pd.DataFrame(
        {"tile": range(12), "scene": [f"s{i // 3}" for i in range(12)], "whole": [1, 1, 0] * 4}
    )
    for i, name in enumerate(CLASSES):
        tiles[f"pixels_{name}"] = (masks == i).sum((1, 2))
    split = pd.DataFrame(
        {"tile": range(12), "scene": tiles["scene"], "subset": ["train", "val", "val", "train"] * 3}
    )
    return tiles, split, masks


@pytest.mark.parametrize("padded", [True, False])
def test_majority_baseline_equals_counting_its_predictions(padded):
    tiles, split, masks = stored_tiles()
    frame, said = majority_counts(tiles, split, CLASSES[:3], "val", padded)
    evaluated = [
        i for i in range(12) if split["subset"][i] == "val" and (padded or tiles["whole"][i])
    ]
    target = np.where(masks == 3, NO_LABEL, masks)[evaluated]
    expected = tile_counts(torch.full(target.shape, 1), torch.from_numpy(target), 3).numpy()
    array, classes, scenes = counts_array(frame)
    assert said == "b"
    assert classes == CLASSES[:3]
    assert frame["tile"].unique().tolist() == evaluated
    assert scenes.tolist() == tiles["scene"][evaluated].tolist()
    np.testing.assert_array_equal(array, expected)


def test_majority_class_comes_from_the_training_tiles_alone():
    tiles, split, _ = stored_tiles()
    tiles.loc[split["subset"] == "val", "pixels_a"] = 10_000
    assert majority_counts(tiles, split, CLASSES[:3], "val", True)[1] == "b"


def test_majority_baseline_finds_every_pixel_of_its_class_and_no_other():
    tiles, split, _ = stored_tiles()
    counts, _, _ = counts_array(majority_counts(tiles, split, CLASSES[:3], "val", True)[0])
    found = class_metrics(counts.sum(0))
    assert found["recall"].tolist() == [0, 1, 0]
    assert pixel_accuracy(counts.sum(0)) == pytest.approx(found["jaccard"][1])
