"""Which tiles stand for the others: against percentiles counted one by one."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import percentileofscore

from satseg.study.selection import (
    ChosenTile,
    models_mean,
    percentile_ranks,
    representative_tiles,
)


def test_percentiles_are_those_of_scipy():
    scores = pd.Series(np.random.default_rng(0).integers(0, 9, 40) / 9)
    expected = [percentileofscore(scores, value, kind="mean") for value in scores]
    assert percentile_ranks(scores).tolist() == pytest.approx(expected)


def test_few_groups_each_show_their_own_percentiles():
    scores = pd.Series(np.arange(100) / 100)  # the first group scores lower than all of the second
    groups = pd.Series(["low"] * 40 + ["high"] * 60)
    chosen = representative_tiles(scores, groups, range(100))
    assert chosen == [
        ChosenTile(tile, tile + 0.5) for tile in (3, 19, 35, 45, 69, 93)
    ]  # 10 % of 40 tiles lie below the middle of tile 3 and 4; the first of two equals


def test_only_kept_tiles_are_shown_and_none_twice():
    scores = pd.Series([0.1, 0.2, 0.3, 0.4, np.nan])
    groups = pd.Series(["one"] * 5)
    assert [t.tile for t in representative_tiles(scores, groups, [2, 4])] == [2]
    chosen = [t.tile for t in representative_tiles(scores, groups, range(5))]
    assert chosen == [0, 1, 3]
    assert representative_tiles(scores, groups, []) == []


def test_of_many_groups_no_two_tiles_come_from_one():
    rng = np.random.default_rng(1)
    scores = pd.Series(rng.random(300))
    groups = pd.Series(np.arange(300) // 15)
    chosen = representative_tiles(scores, groups, range(0, 300, 2))
    assert len(chosen) == 9
    assert groups[[t.tile for t in chosen]].is_unique
    for tile, target in zip(chosen, [10] * 3 + [50] * 3 + [90] * 3, strict=True):
        below = (scores < scores[tile.tile]).mean() * 100 + 100 / 600
        assert tile.percentile == pytest.approx(below)
        assert abs(below - target) < 5


def test_a_fourth_group_is_no_reason_to_show_fewer():
    scores = pd.Series(np.arange(8.0))
    chosen = representative_tiles(scores, pd.Series(list("aabbccdd")), range(8))
    assert len(chosen) == 8  # groups come again when all have been shown


def test_the_mean_is_over_models():
    one = pd.Series({3: 0.5, 4: np.nan})
    other = pd.Series({3: 1.0, 4: np.nan})
    mean = models_mean([one, other])
    assert mean[3] == 0.75 and np.isnan(mean[4])
