"""Every claim of a paper, tested wherever it can be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import pandas as pd

from satseg.config.claims import (
    AnyClaim,
    BeatsMajorityClaim,
    FollowsClaim,
    HistoryClaim,
    NoGainClaim,
    RankClaim,
    RareClassesClaim,
)
from satseg.config.papers import Paper, PaperTable
from satseg.study.claims.evidence import (
    FAILS,
    HOLDS,
    PROFILED,
    RESULTS,
    UNKNOWN,
    Evidence,
    Finding,
    Statistic,
    Untestable,
)
from satseg.study.claims.histories import beats_majority, curves
from satseg.study.claims.measured import measured_quantity, published_quantity
from satseg.study.claims.verdicts import (
    NO_MODEL,
    Tested,
    follows,
    no_gain,
    rank,
    rare_classes,
    verdict_of,
)

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


def examine(paper: Paper, evidence: Sequence[Evidence]) -> list[Finding]:
    """Every claim of a paper, by every measure it is about: on the results of each dataset and
    recipe, then in the paper's own tables."""
    findings = []
    for name, claim in paper.claims.items():
        for by in claim.by:
            if isinstance(claim, NoGainClaim):
                models = paper.own(evidence[0].models)
                place = (name, RESULTS, "", "", by)
                findings.append(_finding(place, no_gain, claim, by, evidence, models))
                continue

            for each in _places(by, evidence):
                recipe = "" if by in PROFILED else each.comparison.recipe
                place = (name, RESULTS, each.comparison.dataset, recipe, by)
                models = paper.own(each.models)
                findings.append(_finding(place, _on_results, claim, by, each, models))

            if isinstance(claim, RankClaim | FollowsClaim):
                for table in paper.tables:
                    if len(table.rows) > 1 and table.column(by):
                        place = (name, table.title, table.dataset, "", by)
                        findings.append(_finding(place, _on_table, claim, by, table))
    return findings


def _places(by: str, evidence: Sequence[Evidence]) -> Iterable[Evidence]:
    """Where a measure is looked at: a profile is the same for all recipes of a dataset."""
    if by not in PROFILED:
        return evidence
    first: dict[str, Evidence] = {}
    for each in evidence:
        first.setdefault(each.comparison.dataset, each)
    return first.values()


def _finding(
    place: tuple[str, str, str, str, str], test: Callable[..., Tested], *arguments
) -> Finding:
    try:
        return Finding(*place, *test(*arguments))
    except Untestable as reason:
        return Finding(*place, [], UNKNOWN, str(reason))


def _on_results(claim: AnyClaim, by: str, evidence: Evidence, models: list[str]) -> Tested:
    if isinstance(claim, RareClassesClaim):
        return rare_classes(evidence, by, models)
    if isinstance(claim, BeatsMajorityClaim):
        return beats_majority(by, evidence, models)
    if isinstance(claim, HistoryClaim):
        return curves(claim, by, evidence, models)
    if not models:
        raise Untestable(NO_MODEL)

    quantity = measured_quantity(evidence, by, models)
    if isinstance(claim, RankClaim):
        return rank(claim, quantity)

    sizes = {}
    for name in (claim.size, claim.rather_than):
        sizes[name] = {model: evidence.profiles[model][name] for model in models}
    return follows(claim, quantity, sizes)


def _on_table(claim: RankClaim | FollowsClaim, by: str, table: PaperTable) -> Tested:
    quantity = published_quantity(table, by)
    if isinstance(claim, RankClaim):
        return rank(claim, quantity)
    sizes = {name: table.column(name) for name in (claim.size, claim.rather_than)}
    return follows(claim, quantity, sizes)


def overall_verdict(verdicts: Sequence[str]) -> str:
    """The verdict of several places together: it holds if it holds in all of them, and does not if
    it fails in one."""
    return verdict_of(bool(verdicts) and set(verdicts) == {HOLDS}, FAILS in verdicts)


def claims_frame(findings: Sequence[Finding]) -> pd.DataFrame:
    """claims.csv: a row per statistic, and one row for a finding without any."""
    rows = []
    for finding in findings:
        place = [finding.claim, finding.source, finding.dataset, finding.recipe, finding.by]
        for statistic in finding.statistics or [Statistic("", math.nan)]:
            rows.append([*place, *statistic, finding.verdict, finding.why])
    return pd.DataFrame(rows, columns=COLUMNS)
