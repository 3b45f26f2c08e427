"""Figures of several models: measured, scored or printed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from satseg.config.papers import PaperTable
from satseg.metrics.scores import interval
from satseg.study.claims.evidence import PROFILED, Evidence, Untold
from satseg.text import listing

# Profiled times count as different from this ratio on, or from a greater one where they vary more
NEAR = 1.1


@dataclass(frozen=True)
class Figures:
    """One figure of several models, and how far a second model is from a first."""

    values: dict[str, float]
    compared: Callable[[str, str], tuple[float, float, float]]
    """(first, second) → second over or minus first, and the ends of its interval."""
    neutral: float
    """What it is where the two are equal: 1 of ratios, 0 of differences."""

    @property
    def sign(self) -> str:
        """How a comparison is written."""
        return " / " if self.neutral else " − "


def figures(evidence: Evidence, by: str, models: Sequence[str]) -> Figures:
    """A time or metric of these models, from the results.

    Raises:
        Untold: it cannot be compared between them.
    """
    if by == "epoch_seconds":
        return _epochs(evidence, models)
    if by in PROFILED:
        _one_device(
            {device_name(evidence.profiles[model]["device"]) for model in models},
            "models were profiled",
        )
        return _profiled({model: evidence.profiles[model] for model in models}, by)
    results = {r.model: r for r in evidence.comparison.results if r.model in models}
    values = {model: result.scores[by, "all"].value for model, result in results.items()}

    def difference(a: str, b: str) -> tuple[float, float, float]:
        return values[b] - values[a], *interval(results[b].draws[by] - results[a].draws[by])

    return Figures(values, difference, 0.0)


def _profiled(profiles: dict[str, dict], by: str) -> Figures:
    values = {model: float(profile[by]) for model, profile in profiles.items()}
    spread = {
        model: profiles[model][by.replace("_ms", "_p95_ms")] / value
        for model, value in values.items()
    }

    def ratio(a: str, b: str) -> tuple[float, float, float]:
        value, near = values[b] / values[a], max(NEAR, spread[a] * spread[b])
        return value, value / near, value * near

    return Figures(values, ratio, 1.0)


def _epochs(evidence: Evidence, models: Sequence[str]) -> Figures:
    _one_device(set().union(*(evidence.devices[model] for model in models)), "trainings ran")
    means = {model: float(evidence.epochs[model].mean()) for model in models}
    return Figures(means, lambda a, b: ratio_of_means(evidence.epochs[a], evidence.epochs[b]), 1.0)


def _one_device(devices: set[str], what: str) -> None:
    if len(devices) > 1:
        raise Untold(f"the {what} on different devices ({listing(sorted(devices))})")


def device_name(device: dict) -> str:
    """A device in words."""
    return device.get("name") or device["kind"]


def ratio_of_means(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    """Mean of the second over mean of the first, with Welch's 95 % interval on the log scale.

    Raises:
        Untold: one of them is a single value.
    """
    from scipy.special import (
        stdtrit,
    )  # a quarter of a second to import, and not every study needs it

    if min(len(first), len(second)) < 2:
        raise Untold("a single epoch has no spread to judge a difference by")
    value = second.mean() / first.mean()
    parts = np.array([(x.std(ddof=1) / x.mean()) ** 2 / len(x) for x in (first, second)])
    if not parts.any():
        return value, value, value
    freedom = parts.sum() ** 2 / (parts**2 / [len(first) - 1, len(second) - 1]).sum()
    half = float(stdtrit(freedom, 0.975) * np.sqrt(parts.sum()))
    return value, value * math.exp(-half), value * math.exp(half)


def printed(table: PaperTable, by: str) -> Figures:
    """A column of a published table; what it prints has no interval.

    Raises:
        Untold: the table has no such column.
    """
    values = table.column(by)
    if not values:
        raise Untold(f"it has no {by}")
    return Figures(values, lambda a, b: (values[b] / values[a],) * 3, 1.0)
