"""The tests of claims about memory."""

from __future__ import annotations

from collections.abc import Sequence

from satseg.config.claims import FinestClaim, SavesMemoryClaim
from satseg.study.claims.evidence import Evidence, Statistic, Untestable
from satseg.study.claims.verdicts import NO_MODEL, Tested, matching, verdict_of
from satseg.text import counted, listing

MOST = 0.5


def finest(claim: FinestClaim, evidence: Evidence, models: Sequence[str]) -> Tested:
    """Whether the finest levels hold more than half of the activations of every model; these are
    exact.

    Args:
        claim: what is claimed.
        evidence: the results of a recipe.
        models: the paper's models in the study; it claims nothing of others.

    Raises:
        Untestable: there is no such model.
    """
    models = matching(claim.model, models)
    if not models:
        raise Untestable(f"there is no {claim.model}")

    statistics = []
    most = []
    for model in models:
        levels = evidence.profiles[model]["levels"]
        height = max(map(int, levels)) / 2 ** (claim.levels - 1)
        fine = sum(size for level, size in levels.items() if int(level) >= height)
        share = fine / sum(levels.values())
        statistics.append(Statistic(f"share, {model}", share))
        most.append(share > MOST)
    shares = [statistic.value for statistic in statistics]
    why = (
        f"the {counted(claim.levels, 'finest level')} of {listing(models)} hold "
        f"{100 * min(shares):.0f} to {100 * max(shares):.0f} % of the activations"
    )
    return statistics, verdict_of(all(most), not all(most)), why


def saves_memory(
    claim: SavesMemoryClaim, first: Evidence, second: Evidence, models: Sequence[str]
) -> Tested:
    """Whether every run by the first recipe took less memory than every run of its model by the
    second.

    Args:
        claim: what is claimed.
        first: the results of the recipe that is said to take less.
        second: those of the other one.
        models: the paper's models in the study.

    Raises:
        Untestable: there is no model, a run did not record its memory, or they ran on different
            devices.
    """
    if not models:
        raise Untestable(NO_MODEL)
    devices = set().union(*(side.devices[m] for side in (first, second) for m in models))
    if len(devices) > 1:
        raise Untestable(f"the runs were made on different devices ({listing(sorted(devices))})")

    statistics = []
    less = []
    more = []
    for model in models:
        own = first.memory[model]
        other = second.memory[model]
        if not own or not other:
            raise Untestable(f"the runs of {model} did not record their memory")
        statistics.append(
            Statistic(
                f"{claim.recipe} / {claim.than_recipe}, {model}",
                sum(own) / len(own) / (sum(other) / len(other)),
            )
        )
        less.append(max(own) < min(other))
        more.append(min(own) >= max(other))
    ratios = [100 * statistic.value for statistic in statistics]
    why = (
        f"trainings by {claim.recipe} took {min(ratios):.0f} to {max(ratios):.0f} % of the memory "
        f"of those by {claim.than_recipe}"
    )
    return statistics, verdict_of(all(less), any(more)), why
