"""Whether what a paper claims holds on the results of a study, and in the paper's own tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache, cached_property
from itertools import permutations
from typing import NamedTuple

import numpy as np
import pandas as pd

from satseg.comparison import Comparison, listing
from satseg.config import FollowsClaim, NoGainClaim, Paper, PaperTable, RankClaim, RareClassesClaim
from satseg.metrics import interval

PROFILED = ("train_step_ms", "latency_ms")
HOLDS, FAILS, UNKNOWN = "holds", "does not hold", "cannot tell"
RESULTS = "results"
LEVEL = 0.05  # of the one-sided permutation tests
NEAR = 1.1  # profiled times count as different from this ratio on, or from a greater one where they vary more
ENUMERATED = 8  # up to this many values all permutations are tried, beyond it that many random ones:
DRAWN = 100_000
COLUMNS = ["claim", "source", "dataset", "recipe", "by", "statistic", "value", "low", "high", "p", "verdict", "why"]


class Untold(Exception):
    """Why a claim cannot be tested in some place."""


class Statistic(NamedTuple):
    """A number a verdict rests on; what does not apply is NaN."""

    name: str
    value: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan


@dataclass(frozen=True)
class Evidence:
    """What there is to test claims with, under one recipe on one dataset."""

    comparison: Comparison
    profiles: dict[str, dict]
    """Profile of each model on the dataset."""
    epochs: dict[str, np.ndarray]
    """Seconds of every epoch of every training of each model, float64 [epochs]."""
    devices: dict[str, set[str]]
    """Where the trainings of each model ran, in words."""
    pixels: dict[str, int]
    """Training pixels of each class."""

    @cached_property
    def models(self) -> list[str]:
        """The models, in the order of the study."""
        return [result.model for result in self.comparison.results]


class Finding(NamedTuple):
    """A claim tested in one place by one figure."""

    claim: str
    source: str
    """`RESULTS`, or the title of a published table."""
    dataset: str
    recipe: str
    by: str
    statistics: list[Statistic]
    verdict: str
    why: str


@dataclass(frozen=True)
class Figures:
    """One figure of several models, and how far a second model is from a first."""

    values: dict[str, float]
    compared: Callable[[str, str], tuple[float, float, float]]
    """(first, second) → second over or minus first, and the ends of its interval."""
    neutral: float
    """What it is where the two are equal: 1 of ratios, 0 of differences."""

    @property
    def sign(self) -> str:
        """How a comparison is written."""
        return " / " if self.neutral else " − "


# --- figures of models -----------------------------------------------------------------------------------


def figures(evidence: Evidence, by: str, models: Sequence[str]) -> Figures:
    """A time or metric of these models, from the results.

    Raises:
        Untold: it cannot be compared between them.
    """
    if by == "epoch_seconds":
        return _epochs(evidence, models)
    if by in PROFILED:
        _one_device({_named(evidence.profiles[model]["device"]) for model in models}, "models were profiled")
        return _profiled({model: evidence.profiles[model] for model in models}, by)
    results = {r.model: r for r in evidence.comparison.results if r.model in models}
    values = {model: result.scores[by, "all"].value for model, result in results.items()}

    def difference(a: str, b: str) -> tuple[float, float, float]:
        return values[b] - values[a], *interval(results[b].draws[by] - results[a].draws[by])

    return Figures(values, difference, 0.0)


def _profiled(profiles: dict[str, dict], by: str) -> Figures:
    values = {model: float(profile[by]) for model, profile in profiles.items()}
    spread = {model: profiles[model][by.replace("_ms", "_p95_ms")] / value for model, value in values.items()}

    def ratio(a: str, b: str) -> tuple[float, float, float]:
        value, near = values[b] / values[a], max(NEAR, spread[a] * spread[b])
        return value, value / near, value * near

    return Figures(values, ratio, 1.0)


def _epochs(evidence: Evidence, models: Sequence[str]) -> Figures:
    _one_device(set().union(*(evidence.devices[model] for model in models)), "trainings ran")
    means = {model: float(evidence.epochs[model].mean()) for model in models}
    return Figures(means, lambda a, b: ratio_of_means(evidence.epochs[a], evidence.epochs[b]), 1.0)


def _one_device(devices: set[str], what: str) -> None:
    if len(devices) > 1:
        raise Untold(f"the {what} on different devices ({listing(sorted(devices))})")


def _named(device: dict) -> str:
    return device.get("name") or device["kind"]


def ratio_of_means(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    """Mean of the second over mean of the first, with Welch's 95 % interval on the log scale.

    Raises:
        Untold: one of them is a single value.
    """
    from scipy.special import stdtrit  # a quarter of a second to import, and not every study needs it

    if min(len(first), len(second)) < 2:
        raise Untold("a single epoch has no spread to judge a difference by")
    value = second.mean() / first.mean()
    parts = np.array([(x.std(ddof=1) / x.mean()) ** 2 / len(x) for x in (first, second)])
    if not parts.any():
        return value, value, value
    freedom = parts.sum() ** 2 / (parts**2 / [len(first) - 1, len(second) - 1]).sum()
    half = float(stdtrit(freedom, 0.975) * np.sqrt(parts.sum()))
    return value, value * math.exp(-half), value * math.exp(half)


def printed(table: PaperTable, by: str) -> Figures:
    """A column of a published table; what it prints has no interval.

    Raises:
        Untold: the table has no such column.
    """
    values = table.column(by)
    if not values:
        raise Untold(f"it has no {by}")
    return Figures(values, lambda a, b: (values[b] / values[a],) * 3, 1.0)


# --- statistics ------------------------------------------------------------------------------------------


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's rank correlation; NaN where all values of one are equal."""
    return float(_correlations(first, second, np.arange(len(first))[None])[0])


