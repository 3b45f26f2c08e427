"""Intervals against closed forms, and how often they cover the truth in simulations."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import logit

from satseg.statistics.intervals import score_interval
from satseg.statistics.jackknife import Jackknife
from simulation import World, counts, means, replicates, true_miou

FLAT = np.array([0.50, 0.56, 0.60, 0.64, 0.70, 0.75, 0.80])
"""Values without tails, whose variance has all n − 1 degrees of freedom."""


def ends(value: float, half: float) -> tuple[float, float]:
    """Of the interval on the logit scale."""
    return logit(value) - half, logit(value) + half


def coverage(world: World, trainings: int, units: int, runs: int = 2000) -> float:
    """How often the interval of mIoU holds its true value."""
    random = np.random.default_rng(1000 * trainings + units)
    truth = true_miou(world)
    covered = []
    while len(covered) < runs:
        values, without = replicates(counts(random, world, units, trainings)[:, 0])
        for one in zip(values, without, strict=True):
            _, low, high, *_ = score_interval(Jackknife(*one))
            covered.append(low <= truth <= high)
    return float(np.mean(covered))


@pytest.mark.parametrize("units", [6, 10, 27])
@pytest.mark.parametrize("trainings", [1, 3, 5])
def test_95_of_100_intervals_cover_the_truth(trainings, units):
    """With one training, the truth is that training's own score."""
    world = World() if trainings > 1 else World(training=0.0)
    assert 0.93 <= coverage(world, trainings, units) <= 0.97


@pytest.mark.parametrize("units", [6, 27])
@pytest.mark.parametrize("trainings", [3, 5])
@pytest.mark.parametrize(
    "world",
    [World(sizes=1.2), World(sizes=0.5, shares=0.5, training=0.5), World(sizes=0.3, chance=0.7)],
    ids=["sizes differ widely", "trainings differ most", "chance differs most"],
)
def test_intervals_cover_whatever_varies_most(world, trainings, units):
    assert 0.93 <= coverage(world, trainings, units, 1500) <= 0.97


def test_percentiles_of_a_bootstrap_would_not():
    """Why there is no plain bootstrap here."""
    world = World(training=0.0)
    random = np.random.default_rng(0)
    weights = random.multinomial(6, np.full(6, 1 / 6), size=500)
    sums = counts(random, world, 6, 1, runs=500)[:, 0, 0]
    ratios = np.einsum("bu,rucx->rbcx", weights, sums)
    drawn = (ratios[..., 0] / ratios.sum(-1)).mean(-1)
    low, high = np.percentile(drawn, [2.5, 97.5], axis=1)
    truth = true_miou(world)
    assert np.mean((low <= truth) & (truth <= high)) < 0.88


def test_interval_of_a_mean_in_closed_form():
    found = score_interval(means(FLAT[None]))
    value = FLAT.mean()
    half = stats.t.ppf(0.975, 6) * FLAT.std(ddof=1) / np.sqrt(7) / (value * (1 - value))
    assert found.value == pytest.approx(value)
    assert (logit(found.low), logit(found.high)) == pytest.approx(ends(value, half))
    assert (found.units, found.trainings, found.covers_training) == (7, 1, False)


def test_trainings_add_their_variance_and_are_known_with_few_degrees_of_freedom():
    """Three trainings that differ by a constant: no unit suits one of them more than the others."""
    values = FLAT + np.array([[-0.02], [0.0], [0.02]])
    found = score_interval(means(values))
    parts = np.array([FLAT.var(ddof=1) / 7, 0.02**2 / 3])
    freedom = parts.sum() ** 2 / (parts**2 / [6, 2]).sum()
    value = FLAT.mean()
    half = stats.t.ppf(0.975, freedom) * np.sqrt(parts.sum()) / (value * (1 - value))
    assert (logit(found.low), logit(found.high)) == pytest.approx(ends(value, half))
    assert found.deviation == pytest.approx(0.02)
    assert found.covers_training


def test_other_levels_nest():
    wide, narrow = (score_interval(means(FLAT[None]), level) for level in (0.95, 0.5))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_below_six_units_there_is_no_interval():
    values = np.random.default_rng(0).random((3, 5))
    found = score_interval(means(values))
    assert found.value == pytest.approx(values.mean())
    assert np.isnan([found.low, found.high]).all()
    assert np.isfinite(score_interval(means(np.random.default_rng(0).random((3, 6)))).low)


def test_a_class_that_five_of_many_units_hold_has_no_interval():
    tp = np.zeros(30)
    union = np.zeros(30)
    tp[:5] = [3, 4, 5, 2, 1]
    union[:5] = [4, 9, 6, 4, 3]
    value = tp.sum() / union.sum()
    without = (tp.sum() - tp) / (union.sum() - union)
    found = score_interval(Jackknife(np.array([value]), without[None]))
    assert found.units == 5
    assert np.isnan(found.low)


def test_a_class_that_rests_on_one_unit_has_no_interval():
    without = np.full((1, 20), 0.5)
    without[0, 3] = np.nan
    assert np.isnan(score_interval(Jackknife(np.array([0.5]), without)).high)


def test_what_is_nowhere_defined_has_neither_value_nor_interval():
    found = score_interval(means(np.full((2, 8), np.nan)))
    assert np.isnan([found.value, found.low, found.high]).all()
    assert (found.units, found.trainings) == (0, 0)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_score_that_no_unit_changes_has_no_interval(value):
    assert np.isnan(score_interval(means(np.full((1, 9), value))).low)


def test_the_highest_score_has_no_interval_even_if_units_change_it():
    # Each of six units holds a class of its own, which counts as 0 if it is nowhere.
    without = 5 / 6 + np.linspace(-0.01, 0.01, 6)
    assert np.isnan(score_interval(Jackknife(np.ones(1), without[None])).low)


def test_units_of_the_same_effect_show_no_spread():
    found = score_interval(Jackknife(np.array([0.9]), np.full((1, 6), 0.75)))
    assert (found.units, np.isnan(found.high)) == (0, True)


def test_ends_stay_within_the_bounds():
    near_one = np.r_[np.linspace(0.98, 0.9999, 9), 0.2]
    found = score_interval(means(near_one[None]))
    assert 0 < found.low < found.value < found.high < 1


def test_a_value_outside_the_bounds_is_refused():
    with pytest.raises(ValueError, match=r"-0\.5 is not between 0 and 1"):
        score_interval(means(np.linspace(-0.7, -0.3, 9)[None]))


def test_another_scale_gives_the_same_interval():
    values = np.random.default_rng(1).random((2, 9))
    share = score_interval(means(values))
    doubled = score_interval(means(2 * values - 1), bounds=(-1.0, 1.0))
    assert doubled[:3] == pytest.approx([2 * end - 1 for end in share[:3]])
