"""Rank correlations against scipy, brute force and simulation."""

from itertools import permutations, product

import numpy as np
import pytest
from scipy import stats

from satseg.statistics.correlation import spearman, spearman_difference

TIED = ([3.0, 1.0, 3.0, 7.0, 5.0], [0.2, 0.1, 0.4, 0.3, 0.3])


def rho(first, second) -> float:
    return float(stats.spearmanr(first, second).statistic)


# --- one correlation ------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [3, 6, 9, 40])
def test_rho_is_scipys(count):
    first, second = np.random.default_rng(count).integers(0, 8, (2, count))
    assert spearman(first, second).rho == pytest.approx(rho(first, second))


def test_p_counts_permutations():
    found = spearman(*TIED)
    others = np.array([rho(order, TIED[1]) for order in permutations(TIED[0])])
    near = 1e-9
    assert found.rho == pytest.approx(rho(*TIED))
    assert found.p_positive == pytest.approx((others >= found.rho - near).mean())
    assert found.p_negative == pytest.approx((others <= found.rho + near).mean())
    assert found.p == pytest.approx((abs(others) >= abs(found.rho) - near).mean())


def test_perfect_order_in_closed_form():
    assert spearman(range(6), range(6))[:3] == pytest.approx((1, 2 / 720, 1 / 720))
    assert spearman(range(6), range(6)[::-1]).p_negative == pytest.approx(1 / 720)


def test_beyond_eight_values_permutations_are_random():
    random = np.random.default_rng(0)
    first = random.random(25)
    second = first + random.random(25)
    found = spearman(first, second)
    assert found.p == pytest.approx(stats.spearmanr(first, second).pvalue, abs=0.002)
    assert found == spearman(first, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([1, 1, 1], [1, 2, 3]),
        ([1, 2, 3], [4, 4, 4]),
        ([1, 2], [1, 2]),
    ],
)
def test_without_an_order_there_is_no_correlation(first, second):
    assert np.isnan(spearman(first, second)).all()


# --- the difference of two ------------------------------------------------------------------------


def scaled(values) -> np.ndarray:
    ranks = stats.rankdata(values)
    ranks = ranks - ranks.mean()
    return ranks / np.linalg.norm(ranks)


def test_p_counts_swaps():
    values, first, second = np.random.default_rng(3).random((3, 7))
    found = spearman_difference(values, first, second)
    assert found.first == pytest.approx(rho(values, first))
    assert found.second == pytest.approx(rho(values, second))
    assert found.difference == pytest.approx(found.first - found.second)

    goal, a, b = scaled(values), scaled(first), scaled(second)
    others = []
    for swaps in product([False, True], repeat=7):
        mine = np.where(swaps, b, a)
        theirs = np.where(swaps, a, b)
        others.append((((goal - theirs) ** 2).sum() - ((goal - mine) ** 2).sum()) / 2)
    assert others[0] == pytest.approx(found.difference)
    assert found.p == pytest.approx((np.abs(others) >= abs(found.difference) - 1e-9).mean())


def test_turned_round_it_changes_its_sign_alone():
    values, first, second = np.random.default_rng(4).random((3, 8))
    one = spearman_difference(values, first, second)
    other = spearman_difference(values, second, first)
    assert (one.difference, one.p) == pytest.approx((-other.difference, other.p))


def test_the_same_order_cannot_be_told_apart():
    """As of memory and operations of six models."""
    found = spearman_difference([2, 1, 3, 6, 5, 4], [1, 2, 3, 4, 5, 6], [1, 4, 9, 16, 25, 36])
    assert (found.apart, found.difference) == (0, 0)
    assert np.isnan(found.p)


def test_fewer_than_six_ranked_differently_cannot_reach_significance():
    found = spearman_difference([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6], [5, 1, 2, 3, 4, 6])
    assert found.apart == 5
    assert found.p >= 2 / 2**5


def test_six_models_in_exactly_one_of_two_orders():
    found = spearman_difference([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6], [2, 1, 6, 3, 4, 5])
    assert (found.first, found.apart) == (pytest.approx(1), 6)
    assert found.p == pytest.approx(2 / 2**6)


def test_many_values_swap_at_random():
    random = np.random.default_rng(5)
    values, noise, second = random.random((3, 40))
    first = values + 0.1 * noise
    found = spearman_difference(values, first, second)
    assert found.p < 0.001
    assert found == spearman_difference(values, first, second)


def test_without_an_order_there_is_no_difference():
    assert np.isnan(spearman_difference([1, 1, 1], [1, 2, 3], [3, 2, 1])[:4]).all()


@pytest.mark.parametrize("count", [6, 7, 8])
@pytest.mark.parametrize(("same", "between"), [(0.0, 0.3), (0.5, 0.3), (0.8, 0.5), (0.9, 0.9)])
def test_equal_correlations_are_told_apart_in_5_of_100(count, same, between):
    """`same` is the correlation of both with the values, `between` that of the two."""
    runs = 1500
    covariance = [[1, same, same], [same, 1, between], [same, between, 1]]
    random = np.random.default_rng(count)
    drawn = random.multivariate_normal(np.zeros(3), covariance, size=(runs, count))
    false = sum(spearman_difference(*items.T).p <= 0.05 for items in drawn)
    assert false <= stats.binom.ppf(0.99, runs, 0.05)


def test_a_clear_difference_is_found():
    random = np.random.default_rng(6)
    found = 0
    for _ in range(200):
        first, second = random.random((2, 8))
        found += spearman_difference(first + 0.02 * random.random(8), first, second).p <= 0.05
    assert found > 0.8 * 200