def _correlations(first: Sequence[float], second: Sequence[float], orders: np.ndarray) -> np.ndarray:
    """Spearman's correlation for each reordering [K, n] of the first: float64 [K]."""
    a, b = (pd.Series(values, dtype=float).rank().to_numpy() for values in (first, second))
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a**2).sum() * (b**2).sum())
    return a[orders] @ b / scale if scale else np.full(len(orders), np.nan)


@cache
def _orders(count: int) -> np.ndarray:
    """All permutations of `count` indices, or many random ones with the identity among them: int [K, count]."""
    if count <= ENUMERATED:
        return np.array(list(permutations(range(count))))
    drawn = np.random.default_rng(0).permuted(np.tile(np.arange(count), (DRAWN, 1)), axis=1)
    return np.vstack([np.arange(count), drawn])


def _shares(values: np.ndarray, observed: float) -> tuple[float, float]:
    """How many of the values are at least, and at most, the observed one."""
    near = 1e-9  # sums of ranks that differ in the last bit are equal
    return float((values >= observed - near).mean()), float((values <= observed + near).mean())


# --- tests -----------------------------------------------------------------------------------------------

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
        raise Untold(f"there is no {claim.model}" if model is None else f"{model} has no other to be compared with")
    up = 1 if claim.order == "lowest" else -1
    count = len(others) + 1
    if count < claim.place + claim.or_better:
        raise Untold(f"there are only {count} models")
    ordered = sorted(others, key=lambda m: up * found.values[m])
    apart = {m: found.compared(model, m) for m in ordered}
    if not np.isfinite(list(apart.values())).all():
        raise Untold("it is not defined for every model")
    sides = {m: up * ((low > found.neutral) - int(high < found.neutral)) for m, (_, low, high) in apart.items()}
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
        statistics.append(Statistic(f"{m}{found.sign}{model}", value, *(bounds if bounds[0] < bounds[1] else [])))
    level = [m for m, side in sides.items() if not side]
    why = f"{model} has place {first + 1} of {count} from the {claim.order}, {before} before it and {after} after it"
    why += f", not to be told from {listing(level)}" if level else ""
    return statistics, _verdict(holds, fails), why


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
    orders = _orders(len(models))
    drawn = [_correlations(times, [sizes[name][m] for m in models], orders) for name in names]
    if not np.isfinite(drawn).all():
        raise Untold("all values are equal")
    drawn.append(drawn[0] - drawn[1])
    rho, other, gap = (float(d[0]) for d in drawn)
    (p, reverse), (p_other, _), (p_gap, p_against) = (_shares(d, d[0]) for d in drawn)
    holds = p <= LEVEL < p_other and rho > other
    fails = min(p_against, reverse) <= LEVEL or (p_other <= LEVEL and other >= rho)
    statistics = [
        Statistic(f"rho, {claim.size}", rho, p=p),
        Statistic(f"rho, {claim.rather_than}", other, p=p_other),
        Statistic("difference of rho", gap, p=p_gap),
    ]
    why = f"over {len(models)} models, rho is {rho:.2f} with {claim.size} and {other:.2f} with {claim.rather_than}"
    return statistics, _verdict(holds, fails), why


