"""Paired differences against scipy's paired test, and false positives among equal models."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from satseg.statistics.differences import Difference, differences, non_inferior
from satseg.statistics.jackknife import Jackknife
from simulation import World, counts, means, replicates

SIX = tuple("abcdef")


def simulated(world: World, trainings: int, units: int, runs: int, advantages=(0.0,) * 6):
    """Tables of differences between models on the same units."""
    random = np.random.default_rng(100 * trainings + units)
    for start in range(0, runs, 50):
        values, without = replicates(counts(random, world, units, trainings, advantages, 50))
        for run in range(50):
            yield differences(named(values[run], without[run]), draws=999, seed=start + run)


def named(values: np.ndarray, without: np.ndarray) -> dict[str, Jackknife]:
    """Models of one run by name: [M, S] and [M, S, U]."""
    parts = zip(SIX, values, without, strict=False)
    return {name: Jackknife(*one) for name, *one in parts}


def at_most(share: float, runs: int) -> int:
    """The most false positives to expect by chance (99 %) at this rate."""
    return int(stats.binom.ppf(0.99, runs, share))


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("units", [6, 27])
@pytest.mark.parametrize("trainings", [1, 3, 5])
@pytest.mark.parametrize("models", [2, 6])
def test_of_equal_models_none_is_told_apart(models, trainings, units):
    """Family-wise: in 95 of 100 studies no pair at all."""
    world = World(models=0.3, training=0.25 if trainings > 1 else 0.0)
    runs = 400
    tables = simulated(world, trainings, units, runs, (0.0,) * models)
    false = sum(any(row.p <= 0.05 for row in table) for table in tables)
    assert false <= at_most(0.05, runs)


@pytest.mark.parametrize(
    "world",
    [World(sizes=1.2, shares=1.2, models=0.3), World(sizes=0.3, training=0.6, models=0.1)],
    ids=["sizes differ widely", "trainings differ most"],
)
@pytest.mark.parametrize("units", [6, 27])
def test_of_equal_models_none_is_told_apart_whatever_varies_most(world, units):
    runs = 300
    false = sum(any(row.p <= 0.05 for row in table) for table in simulated(world, 3, units, runs))
    assert false <= at_most(0.05, runs)


def test_without_the_correction_there_would_be_many():
    """The same pairs one at a time."""
    runs = 200
    random = np.random.default_rng(0)
    world = World(models=0.3, training=0.0)
    values, without = replicates(counts(random, world, 10, 1, (0.0,) * 6, runs))
    false = 0
    for run in range(runs):
        models = named(values[run], without[run])
        pairs = [differences(models, [pair], draws=199)[0] for pair in combinations(SIX, 2)]
        false += any(row.p <= 0.05 for row in pairs)
    assert false > 0.2 * runs


def test_better_models_are_found():
    """Two of six are better by a logit of recall; the other pairs remain as they are."""
    runs = 100
    found = {True: 0, False: 0}
    for table in simulated(World(models=0.2), 3, 27, runs, (0.0, 0.0, 0.0, 0.0, 1.0, 1.0)):
        for row in table:
            differ = (row.first in "ef") != (row.second in "ef")
            found[differ] += row.p <= 0.05
    assert found[True] > 0.8 * 8 * runs
    assert found[False] <= at_most(0.05, runs)


# --- closed forms ---------------------------------------------------------------------------------


def test_one_pair_of_single_trainings_is_the_paired_t_test():
    first, second = np.random.default_rng(0).random((2, 40))
    second += 0.1
    assert stats.kurtosis(first - second, bias=False) < 0
    row = differences({"a": means(first[None]), "b": means(second[None])}, draws=99_999)[0]
    paired = stats.ttest_rel(first, second)
    expected = paired.confidence_interval(0.95)
    assert row.difference == pytest.approx(first.mean() - second.mean())
    assert row.p == pytest.approx(paired.pvalue, rel=0.05)
    assert (row.low, row.high) == pytest.approx((expected.low, expected.high), abs=0.001)


def test_trainings_of_two_models_are_independent():
    """Trainings that differ by constants add Welch's variances to the paired one of the units."""
    first, second = np.random.default_rng(1).random((2, 30))
    offsets = np.array([[-0.1], [0.0], [0.1]])
    models = {"a": means(first + offsets), "b": means(second - 2 * offsets)}
    row = differences(models, draws=99_999)[0]
    parts = np.array([(first - second).var(ddof=1) / 30, 0.01 / 3, 0.04 / 3])
    freedom = parts.sum() ** 2 / (parts**2 / [29, 2, 2]).sum()
    half = stats.t.ppf(0.975, freedom) * np.sqrt(parts.sum())
    middle = first.mean() - second.mean()
    assert (row.low, row.high) == pytest.approx((middle - half, middle + half), abs=0.005)
    assert row.trainings == 3


def test_what_is_hard_for_both_cancels():
    hard = np.linspace(0.1, 0.9, 20)
    random = np.random.default_rng(2)
    first = hard + random.normal(0.0, 0.01, 20)
    second = hard + random.normal(0.05, 0.01, 20)
    row = differences({"a": means(first[None]), "b": means(second[None])})[0]
    assert row.high < 0
    assert row.high - row.low < 0.02


