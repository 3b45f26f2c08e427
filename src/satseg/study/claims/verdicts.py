"""The test of each kind of claim."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np

from satseg.config.claims import FollowsClaim, NoGainClaim, RankClaim
from satseg.metrics.scores import interval
from satseg.study.claims.correlation import all_orders, correlations, tail_shares
from satseg.study.claims.evidence import FAILS, HOLDS, UNKNOWN, Evidence, Statistic, Untestable
from satseg.study.claims.measured import Quantity
from satseg.study.comparison import Result
from satseg.text import listing

LEVEL = 0.05  # of the one-sided permutation tests
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

    why = (
        f"{model} ranks {nominal + 1} of {count} from the {claim.order}, with {before} surely "
        f"before it and {after} surely after it"
    )
    level = [other for other, side in sides.items() if not side]
    if level:
        why += f", and cannot be distinguished from {listing(level)}"
    return statistics, verdict_of(holds, fails), why


def follows(claim: FollowsClaim, times: Quantity, sizes: dict[str, dict[str, float]]) -> Tested:
    """Rank correlation with one size and with another, by permutation of the times.

    Args:
        claim: what is claimed.
        times: the times.
        sizes: size → model → value.

    Raises:
        Untestable: there are too few models, or a size is the same for all.
    """
    models = list(times.values)
    if len(models) < 3:
        raise Untestable("a rank correlation needs at least three models")

    seconds = [times.values[model] for model in models]
    orders = all_orders(len(models))
    first = correlations(seconds, [sizes[claim.size][m] for m in models], orders)
    second = correlations(seconds, [sizes[claim.rather_than][m] for m in models], orders)
    if not np.isfinite([first, second]).all():
        raise Untestable("all values are equal")

    # The first of the orders is the one that was observed.
    difference = first - second
    rho = float(first[0])
    rho_other = float(second[0])
    p, p_reverse = tail_shares(first, rho)
    p_other, _ = tail_shares(second, rho_other)
    p_difference, p_against = tail_shares(difference, difference[0])

    holds = p <= LEVEL < p_other and rho > rho_other
    follows_the_other = p_other <= LEVEL and rho_other >= rho
    fails = min(p_against, p_reverse) <= LEVEL or follows_the_other
    statistics = [
        Statistic(f"rho, {claim.size}", rho, p=p),
        Statistic(f"rho, {claim.rather_than}", rho_other, p=p_other),
        Statistic("difference of rho", float(difference[0]), p=p_difference),
    ]
    why = (
        f"over {len(models)} models, rho is {rho:.2f} with {claim.size} and {rho_other:.2f} with "
        f"{claim.rather_than}"
    )
    return statistics, verdict_of(holds, fails), why


def rare_classes(evidence: Evidence, by: str, models: Sequence[str]) -> Tested:
    """Rank correlation of a class's training pixels with its score, mean over models, by
    permutation.

    Raises:
        Untestable: there are too few classes.
    """
    results = [result for result in evidence.comparison.results if result.model in models]
    if not results:
        raise Untestable(NO_MODEL)

    classes = [name for name in evidence.comparison.classes if _can_be_found(name, results)]
    if len(classes) < 3:
        raise Untestable("a rank correlation needs at least three classes")

    scores = [_mean_score(results, by, name) for name in classes]
    pixels = [evidence.pixels[name] for name in classes]
    drawn = correlations(scores, pixels, all_orders(len(classes)))
    if not np.isfinite(drawn).all():
        raise Untestable("all values are equal")

    rho = float(drawn[0])
    p, p_reverse = tail_shares(drawn, rho)
    lowest = int(np.argmin(scores))
    share = 100 * pixels[lowest] / sum(pixels)
    why = (
        f"over {len(classes)} classes, rho of the score with the number of training pixels is "
        f"{rho:.2f}; {classes[lowest]} scores lowest with {share:.1f} % of the pixels"
    )
    statistics = [Statistic("rho, training pixels", rho, p=p)]
    return statistics, verdict_of(p <= LEVEL, p_reverse <= LEVEL), why


def _mean_score(results: Sequence[Result], by: str, class_name: str) -> float:
    """A class's score, mean over models."""
    return float(np.mean([result.scores[by, class_name].value for result in results]))


def _can_be_found(class_name: str, results: Sequence[Result]) -> bool:
    """Whether a class occurs: the published rule gives 0 to one that does not, and only `iou` shows
    that there was nothing to find."""
    return all(math.isfinite(result.scores["iou", class_name].value) for result in results)


def no_gain(
    claim: NoGainClaim, by: str, evidence: Sequence[Evidence], models: Sequence[str]
) -> Tested:
    """Paired bootstrap difference of each recipe from the baseline, mean over models, on every
    dataset.

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
    helpful = []
    ruled_out = []
    for recipe in tried:
        gains = {
            dataset: _gain(places[dataset, claim.baseline], places[dataset, recipe], by, models)
            for dataset in datasets
        }
        for dataset, gain in gains.items():
            statistics.append(Statistic(f"{recipe} on {dataset}", *gain))
        if any(high < claim.gain for _, _, high in gains.values()):
            ruled_out.append(recipe)
        elif len(datasets) > 1 and all(low > 0 for _, low, _ in gains.values()):
            helpful.append(recipe)

    why = (
        f"of {len(tried)} recipes tried on {listing(datasets)}, {len(helpful)} surely help on "
        f"every dataset and {len(ruled_out)} surely gain less than {claim.gain:g} on at least one"
    )
    return statistics, verdict_of(len(ruled_out) == len(tried), bool(helpful)), why


def _gain(
    baseline: Evidence, other: Evidence, by: str, models: Sequence[str]
) -> tuple[float, float, float]:
    """Mean over models of the other's score minus the baseline's, with its interval."""
    results = zip(baseline.comparison.results, other.comparison.results, strict=True)
    pairs = [(before, after) for before, after in results if before.model in models]
    if not pairs:
        raise Untestable(NO_MODEL)

    same_tiles = baseline.comparison.evaluated == other.comparison.evaluated
    same_classes = baseline.comparison.classes == other.comparison.classes
    if not same_tiles or not same_classes:
        names = listing([baseline.comparison.recipe, other.comparison.recipe])
        raise Untestable(f"{names} are evaluated on different tiles or classes")

    key = (by, "all")
    gains = [after.scores[key].value - before.scores[key].value for before, after in pairs]
    draws = [after.draws[by] - before.draws[by] for before, after in pairs]
    return float(np.mean(gains)), *interval(np.mean(draws, axis=0))


def verdict_of(holds: bool, fails: bool) -> str:
    """The verdict on what holds, fails, or neither."""
    if holds:
        return HOLDS
    return FAILS if fails else UNKNOWN