def rare_classes(evidence: Evidence, by: str, models: Sequence[str]) -> Tested:
    """Rank correlation of a class's training pixels with its score, mean over models, by permutation.

    Raises:
        Untold: there are too few classes.
    """
    results = [r for r in evidence.comparison.results if r.model in models]
    if not results:
        raise Untold("none of the paper's models is there")
    # The published rule gives 0 to a class that nothing holds; only `iou` tells that there was nothing to find.
    there = [c for c in evidence.comparison.classes if all(math.isfinite(r.scores["iou", c].value) for r in results)]
    scores = {label: float(np.mean([r.scores[by, label].value for r in results])) for label in there}
    if len(scores) < 3:
        raise Untold("fewer than three classes have no order to speak of")
    pixels = [evidence.pixels[label] for label in scores]
    drawn = _correlations(list(scores.values()), pixels, _orders(len(scores)))
    if not np.isfinite(drawn).all():
        raise Untold("all values are equal")
    p, reverse = _shares(drawn, drawn[0])
    why = f"over {len(scores)} classes, rho of the score with the number of training pixels is {drawn[0]:.2f}"
    lowest = min(scores, key=scores.__getitem__)
    why += f"; {lowest} scores lowest with {100 * evidence.pixels[lowest] / sum(pixels):.1f} % of the pixels"
    return [Statistic("rho, training pixels", float(drawn[0]), p=p)], _verdict(p <= LEVEL, reverse <= LEVEL), why


def no_gain(claim: NoGainClaim, by: str, evidence: Sequence[Evidence], models: Sequence[str]) -> Tested:
    """Paired bootstrap difference of each recipe from the baseline, mean over models, on every dataset.

    Raises:
        Untold: the study lacks the baseline or what was tried, or two recipes are judged on different tiles.
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
        statistics += [Statistic(f"{recipe} on {d}", *gain) for d, gain in zip(datasets, found, strict=True)]
        if any(high < claim.gain for _, _, high in found):
            ruled_out.append(recipe)
        elif len(datasets) > 1 and all(low > 0 for _, low, _ in found):
            helps.append(recipe)
    why = f"of {len(tried)} recipes tried on {listing(datasets)}, {len(helps)} surely help on "
    why += f"every dataset, {len(ruled_out)} surely gain less than {claim.gain:g} on one"
    return statistics, _verdict(len(ruled_out) == len(tried), bool(helps)), why


def _gain(baseline: Evidence, other: Evidence, by: str, models: Sequence[str]) -> tuple[float, float, float]:
    """Mean over models of the other's score minus the baseline's, with its interval."""
    pairs = [
        (a, b) for a, b in zip(baseline.comparison.results, other.comparison.results, strict=True) if a.model in models
    ]
    if not pairs:
        raise Untold("none of the paper's models is there")
    one, two = ((e.comparison.judged, e.comparison.classes) for e in (baseline, other))
    if one != two:
        names = listing([baseline.comparison.recipe, other.comparison.recipe])
        raise Untold(f"{names} are judged on different tiles or classes")
    value = float(np.mean([b.scores[by, "all"].value - a.scores[by, "all"].value for a, b in pairs]))
    return value, *interval(np.mean([b.draws[by] - a.draws[by] for a, b in pairs], axis=0))


def _verdict(holds: bool, fails: bool) -> str:
    return HOLDS if holds else FAILS if fails else UNKNOWN


# --- every claim -----------------------------------------------------------------------------------------


def examined(paper: Paper, evidence: Sequence[Evidence]) -> list[Finding]:
    """Every claim of a paper, by every figure it is about, in every place; then in the paper's own tables."""
    findings = []
    for name, claim in paper.claims.items():
        for by in claim.by:
            if isinstance(claim, NoGainClaim):
                models = paper.own(evidence[0].models)
                findings.append(_finding((name, RESULTS, "", "", by), no_gain, claim, by, evidence, models))
                continue
            for e in _places(by, evidence):
                recipe = "" if by in PROFILED else e.comparison.recipe
                place = (name, RESULTS, e.comparison.dataset, recipe, by)
                findings.append(_finding(place, _on_results, claim, by, e, paper.own(e.models)))
            if not isinstance(claim, RareClassesClaim):
                for table in (t for t in paper.tables if t.column(by)):
                    place = (name, table.title, table.dataset, "", by)
                    findings.append(_finding(place, _on_table, claim, by, table))
    return findings


