"""What the scores of a study say: the best model, what cannot be told from it, and what leakage adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from satseg.markdown import escape


class Score(NamedTuple):
    """One metric of one model: mean over its trainings, 95 % interval, deviation over trainings."""

    value: float
    low: float
    high: float
    deviation: float

    def overlaps(self, other: Score) -> bool:
        """Whether the intervals share a point, so that the order of the two is not a result."""
        return self.low <= other.high and other.low <= self.high

    def text(self) -> str:
        """Value and interval, for a sentence."""
        return f"**{self.value:.3f}** [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Result:
    """A model as judged under one recipe on one dataset."""

    model: str
    scores: dict[tuple[str, str], Score]
    """(metric, class name or `all`) → score."""
    epoch_seconds: float = float("nan")
    latency_ms: float = float("nan")
    memory_mb: float = float("nan")
    peak_memory_mb: float = float("nan")
    draws: dict[str, np.ndarray] = field(default_factory=dict, compare=False, repr=False)
    """Metric over all classes → its bootstrap resamples; those of two results on the same tiles are pairs."""

    @property
    def main(self) -> Score:
        """The score that models are compared by."""
        return self.scores["miou_d", "all"]


@dataclass(frozen=True)
class Comparison:
    """All models of a study under one recipe on one dataset."""

    dataset: str
    title: str
    recipe: str
    subset: str
    classes: list[str]
    """Names of the classes that count."""
    results: list[Result]
    majority: Result
    majority_class: str
    """The class the baseline always answers."""
    tiles: int
    scenes: int
    unit: str
    """What the intervals resample: `scene` or `tile`."""
    shared: int
    """How many of the judged tiles show ground that training tiles show too."""
    judged: tuple[int, ...] = ()
    """The judged tiles; what is judged on the same ones can be compared tile by tile."""

    @cached_property
    def best(self) -> Result:
        """The model with the highest mIoU^D; the first of equals."""
        return max(self.results, key=lambda r: r.main.value)

    @cached_property
    def tied(self) -> list[Result]:
        """The other models whose interval overlaps the best one's."""
        return [r for r in self.results if r is not self.best and r.main.overlaps(self.best.main)]

    @cached_property
    def cheapest(self) -> Result:
        """Of the best and those tied with it, the one with the lowest latency."""
        return min([self.best, *self.tied], key=lambda r: r.latency_ms)


def scores_by_key(frame: pd.DataFrame) -> dict[tuple[str, str], Score]:
    """The frame of `satseg.metrics.scores` as a dictionary."""
    return {(row[0], row[1]): Score(*row[2:]) for row in frame.itertuples(index=False, name=None)}


def listing(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def answer(c: Comparison) -> str:
    """One sentence of Markdown: the best model, whether the next can be told from it, and the baseline."""
    where = f"On {escape(c.title)} with recipe {escape(c.recipe)}, **{escape(c.best.model)}**"
    parts = [f"{where} {'scores highest with' if len(c.results) > 1 else 'reaches'} mIoU^D {c.best.main.text()}"]
    others = sorted((r for r in c.results if r is not c.best), key=lambda r: -r.main.value)
    if c.tied:
        names = listing([escape(r.model) for r in c.tied])
        parts.append(f"but its interval overlaps that of {names}, so the order among them is not a result")
        parts.append(_cheapest(c))
    elif others:
        runner_up = others[0]
        parts.append(f"clear of the next, {escape(runner_up.model)} at {runner_up.main.text()}")
    return ", ".join(parts[:2]) + "".join(f"; {part}" for part in [*parts[2:], _majority(c)]) + "."


def _cheapest(c: Comparison) -> str:
    fastest, best = (f"{r.latency_ms:.1f} ms" for r in (c.cheapest, c.best))
    if c.cheapest is c.best:
        return f"it is also the fastest of them ({fastest} per forward pass)"
    return f"the fastest of them is {escape(c.cheapest.model)} ({fastest} per forward pass against {best})"


def _majority(c: Comparison) -> str:
    always = f"always answering {escape(c.majority_class)}, the most frequent training class"
    score = c.majority.main
    if c.best.main.overlaps(score):
        return f"this cannot be told from {always}: {score.text()}"
    if c.best.main.value < score.value:
        return f"this is worse than {always}: {score.text()}"
    return f"{always}, would reach {score.value:.3f}"


class Gap(NamedTuple):
    """Two comparisons whose recipes differ in nothing but the split, one of which leaks more."""

    leaky: Comparison
    clean: Comparison

    def pairs(self) -> list[tuple[Result, Result]]:
        """Each model under the leaky and under the clean split."""
        clean = {r.model: r for r in self.clean.results}
        return [(r, clean[r.model]) for r in self.leaky.results]


def gaps(comparisons: Sequence[Comparison], recipes: dict[str, dict]) -> list[Gap]:
    """The pairs of comparisons that show what leakage adds.

    Args:
        comparisons: in the order of the study.
        recipes: what each recipe says, by name.
    """

    def apart_from_split(name: str) -> dict:
        return {k: v for k, v in recipes[name].items() if k not in ("about", "split")}

    found = []
    for a, b in combinations(comparisons, 2):
        same = a.dataset == b.dataset and apart_from_split(a.recipe) == apart_from_split(b.recipe)
        leaks = [c.shared / c.tiles for c in (a, b)]
        if same and leaks[0] != leaks[1]:
            found.append(Gap(a, b) if leaks[0] > leaks[1] else Gap(b, a))
    return found


def gap_sentence(gap: Gap) -> str:
    """What leakage adds to the score of the model that is best with it, in words."""
    leaky, clean = gap
    model = leaky.best.model
    one, other = next((a.main, b.main) for a, b in gap.pairs() if a.model == model)
    shares = [f"{c.shared:,} of {c.tiles:,} judged tiles" for c in gap]
    told = (
        "the intervals overlap, so this gap is not a result"
        if one.overlaps(other)
        else "so much a split with leakage flatters"
        if one.value > other.value
        else "here the split with leakage does not flatter"
    )
    return (
        f"Leakage on {escape(leaky.title)}: with recipe {escape(leaky.recipe)}, {shares[0]} show ground that "
        f"training tiles show too, with {escape(clean.recipe)} {shares[1]}; {escape(model)} scores "
        f"{one.text()} and {other.text()}, a difference of **{signed(one.value - other.value)}**: {told}."
    )


def signed(value: float) -> str:
    """Three decimals with a sign, or a dash for NaN."""
    return "–" if value != value else f"{value:+.3f}".replace("-", "−")
