"""The part of a page that compares every two models."""

from satseg.measures import MEASURES
from satseg.pages.blocks import Block, Heading, Paragraph, Table, columns
from satseg.pages.cells import (
    difference_cells,
    number_cell,
    result_name,
    text_cell,
)
from satseg.study.comparison import MAIN, Comparison
from satseg.study.pairs import seeds, why_unknown
from satseg.text import listing

LABEL = MEASURES[MAIN].label
MEANING = (
    f"{LABEL} of the first model minus that of the second, on the same tiles. All intervals of the "
    "table hold at once with 95 % confidence, and p is adjusted for the number of pairs: it is how "
    "often equal models would show so clear a difference in any pair. Whether two models differ is "
    "read here, not from whether their own intervals overlap. differences.csv has the other "
    "metrics."
)
ONE_RUN = "With one run of a model, it is two sets of weights that are compared, not two models."


def difference_blocks(comparison: Comparison) -> list[Block]:
    """The paired differences of every two models and the baseline, and why some have no
    interval."""
    names = {r.model: result_name(comparison, r) for r in comparison.results}
    names[comparison.majority.model] = result_name(comparison, comparison.majority)

    sentences = [MEANING]
    reasons = [why_unknown(row) for row in comparison.differences if not row.known]
    if len(reasons) == len(comparison.differences):
        sentences.append(f"No difference has an interval: each {listing(sorted(set(reasons)))}.")
    elif reasons:
        told = listing(sorted(set(reasons)))
        sentences.append(f"A dash: there is no interval, because the difference {told}.")
    if min(result.runs for result in comparison.results) == 1 and not comparison.folds:
        sentences.append(ONE_RUN)

    rows = []
    for row in comparison.differences:
        rows.append(
            [
                text_cell(names[row.first]),
                text_cell(names[row.second]),
                *difference_cells(row),
                number_cell(row.units, 0),
                number_cell(seeds(comparison, row), 0),
            ]
        )
    heads = columns(
        ["First model", "Second model"],
        ["Difference", MEASURES["interval"].label, "p", "Groups", "Seeds"],
    )
    return [
        Heading("Differences between the models", level=3),
        Paragraph(" ".join(sentences)),
        Table(heads, rows),
    ]
