"""The test of each kind of claim."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np

from satseg.config.papers import FollowsClaim, NoGainClaim, RankClaim
from satseg.metrics.scores import interval
from satseg.study.claims.correlation import all_orders, correlations, tail_shares
from satseg.study.claims.evidence import FAILS, HOLDS, UNKNOWN, Evidence, Statistic, Untold
from satseg.study.claims.measured import Figures
from satseg.text import listing

LEVEL = 0.05  # of the one-sided permutation tests


Tested = tuple[list[Statistic], str, str]
"""Statistics, verdict, and the sentence that says why."""


def rank(claim: RankClaim, found: Figures) -> Tested:
    """Which place a model takes: those count that surely come before or after it, by interval.

    Raises:
        Untold: the model is not there, or has nothing to be compared with.
    """
    model = next((m for m in found.values if fnmatchcase(m, claim.model)), None)
    others = [m for m in found.values if not fnmatchcase(m, claim.model)]
    if model is None or not others:
        raise Untold(
            f"there is no {claim.model}"
            if model is None
            else f"{model} has no other to be compared with"
        )
    up = 1 if claim.order == "lowest" else -1
    count = len(others) + 1
    if count < claim.place + claim.or_better:
        raise Untold(f"there are only {count} models")
    ordered = sorted(others, key=lambda m: up * found.values[m])
    apart = {m: found.compared(model, m) for m in ordered}
    if not np.isfinite(list(apart.values())).all():
        raise Untold("it is not defined for every model")
    sides = {
        m: up * ((low > found.neutral) - int(high < found.neutral))
        for m, (_, low, high) in apart.items()
    }
    before, after = (sum(side == sign for side in sides.values()) for sign in (-1, 1))
    first = sum(up * (found.values[m] - found.values[model]) < 0 for m in others)
    if claim.or_better:
        holds, fails = after >= count - claim.place, before >= claim.place
    else:
        holds = (before, after) == (claim.place - 1, count - claim.place)
        fails = before > claim.place - 1 or after > count - claim.place
    statistics = [Statistic("place", first + 1)]
    for m in ordered[max(first - 1, 0) : first + 1]:
        value, *bounds = apart[m]
        statistics.append(
            Statistic(f"{m}{found.sign}{model}", value, *(bounds if bounds[0] < bounds[1] else []))
        )
    level = [m for m, side in sides.items() if not side]
    why = f"{model} has place {first + 1} of {count} from the {claim.order}, {before} before it and {after} after it"
    why += f", not to be told from {listing(level)}" if level else ""
    return statistics, verdict_of(holds, fails), why


def follows(claim: FollowsClaim, found: Figures, sizes: dict[str, dict[str, float]]) -> Tested:
    """Rank correlation with one size and with another, by permutation of the times.

    Args:
        claim: what is claimed.
        found: the times.
        sizes: size → model → value.

    Raises:
        Untold: there are too few models, or a size is the same for all.
    """
    models, names = list(found.values), (claim.size, claim.rather_than)
    if len(models) < 3:
        raise Untold("fewer than three models have no order to speak of")
    times = [found.values[m] for m in models]
    orders = all_orders(len(models))
    drawn = [correlations(times, [sizes[name][m] for m in models], orders) for name in names]
    if not np.isfinite(drawn).all():
        raise Untold("all values are equal")
    drawn.append(drawn[0] - drawn[1])
    rho, other, gap = (float(d[0]) for d in drawn)
    (p, reverse), (p_other, _), (p_gap, p_against) = (tail_shares(d, d[0]) for d in drawn)
    holds = p <= LEVEL < p_other and rho > other
    fails = min(p_against, reverse) <= LEVEL or (p_other <= LEVEL and other >= rho)
    statistics = [
        Statistic(f"rho, {claim.size}", rho, p=p),
        Statistic(f"rho, {claim.rather_than}", other, p=p_other),
        Statistic("difference of rho", gap, p=p_gap),
    ]
    why = f"over {len(models)} models, rho is {rho:.2f} with {claim.size} and {other:.2f} with {claim.rather_than}"
    return statistics, verdict_of(holds, fails), why


def rare_classes(evidence: Evidence, by: str, models: Sequence[str]) -> Tested:
    """Rank correlation of a class's training pixels with its score, mean over models, by
    permutation.

    Raises:
        Untold: there are too few classes.
    """
    results = [r for r in evidence.comparison.results if r.model in models]
    if not results:
        raise Untold("none of the paper's models is there")
    # The published rule gives 0 to a class that nothing holds; only `iou` tells that there was
    # nothing to find.
    there = [
        c
        for c in evidence.comparison.classes
        if all(math.isfinite(r.scores["iou", c].value) for r in results)
    ]
    scores = {
        label: float(np.mean([r.scores[by, label].value for r in results])) for label in there
    }
    if len(scores) < 3:
        raise Untold("fewer than three classes have no order to speak of")
    pixels = [evidence.pixels[label] for label in scores]
    drawn = correlations(list(scores.values()), pixels, all_orders(len(scores)))
    if not np.isfinite(drawn).all():
        raise Untold("all values are equal")
    p, reverse = tail_shares(drawn, drawn[0])
    why = f"over {len(scores)} classes, rho of the score with the number of training pixels is {drawn[0]:.2f}"
    lowest = min(scores, key=scores.__getitem__)
    why += f"; {lowest} scores lowest with {100 * evidence.pixels[lowest] / sum(pixels):.1f} % of the pixels"
    return (
        [Statistic("rho, training pixels", float(drawn[0]), p=p)],
        verdict_of(p <= LEVEL, reverse <= LEVEL),
        why,
    )


def no_gain(
    claim: NoGainClaim, by: str, evidence: Sequence[Evidence], models: Sequence[str]
) -> Tested:
    """Paired bootstrap difference of each recipe from the baseline, mean over models, on every
    dataset.

    Raises:
        Untold: the study lacks the baseline or what was tried, or two recipes are judged on
            different tiles.
    """
    cells = {(e.comparison.dataset, e.comparison.recipe): e for e in evidence}
    datasets = list(dict.fromkeys(dataset for dataset, _ in cells))
    recipes = list(dict.fromkeys(recipe for _, recipe in cells))
    tried = [r for r in recipes if fnmatchcase(r, claim.recipes) and r != claim.baseline]
    if claim.baseline not in recipes or not tried:
        raise Untold(f"this study has no {claim.baseline if tried else claim.recipes} to compare")
    statistics, helps, ruled_out = [], [], []
    for recipe in tried:
        found = [_gain(cells[d, claim.baseline], cells[d, recipe], by, models) for d in datasets]
        statistics += [
            Statistic(f"{recipe} on {d}", *gain) for d, gain in zip(datasets, found, strict=True)
        ]
        if any(high < claim.gain for _, _, high in found):
            ruled_out.append(recipe)
        elif len(datasets) > 1 and all(low > 0 for _, low, _ in found):
            helps.append(recipe)
    why = f"of {len(tried)} recipes tried on {listing(datasets)}, {len(helps)} surely help on "
    why += f"every dataset, {len(ruled_out)} surely gain less than {claim.gain:g} on one"
    return statistics, verdict_of(len(ruled_out) == len(tried), bool(helps)), why


def _gain(
    baseline: Evidence, other: Evidence, by: str, models: Sequence[str]
) -> tuple[float, float, float]:
    """Mean over models of the other's score minus the baseline's, with its interval."""
    pairs = [
        (a, b)
        for a, b in zip(baseline.comparison.results, other.comparison.results, strict=True)
        if a.model in models
    ]
    if not pairs:
        raise Untold("none of the paper's models is there")
    one, two = ((e.comparison.judged, e.comparison.classes) for e in (baseline, other))
    if one != two:
        names = listing([baseline.comparison.recipe, other.comparison.recipe])
        raise Untold(f"{names} are judged on different tiles or classes")
    value = float(
        np.mean([b.scores[by, "all"].value - a.scores[by, "all"].value for a, b in pairs])
    )
    return value, *interval(np.mean([b.draws[by] - a.draws[by] for a, b in pairs], axis=0))


def verdict_of(holds: bool, fails: bool) -> str:
    """The verdict of what holds, fails, or neither."""
    return HOLDS if holds else FAILS if fails else UNKNOWN
