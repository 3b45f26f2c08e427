"""Every claim of a paper, tested wherever it can be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

import pandas as pd

from satseg.config.claims import (
    AnyClaim,
    BeatsMajorityClaim,
    FasterClaim,
    FinestClaim,
    FollowsClaim,
    HigherClaim,
    HistoryClaim,
    LargerClaim,
    LastsClaim,
    NoGainClaim,
    RankClaim,
    RareClassesClaim,
    SavesMemoryClaim,
    UntestedClaim,
)
from satseg.config.papers import Paper, PaperTable
from satseg.measures import LEVELS, TIMES
from satseg.study.claims.evidence import (
    FAILS,
    HOLDS,
    NOT_PRINTED,
    PRINTED,
    PROFILED,
    RESULTS,
    UNKNOWN,
    UNTESTED,
    Evidence,
    Finding,
    Statistic,
    Untestable,
)
from satseg.study.claims.histories import beats_majority, curves
from satseg.study.claims.measured import measured_quantity, published_quantity
from satseg.study.claims.memory import finest, saves_memory
from satseg.study.claims.rankings import follows, rare_classes, rarest_lowest
from satseg.study.claims.settled import settled_only
from satseg.study.claims.times import faster, lasts
from satseg.study.claims.verdicts import (
    NO_MODEL,
    Tested,
    as_printed,
    higher,
    larger,
    no_gain,
    rank,
    verdict_of,
)

OF_MODELS = (*PROFILED, LEVELS)  # the same for all recipes of a dataset
COLUMNS = [
    "claim",
    "source",
    "dataset",
    "recipe",
    "by",
    "statistic",
    "value",
    "low",
    "high",
    "p",
    "verdict",
    "why",
]


def examine(paper: Paper, everything: Sequence[Evidence]) -> list[Finding]:
    """Every claim of a paper, by every measure it is about: on the results of each dataset and
    recipe, then in the paper's own tables."""
    findings = []
    for name, claim in paper.claims.items():
        evidence = [each for each in everything if _is_about(claim, each.comparison.dataset)]
        for by in claim.by:
            if isinstance(claim, UntestedClaim):
                findings.append(Finding(name, RESULTS, "", "", by, [], UNTESTED, claim.reason))
            elif isinstance(claim, NoGainClaim):
                place = (name, RESULTS, "", "", by)
                models = paper.own(evidence[0].models)
                findings.append(_finding(place, _tuning, claim, by, evidence, models))
            elif _is_between_recipes(claim):
                findings += _between_recipes(name, claim, by, evidence, paper)
            else:
                for each in _places(by, evidence):
                    recipe = "" if by in OF_MODELS else each.comparison.recipe
                    place = (name, RESULTS, each.comparison.dataset, recipe, by)
                    models = paper.own(each.models)
                    findings.append(_finding(place, _on_results, claim, by, each, models))

            for table in paper.tables:
                findings += _in_table(name, claim, by, table)
    return findings


def _is_about(claim: AnyClaim, dataset: str) -> bool:
    """Whether a claim is about a dataset: one that names none is about each."""
    return getattr(claim, "dataset", None) in (None, dataset)


def _is_between_recipes(claim: AnyClaim) -> bool:
    return bool(getattr(claim, "than_recipe", None))


def _places(by: str, evidence: Sequence[Evidence]) -> Iterable[Evidence]:
    """Where a measure is looked at: a profile is the same for all recipes of a dataset."""
    if by not in OF_MODELS:
        return evidence
    first: dict[str, Evidence] = {}
    for each in evidence:
        first.setdefault(each.comparison.dataset, each)
    return first.values()


def _between_recipes(
    name: str,
    claim: HigherClaim | SavesMemoryClaim,
    by: str,
    evidence: Sequence[Evidence],
    paper: Paper,
) -> list[Finding]:
    """A claim about two recipes, on every dataset."""
    places = {(e.comparison.dataset, e.comparison.recipe): e for e in evidence}
    findings = []
    for dataset in dict.fromkeys(dataset for dataset, _ in places):
        place = (name, RESULTS, dataset, "", by)
        pair = [places.get((dataset, recipe)) for recipe in (claim.recipe, claim.than_recipe)]
        findings.append(_finding(place, _recipes, claim, by, pair, paper))
    return findings


def _recipes(
    claim: HigherClaim | SavesMemoryClaim, by: str, pair: list[Evidence | None], paper: Paper
) -> Tested:
    for recipe, evidence in zip((claim.recipe, claim.than_recipe), pair, strict=True):
        if evidence is None:
            raise Untestable(f"this study has no {recipe} to compare")
    first, second = pair
    if isinstance(claim, SavesMemoryClaim):
        return saves_memory(claim, first, second, paper.own(first.models))
    tested = higher(claim, by, first, second, paper.own(first.models))
    return settled_only(settled_only(tested, first), second)


def _tuning(
    claim: NoGainClaim, by: str, evidence: Sequence[Evidence], models: Sequence[str]
) -> Tested:
    tested = no_gain(claim, by, evidence, models)
    for each in evidence:
        tested = settled_only(tested, each)
    return tested


