"""What to choose if a score costs something."""

from __future__ import annotations

import numpy as np


def pareto_front(
    cost: np.ndarray, score: np.ndarray, alike: np.ndarray | None = None
) -> np.ndarray:
    """Which points no other beats, being at least as cheap and as good and one of the two more:
    bool [N].

    Args:
        cost, score: float [N]; a point with a NaN is never on the front.
        alike: which costs count as equal, bool [N, N]; None for those that are.
    """
    known = np.isfinite(cost) & np.isfinite(score)
    equal = cost[None] == cost[:, None] if alike is None else alike
    cheaper = (cost[None] < cost[:, None]) & ~equal
    no_worse = score[None] >= score[:, None]
    better = cheaper | (score[None] > score[:, None])
    return known & ~((cheaper | equal) & no_worse & better & known[None]).any(1)
