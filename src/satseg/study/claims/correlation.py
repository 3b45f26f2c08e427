"""Rank correlation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import permutations

import numpy as np
import pandas as pd

ENUMERATED = 8  # up to this many values every permutation is tried,
DRAWN = 100_000  # beyond it this many random ones


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's rank correlation; NaN if all values of one are equal."""
    return float(correlations(first, second, np.arange(len(first))[None])[0])


def correlations(first: Sequence[float], second: Sequence[float], orders: np.ndarray) -> np.ndarray:
    """Spearman's correlation for each reordering [K, n] of the first: float64 [K]."""
    first_ranks = _centred_ranks(first)
    second_ranks = _centred_ranks(second)
    scale = np.sqrt((first_ranks**2).sum() * (second_ranks**2).sum())
    return first_ranks[orders] @ second_ranks / scale if scale else np.full(len(orders), np.nan)


def _centred_ranks(values: Sequence[float]) -> np.ndarray:
    ranks = pd.Series(values, dtype=float).rank().to_numpy()
    return ranks - ranks.mean()


@cache
def all_orders(count: int) -> np.ndarray:
    """All permutations of `count` indices, or many random ones with the identity among them: int
    [K, count]."""
    if count <= ENUMERATED:
        return np.array(list(permutations(range(count))))
    drawn = np.random.default_rng(0).permuted(np.tile(np.arange(count), (DRAWN, 1)), axis=1)
    return np.vstack([np.arange(count), drawn])


def tail_shares(values: np.ndarray, observed: float) -> tuple[float, float]:
    """How many of the values are at least, and at most, the observed one."""
    near = 1e-9  # sums of ranks that differ in the last bit are equal
    at_least = float((values >= observed - near).mean())
    at_most = float((values <= observed + near).mean())
    return at_least, at_most
