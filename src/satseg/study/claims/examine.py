"""Whether what a paper claims holds on the results of a study, and in the paper's own tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import pandas as pd

from satseg.config.papers import (
    FollowsClaim,
    NoGainClaim,
    Paper,
    PaperTable,
    RankClaim,
    RareClassesClaim,
)
from satseg.study.claims.evidence import (
    FAILS,
    HOLDS,
    PROFILED,
    RESULTS,
    UNKNOWN,
    Evidence,
    Finding,
    Statistic,
    Untold,
)
from satseg.study.claims.measured import figures, printed
from satseg.study.claims.verdicts import Tested, follows, no_gain, rank, rare_classes, verdict_of

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


def examined(paper: Paper, evidence: Sequence[Evidence]) -> list[Finding]:
    """Every claim of a paper, by every figure it is about, in every place; then in the paper's own
    tables."""
    findings = []
    for name, claim in paper.claims.items():
        for by in claim.by:
            if isinstance(claim, NoGainClaim):
                models = paper.own(evidence[0].models)
                findings.append(
                    _finding((name, RESULTS, "", "", by), no_gain, claim, by, evidence, models)
                )
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


def _finding(
    place: tuple[str, str, str, str, str], test: Callable[..., Tested], *arguments
) -> Finding:
    try:
        return Finding(*place, *test(*arguments))
    except Untold as reason:
        return Finding(*place, [], UNKNOWN, str(reason))


def _on_results(
    claim: RankClaim | FollowsClaim | RareClassesClaim,
    by: str,
    evidence: Evidence,
    models: list[str],
) -> Tested:
    if isinstance(claim, RareClassesClaim):
        return rare_classes(evidence, by, models)
    if not models:
        raise Untold("none of the paper's models is there")
    found = figures(evidence, by, models)
    if isinstance(claim, RankClaim):
        return rank(claim, found)
    sizes = {
        n: {m: evidence.profiles[m][n] for m in models} for n in (claim.size, claim.rather_than)
    }
    return follows(claim, found, sizes)


def _on_table(claim: RankClaim | FollowsClaim, by: str, table: PaperTable) -> Tested:
    found = printed(table, by)
    if isinstance(claim, RankClaim):
        return rank(claim, found)
    return follows(
        claim, found, {name: table.column(name) for name in (claim.size, claim.rather_than)}
    )


def overall(verdicts: Sequence[str]) -> str:
    """The verdict of several places together: it holds where it holds in all, and not where it
    fails in one."""
    return verdict_of(bool(verdicts) and set(verdicts) == {HOLDS}, FAILS in verdicts)


def claims_frame(findings: Sequence[Finding]) -> pd.DataFrame:
    """claims.csv: a row per statistic, and one without where there is none."""
    empty = [Statistic("", math.nan)]
    rows = [
        [*finding[:5], *statistic, finding.verdict, finding.why]
        for finding in findings
        for statistic in finding.statistics or empty
    ]
    return pd.DataFrame(rows, columns=COLUMNS)
