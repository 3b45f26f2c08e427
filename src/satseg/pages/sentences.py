"""What a comparison says, in sentences."""

from __future__ import annotations

from satseg.measures import MEASURES
from satseg.pages.blocks import strong
from satseg.study.comparison import Comparison, Gap, Score
from satseg.text import listing, signed

MAIN = MEASURES["miou_d"].label


def score_text(score: Score) -> str:
    """Value and interval of a score."""
    return f"{strong(f'{score.value:.3f}')} [{score.low:.3f}, {score.high:.3f}]"


def answer_sentence(comparison: Comparison) -> str:
    """The best model, whether the next is distinguishable from it, and the baseline."""
    best = comparison.best
    others = [result for result in comparison.results if result is not best]
    verb = "scores highest, with" if others else "reaches"
    sentence = (
        f"On {comparison.title} with recipe {comparison.recipe}, {strong(best.model)} {verb} "
        f"{MAIN} {score_text(best.main)}"
    )

    if comparison.tied:
        names = listing([result.model for result in comparison.tied])
        sentence += (
            f", but its interval overlaps that of {names}, so their order is not a result; "
            f"{_fastest(comparison)}"
        )
    elif others:
        runner_up = max(others, key=lambda result: result.main.value)
        sentence += f", clear of the next, {runner_up.model} at {score_text(runner_up.main)}"
    return f"{sentence}; {_majority(comparison)}."


def _fastest(comparison: Comparison) -> str:
    if comparison.as_fast:
        level = [comparison.fastest, *comparison.as_fast]
        names = listing([result.model for result in level])
        times = [result.latency_ms for result in level]
        return (
            f"{names} take {min(times):.1f} to {max(times):.1f} ms per forward pass, which the "
            f"measurements do not tell apart"
        )
    fastest = f"{comparison.fastest.latency_ms:.1f} ms per forward pass"
    if comparison.fastest is comparison.best:
        return f"it is also the fastest of them ({fastest})"
    return (
        f"the fastest of them is {comparison.fastest.model} ({fastest}, against "
        f"{comparison.best.latency_ms:.1f} ms)"
    )


def _majority(comparison: Comparison) -> str:
    baseline = f"always predicting {comparison.majority_class}, the most frequent training class"
    score = comparison.majority.main
    if comparison.best.main.overlaps(score):
        return f"this cannot be distinguished from {baseline}: {score_text(score)}"
    if comparison.best.main.value < score.value:
        return f"this is worse than {baseline}: {score_text(score)}"
    return f"{baseline}, would reach {score.value:.3f}"


def gap_sentence(gap: Gap) -> str:
    """What leakage adds to the score of the model that is best with it."""
    model = gap.leaky.best.model
    leaky, clean = next((a.main, b.main) for a, b in gap.pairs() if a.model == model)
    difference = strong(signed(leaky.value - clean.value))
    return (
        f"Leakage on {gap.leaky.title}: with recipe {gap.leaky.recipe}, {_shared(gap.leaky)} show "
        f"ground that training tiles show too; with {gap.clean.recipe}, {_shared(gap.clean)}. "
        f"{model} scores {score_text(leaky)} and {score_text(clean)}, a difference of "
        f"{difference}: {_gap_verdict(leaky, clean)}."
    )


def _shared(comparison: Comparison) -> str:
    return f"{comparison.shared:,} of {comparison.tiles:,} {comparison.subset} tiles"


def _gap_verdict(leaky: Score, clean: Score) -> str:
    if leaky.overlaps(clean):
        return "the intervals overlap, so this gap is not a result"
    if leaky.value > clean.value:
        return "this is how much the leaky split inflates the score"
    return "here the leaky split does not inflate the score"
