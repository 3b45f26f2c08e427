"""Worst tiles, kappa, areas and brightness, against their definitions."""

import numpy as np
import pytest

from satseg.metrics.errors import brightness_iou, error_metrics, kappa, lowest_mean


def test_kappa_is_that_of_the_textbook():
    # Cohen's example of two raters: 20 and 15 agreements, 5 and 10 disagreements; kappa 0.4.
    counts = np.array([[20, 10, 5, 15], [15, 5, 10, 20]])
    assert kappa(counts) == pytest.approx(0.4)
    assert kappa(np.array([[6, 0, 0, 4], [4, 0, 0, 6]])) == 1
    assert np.isnan(kappa(np.array([[9, 0, 0, 0], [0, 0, 0, 9]])))


@pytest.mark.parametrize(("share", "count"), [(5, 2), (10, 4), (1, 1)])
def test_the_lowest_mean_is_over_so_many_per_cent_and_at_least_one(share, count):
    values = np.append(np.random.default_rng(0).permutation(40) / 40, np.nan)
    assert lowest_mean(values, share) == pytest.approx(np.arange(count).mean() / 40)
    assert np.isnan(lowest_mean(np.full(3, np.nan), share))


def test_worst_means_and_areas_equal_a_loop():
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 9, (60, 3, 4))
    counts[:20, 2, [0, 2]] = 0  # the last class is in no mask there
    counts[..., 3] = 1
    found = error_metrics(counts, ["a", "b", "c"])

    tile_means = []
    of_classes = {0: [], 1: [], 2: []}
    for tile in counts:
        present = [c for c in range(3) if tile[c][0] + tile[c][2] > 0]
        ious = {c: tile[c][0] / tile[c][:3].sum() for c in present}
        if ious:
            tile_means.append(sum(ious.values()) / len(ious))
        for c, iou in ious.items():
            of_classes[c].append(iou)
    for share in (5, 10):
        worst = [sorted(v)[: max(1, int(len(v) * share / 100))] for v in of_classes.values()]
        lowest = sorted(tile_means)[: max(1, int(len(tile_means) * share / 100))]
        assert found[f"miou_i_{share}", "all"] == pytest.approx(np.mean(lowest))
        assert found[f"miou_c_{share}", "all"] == pytest.approx(
            np.mean([np.mean(w) for w in worst])
        )
    total = counts.sum(0)
    assert found["area", "b"] == pytest.approx(
        (total[1, 0] + total[1, 1]) / (total[1, 0] + total[1, 2])
    )


def test_a_model_that_fails_in_the_dark_has_its_score_there():
    confusion = np.zeros((8, 2, 2))
    confusion[0] = [[1, 3], [3, 1]]
    confusion[7] = [[20, 0], [0, 12]]
    found = brightness_iou(confusion, ["a", "b"])
    scores, shares = found["all"]
    assert scores[0] == pytest.approx(1 / 7) and scores[7] == 1 and np.isnan(scores[1:7]).all()
    assert shares[[0, 7]].tolist() == [0.2, 0.8]


def test_a_class_has_its_score_in_the_dark_by_itself():
    """A road that is taken for water, which is dark everywhere."""
    confusion = np.zeros((8, 3, 3))
    confusion[0] = [[2, 6, 0], [0, 10, 0], [0, 0, 0]]
    confusion[7] = [[9, 0, 1], [0, 0, 0], [2, 0, 10]]
    found = brightness_iou(confusion, ["Road", "Water", "Land"])
    assert found["Road"][0][[0, 7]] == pytest.approx([2 / 8, 9 / 12])
    assert found["Water"][0][[0, 7]] == pytest.approx([10 / 16, np.nan], nan_ok=True)
    assert found["Land"][0][[0, 7]] == pytest.approx([np.nan, 10 / 13], nan_ok=True)
    assert found["Road"][1][[0, 7]] == pytest.approx([8 / 40, 10 / 40])
    shares = np.sum([found[name][1] for name in ("Road", "Water", "Land")], axis=0)
    assert shares == pytest.approx(found["all"][1])
