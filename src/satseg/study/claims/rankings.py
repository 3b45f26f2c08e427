"""The tests of claims about the order of models or classes: by rank correlation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from satseg.config.claims import FollowsClaim
from satseg.statistics.correlation import CorrelationDifference, spearman, spearman_difference
from satseg.statistics.multiplicity import holm
from satseg.study.claims.evidence import LEVEL, OPPOSITE, Evidence, Statistic, Untestable
from satseg.study.claims.measured import Quantity
from satseg.study.claims.verdicts import NO_MODEL, Tested, verdict_of
from satseg.study.comparison import Result
from satseg.text import listing


def follows(claim: FollowsClaim, times: Quantity, sizes: dict[str, dict[str, float]]) -> Tested:
    """Whether the times are ranked like one size, and more like it than like its rivals.

    Args:
        claim: what is claimed.
        times: the times.
        sizes: size → model → value; rivals that it lacks are left out.

    Raises:
        Untestable: there are too few models, no rival, or a size is the same for all.
    """
    models = list(times.values)
    if len(models) < 3:
        raise Untestable("a rank correlation needs at least three models")
    rivals = [name for name in claim.rather_than if sizes.get(name)]
    if claim.size not in sizes or not rivals:
        raise Untestable(f"there is no {claim.size} to compare with {listing(claim.rather_than)}")

    seconds = [times.values[model] for model in models]
    own = [sizes[claim.size][model] for model in models]
    followed = spearman(seconds, own)
    compared = {}
    for name in rivals:
        rival = [sizes[name][model] for model in models]
        compared[name] = spearman_difference(seconds, own, rival)
    if not np.isfinite([row.difference for row in compared.values()]).all():
        raise Untestable("all values are equal")

    chances = holm([row.p for row in compared.values()])
    statistics = [Statistic(f"rho, {claim.size}", followed.rho, p=followed.p_positive)]
    ahead = []
    opposite = [followed.p_negative]
    reasons = []
    for (name, row), p in zip(compared.items(), chances, strict=True):
        statistics.append(Statistic(f"rho, {name}", row.second))
        statistics.append(Statistic(f"rho, {claim.size} − rho, {name}", row.difference, p=p))
        ahead.append(row.difference > 0 and p <= LEVEL)
        opposite.append(row.p / 2 if row.difference < 0 else 1)
        apart = _apart(row, len(models), len(rivals))
        reasons.append(f"{row.second:.2f} with {name}{apart}")

    holds = followed.p_positive <= LEVEL and all(ahead)
    fails = min(holm(opposite)) <= OPPOSITE
    why = (
        f"over {len(models)} models, rho is {followed.rho:.2f} with {claim.size} and "
        f"{listing(reasons)}"
    )
    return statistics, verdict_of(holds, fails), why


def _apart(row: CorrelationDifference, models: int, rivals: int) -> str:
    """Why two sizes cannot be told apart, if they rank too few models differently."""
    fewest = fewest_apart(rivals)
    if row.apart >= fewest:
        return ""
    if not row.apart:
        return " (it ranks all of them alike, so no times can tell the two apart)"
    return f" (it ranks {row.apart} of {models} differently; fewer than {fewest} cannot tell)"


def fewest_apart(rivals: int) -> int:
    """How many models two sizes must rank differently for times to tell them apart: of the 2ⁿ swaps
    of n models, two at least are as extreme, and p is corrected for the number of rivals."""
    return math.ceil(math.log2(2 * rivals / LEVEL))


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
    scores = {name: _mean_score(results, by, name) for name in classes}
    return rarest_lowest(scores, evidence.pixels)


def rarest_lowest(scores: dict[str, float], pixels: dict[str, int]) -> Tested:
    """Rank correlation of classes' scores with their training pixels.

    Args:
        scores: class → score.
        pixels: class → training pixels.

    Raises:
        Untestable: there are too few classes, or all are alike.
    """
    classes = list(scores)
    if len(classes) < 3:
        raise Untestable("a rank correlation needs at least three classes")
    own_pixels = [pixels[name] for name in classes]
    found = spearman(list(scores.values()), own_pixels)
    if not math.isfinite(found.rho):
        raise Untestable("all values are equal")

    lowest = min(scores, key=scores.get)
    share = 100 * pixels[lowest] / sum(own_pixels)
    why = (
        f"over {len(classes)} classes, rho of the score with the number of training pixels is "
        f"{found.rho:.2f}; {lowest} scores lowest with {share:.1f} % of the pixels"
    )
    statistics = [Statistic("rho, training pixels", found.rho, p=found.p_positive)]
    return statistics, verdict_of(found.p_positive <= LEVEL, found.p_negative <= OPPOSITE), why


def _mean_score(results: Sequence[Result], by: str, class_name: str) -> float:
    """A class's score, mean over models."""
    return float(np.mean([result.scores[by, class_name].value for result in results]))


def _can_be_found(class_name: str, results: Sequence[Result]) -> bool:
    """Whether a class occurs: the published rule gives 0 to one that does not, and only `iou` shows
    that there was nothing to find."""
    return all(math.isfinite(result.scores["iou", class_name].value) for result in results)
