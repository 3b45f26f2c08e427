"""The jackknife against loops, closed forms and analysis of variance."""

import numpy as np
import pytest
from scipy import stats

from satseg.statistics.jackknife import (
    FEWEST_UNITS,
    combined,
    informative,
    jackknife,
    spread,
    unit_variance,
)
from simulation import means


def test_every_metric_is_computed_anew_without_each_unit():
    sums = np.random.default_rng(0).integers(1, 50, (2, 7, 3, 4)).astype(float)

    def metrics(sums: np.ndarray) -> dict[str, np.ndarray]:
        iou = sums[..., 0] / sums[..., :3].sum(-1)
        return {"miou": iou.mean(-1), "first": iou[..., 0]}

    found = jackknife(sums, metrics)
    for training in range(2):
        whole = metrics(sums[training].sum(0))
        for name in ("miou", "first"):
            assert found[name].values[training] == pytest.approx(whole[name])
        for unit in range(7):
            others = metrics(np.delete(sums[training], unit, axis=0).sum(0))
            for name in ("miou", "first"):
                assert found[name].without[training, unit] == pytest.approx(others[name])


def test_the_variance_of_a_mean_is_the_textbook_one():
    values = np.random.default_rng(1).random(12)
    variance, _ = unit_variance(spread(means(values[None])).effects)
    assert variance == pytest.approx(values.var(ddof=1) / 12)


@pytest.mark.parametrize("draw", ["random", "normal", "exponential", "standard_cauchy"])
def test_degrees_of_freedom_fall_with_kurtosis(draw):
    values = getattr(np.random.default_rng(2), draw)(size=15)
    _, freedom = unit_variance(spread(means(values[None])).effects)
    kurtosis = max(stats.kurtosis(values, bias=False), 0)
    assert freedom == pytest.approx(2 / (2 / 14 + kurtosis / 15))
    assert freedom <= 14


def test_degrees_of_freedom_are_those_of_a_chi_square_with_the_variance_of_s2():
    """Of many samples from a known heavy-tailed distribution, at its true kurtosis."""
    samples = np.random.default_rng(3).laplace(size=(200_000, 10))
    variances = samples.var(axis=1, ddof=1)
    matched = 2 * variances.mean() ** 2 / variances.var()
    assert matched == pytest.approx(2 / (2 / 9 + 3 / 10), rel=0.05)


def test_training_variance_is_that_of_the_crossed_layout():
    """Mean squares of trainings and of trainings × units, by loops."""
    random = np.random.default_rng(4)
    trainings, units = 4, 9
    values = random.normal(size=(trainings, 1)) + random.normal(size=(trainings, units))
    grand = values.mean()
    of_trainings = units * sum((row.mean() - grand) ** 2 for row in values) / (trainings - 1)
    left = 0.0
    for s in range(trainings):
        for u in range(units):
            left += (values[s, u] - values[s].mean() - values[:, u].mean() + grand) ** 2
    left /= (trainings - 1) * (units - 1)

    expected = (of_trainings - left) / units / trainings
    assert expected > 0
    assert spread(means(values)).training_variance == pytest.approx(expected)


def test_trainings_that_differ_by_their_units_alone_add_no_variance():
    random = np.random.default_rng(5)
    added = [spread(means(random.normal(size=(3, 20)))).training_variance for _ in range(400)]
    assert min(added) == 0.0
    assert np.mean(np.array(added) == 0) > 0.5


def test_one_training_has_no_variance_of_training():
    found = spread(means(np.random.default_rng(6).random((1, 8))))
    assert (found.training_variance, found.trainings) == (0.0, 1)
    assert np.isnan(found.deviation)


def test_trainings_without_the_metric_are_left_out():
    values = np.random.default_rng(7).random((3, 8))
    gap = np.vstack([values, np.full(8, np.nan)])
    assert spread(means(gap))[0] == spread(means(values))[0]
    assert spread(means(gap)).trainings == 3
    assert spread(means(np.full((2, 8), np.nan))).trainings == 0


def test_degrees_of_freedom_of_a_sum_are_welchs():
    first, second = np.random.default_rng(8).normal(size=(2, 9)) * [[1], [4]]
    second = second[:5]
    welch = stats.ttest_ind(first, second, equal_var=False)
    parts = [first.var(ddof=1) / 9, second.var(ddof=1) / 5]
    variance, freedom = combined(parts, [8, 4])
    assert freedom == pytest.approx(welch.df)
    assert (first.mean() - second.mean()) / variance**0.5 == pytest.approx(welch.statistic)
    assert combined([2.0, 0.0], [5, 0]) == (2.0, 5.0)


def test_units_that_change_nothing_do_not_count():
    assert informative(np.array([0.1, -0.1, 0.0, 1e-15])) == 2
    assert informative(np.array([0.1, np.nan])) == 0


def test_six_is_the_least_number_of_units_that_can_tell_anything():
    assert stats.binomtest(FEWEST_UNITS - 1, FEWEST_UNITS - 1).pvalue > 0.05
    assert stats.binomtest(FEWEST_UNITS, FEWEST_UNITS).pvalue <= 0.05
