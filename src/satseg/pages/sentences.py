"""What a comparison says, in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from satseg.measures import MEASURES
from satseg.pages.blocks import strong
from satseg.statistics.differences import Difference
from satseg.statistics.intervals import ScoreInterval
from satseg.statistics.trainings import TrainingDifference
from satseg.study.comparison import Comparison, Gap, Result
from satseg.text import counted, listing, signed

MAIN = MEASURES["miou_d"].label
MEANING = (
    f"{MAIN} is the mean over the classes of the IoU of mask and prediction, from all evaluated "
    "pixels of the data set (D) together."
)
BRACKETS = "Brackets hold 95 % intervals."
GROUP = "A group holds the tiles that show the same ground."
ONCE = (
    "Every model was trained once: nothing here shows how much another training would change its "
    "score."
)
MANY = 5  # models that are counted where all others are meant, not named


def terms(comparisons: Sequence[Comparison]) -> str:
    """What the words of the answer mean, and what its intervals lack."""
    results = [result for comparison in comparisons for result in comparison.results]
    sentences = [MEANING]
    if any(math.isfinite(result.main.low) for result in results):
        sentences.append(BRACKETS)
    sentences.append(GROUP)
    if all(result.runs == 1 for result in results) and not any(c.folds for c in comparisons):
        sentences.append(ONCE)
    return " ".join(sentences)


def score_text(score: ScoreInterval) -> str:
    """Value and interval of a score, or the value alone."""
    value = strong(f"{score.value:.3f}")
    return f"{value} [{score.low:.3f}, {score.high:.3f}]" if math.isfinite(score.low) else value


def difference_text(difference: Difference) -> str:
    """A difference and its interval, or why there is none."""
    value = strong(signed(difference.difference))
    if difference.known:
        return f"{value} [{signed(difference.low)}, {signed(difference.high)}]"
    return f"{value}, without an interval ({too_few(difference.units)})"


def trained_text(difference: TrainingDifference, units: int) -> str:
    """A difference between trainings, its interval, and what that leaves out."""
    value = strong(signed(difference.difference))
    return (
        f"{value} [{signed(difference.low)}, {signed(difference.high)}], an interval for other "
        f"trainings ({difference.trainings} of each) on the same tiles ({too_few(units)} to speak "
        f"of other ground)"
    )


def too_few(units: int) -> str:
    """Why a score or a difference has no interval."""
    verb = "is" if units == 1 else "are"
    return f"{counted(units, 'group')} of tiles {verb} too few"


def answer_sentence(comparison: Comparison) -> str:
    """The best model, whether the next is distinguishable from it, and the baseline."""
    best = comparison.best
    others = [result for result in comparison.results if result is not best]
    verb = "scores highest, with" if others else "reaches"
    sentence = (
        f"On {comparison.title} with recipe {comparison.recipe}, {strong(best.model)} {verb} "
        f"a mean IoU ({MAIN}) of {score_text(best.main)}"
    )

    if comparison.tied:
        sentence += f", but {_untold(comparison)}; {_fastest(comparison)}"
    elif others:
        runner_up = max(others, key=lambda result: result.main.value)
        sentence += (
            f", clear of the next, {runner_up.model} at {score_text(runner_up.main)}: the "
            f"difference is {difference_text(comparison.difference(best, runner_up))}"
        )
    return f"{sentence}; {_majority(comparison)}."


def _untold(comparison: Comparison) -> str:
    """Which models the best one cannot be told from, and why."""
    tied = comparison.tied
    names = listing([result.model for result in tied])
    if MANY <= len(tied) == len(comparison.results) - 1:
        names = f"any of the other {len(tied)}"
    known = [comparison.difference(comparison.best, result) for result in tied]
    if not any(difference.known for difference in known):
        units = max(difference.units for difference in known)
        return f"cannot be told from {names}, because {too_few(units)} for an interval"
    return f"cannot be told from {names}: the paired difference may be zero"


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
    difference = comparison.difference(comparison.best, comparison.majority)
    if difference.sign < 0:
        return f"this is worse than {baseline}: {score_text(score)}"
    if difference.known and not difference.sign:
        return f"this cannot be distinguished from {baseline}: {score_text(score)}"
    return f"{baseline}, would reach {score.value:.3f}"


def choice_sentence(comparison: Comparison) -> str:
    """Which model to take under a limit of latency."""
    first, *others = comparison.choices
    choices = [
        f"{strong(first.model)} ({MAIN} {first.main.value:.3f}{_as_good(comparison, first)}) if a "
        f"forward pass may take {first.latency_ms:.1f} ms"
    ]
    faster = first
    for result in others:
        sure = comparison.difference(result, faster).sign > 0
        score = f"{result.main.value:.3f}{'' if sure else ', not surely better'}"
        score += _as_good(comparison, result)
        choices.append(f"{strong(result.model)} ({score}) from {result.latency_ms:.1f} ms")
        faster = result
    where = f"Which model to take on {comparison.title} with recipe {comparison.recipe}"
    return f"{where}: {listing(choices)}; no slower one scores higher."


def _as_good(comparison: Comparison, result: Result) -> str:
    """The models that neither latency nor score tells from a choice; empty if there are none."""
    names = [other.model for other in comparison.like(result)]
    return f"; {listing(names)} may be as good and as fast" if names else ""


def gap_sentence(gap: Gap) -> str:
    """What leakage adds to the score of the model that is best with it."""
    model = gap.leaky.best.model
    leaky, clean = next((a.main, b.main) for a, b in gap.pairs() if a.model == model)
    return (
        f"Leakage on {gap.leaky.title}: with recipe {gap.leaky.recipe}, {_shared(gap.leaky)} touch "
        f"a training tile or share its ground; with {gap.clean.recipe}, {_shared(gap.clean)}. "
        f"{model} scores {score_text(leaky)} and {score_text(clean)}, a difference of "
        f"{_gap_difference(gap, model, leaky.value - clean.value)}."
    )


def _shared(comparison: Comparison) -> str:
    return f"{comparison.shared:,} of {comparison.tiles:,} {comparison.subset} tiles"


def _gap_difference(gap: Gap, model: str, value: float) -> str:
    """The difference that leakage makes, and what it says."""
    if gap.differences is None:
        return (
            f"{strong(signed(value))}: the two are evaluated on different tiles, so that the "
            "scores cannot be paired, and the difference includes how hard these tiles are"
        )
    difference = gap.differences[model]
    text = difference_text(difference)
    if not difference.known:
        trained = gap.over_trainings(model)
        if trained:
            text = trained_text(trained, difference.units)
            difference = trained
    said = {
        1: "this is how much the leaky split inflates the score",
        0: "this gap is not a result",
        -1: "here the leaky split does not inflate the score",
    }
    once = ", as far as one run of each tells" if difference.sign and _once(gap, model) else ""
    return f"{text}: {said[difference.sign]}{once}"


def _once(gap: Gap, model: str) -> bool:
    """Whether a model was trained once under one of the two recipes, which shows no variance of
    training."""
    pair = next(results for results in gap.pairs() if results[0].model == model)
    return min(result.runs for result in pair) == 1
