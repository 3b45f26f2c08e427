"""The delete-one jackknife of a metric over the units it was measured on.

A metric is any function of sums over units, such as a ratio of sums. Leaving out one unit at a time
shows how much the metric depends on each of them; training the model several times shows how much
it depends on chance in training. Intervals and differences are built from these two parts.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple

import numpy as np

FEWEST_UNITS = 6
"""With fewer units than this there is no interval and no test at the 95 % level.

n units that all favour the same side do so by chance with probability 2 · 2⁻ⁿ: 6.3 % for five
units, 3.1 % for six. Without assumptions about their distribution, five units can never reach 5 %.
"""
NO_EFFECT = 1e-12  # smaller changes of a metric are rounding


class Jackknife(NamedTuple):
    """One metric of one model."""

    values: np.ndarray
    """In each training, over all units: float64 [S]; NaN where it is not defined."""
    without: np.ndarray
    """The same with each unit left out: float64 [S, U]."""


Metrics = Callable[[np.ndarray], Mapping[Hashable, np.ndarray]]
"""Sums over units [..., C, K] → name → float64 [...]."""


def jackknife(sums: np.ndarray, metrics: Metrics) -> dict[Hashable, Jackknife]:
    """Every metric of one model over all units, and with each unit left out.

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, ch. 11.

    Args:
        sums: what the metrics are functions of, summed per unit: float64 [S, U, C, K] for S
            trainings tested on the same U units, with K columns for each of C classes. A unit is
            what is independent of the others: all tiles that show the same ground.
        metrics: the functions, by name.

    Returns:
        name → its values.
    """
    total = sums.sum(axis=1)
    over_all = metrics(total)
    over_others = metrics(total[:, None] - sums)
    return {key: Jackknife(values, over_others[key]) for key, values in over_all.items()}


class Spread(NamedTuple):
    """What is known of one metric of one model."""

    value: float
    """Mean over the trainings in which the metric is defined."""
    deviation: float
    """Sample standard deviation over these trainings; NaN for one."""
    effects: np.ndarray
    """Change of the value when each unit is left out: float64 [U]."""
    training_variance: float
    """Variance of the value due to training; 0 for a single training, which shows none."""
    trainings: int


def spread(replicates: Jackknife) -> Spread:
    """Mean, effects of units, and variance of training.

    Trainings tested on the same units differ because one is better than another, and because one
    happens to suit these units better. The second part comes from sampling units, which the effects
    already contain, so it is subtracted: the jackknife variance of the trainings about their mean.
    For a plain mean this is the analysis of variance of a crossed layout (Searle, Casella &
    McCulloch 1992, ch. 4).
    """
    defined = np.isfinite(replicates.values)
    values = replicates.values[defined]
    without = replicates.without[defined]
    trainings = len(values)
    if not trainings:
        return Spread(np.nan, np.nan, np.full(replicates.without.shape[1], np.nan), 0.0, 0)

    value = float(values.mean())
    effects = without.mean(axis=0) - value
    if trainings == 1:
        return Spread(value, np.nan, effects, 0.0, 1)

    deviation = float(values.std(ddof=1))
    departures = without - without.mean(axis=0)
    by_units = float(_jackknife_variance(departures).sum()) / (trainings - 1)
    training_variance = max(deviation**2 - by_units, 0.0) / trainings
    return Spread(value, deviation, effects, training_variance, trainings)


def informative(effects: np.ndarray) -> int:
    """Number of units a metric depends on; 0 if it is undefined without one of them.

    The score of a class that occurs in few units rests on these few, however many others there are.
    """
    if not np.isfinite(effects).all():
        return 0
    return int((np.abs(effects) > NO_EFFECT).sum())


def unit_variance(effects: np.ndarray) -> tuple[float, float]:
    """Jackknife variance of a metric over units, and the degrees of freedom it is known with.

    The variance of n normal values has n − 1 degrees of freedom; one dominated by a few large units
    has fewer. With excess kurtosis κ, Var(s²) = σ⁴ (2 / (n − 1) + κ / n) (Box 1953), which is the
    variance of a χ² with 2 / (2 / (n − 1) + κ / n) degrees of freedom. κ is the usual sample
    estimate, unbiased for normal values (Joanes & Gill 1998, G2); a negative one counts as 0.

    Args:
        effects: change of the metric without each unit, float64 [U], U ≥ 4, not all equal.

    Returns:
        The variance and its degrees of freedom, at most U − 1.
    """
    count = len(effects)
    deviations = effects - effects.mean()
    kurtosis = count * (deviations**4).sum() / (deviations**2).sum() ** 2 - 3
    corrected = (count - 1) / ((count - 2) * (count - 3)) * ((count + 1) * kurtosis + 6)
    freedom = 2 / (2 / (count - 1) + max(corrected, 0.0) / count)
    return float(_jackknife_variance(effects)), float(freedom)


def combined(variances: list[float], freedoms: list[float]) -> tuple[float, float]:
    """A sum of independent variances and its degrees of freedom (Satterthwaite 1946; Welch 1947).

    A part with zero variance is ignored, whatever its degrees of freedom.
    """
    known = [pair for pair in zip(variances, freedoms, strict=True) if pair[0] > 0]
    total = sum(variance for variance, _ in known)
    return total, total**2 / sum(variance**2 / freedom for variance, freedom in known)


def _jackknife_variance(effects: np.ndarray) -> np.ndarray:
    """(U − 1) / U times the sum of squares about the mean, over the last axis."""
    count = effects.shape[-1]
    deviations = effects - effects.mean(axis=-1, keepdims=True)
    return (count - 1) / count * (deviations**2).sum(axis=-1)