def _places(by: str, evidence: Sequence[Evidence]) -> Iterable[Evidence]:
    """Where a figure is to be looked at: a profile is the same for all recipes."""
    if by not in PROFILED:
        return evidence
    first: dict[str, Evidence] = {}
    for e in evidence:
        first.setdefault(e.comparison.dataset, e)
    return first.values()


def _finding(place: tuple[str, str, str, str, str], test: Callable[..., Tested], *arguments) -> Finding:
    try:
        return Finding(*place, *test(*arguments))
    except Untold as reason:
        return Finding(*place, [], UNKNOWN, str(reason))


def _on_results(
    claim: RankClaim | FollowsClaim | RareClassesClaim, by: str, evidence: Evidence, models: list[str]
) -> Tested:
    if isinstance(claim, RareClassesClaim):
        return rare_classes(evidence, by, models)
    if not models:
        raise Untold("none of the paper's models is there")
    found = figures(evidence, by, models)
    if isinstance(claim, RankClaim):
        return rank(claim, found)
    sizes = {n: {m: evidence.profiles[m][n] for m in models} for n in (claim.size, claim.rather_than)}
    return follows(claim, found, sizes)


def _on_table(claim: RankClaim | FollowsClaim, by: str, table: PaperTable) -> Tested:
    found = printed(table, by)
    if isinstance(claim, RankClaim):
        return rank(claim, found)
    return follows(claim, found, {name: table.column(name) for name in (claim.size, claim.rather_than)})


def overall(verdicts: Sequence[str]) -> str:
    """The verdict of several places together: it holds where it holds in all, and not where it fails in one."""
    return _verdict(bool(verdicts) and set(verdicts) == {HOLDS}, FAILS in verdicts)


def claims_frame(findings: Sequence[Finding]) -> pd.DataFrame:
    """claims.csv: a row per statistic, and one without where there is none."""
    empty = [Statistic("", math.nan)]
    rows = [
        [*finding[:5], *statistic, finding.verdict, finding.why]
        for finding in findings
        for statistic in finding.statistics or empty
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


# --- speed -----------------------------------------------------------------------------------------------

SPEED = ["dataset", "measure", "device", "model", "value", "place", "table", "published", "published_place", "rho"]


def speed_frame(paper: Paper | None, profiles: dict[tuple[str, str], dict]) -> pd.DataFrame:
    """speed.csv: each dataset's models by profiled time, beside the epoch times of each published table.

    Args:
        paper: its models are compared, where there are any; without a paper all are, with nothing beside them.
        profiles: (dataset, model) → profile.
    """
    rows = []
    for dataset in dict.fromkeys(dataset for dataset, _ in profiles):
        mine = {model: profile for (d, model), profile in profiles.items() if d == dataset}
        mine = {m: mine[m] for m in paper.own(mine)} if paper else mine
        for measure in PROFILED:
            values = {model: float(profile[measure]) for model, profile in mine.items()}
            tables = [t for t in (paper.tables if paper else []) if t.column("epoch_seconds")]
            for title, other in [(t.title, printed_seconds(t, values)) for t in tables] or [("", {})]:
                both = [m for m in values if m in other]
                rho = spearman([values[m] for m in both], [other[m] for m in both]) if len(both) > 2 else math.nan
                for model, value in values.items():
                    ours = [dataset, measure, _named(mine[model]["device"]), model, value, _place(model, values)]
                    rows.append([*ours, title, other.get(model, math.nan), _place(model, other), rho])
    return pd.DataFrame(rows, columns=SPEED).astype({"place": "Int64", "published_place": "Int64"})


def printed_seconds(table: PaperTable, models: Iterable[str]) -> dict[str, float]:
    """The printed epoch time of each model the table has."""
    return {m: f.value for m in models for f in table.row(m) if f.column.metric == "epoch_seconds"}


def _place(model: str, values: dict[str, float]) -> int | None:
    """Place of a model from the fastest; equals share one."""
    return 1 + sum(v < values[model] for v in values.values()) if model in values else None
