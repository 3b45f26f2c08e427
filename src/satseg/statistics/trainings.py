"""The difference between two kinds of training, tested on the same tiles."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from satseg.statistics.jackknife import combined


class TrainingDifference(NamedTuple):
    """Mean of the first trainings minus that of the second, with an interval for other trainings on
    the same tiles: it says nothing of other ground."""

    difference: float
    low: float
    high: float
    trainings: int
    """Of the kind with fewer."""

    @property
    def sign(self) -> int:
        """1 or −1 if the first or the second is surely higher, 0 if neither is."""
        return int(self.low > 0) - int(self.high < 0)


def training_difference(
    first: np.ndarray, second: np.ndarray, level: float = 0.95
) -> TrainingDifference | None:
    """Welch's t-interval (Welch 1947) of a metric that several trainings of two kinds reach.

    Trainings are independent even if they share a seed.

    Args:
        first: the metric in each training of the first kind, float64 [S].
        second: in each of the second kind.
        level: confidence level.

    Returns:
        The difference; None if a kind has fewer than two trainings, or none of them vary.
    """
    from scipy.special import stdtrit

    kinds = [first[np.isfinite(first)], second[np.isfinite(second)]]
    counts = [len(values) for values in kinds]
    if min(counts) < 2:
        return None
    variances = [values.var(ddof=1) / len(values) for values in kinds]
    if not any(variances):
        return None

    variance, freedom = combined(variances, [count - 1 for count in counts])
    half = float(stdtrit(freedom, (1 + level) / 2)) * math.sqrt(variance)
    difference = float(kinds[0].mean() - kinds[1].mean())
    return TrainingDifference(difference, difference - half, difference + half, min(counts))
