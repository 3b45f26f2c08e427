"""Holm's adjustment against the closed test it is a shortcut of."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from satseg.statistics.multiplicity import holm


def closed(p: list[float]) -> list[float]:
    """The greatest Bonferroni p of all sets of hypotheses that hold each one."""
    indices = range(len(p))
    sets = [chosen for size in range(1, len(p) + 1) for chosen in combinations(indices, size)]
    together = {chosen: min(1.0, len(chosen) * min(p[i] for i in chosen)) for chosen in sets}
    return [max(value for chosen, value in together.items() if i in chosen) for i in indices]


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_holm_is_the_closed_bonferroni_test(count):
    random = np.random.default_rng(count)
    for _ in range(20):
        p = (random.random(count) ** 4).round(2).tolist()
        assert holm(p) == pytest.approx(closed(p))


def test_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_tests_that_could_not_be_made_count_for_nothing():
    adjusted = holm([0.01, np.nan, 0.04])
    assert adjusted[[0, 2]] == pytest.approx([0.02, 0.04])
    assert np.isnan(adjusted[1])
    assert holm([]).shape == (0,)


def test_errors_are_held_however_dependent():
    random = np.random.default_rng(0)
    common = random.standard_normal((4000, 1))
    z = np.sqrt(0.5) * (common + random.standard_normal((4000, 5)))
    false = sum((holm(row) <= 0.05).any() for row in 2 * stats.norm.sf(np.abs(z)))
    assert false / 4000 < 0.055