def test_independent_models_are_corrected_as_by_their_range():
    """Six means with one variance, exactly known in the limit: the studentised range."""
    units = 1000
    values = np.random.default_rng(3).normal(0.5, 0.1, (6, units))
    rows = differences({n: means(v[None]) for n, v in zip(SIX, values, strict=True)}, draws=9999)
    error = values.std(ddof=1) / np.sqrt(units)
    half = stats.studentized_range.ppf(0.95, 6, np.inf) * error
    assert np.mean([(row.high - row.low) / 2 for row in rows]) == pytest.approx(half, rel=0.03)
    for row in rows:
        p = stats.studentized_range.sf(abs(row.difference) / error, 6, np.inf)
        assert row.p == pytest.approx(p, abs=0.03)


# --- the table ------------------------------------------------------------------------------------


def some(models: int = 4, units: int = 12, seed: int = 0) -> dict[str, Jackknife]:
    """Models of three trainings, each better than the one before."""
    random = np.random.default_rng(seed)
    by_name = {}
    for place, name in enumerate(SIX[:models]):
        by_name[name] = means(random.normal(0.5 + 0.03 * place, 0.1, (3, units)))
    return by_name


def test_all_pairs_in_order_or_those_asked_for():
    rows = differences(some())
    assert [(row.first, row.second) for row in rows] == list(combinations("abcd", 2))
    against = [("b", "a"), ("c", "a")]
    assert [row[:2] for row in differences(some(), against)] == against


def test_fewer_pairs_have_narrower_intervals():
    every = {row[:2]: row for row in differences(some())}
    few = differences(some(), [("a", "b"), ("a", "c")])
    for row in few:
        assert row.high - row.low < every[row[:2]].high - every[row[:2]].low
        assert row.p <= every[row[:2]].p


def test_p_and_interval_say_the_same():
    told = []
    for seed in range(40):
        for row in differences(some(seed=seed), draws=999, seed=seed):
            told.append(row.p <= 0.05)
            assert (row.low > 0 or row.high < 0) == told[-1]
    assert 0 < sum(told) < len(told)


def test_turned_round_a_difference_changes_its_sign_alone():
    one = differences(some(2), [("a", "b")], draws=99_999)[0]
    other = differences(some(2), [("b", "a")], draws=99_999)[0]
    assert one.difference == -other.difference
    turned = (-other.high, -other.low, other.p)
    assert (one.low, one.high, one.p) == pytest.approx(turned, abs=0.005)


def test_the_same_seed_gives_the_same_table():
    assert differences(some(), seed=3) == differences(some(), seed=3)
    assert differences(some(), seed=3) != differences(some(), seed=4)


def test_an_unstable_model_does_not_blur_the_others():
    steady = some(5, units=30)
    offsets = np.array([[-0.4], [0.0], [0.4]])
    values = np.random.default_rng(9).normal(0.5, 0.1, (3, 30)) + offsets
    unstable = dict(steady, f=means(values))
    alone = {row[:2]: row for row in differences(steady)}
    beside = {row[:2]: row for row in differences(unstable)}
    for pair, row in alone.items():
        assert beside[pair].high - beside[pair].low < 1.5 * (row.high - row.low)
    assert beside["a", "f"].high - beside["a", "f"].low > 1


def test_below_six_units_there_is_no_interval():
    for row in differences(some(units=5)):
        assert np.isfinite(row.difference)
        assert np.isnan([row.low, row.high, row.p]).all()
        assert non_inferior(row, 0.1) is None


def test_two_models_with_the_same_answers_cannot_be_compared_but_others_can():
    models = some(3)
    models["c"] = models["b"]
    rows = {row[:2]: row for row in differences(models)}
    assert rows["b", "c"].difference == 0
    assert np.isnan(rows["b", "c"].p)
    assert np.isfinite(rows["a", "b"].p)


def test_models_tested_on_different_units_are_refused():
    with pytest.raises(ValueError, match="different units"):
        differences({"a": means(np.ones((1, 7))), "b": means(np.ones((1, 8)))})


def test_a_turned_difference_is_that_of_the_other_order():
    one = differences(some(2), [("a", "b")], draws=999)[0]
    other = differences(some(2), [("b", "a")], draws=999)[0]
    assert one.turned()[:2] == other[:2]
    assert one.turned()[2:] == pytest.approx(other[2:])
    assert one.sign == -other.sign
    clear = Difference("a", "b", 0.2, 0.1, 0.3, 0.01, 9, 1)
    unclear = clear._replace(low=-0.1)
    unknown = clear._replace(low=math.nan, high=math.nan)
    assert [each.sign for each in (clear, clear.turned(), unclear, unknown)] == [1, -1, 0, 0]
    assert [each.known for each in (clear, unknown)] == [True, False]


def test_too_few_draws_are_refused():
    with pytest.raises(ValueError, match="10 draws are too few"):
        differences(some(), draws=10)


def test_intervals_stay_among_possible_differences():
    random = np.random.default_rng(4)
    models = {name: means(random.choice([0.01, 0.99], (2, 6))) for name in "ab"}
    row = differences(models)[0]
    assert -1 <= row.low <= row.high <= 1


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-0.01, 0.03, True),
        (0.01, 0.02, True),
        (-0.09, -0.04, False),
        (-0.05, 0.01, None),
        (np.nan, np.nan, None),
    ],
)
def test_non_inferiority(low, high, expected):
    row = Difference("a", "b", (low + high) / 2, low, high, 0.5, 12, 3)
    assert non_inferior(row, 0.02) is expected