def _in_table(name: str, claim: AnyClaim, by: str, table: PaperTable) -> list[Finding]:
    """What a paper's own table says of a claim."""
    if not _is_about(claim, table.dataset):
        return []
    place = (name, table.title, table.dataset, "", by)
    of_models = isinstance(
        claim, RankClaim | FollowsClaim | FasterClaim | LastsClaim | HigherClaim | LargerClaim
    )
    classes = getattr(claim, "classes", [])
    values = table.column(by, classes or ["all"])
    if of_models and not _is_between_recipes(claim) and len(values) > 1:
        return [_finding(place, _on_table, claim, by, table)]
    if isinstance(claim, RareClassesClaim) and table.class_pixels:
        means = table.class_means(by)
        findings = []
        for left_out in dict.fromkeys([None, table.no_class]):
            scores = {key: value for key, value in means.items() if key != left_out}
            if scores:
                title = f"{table.title}, without {left_out}" if left_out else table.title
                place = (name, title, table.dataset, "", by)
                findings.append(_finding(place, _printed_classes, scores, table.class_pixels))
        return findings
    return []


def _finding(
    place: tuple[str, str, str, str, str], test: Callable[..., Tested], *arguments
) -> Finding:
    try:
        return Finding(*place, *test(*arguments))
    except Untestable as reason:
        return Finding(*place, [], UNKNOWN, str(reason))


def _on_results(claim: AnyClaim, by: str, evidence: Evidence, models: list[str]) -> Tested:
    if isinstance(claim, HistoryClaim):
        return curves(claim, by, evidence, models)
    if isinstance(claim, BeatsMajorityClaim):
        return settled_only(beats_majority(by, evidence, models), evidence)
    if isinstance(claim, RareClassesClaim):
        return settled_only(rare_classes(evidence, by, models), evidence)
    if isinstance(claim, HigherClaim):
        _require_recipe(claim, evidence)
        return settled_only(higher(claim, by, evidence, evidence, models), evidence)
    if isinstance(claim, FinestClaim):
        return finest(claim, evidence, models)
    if not models:
        raise Untestable(NO_MODEL)
    if isinstance(claim, LargerClaim):
        sizes = {model: evidence.profiles[model][by] for model in models}
        return larger(by, _one(claim.model, models), _one(claim.than, models), sizes)
    if isinstance(claim, FasterClaim):
        pair = [_one(claim.model, models), _one(claim.than, models)]
        return faster(*pair, measured_quantity(evidence, by, pair))
    if isinstance(claim, LastsClaim):
        raise Untestable("the hours are those of the paper's device")

    if isinstance(claim, FollowsClaim):
        models = evidence.models  # of any models, the paper's or not
    quantity = measured_quantity(evidence, by, models)
    if isinstance(claim, RankClaim):
        tested = rank(claim, quantity)
        return tested if by in TIMES else settled_only(tested, evidence)

    sizes = {}
    for name in (claim.size, *claim.rather_than):
        sizes[name] = {model: evidence.profiles[model][name] for model in models}
    return follows(claim, quantity, sizes)


def _require_recipe(claim: HigherClaim, evidence: Evidence) -> None:
    if claim.recipe and claim.recipe != evidence.comparison.recipe:
        raise Untestable(f"the claim is about {claim.recipe}")


def _on_table(claim: AnyClaim, by: str, table: PaperTable) -> Tested:
    if isinstance(claim, FollowsClaim):
        sizes = {name: table.column(name) for name in (claim.size, *claim.rather_than)}
        return as_printed(follows(claim, published_quantity(table, by), sizes))
    if isinstance(claim, LastsClaim):
        return lasts(claim, table.column(by))
    if isinstance(claim, RankClaim):
        return as_printed(rank(claim, published_quantity(table, by)))

    values = table.column(by, getattr(claim, "classes", None) or ["all"])
    first = _one(claim.model, values)
    second = _one(claim.than, values)
    if isinstance(claim, FasterClaim):
        return as_printed(faster(first, second, published_quantity(table, by)))
    statistics = [Statistic(first, values[first]), Statistic(second, values[second])]
    margin = getattr(claim, "by_more_than", 0.0)
    printed = PRINTED if values[first] - values[second] > margin else NOT_PRINTED
    return statistics, printed, f"{values[first]:g} and {values[second]:g}, without intervals"


def _printed_classes(scores: dict[str, float], pixels: dict[str, int]) -> Tested:
    return as_printed(rarest_lowest(scores, pixels))


def _one(pattern: str, models: Iterable[str]) -> str:
    """The first model that a pattern matches, or whose own pattern is the same."""
    for model in models:
        if fnmatchcase(model, pattern) or model == pattern:
            return model
    raise Untestable(f"there is no {pattern}")


def overall_verdict(verdicts: Sequence[str]) -> str:
    """The verdict of several places together: it holds if it holds in all of them, and does not if
    it fails in at least half.

    A single failure among many places may be chance. If each test fails by chance in 2.5 of 100
    cases, at least half of them do in no more than 5, however they depend on each other (Rüger
    1978, Metrika 25).
    """
    if set(verdicts) == {UNTESTED}:
        return UNTESTED
    holds = bool(verdicts) and set(verdicts) == {HOLDS}
    fails = bool(verdicts) and 2 * verdicts.count(FAILS) >= len(verdicts)
    return verdict_of(holds, fails)


def claims_frame(findings: Sequence[Finding]) -> pd.DataFrame:
    """claims.csv: a row per statistic, and one row for a finding without any."""
    rows = []
    for finding in findings:
        place = [finding.claim, finding.source, finding.dataset, finding.recipe, finding.by]
        for statistic in finding.statistics or [Statistic("", math.nan)]:
            rows.append([*place, *statistic, finding.verdict, finding.why])
    return pd.DataFrame(rows, columns=COLUMNS)
