"""Differences between models tested on the same units, corrected for their number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from satseg.statistics.intervals import BOUNDS
from satseg.statistics.jackknife import (
    FEWEST_UNITS,
    Jackknife,
    Spread,
    combined,
    informative,
    spread,
    unit_variance,
)


class Difference(NamedTuple):
    """First minus second, with its simultaneous interval; NaN ends and p if there is none."""

    first: str
    second: str
    difference: float
    low: float
    high: float
    p: float
    """Two-sided, adjusted: how often equal models would show so clear a difference in any pair."""
    units: int
    """Number of units the difference depends on."""
    trainings: int
    """Of the model with fewer; a single one compares two sets of weights, not two models."""


class _Contrast(NamedTuple):
    """A pair's difference, its standard error and degrees of freedom."""

    difference: float
    effects: np.ndarray
    error: float
    freedom: float
    units: int


def differences(
    models: Mapping[str, Jackknife],
    pairs: Sequence[tuple[str, str]] | None = None,
    level: float = 0.95,
    bounds: tuple[float, float] = BOUNDS,
    draws: int = 9999,
    seed: int = 0,
) -> list[Difference]:
    """Paired differences of one metric; with probability `level` all intervals hold at once.

    Single-step max-T (Westfall & Young 1993, ch. 2) over a paired multiplier bootstrap
    (Chernozhukov, Chetverikov & Kato 2013). Each draw weights the units with normal multipliers
    that all models share, so that what makes a unit hard for every model cancels as it does in the
    data. It also shifts each model independently by its training variance: trainings of two models
    are independent even if they share a seed. The observed differences are compared with the
    largest studentised difference of each draw; pairs differ in their degrees of freedom, so their
    t values are first turned into normal ones.

    Among many standard errors estimated from few units the smallest are too small and produce the
    largest t values. None is therefore taken below the median over the pairs (after Tusher,
    Tibshirani & Chu 2001). In simulations of six equal models on six units, some pair differed
    "significantly" in 15 % of runs without this rule, and in under 5 % with it.

    Args:
        models: name → the metric in each training, over all units and without each of them; the
            same units for all models, any number of trainings.
        pairs: what to compare; all pairs by default. A choice that depends on the results, such as
            every model against the best one, needs all pairs.
        level: confidence level of all intervals together.
        bounds: lowest and highest possible value of the metric.
        draws: number of draws; (1 − level) · (draws + 1) should be an integer.
        seed: seed of the draws.

    Returns:
        One difference per pair, in order; p ≤ 1 − level exactly if the interval excludes 0. There
        is no interval if the difference depends on fewer than `FEWEST_UNITS` units.

    Raises:
        ValueError: the models were tested on different numbers of units, or there are too few
            draws.
    """
    from scipy.special import ndtr, ndtri, stdtr, stdtrit

    allowed = int((1 - level) * (draws + 1) + 1e-9)
    if allowed < 1:
        raise ValueError(f"{draws} draws are too few for intervals at {level:.0%}")
    if len({replicates.without.shape[1] for replicates in models.values()}) > 1:
        raise ValueError("models tested on different units cannot be compared pair by pair")
    spreads = {name: spread(replicates) for name, replicates in models.items()}
    pairs = list(combinations(models, 2)) if pairs is None else list(pairs)
    contrasts = {pair: _contrast(spreads[pair[0]], spreads[pair[1]]) for pair in pairs}

    family = {pair: c for pair, c in contrasts.items() if c.units >= FEWEST_UNITS}
    floor = float(np.median([c.error for c in family.values()])) if family else math.nan
    errors = {pair: max(c.error, floor) for pair, c in family.items()}
    largest = _largest_of_each_draw(spreads, family, errors, draws, seed)

    rows = []
    for pair, contrast in contrasts.items():
        low = high = p = math.nan
        if pair in family:
            tail = stdtr(contrast.freedom, -abs(contrast.difference) / errors[pair])
            as_large = int((largest >= -ndtri(tail)).sum())
            p = (1 + as_large) / (draws + 1)

            critical = largest[-allowed]
            half = float(-stdtrit(contrast.freedom, ndtr(-critical))) * errors[pair]
            width = bounds[1] - bounds[0]
            low = max(contrast.difference - half, -width)
            high = min(contrast.difference + half, width)
        trainings = min(spreads[name].trainings for name in pair)
        numbers = (contrast.difference, low, high, p, contrast.units, trainings)
        rows.append(Difference(*pair, *numbers))
    return rows


def _contrast(first: Spread, second: Spread) -> _Contrast:
    difference = first.value - second.value
    effects = first.effects - second.effects
    units = informative(effects)
    if units < FEWEST_UNITS:
        return _Contrast(difference, effects, math.nan, math.nan, units)

    of_units, freedom_of_units = unit_variance(effects)
    variances = [of_units, first.training_variance, second.training_variance]
    freedoms = [freedom_of_units, first.trainings - 1, second.trainings - 1]
    variance, freedom = combined(variances, freedoms)
    return _Contrast(difference, effects, math.sqrt(variance), freedom, units)


def _largest_of_each_draw(
    spreads: Mapping[str, Spread],
    family: Mapping[tuple[str, str], _Contrast],
    errors: Mapping[tuple[str, str], float],
    draws: int,
    seed: int,
) -> np.ndarray:
    """Each draw's largest studentised difference between equal models: float64 [draws], sorted."""
    if not family:
        return np.full(draws, np.nan)
    random = np.random.default_rng(seed)
    units = len(next(iter(family.values())).effects)
    of_units = random.standard_normal((draws, units)) * math.sqrt((units - 1) / units)
    of_training = {}
    for name, one in spreads.items():
        of_training[name] = random.standard_normal(draws) * math.sqrt(one.training_variance)

    largest = np.zeros(draws)
    for (first, second), contrast in family.items():
        moved = of_units @ (contrast.effects - contrast.effects.mean())
        moved += of_training[first] - of_training[second]
        largest = np.maximum(largest, np.abs(moved) / errors[first, second])
    return np.sort(largest)


def non_inferior(difference: Difference, margin: float) -> bool | None:
    """Whether the first model is at most `margin` worse than the second (Piaggio et al. 2012).

    Args:
        difference: of a metric that is better the higher it is.
        margin: the largest loss that does not matter, > 0.

    Returns:
        True if the interval lies above −margin, False if it lies below, None if neither or no
        interval.
    """
    if difference.low > -margin:
        return True
    if difference.high < -margin:
        return False
    return None
