"""What the scores of a study say: the best model, what cannot be told from it, and what leakage
adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd


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
    """Metric over all classes → its bootstrap resamples; those of two results on the same tiles are
    pairs."""

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
