"""The front against brute force."""

import numpy as np

from satseg.statistics.front import pareto_front


def test_pareto_front_is_that_of_brute_force():
    rng = np.random.default_rng(4)
    for _ in range(50):
        cost = rng.integers(0, 6, 9).astype(float)
        score = rng.integers(0, 6, 9).astype(float)
        cost[rng.random(9) < 0.1] = np.nan
        expected = []
        for i in range(9):
            others = [j for j in range(9) if not np.isnan(cost[j])]
            beaten = any(
                (cost[j] <= cost[i] and score[j] >= score[i])
                and (cost[j], score[j]) != (cost[i], score[i])
                for j in others
            )
            expected.append(not np.isnan(cost[i]) and not beaten)
        assert pareto_front(cost, score).tolist() == expected


def test_costs_that_cannot_be_told_apart_count_as_equal():
    """Against brute force: a model is beaten by a better one that is not clearly dearer, or by one
    that is as good and clearly cheaper."""
    rng = np.random.default_rng(5)
    for _ in range(50):
        cost = rng.uniform(1, 2, 9)
        score = rng.integers(0, 6, 9).astype(float)
        score[rng.random(9) < 0.1] = np.nan
        alike = np.maximum(cost, cost[:, None]) <= 1.2 * np.minimum(cost, cost[:, None])
        expected = []
        for i in range(9):
            beaten = any(
                (score[j] > score[i] and cost[j] <= 1.2 * cost[i])
                or (score[j] == score[i] and 1.2 * cost[j] < cost[i])
                for j in range(9)
            )
            expected.append(not np.isnan(score[i]) and not beaten)
        assert pareto_front(cost, score, alike).tolist() == expected
        assert any(expected)
