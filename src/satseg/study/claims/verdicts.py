"""The test of each kind of claim."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np

from satseg.config.claims import HigherClaim, NoGainClaim, RankClaim
from satseg.measures import label
from satseg.statistics.differences import differences
from satseg.statistics.jackknife import Jackknife
from satseg.study.claims.evidence import (
    FAILS,
    HOLDS,
    NOT_PRINTED,
    PRINTED,
    UNKNOWN,
    Evidence,
    Statistic,
    Untestable,
)
from satseg.study.claims.measured import Quantity
from satseg.text import counted, listing

NO_MODEL = "the study has none of the paper's models"

Tested = tuple[list[Statistic], str, str]
"""Statistics, verdict, and the sentence that says why."""


def rank(claim: RankClaim, quantity: Quantity) -> Tested:
    """Which place a model takes, where a model counts as before or after it if the interval says
    so.

    Raises:
        Untestable: the model is missing, or there is nothing to compare it with.
    """
    values = quantity.values
    model = next((m for m in values if fnmatchcase(m, claim.model)), None)
    others = [m for m in values if not fnmatchcase(m, claim.model)]
    if model is None:
        raise Untestable(f"there is no {claim.model}")
    if not others:
        raise Untestable(f"there is no other model to compare {model} with")
    count = len(others) + 1
    if count < claim.place + claim.or_better:
        raise Untestable(f"there are only {count} models")

    up = 1 if claim.order == "lowest" else -1
    ordered = sorted(others, key=lambda other: up * values[other])
    compared = {other: quantity.compared(model, other) for other in ordered}
    if not np.isfinite(list(compared.values())).all():
        raise Untestable("it is not defined for every model")

    # −1: surely before the model, 1: surely after it, 0: neither.
    sides = {}
    for other, (_, low, high) in compared.items():
        above = int(low > quantity.neutral)
        below = int(high < quantity.neutral)
        sides[other] = up * (above - below)
    before = sum(side == -1 for side in sides.values())
    after = sum(side == 1 for side in sides.values())
    if claim.or_better:
        holds = after >= count - claim.place
        fails = before >= claim.place
    else:
        holds = (before, after) == (claim.place - 1, count - claim.place)
        fails = before > claim.place - 1 or after > count - claim.place

    nominal = sum(up * (values[other] - values[model]) < 0 for other in others)
    statistics = [Statistic("place", nominal + 1)]
    for other in ordered[max(nominal - 1, 0) : nominal + 1]:
        value, low, high = compared[other]
        bounds = [low, high] if low < high else []
        statistics.append(Statistic(f"{other}{quantity.sign}{model}", value, *bounds))

    why = f"{model} ranks {nominal + 1} of {count} from the {claim.order}"
    if not quantity.is_printed:
        why += f", with {before} surely before it and {after} surely after it"
    level = [other for other, side in sides.items() if not side]
    if level:
        why += f", and cannot be distinguished from {listing(level)}"
    return statistics, verdict_of(holds, fails), why


def larger(by: str, first: str, second: str, sizes: dict[str, float]) -> Tested:
    """Whether one model has more of a size than another; sizes are exact."""
    difference = sizes[first] - sizes[second]
    statistics = [Statistic(first, sizes[first]), Statistic(second, sizes[second])]
    why = f"{label(by).lower()} of {first} and {second}: {sizes[first]:g} and {sizes[second]:g}"
    return statistics, verdict_of(difference > 0, difference <= 0), why


def higher(claim: HigherClaim, by: str, first: Evidence, second: Evidence, models: list) -> Tested:
    """Paired difference of two models, or of a recipe from another as the mean over models.

    Args:
        claim: what is claimed.
        by: the metric.
        first: the results of the recipe that is said to be higher.
        second: those it is compared with; the same, if the claim is about models.
        models: the paper's models in the study.

    Raises:
        Untestable: a side or a class is missing, or the two are evaluated on different tiles.
    """
    _require_same_tiles(second, first)
    names = {}
    sides = {}
    parts = (("first", first, claim.model), ("second", second, claim.than or claim.model))
    for side, evidence, pattern in parts:
        chosen = matching(pattern, evidence.models) if pattern else models
        if not chosen:
            raise Untestable(f"there is no {pattern}" if pattern else NO_MODEL)
        sides[side] = _mean_over_models(evidence, by, chosen, claim.classes)
        names[side] = evidence.comparison.recipe if claim.than_recipe else listing(chosen)

    (row,) = differences(sides, [("first", "second")])
    if not row.known:
        groups = counted(row.units, "group")
        raise Untestable(f"{groups} of tiles are too few for an interval of the difference")
    name = f"{names['first']} − {names['second']}"
    ends = (row.difference, row.low, row.high, row.p)
    why = (
        f"{names['first']} minus {names['second']} is {row.difference:+.3f} ({row.low:+.3f} to "
        f"{row.high:+.3f})"
    )
    if claim.classes:
        why += f", mean over {listing(claim.classes)}"
    if claim.by_more_than:
        why += f", to be compared with {claim.by_more_than:+g}"
    holds = row.low > claim.by_more_than
    fails = row.high < claim.by_more_than
    return [Statistic(name, *ends)], verdict_of(holds, fails), why


def no_gain(
    claim: NoGainClaim, by: str, evidence: Sequence[Evidence], models: Sequence[str]
) -> Tested:
    """Paired difference of each recipe from the baseline, mean over models, on every dataset; the
    intervals on a dataset hold for all recipes at once.

    Raises:
        Untestable: the study lacks the baseline or the recipes tried, or two recipes are evaluated
            on different tiles.
    """
    places = {(e.comparison.dataset, e.comparison.recipe): e for e in evidence}
    datasets = list(dict.fromkeys(dataset for dataset, _ in places))
    recipes = list(dict.fromkeys(recipe for _, recipe in places))
    tried = [r for r in recipes if fnmatchcase(r, claim.recipes) and r != claim.baseline]
    if claim.baseline not in recipes or not tried:
        missing = claim.baseline if tried else claim.recipes
        raise Untestable(f"this study has no {missing} to compare")

    statistics = []
    gains = {}
    for dataset in datasets:
        baseline = places[dataset, claim.baseline]
        means = {claim.baseline: _mean_over_models(baseline, by, models)}
        for recipe in tried:
            _require_same_tiles(baseline, places[dataset, recipe])
            means[recipe] = _mean_over_models(places[dataset, recipe], by, models)
        for gain in differences(means, [(recipe, claim.baseline) for recipe in tried]):
            gains[gain.first, dataset] = gain
            name = f"{gain.first} on {dataset}"
            ends = (gain.difference, gain.low, gain.high, gain.p)
            statistics.append(Statistic(name, *ends))

    helpful = []
    ruled_out = []
    for recipe in tried:
        own = [gains[recipe, dataset] for dataset in datasets]
        if any(gain.high < claim.gain for gain in own):
            ruled_out.append(recipe)
        elif len(own) > 1 and all(gain.low > 0 for gain in own):
            helpful.append(recipe)

    why = (
        f"of {counted(len(tried), 'recipe')} tried on {listing(datasets)}, {len(helpful)} surely "
        f"help on every dataset and {len(ruled_out)} surely gain less than {claim.gain:g} on at "
        f"least one"
    )
    return statistics, verdict_of(len(ruled_out) == len(tried), bool(helpful)), why


def matching(pattern: str, models: Sequence[str]) -> list[str]:
    """The models that a pattern matches."""
    return [model for model in models if fnmatchcase(model, pattern)]


def _mean_over_models(
    evidence: Evidence, by: str, models: Sequence[str], classes: Sequence[str] = ()
) -> Jackknife:
    """A metric over all classes, or its mean over some; mean over models."""
    results = [result for result in evidence.comparison.results if result.model in models]
    if not results:
        raise Untestable(NO_MODEL)
    missing = [name for name in classes if name not in evidence.comparison.classes]
    if missing:
        raise Untestable(f"there is no class {listing(missing)}")
    own = [result.replicates[by] for result in results if not classes]
    for result in results:
        own += [result.by_class[by, name] for name in classes]
    if not all(np.isfinite(replicates.values).all() for replicates in own):
        raise Untestable("it is not defined for every class")
    values = np.mean([replicates.values for replicates in own], axis=0)
    without = np.mean([replicates.without for replicates in own], axis=0)
    return Jackknife(values, without)


def _require_same_tiles(baseline: Evidence, other: Evidence) -> None:
    same_tiles = baseline.comparison.evaluated == other.comparison.evaluated
    same_classes = baseline.comparison.classes == other.comparison.classes
    if not same_tiles or not same_classes:
        names = listing([baseline.comparison.recipe, other.comparison.recipe])
        raise Untestable(f"{names} are evaluated on different tiles or classes")


def as_printed(tested: Tested) -> Tested:
    """What was tested on figures without intervals: they say it or not, whatever holds."""
    statistics, verdict, why = tested
    return statistics, {HOLDS: PRINTED, FAILS: NOT_PRINTED}.get(verdict, verdict), why


def verdict_of(holds: bool, fails: bool) -> str:
    """The verdict on what holds, fails, or neither."""
    if holds:
        return HOLDS
    return FAILS if fails else UNKNOWN
