"""The page of claims."""

import math
from collections.abc import Sequence

from satseg.jobs.slices import StudySlice
from satseg.measures import label
from satseg.pages.blocks import (
    Block,
    Bullets,
    Heading,
    Page,
    Paragraph,
    Table,
    TableCell,
    columns,
    strong,
)
from satseg.pages.cells import NONE, number, number_cell, text_cell
from satseg.study.claims.evidence import HOLDS, RESULTS, UNTESTED, Finding, Statistic
from satseg.study.claims.examine import overall_verdict

TITLE = "The paper's claims"
TESTS = [
    (
        "Verdict",
        "Over several places, a claim holds if it holds in each of them, and does not hold if it "
        "fails in at least half: one failure among many may be chance.",
    ),
    (
        "place",
        "The model takes a place if as many other models as that place needs surely come before "
        "it, and the rest surely after. Surely: the 95 % interval of the ratio of two times, or of "
        "the difference of two scores, excludes that they are equal. For epoch times the interval "
        "is Welch's, from the spread over epochs and runs; for scores it is that of the paired "
        "difference, wide enough for those of all models to hold at once. For profiled times, "
        "which are medians of a few to some dozens of repetitions, the bounds are a convention: "
        "10 % either way, or more if the repetitions, the rounds of the profile or the machine's "
        "speed differ by more.",
    ),
    (
        "Faster",
        "One model is faster than another if the interval of the ratio of their times excludes 1.",
    ),
    (
        "So printed",
        "Published figures have no interval: what they say is so printed, or not, and nothing says "
        "how sure it is. A rank correlation takes them as exact: its p is about the order of the "
        "models or classes, not about other trainings.",
    ),
    (
        "Accuracy",
        "A verdict on scores needs three seeds of every model, of runs that stopped by themselves "
        "or reached a plateau: the best epoch lies before the last fifth of them, and before the "
        "last three. Otherwise nobody can tell, whatever the interval.",
    ),
    (
        "Higher",
        "A score is higher if the interval of the paired difference lies above what the claim "
        "names; accuracy is retained if it lies above the loss that the claim allows. A claim "
        "about some classes is about the mean of their scores.",
    ),
    (
        "Finest levels",
        "Share of the activations whose feature maps have the input's resolution, half of it and "
        "so on; most of them is more than half in every model. It is counted, not measured.",
    ),
    (
        "Memory",
        "Trainings by one recipe take less memory if the peak of every run lies below that of "
        "every run of the same model by the other, on the same device.",
    ),
    (
        "rho",
        "Spearman's rank correlation; p is the one-sided share of all permutations (of 100,000 "
        "random ones for more than eight values) that reach at least as much. A time follows one "
        "size rather than others if rho has p ≤ 0.05 with the one, and its difference from the rho "
        "with each of the others has, too: p of a difference is that of Fisher's exchange test, "
        "two-sided, corrected for the number of rivals by Holm's method. Two sizes that rank fewer "
        "than six models differently (seven, with two rivals) cannot be told apart. Classes with "
        "few pixels score lowest if rho has p ≤ 0.05. A claim does not hold if its opposite has "
        "p ≤ 0.025, corrected in the same way, so that several places together refute it by "
        "chance in no more than 5 of 100 cases.",
    ),
    (
        "rho with epoch",
        "The same between epoch and metric, or minus the loss, or minus the distance of two "
        "curves, in each run. A claim holds if every run has p ≤ 0.05, and does not if in one the "
        "opposite has p ≤ 0.025, corrected for the number of runs by Holm's method. Neighbouring "
        "epochs are alike, so that p is lower than it would be for independent ones: it says that "
        "there is a trend, not how sure another training would show it.",
    ),
    (
        "Curves",
        "One curve lies above another if it does in every one of the first epochs of every run, "
        "and does not if it does in none.",
    ),
    (
        "Majority",
        "A model beats the majority if the interval of its paired difference from always answering "
        "the most frequent training class lies above zero, and does not if it lies below.",
    ),
    (
        "Recipes tried",
        "Score of the recipe minus that of the baseline, mean over models, with the interval of "
        "the paired difference, corrected for the number of recipes. A recipe helps if the "
        "interval is above zero on each of at least two datasets; it is ruled out if on one "
        "dataset the interval stays below the gain that would count.",
    ),
]


def claims_page(job: StudySlice, findings: Sequence[Finding]) -> Page:
    """claims.md: each claim of the paper with its verdict, then what each verdict rests on."""
    if not findings:
        return Page("claims", TITLE, [Paragraph("This study tests no claims.")])

    summary = []
    details: list[Block] = []
    for name, claim in job.paper.claims.items():
        own = [finding for finding in findings if finding.claim == name]
        for by in claim.by:
            tested = [finding for finding in own if finding.by == by]
            summary.append(_summary_row(claim.text, by, tested))
        details += _claim_blocks(job, claim.text, own)

    heads = columns(["Claim", "By", "Verdict", "Holds in", "In the published tables"])
    introduction = Paragraph(
        f"What {job.paper.title} claims, tested on the results of this study and, for comparison, "
        "on the tables it published."
    )
    blocks = [introduction, Table(heads, summary), *details]
    return Page("claims", TITLE, blocks, TESTS)


def _summary_row(claim: str, by: str, findings: Sequence[Finding]) -> list[TableCell]:
    """The verdict on a claim by one measure."""
    here = [finding.verdict for finding in findings if finding.source == RESULTS]
    published = [f"{f.source}: {f.verdict}" for f in findings if f.source != RESULTS]
    texts = [
        claim,
        label(by),
        overall_verdict(here),
        f"{here.count(HOLDS)} of {len(here)}",
        "; ".join(published) or NONE,
    ]
    return list(map(text_cell, texts))


def _claim_blocks(job: StudySlice, claim: str, findings: Sequence[Finding]) -> list[Block]:
    """What the verdicts on one claim rest on."""
    reasons = []
    rows = []
    for finding in findings:
        place = _place(job, finding)
        by = label(finding.by)
        where = "" if finding.verdict == UNTESTED else f"{place}, by {by}: "
        reasons.append(f"{where}{strong(finding.verdict)}; {finding.why.removesuffix('.')}.")
        for statistic in finding.statistics:
            rows.append([text_cell(place), text_cell(by), *_statistic_cells(statistic)])

    blocks: list[Block] = [Heading(claim), Bullets(reasons)]
    if rows:
        heads = columns(["Where", "By", "Statistic"], ["Value", "Bounds", "p"])
        blocks.append(Table(heads, rows))
    return blocks


def _place(job: StudySlice, finding: Finding) -> str:
    """Where a claim was tested."""
    if finding.source != RESULTS:
        title = finding.source
    elif finding.dataset:
        title = job.datasets[finding.dataset].title
    else:
        title = "Every dataset"
    return f"{title}, {finding.recipe}" if finding.recipe else title


def _statistic_cells(statistic: Statistic) -> list[TableCell]:
    whole = float(statistic.value).is_integer()
    bounds = TableCell(NONE, None)
    if math.isfinite(statistic.low):
        text = f"{number(statistic.low)} to {number(statistic.high)}"
        bounds = TableCell(text.replace("-", "−"), statistic.low)
    value = number_cell(statistic.value, 0 if whole else 3)
    return [text_cell(statistic.name), value, bounds, number_cell(statistic.p, 4)]
