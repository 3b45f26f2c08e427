"""The page of splits and their leakage."""

import pandas as pd

from satseg.config.recipes import Recipe
from satseg.data import leakage
from satseg.jobs.slices import StudySlice
from satseg.measures import MEASURES
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
from satseg.pages.cells import (
    difference_cells,
    number_cell,
    score_cell,
    signed_cell,
    text_cell,
)
from satseg.pages.sentences import gap_sentence
from satseg.study.comparison import Gap
from satseg.study.strata import DrawFits
from satseg.text import counted, fold_title, percent

SHARING = (
    "A model evaluated on ground it was trained on may show what it remembers rather than what it "
    "has learned. The audit counts the tiles of each subset whose scene or group has training "
    "tiles, and those that overlap a training tile, touch one, or lie within a tile's side of one. "
    "Tiles that say where they lie are compared on the ground; others only within their scene."
)

LEVEL = 0.05


def splits_page(
    job: StudySlice,
    audit: pd.DataFrame,
    tiles: dict[str, pd.DataFrame],
    gaps: list[Gap],
    draws: list[DrawFits],
) -> Page:
    """splits.md: the leakage audit in plain words, and what leakage adds.

    Args:
        job: the study.
        audit: the frame of splits.csv.
        tiles: tiles.csv of every dataset.
        gaps: pairs of comparisons that show what leakage adds.
        draws: what the paper's training images may have been drawn from.
    """
    heads = columns(
        ["Recipe", "Split", "Subset"],
        [
            "Tiles",
            "From scenes seen in training",
            "From groups seen in training",
            "Overlapping a training tile",
            "Touching one",
            "Within a tile's side of one",
        ],
    )
    blocks: list[Block] = [Paragraph(SHARING)]
    for dataset_name, table in tiles.items():
        rows = audit[audit["dataset"] == dataset_name]
        by_recipe = rows.groupby("recipe", sort=False)
        blocks += [
            Heading(job.datasets[dataset_name].title),
            Paragraph(
                f"{counted(len(table), 'tile')}, {int(table['whole'].sum()):,} of them whole, from "
                f"{counted(table['scene'].nunique(), 'scene')} in "
                f"{counted(table['group'].nunique(), 'group')}; "
                f"{_placed(table)}."
            ),
            Bullets([_recipe_audit(name, job.recipes[name], own) for name, own in by_recipe]),
            Table(heads, [_audit_row(row) for row in rows.itertuples()]),
        ]
    for gap in gaps:
        blocks += _gap_blocks(gap)
    for fits in draws:
        blocks += _draw_blocks(fits)
    return Page("splits", "Splits and leakage", blocks)


def _audit_row(row) -> list[TableCell]:
    fold = None if pd.isna(row.fold) else row.fold
    texts = map(text_cell, (row.recipe, fold_title(row.split, fold), row.subset))
    shared = [
        TableCell(f"{count:,} ({percent(count, row.tiles, decimals=1)})", float(count))
        for count in (
            row.scene_shared,
            row.group_shared,
            row.overlapping,
            row.touching,
            row.near,
        )
    ]
    return [*texts, TableCell(f"{row.tiles:,}", float(row.tiles)), *shared]


def _recipe_audit(name: str, recipe: Recipe, rows: pd.DataFrame) -> str:
    """What one recipe's split shares, all folds of it together, and what that means for its
    scores."""
    subsets = rows.groupby("subset", sort=False)[leakage.COUNTS].sum().reset_index()
    shared = "; ".join(_subset_audit(row) for row in subsets.itertuples())
    folds = rows["fold"].nunique()
    within = f", {folds} folds" if folds else ""

    subset = recipe.evaluate.subset
    verdict = f"The {subset} tiles are evaluated"
    if rows.loc[rows["subset"] == subset, "exposed"].sum() > 0:
        verdict += ", so the scores may be inflated"
    if subset == "val" and (recipe.evaluate.weights == "best" or recipe.early_stopping):
        verdict += "; they also chose the epoch, which may inflate the scores"
    if recipe.init_from:
        verdict += (
            f"; training starts from {recipe.init_from}, and the audit does not know which ground "
            "those weights have seen"
        )
    return f"{strong(name)} (split {recipe.split}{within}): {shared}. {verdict}."


def _subset_audit(row) -> str:
    tiles = f"of the {counted(row.tiles, f'{row.subset} tile')}"
    lie = "lies" if row.near == 1 else "lie"
    near = f"{row.near:,} {lie} within a tile's side of one" if row.near else ""
    if row.exposed:
        share = percent(row.exposed, row.tiles, decimals=1)
        does = "touches a training tile or shares its ground"
        do = "touch a training tile or share its ground"
        text = f"{row.exposed:,} {tiles} ({share}) {does if row.exposed == 1 else do}"
        return f"{text}, and {near}" if near else text

    text = f"none {tiles} touches a training tile or shares its ground"
    if near:
        text += f", but {near}"
    if row.placed < row.tiles:
        text += ", as far as the names and groups of scenes tell"
    return text


def _placed(table: pd.DataFrame) -> str:
    """Whether the tiles say where they lie."""
    placed = int((table["footprint"] != "").sum())
    if placed == len(table):
        return "all say where they lie"
    number = f"{placed:,} of them" if placed else "none"
    return f"{number} say where they lie, so that groups are told apart by the names of scenes"


def _gap_blocks(gap: Gap) -> list[Block]:
    """What leakage adds to each model's score."""
    rows = []
    for leaky, clean in gap.pairs():
        cells = [text_cell(leaky.model), score_cell(leaky.main), score_cell(clean.main)]
        if gap.differences is None:
            cells.append(signed_cell(leaky.main.value - clean.main.value))
        else:
            cells += difference_cells(gap.differences[leaky.model])
        rows.append(cells)

    score = MEASURES["miou_d"].label
    heads = [f"{score}, {gap.leaky.recipe}", f"{score}, {gap.clean.recipe}", "Difference"]
    if gap.differences is not None:
        heads += [MEASURES["interval"].label, "p"]
    return [
        Heading(f"What leakage adds: {gap.leaky.title}"),
        Paragraph(gap_sentence(gap)),
        Paragraph("The two recipes differ only in the split."),
        Table(columns(["Model"], heads), rows),
    ]


def _draw_blocks(fits: DrawFits) -> list[Block]:
    """Which scenes published class pixels fit."""
    best = fits.likeliest
    told = "fit" if best.fit.p > LEVEL else "fit best, though not well,"
    rows = []
    for stratum in fits.strata:
        rows.append(
            [
                text_cell(stratum.name, strong=stratum is best),
                number_cell(stratum.scenes, 0),
                number_cell(stratum.fit.statistic, 1),
                number_cell(stratum.fit.p, 4),
                number_cell(stratum.fit.log_likelihood, 1),
            ]
        )
    return [
        Heading(f"{fits.draw.what}: where from"),
        Paragraph(
            f"Their published class pixels {told} a draw of {fits.draw.scenes:,} scenes from "
            f"{strong(best.name)}. χ² is the squared Mahalanobis distance of the class shares from "
            f"those of the scenes, with {best.fit.freedom} degrees of freedom, for whole scenes "
            f"drawn without replacement; p is the chance of a draw as far from them."
        ),
        Table(columns(["Drawn from"], ["Scenes", "χ²", "p", "Log-likelihood"]), rows),
    ]
