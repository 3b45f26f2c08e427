"""The page of claims."""

import math
from collections.abc import Sequence

from satseg.jobs.slices import StudySlice
from satseg.measures import LABELS
from satseg.pages.cells import number
from satseg.pages.markdown import bullets, escape, table
from satseg.study.claims.evidence import HOLDS, RESULTS, Finding
from satseg.study.claims.examine import overall

TESTS = {
    "Verdict": "Of several places together, a claim holds where it holds in each of them, and does not hold where it "
    "does not in one.",
    "place": "The model takes a place if as many others as that surely come before it, and the rest surely after. "
    "Surely: the 95 % interval of the ratio of two times, or of the difference of two scores, leaves out that they are "
    "equal. Of epoch times the interval is Welch's, from the spread over epochs and trainings; of scores it is that of "
    "the paired bootstrap. Of profiled times, medians of a few to some dozens of repetitions, the bounds are a "
    "convention: 10 % either way, or as much as both 95th percentiles together lie above their medians, where that is "
    "more. What is printed has none, and its order is taken as it stands.",
    "rho": "Spearman's rank correlation; p is the one-sided share of all permutations (of 100,000 random ones "
    "beyond eight values) that reach as much. A time follows one size rather than another where rho has p ≤ 0.05 with "
    "the one, and not with the other, where it is lower; few models hardly ever bring the difference itself there. "
    "Classes with few pixels do worst where rho has p ≤ 0.05. A claim does not hold where the contrary has p ≤ 0.05, "
    "or where rho with the other size has, and is no lower.",
    "Recipes tried": "Score of the recipe minus that of the baseline, mean over models, with the interval of the "
    "paired bootstrap. A recipe helps where the interval is above zero on each of at least two datasets; it is ruled "
    "out where on one dataset it stays below the gain that would count.",
}


def claims_page(spec: StudySlice, findings: Sequence[Finding]) -> str:
    """claims.md: each claim of the paper with its verdict, then what each verdict rests on."""
    parts = ["# Claims"]
    if not findings:
        return "\n\n".join([*parts, "This study tests no claims."])
    parts += [
        f"What is claimed in {escape(spec.paper.title)}, tested on the results of this study and, for "
        "comparison, on the tables it printed."
    ]
    rows, details = [], []
    for name, claim in spec.paper.claims.items():
        mine = [f for f in findings if f.claim == name]
        for by in claim.by:
            here = [f.verdict for f in mine if f.by == by and f.source == RESULTS]
            there = [
                f"{escape(f.source)}: {f.verdict}"
                for f in mine
                if f.by == by and f.source != RESULTS
            ]
            places = f"{here.count(HOLDS)} of {len(here)}"
            rows.append(
                [escape(claim.text), LABELS[by], overall(here), places, "; ".join(there) or "–"]
            )
        details += claim_section(spec, claim.text, mine)
    header = ["Claim", "By", "Verdict", "Holds in", "In the published tables"]
    parts += [table(header, rows, texts=5), *details, "## Definitions"]
    return "\n\n".join([*parts, bullets(f"**{name}**: {text}" for name, text in TESTS.items())])


def claim_section(spec: StudySlice, text: str, findings: Sequence[Finding]) -> list[str]:
    """What the verdicts on one claim rest on."""
    reasons, rows = [], []
    for f in findings:
        title = (
            f.source
            if f.source != RESULTS
            else spec.datasets[f.dataset].title
            if f.dataset
            else "Every dataset"
        )
        where = ", ".join(escape(part) for part in (title, f.recipe) if part)
        reasons.append(f"{where}, by {LABELS[f.by]}: **{f.verdict}**; {escape(f.why)}.")
        for statistic in f.statistics:
            bounds = (
                f"{statistic.low:.3f} to {statistic.high:.3f}"
                if math.isfinite(statistic.low)
                else "–"
            )
            value = number(statistic.value, 0 if float(statistic.value).is_integer() else 3)
            numbers = [value, bounds, number(statistic.p, 4)]
            rows.append([where, LABELS[f.by], escape(statistic.name), *numbers])
    header = ["Where", "By", "Statistic", "Value", "Bounds", "p"]
    return [
        f"## {escape(text)}",
        bullets(reasons),
        *([table(header, rows, texts=3)] if rows else []),
    ]
