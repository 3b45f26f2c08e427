"""Rank correlation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import permutations

import numpy as np
import pandas as pd

ENUMERATED = (
    8  # up to this many values all permutations are tried, beyond it that many random ones:
)


DRAWN = 100_000


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's rank correlation; NaN where all values of one are equal."""
    return float(correlations(first, second, np.arange(len(first))[None])[0])


def correlations(first: Sequence[float], second: Sequence[float], orders: np.ndarray) -> np.ndarray:
    """Spearman's correlation for each reordering [K, n] of the first: float64 [K]."""
    a, b = (pd.Series(values, dtype=float).rank().to_numpy() for values in (first, second))
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a**2).sum() * (b**2).sum())
    return a[orders] @ b / scale if scale else np.full(len(orders), np.nan)


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
    return float((values >= observed - near).mean()), float((values <= observed + near).mean())
