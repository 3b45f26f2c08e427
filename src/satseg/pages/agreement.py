"""The part of a page that shows how far annotators agree."""

import pandas as pd

from satseg.config.datasets import LandClass
from satseg.measures import MEASURES
from satseg.pages.blocks import Block, Heading, Paragraph, Table, TableCell, columns
from satseg.pages.cells import number_cell, text_cell
from satseg.study.agreement import ALL
from satseg.study.comparison import MAIN
from satseg.text import counted, percent

CEILING = (
    "No model can be measured better than that: one that draws just as one annotator does scores "
    "this against the other, and what lies above it is one annotator's hand, not the ground."
)
ONLY_THERE = "It is known of this ground alone; elsewhere the masks may be better or worse."


def agreement_blocks(title: str, classes: list[LandClass], agreement: pd.DataFrame) -> list[Block]:
    """The agreement of two annotations of the same ground; nothing without such ground.

    Args:
        title: what the dataset is called.
        classes: its classes.
        agreement: its rows of agreement.csv.
    """
    if agreement.empty:
        return []

    names = [land.name for land in classes if not land.unlabelled]
    whole = agreement[agreement["metric"] == "agreement"]
    last = whole.iloc[-1]  # over all groups, or of the only one
    rows = [_row(row, agreement, names) for row in whole.itertuples()]
    heads = ["Scene pairs", "Pixels", "Agreement", MEASURES[MAIN].label]
    heads += [f"IoU {name}" for name in names]
    shown = "1 pair of scenes shows" if last.pairs == 1 else f"{last.pairs} pairs of scenes show"
    return [
        Heading(f"How far annotators agree: {title}"),
        Paragraph(
            f"{shown} the same ground, annotated twice: the two masks agree on "
            f"{percent(last.value, decimals=1)} of {counted(int(last.either), 'pixel')}. {CEILING} "
            f"{ONLY_THERE}"
        ),
        Table(columns(["Ground"], heads), rows),
    ]


def _row(row, agreement: pd.DataFrame, names: list[str]) -> list[TableCell]:
    """The numbers of a group, or of all groups."""
    own = agreement[agreement["group"] == row.group].set_index(["metric", "class"])["value"]
    return [
        text_cell("all of it" if row.group == ALL else row.group),
        number_cell(row.pairs, 0),
        number_cell(row.either, 0),
        TableCell(percent(row.value, decimals=1), float(row.value)),
        number_cell(own[MAIN, ALL]),
        *(number_cell(own["iou", name]) for name in names),
    ]
