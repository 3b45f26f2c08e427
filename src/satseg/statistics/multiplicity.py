"""Adjustment of p-values for several tests of one claim."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p: Sequence[float]) -> np.ndarray:
    """Step-down adjusted p-values (Holm 1979), for any dependence between the tests.

    Rejecting those ≤ α keeps the chance of any false rejection below α. The smallest of m p-values
    is multiplied by m, the next by m − 1 and so on, and none may be smaller than the one before it.

    Args:
        p: p-values [m]; NaN is a test that could not be made, and does not count towards m.

    Returns:
        float64 [m], at most 1; NaN where `p` is NaN.
    """
    p = np.asarray(p, float)
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1)
    return adjusted
