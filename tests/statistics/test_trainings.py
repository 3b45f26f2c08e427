"""Differences between kinds of training, against scipy's test and by simulation."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from satseg.statistics.trainings import training_difference


@pytest.mark.parametrize("counts", [(3, 3), (2, 5), (8, 4)])
def test_the_interval_is_welchs(counts):
    rng = np.random.default_rng(sum(counts))
    first, second = (rng.normal(0.5, 0.01 * n, n) for n in counts)
    found = training_difference(first, second, level=0.9)
    other = ttest_ind(first, second, equal_var=False).confidence_interval(0.9)
    assert found[:3] == pytest.approx((first.mean() - second.mean(), other.low, other.high))
    assert found.trainings == min(counts)
    assert found.sign == int(other.low > 0) - int(other.high < 0)


def test_three_trainings_each_cover_the_difference():
    rng = np.random.default_rng(0)
    runs = rng.normal(0, [[0.01], [0.02]], (2000, 2, 3))
    found = [training_difference(first, second) for first, second in runs]
    covered = np.mean([low <= 0 <= high for _, low, high, _ in found])
    assert 0.945 < covered < 0.98  # Welch's interval is a little wide for three and three


def test_one_training_shows_no_variance():
    assert training_difference(np.array([0.5]), np.array([0.4, 0.5])) is None
    assert training_difference(np.array([0.5, 0.5]), np.array([0.4, 0.4])) is None
    assert training_difference(np.array([0.5, np.nan]), np.array([0.4, 0.5])) is None
