"""The part of a page that shows the spread over folds."""

import pandas as pd

from satseg.measures import MEASURES
from satseg.pages.blocks import Block, Heading, Paragraph, Table, columns
from satseg.pages.cells import number_cell, score_cell, text_cell
from satseg.study.comparison import MAIN, Comparison
from satseg.text import counted, listing

LABEL = MEASURES[MAIN].label
SHARED = (
    "Folds have training tiles in common, and no two of them are equally hard: the standard "
    "deviation over folds shows how much a score depends on the ground and on what is left to "
    "train on, and is no error of the score over all tiles."
)


def fold_blocks(comparison: Comparison, folds: pd.DataFrame) -> list[Block]:
    """The score of every model on the tiles of each fold; nothing without folds.

    Args:
        comparison: the models.
        folds: the frame of folds.csv.
    """
    if not comparison.folds:
        return []

    here = (folds["dataset"] == comparison.dataset) & (folds["recipe"] == comparison.recipe)
    rows = folds[here & (folds["metric"] == MAIN) & (folds["class"] == "all")]
    means = rows.groupby(["model", "fold"])["value"].mean()
    sizes = rows.drop_duplicates("fold").sort_values("fold")
    tested = [
        f"fold {row.fold} {counted(row.tiles, 'tile')} of {counted(row.units, 'group')}"
        for row in sizes.itertuples()
    ]

    table_rows = []
    for result in comparison.results:
        values = means[result.model]
        spread = [values.std(), values.min(), values.max()]
        cells = [text_cell(result.model), score_cell(result.main)]
        cells += [number_cell(value) for value in [*values, *spread]]
        table_rows.append(cells)
    heads = [f"{LABEL}, all tiles", *(f"Fold {number}" for number in sizes["fold"])]
    heads += ["Deviation over folds", "Lowest", "Highest"]
    seeds = ", mean over runs" if rows["seed"].nunique() > 1 else ""
    return [
        Heading("Fold by fold", level=3),
        Paragraph(f"{LABEL} on the tiles of each fold alone{seeds}: {listing(tested)}. {SHARED}"),
        Table(columns(["Tested in folds"], heads), table_rows),
    ]
