"""One quantity of several models: measured, scored or published."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from satseg.config.papers import PaperTable
from satseg.statistics.differences import differences
from satseg.study.claims.evidence import LEVEL, PROFILED, Evidence, Untestable, device_name
from satseg.study.spread import NEAR, nearness
from satseg.text import counted, listing


@dataclass(frozen=True)
class Quantity:
    """One quantity of several models, and how far a second model is from a first."""

    values: dict[str, float]
    compared: Callable[[str, str], tuple[float, float, float]]
    """(first, second) → second over or minus first, and the ends of its interval."""
    neutral: float
    """What it is if the two are equal: 1 for ratios, 0 for differences."""
    is_printed: bool = False
    """Whether it comes without intervals, so that nothing says how sure a place is."""

    @property
    def sign(self) -> str:
        """How a comparison is written."""
        return " / " if self.neutral else " − "


def measured_quantity(evidence: Evidence, by: str, models: Sequence[str]) -> Quantity:
    """A time or metric of these models, from the results.

    Raises:
        Untestable: it cannot be compared between them.
    """
    if by == "epoch_seconds":
        return _epoch_times(evidence, models)
    if by in PROFILED:
        devices = {device_name(evidence.profiles[model]["device"]) for model in models}
        _require_one_device(devices, "models were profiled")
        return _profiled_times({model: evidence.profiles[model] for model in models}, by)
    return _metric(evidence, by, models)


def _metric(evidence: Evidence, by: str, models: Sequence[str]) -> Quantity:
    results = {r.model: r for r in evidence.comparison.results if r.model in models}
    values = {model: result.scores[by, "all"].value for model, result in results.items()}
    known = {}
    for row in differences({model: result.replicates[by] for model, result in results.items()}):
        known[row.first, row.second] = row
        known[row.second, row.first] = row.turned()

    def difference(first: str, second: str) -> tuple[float, float, float]:
        row = known[second, first]
        if not row.known:
            groups = counted(row.units, "group")
            raise Untestable(f"{groups} of tiles are too few for an interval of the difference")
        return row.difference, row.low, row.high

    return Quantity(values, difference, 0.0)


def _profiled_times(profiles: dict[str, dict], by: str) -> Quantity:
    values = {model: float(profile[by]) for model, profile in profiles.items()}

    def ratio(first: str, second: str) -> tuple[float, float, float]:
        value = values[second] / values[first]
        near = nearness(profiles[first], profiles[second], by)
        return value, value / near, value * near

    return Quantity(values, ratio, 1.0)


def _epoch_times(evidence: Evidence, models: Sequence[str]) -> Quantity:
    devices = set().union(*(evidence.devices[model] for model in models))
    _require_one_device(devices, "runs were made")
    if evidence.shared:
        raise Untestable(evidence.shared)
    epochs = evidence.epochs
    means = {model: float(epochs[model].mean()) for model in models}

    # A model is compared with each of the others, and all intervals hold at once (Bonferroni).
    level = 1 - LEVEL / max(len(models) - 1, 1)

    def ratio(first: str, second: str) -> tuple[float, float, float]:
        value, low, high = ratio_of_means(epochs[first], epochs[second], level)
        # Epochs of one run share what it met, so that their spread is not all there is.
        return value, min(low, value / NEAR), max(high, value * NEAR)

    return Quantity(means, ratio, 1.0)


def _require_one_device(devices: set[str], what_ran: str) -> None:
    if len(devices) > 1:
        raise Untestable(f"the {what_ran} on different devices ({listing(sorted(devices))})")


def ratio_of_means(
    first: np.ndarray, second: np.ndarray, level: float = 0.95
) -> tuple[float, float, float]:
    """Mean of the second over mean of the first, with Welch's interval on the log scale.

    Raises:
        Untestable: one of them is a single value.
    """
    # A quarter of a second to import, and not every study needs it.
    from scipy.special import stdtrit

    if min(len(first), len(second)) < 2:
        raise Untestable("a single epoch has no spread to test a difference with")

    value = second.mean() / first.mean()
    parts = np.array([(x.std(ddof=1) / x.mean()) ** 2 / len(x) for x in (first, second)])
    if not parts.any():
        return value, value, value

    freedom = parts.sum() ** 2 / (parts**2 / [len(first) - 1, len(second) - 1]).sum()
    half = float(stdtrit(freedom, (1 + level) / 2) * np.sqrt(parts.sum()))
    return value, value * math.exp(-half), value * math.exp(half)


def published_quantity(table: PaperTable, by: str) -> Quantity:
    """A column of a published table; its figures have no interval.

    Raises:
        Untestable: the table has no such column.
    """
    values = table.column(by)
    if not values:
        raise Untestable(f"it has no {by}")

    def ratio(first: str, second: str) -> tuple[float, float, float]:
        return (values[second] / values[first],) * 3

    return Quantity(values, ratio, 1.0, is_printed=True)
