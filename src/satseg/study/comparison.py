"""What the scores of a study say: the best model, the models indistinguishable from it, and what
leakage adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

import numpy as np
import pandas as pd

from satseg.config.recipes import Recipe
from satseg.measures import MAJORITY
from satseg.metrics.scores import intervals, jackknifed
from satseg.statistics.differences import Difference, differences
from satseg.statistics.front import pareto_front
from satseg.statistics.intervals import ScoreInterval
from satseg.statistics.jackknife import Jackknife
from satseg.statistics.trainings import TrainingDifference, training_difference
from satseg.study.inputs import StudyInputs
from satseg.study.spread import alike
from satseg.study.tables import EvaluatedCounts, epoch_seconds

MAIN = "miou_d"  # what models are compared by


@dataclass(frozen=True)
class Result:
    """A model as evaluated under one recipe on one dataset."""

    model: str
    scores: dict[tuple[str, str], ScoreInterval]
    """(metric, class name or `all`) → score."""
    epoch_seconds: float = float("nan")
    latency_ms: float = float("nan")
    memory_mb: float = float("nan")
    peak_memory_mb: float = float("nan")
    profile: dict = field(default_factory=dict, compare=False, repr=False)
    """What the model costs on the dataset."""
    replicates: dict[str, Jackknife] = field(default_factory=dict, compare=False, repr=False)
    """Metric over all classes → its values without each group of tiles; those of two results on the
    same tiles are paired."""
    by_class: dict[tuple[str, str], Jackknife] = field(
        default_factory=dict, compare=False, repr=False
    )
    """(metric, class name) → the same."""

    @property
    def main(self) -> ScoreInterval:
        """The score that models are compared by."""
        return self.scores[MAIN, "all"]

    @property
    def runs(self) -> int:
        """How many runs it is the result of."""
        return len(self.replicates[MAIN].values)


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
    groups: int
    """How many groups the evaluated tiles form; tiles of two groups are taken to be independent."""
    shared: int
    """How many of the evaluated tiles touch a training tile or share its ground."""
    evaluated: tuple[int, ...] = ()
    """The evaluated tiles; results on the same ones can be compared tile by tile."""
    folds: int = 0
    """How many folds the evaluated tiles come from; 0 without folds."""

    @cached_property
    def best(self) -> Result:
        """The model with the highest mIoU^D; the first of equals."""
        return max(self.results, key=lambda result: result.main.value)

    @cached_property
    def differences(self) -> list[Difference]:
        """mIoU^D of every two models, and of each model and the majority baseline, with intervals
        that hold at once."""
        return self.differences_of(MAIN)

    def differences_of(self, metric: str) -> list[Difference]:
        """The same of another metric over all classes."""
        rows = [*self.results, self.majority]
        return differences({result.model: result.replicates[metric] for result in rows})

    def difference(self, first: Result, second: Result) -> Difference:
        """mIoU^D of the first minus that of the second."""
        names = (first.model, second.model)
        for row in self.differences:
            if (row.first, row.second) == names:
                return row
            if (row.second, row.first) == names:
                return row.turned()
        raise KeyError(names)

    @cached_property
    def tied(self) -> list[Result]:
        """The other models that cannot be told from the best one: the interval of the difference
        holds 0, or there is none."""
        others = [result for result in self.results if result is not self.best]
        return [other for other in others if not self.difference(self.best, other).sign]

    @cached_property
    def fastest(self) -> Result:
        """Of the best and those tied with it, the one with the lowest latency."""
        return min([self.best, *self.tied], key=lambda result: result.latency_ms)

    @cached_property
    def as_fast(self) -> list[Result]:
        """Those of the same models whose latency cannot be told from that of the fastest."""
        fastest = self.fastest
        others = [result for result in (self.best, *self.tied) if result is not fastest]
        return [result for result in others if alike(fastest.profile, result.profile, "latency_ms")]

    @cached_property
    def choices(self) -> list[Result]:
        """The models to choose among if latency is limited, fastest first: each beats the majority
        baseline, and none that is as fast scores higher."""
        able = [result for result in self.results if self._beats_majority(result)]
        latencies = np.array([result.latency_ms for result in able])
        scores = np.array([result.main.value for result in able])
        same = np.zeros((len(able), len(able)), bool)
        for i, j in np.ndindex(same.shape):
            same[i, j] = alike(able[i].profile, able[j].profile, "latency_ms")
        front = pareto_front(latencies, scores, same)
        return [able[i] for i in np.argsort(latencies, kind="stable") if front[i]]

    def like(self, choice: Result) -> list[Result]:
        """The other models that beat the baseline and that neither their latency nor their score
        tells from one of `choices`."""
        return [
            result
            for result in self.results
            if result is not choice
            and self._beats_majority(result)
            and alike(choice.profile, result.profile, "latency_ms")
            and not self.difference(choice, result).sign
        ]

    def _beats_majority(self, result: Result) -> bool:
        """Surely, or, where too few groups leave no interval, by its score."""
        difference = self.difference(result, self.majority)
        if difference.known:
            return difference.sign > 0
        return difference.difference > 0


def compare(inputs: StudyInputs, counts: EvaluatedCounts, splits: pd.DataFrame) -> Comparison:
    """Put the models of one dataset × recipe side by side, each over all of its runs.

    Args:
        inputs: the study's files.
        counts: the counts of every run, and of the baseline.
        splits: the frame of splits.csv.
    """
    subset = inputs.job.recipes[counts.recipe].evaluate.subset
    tiles = counts.majority.drop_duplicates("tile")
    audit = splits[
        (splits["dataset"] == counts.dataset)
        & (splits["recipe"] == counts.recipe)
        & (splits["subset"] == subset)
    ]
    baseline = jackknifed([counts.majority], counts.groups)
    return Comparison(
        dataset=counts.dataset,
        title=inputs.job.datasets[counts.dataset].title,
        recipe=counts.recipe,
        subset=subset,
        classes=list(counts.majority["class"].unique()),
        results=[_result(inputs, counts, model) for model in inputs.job.models],
        majority=Result(MAJORITY, intervals(baseline), replicates=_over_classes(baseline)),
        majority_class=counts.majority_class,
        tiles=len(tiles),
        scenes=tiles["scene"].nunique(),
        groups=tiles["tile"].map(counts.groups).nunique(),
        shared=int(audit["exposed"].sum()),
        evaluated=tuple(tiles["tile"].tolist()),
        folds=len(counts.folds),
    )


def _result(inputs: StudyInputs, counts: EvaluatedCounts, model: str) -> Result:
    """The scores and costs of a model, over all of its runs."""
    profile = inputs.profiles[counts.dataset, model]
    histories = inputs.model_histories(counts.dataset, model, counts.recipe)
    runs = [frame for (name, _), frame in counts.runs.items() if name == model]
    metrics = jackknifed(runs, counts.groups)
    return Result(
        model,
        intervals(metrics),
        epoch_seconds=epoch_seconds(histories),
        latency_ms=profile["latency_ms"],
        memory_mb=profile["memory_mb"],
        peak_memory_mb=profile["peak_memory_mb"],
        profile=profile,
        replicates=_over_classes(metrics),
        by_class={key: values for key, values in metrics.items() if key[1] != "all"},
    )


def _over_classes(metrics: dict[tuple[str, str], Jackknife]) -> dict[str, Jackknife]:
    """The metrics over all classes, by name."""
    return {name: values for (name, label), values in metrics.items() if label == "all"}


@dataclass(frozen=True)
class Gap:
    """Two comparisons whose recipes differ only in the split, one of which leaks more."""

    leaky: Comparison
    clean: Comparison

    def pairs(self) -> list[tuple[Result, Result]]:
        """Each model under the leaky and under the clean split."""
        clean_results = {result.model: result for result in self.clean.results}
        return [(result, clean_results[result.model]) for result in self.leaky.results]

    @cached_property
    def differences(self) -> dict[str, Difference] | None:
        """mIoU^D of each model under the leaky minus that under the clean split, with intervals
        that hold at once; None if the splits evaluate different tiles, which cannot be paired."""
        if self.leaky.evaluated != self.clean.evaluated:
            return None
        replicates = {}
        sides = []
        for leaky, clean in self.pairs():
            replicates[f"{leaky.model}, leaky"] = leaky.replicates[MAIN]
            replicates[f"{leaky.model}, clean"] = clean.replicates[MAIN]
            sides.append((f"{leaky.model}, leaky", f"{leaky.model}, clean"))
        rows = differences(replicates, sides)
        return {leaky.model: row for (leaky, _), row in zip(self.pairs(), rows, strict=True)}

    def over_trainings(self, model: str) -> TrainingDifference | None:
        """The same for one model, with an interval for other trainings on these tiles alone; None
        if there are too few trainings."""
        leaky, clean = next(pair for pair in self.pairs() if pair[0].model == model)
        return training_difference(leaky.replicates[MAIN].values, clean.replicates[MAIN].values)


def leakage_gaps(comparisons: Sequence[Comparison], recipes: dict[str, Recipe]) -> list[Gap]:
    """The pairs of comparisons that show what leakage adds.

    Args:
        comparisons: in the order of the study.
        recipes: recipes by name.
    """
    without_split = {
        name: recipe.model_dump(exclude={"about", "split"}) for name, recipe in recipes.items()
    }
    gaps = []
    for first, second in combinations(comparisons, 2):
        same_dataset = first.dataset == second.dataset
        same_recipe = without_split[first.recipe] == without_split[second.recipe]
        first_leaks = first.shared / first.tiles
        second_leaks = second.shared / second.tiles
        if same_dataset and same_recipe and first_leaks != second_leaks:
            gaps.append(Gap(first, second) if first_leaks > second_leaks else Gap(second, first))
    return gaps
