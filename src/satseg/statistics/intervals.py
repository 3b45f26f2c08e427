"""The interval of one model's score."""

from __future__ import annotations

import math
from typing import NamedTuple

from satseg.statistics.jackknife import (
    FEWEST_UNITS,
    Jackknife,
    combined,
    informative,
    spread,
    unit_variance,
)

BOUNDS = (0.0, 1.0)  # of most metrics


class ScoreInterval(NamedTuple):
    """A metric of one model with its interval; both ends are NaN where there is none."""

    value: float
    """Mean over trainings."""
    low: float
    high: float
    deviation: float
    """Sample standard deviation over trainings; NaN for one."""
    units: int
    """Number of units the metric depends on."""
    trainings: int

    @property
    def covers_training(self) -> bool:
        """Whether the interval includes training variance; a single training shows none."""
        return self.trainings > 1


def score_interval(
    replicates: Jackknife,
    level: float = 0.95,
    bounds: tuple[float, float] = BOUNDS,
) -> ScoreInterval:
    """A metric's mean over trainings, with an interval for other ground and other trainings.

    Value ± t · standard error on the logit scale, which keeps the ends within the bounds. The
    variance is the jackknife variance over units plus the variance of training; t has the degrees
    of freedom of that sum. In simulations (mIoU over five classes, units of very unequal sizes, one
    to five trainings) the 95 % intervals cover the true value in 93–97 % of runs for 6, 10 and 27
    units. For one training, percentiles of a bootstrap over units cover it in 82 % of runs for six
    units and 91 % for 27.

    Args:
        replicates: the metric in each training, over all units and without each of them.
        level: confidence level.
        bounds: lowest and highest possible value of the metric.

    Returns:
        Mean and interval; no interval if the metric depends on fewer than `FEWEST_UNITS` units.

    Raises:
        ValueError: the mean lies outside the bounds.
    """
    from scipy.special import expit, logit, stdtrit

    summary = spread(replicates)
    if summary.value < bounds[0] or summary.value > bounds[1]:
        raise ValueError(f"{summary.value:g} is not between {bounds[0]:g} and {bounds[1]:g}")
    units = informative(summary.effects)
    low = high = math.nan
    if units >= FEWEST_UNITS:
        of_units, freedom_of_units = unit_variance(summary.effects)
        variances = [of_units, summary.training_variance]
        variance, freedom = combined(variances, [freedom_of_units, summary.trainings - 1])

        least = bounds[0]
        width = bounds[1] - least
        share = (summary.value - least) / width
        slope = 1 / (width * share * (1 - share))
        error = slope * math.sqrt(variance)
        half = float(stdtrit(freedom, (1 + level) / 2)) * error
        low = least + width * float(expit(logit(share) - half))
        high = least + width * float(expit(logit(share) + half))
    return ScoreInterval(summary.value, low, high, summary.deviation, units, summary.trainings)
