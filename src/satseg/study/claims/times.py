"""The tests of claims about how long something takes."""

from __future__ import annotations

from collections.abc import Mapping

from satseg.config.claims import LastsClaim
from satseg.study.claims.evidence import NOT_PRINTED, PRINTED, Statistic, Untestable
from satseg.study.claims.measured import Quantity
from satseg.study.claims.verdicts import Tested, verdict_of

HOUR = 3600.0


def faster(first: str, second: str, times: Quantity) -> Tested:
    """Whether the first model takes less time than the second, by the interval of their ratio."""
    value, low, high = times.compared(first, second)
    bounds = [low, high] if low < high else []
    statistics = [Statistic(f"{second} / {first}", value, *bounds)]
    why = f"{second} takes {value:.2f} times as long as {first}"
    if bounds:
        why += f" ({low:.2f} to {high:.2f})"
    return statistics, verdict_of(low > times.neutral, high < times.neutral), why


def lasts(claim: LastsClaim, seconds: Mapping[str, float]) -> Tested:
    """Whether the fastest model's epochs add up to the printed hours, as the table has them.

    Args:
        claim: what is claimed.
        seconds: model → published time of an epoch.

    Raises:
        Untestable: the table has no times.
    """
    if not seconds:
        raise Untestable("it has no epoch times")
    fastest = min(seconds, key=seconds.__getitem__)
    hours = claim.epochs * seconds[fastest] / HOUR
    why = (
        f"{claim.epochs} epochs of {fastest}, the most it may take, are {hours:.1f} hours at "
        f"{seconds[fastest]:g} s each"
    )
    printed = PRINTED if round(hours) == claim.hours else NOT_PRINTED
    return [Statistic(f"hours, {fastest}", hours)], printed, why
