"""The page of splits and their leakage."""

import pandas as pd

from satseg.config.recipes import Recipe
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
from satseg.text import percent

SHARING = (
    "A model evaluated on ground it was trained on shows what it remembers, not what it has "
    "learned. The audit counts the tiles of each subset that come from a scene, or show ground, "
    "that training tiles show too."
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
        ["Tiles", "From scenes seen in training", "On ground seen in training"],
    )
    blocks: list[Block] = [Paragraph(SHARING)]
    for dataset_name, table in tiles.items():
        rows = audit[audit["dataset"] == dataset_name]
        by_recipe = rows.groupby("recipe", sort=False)
        blocks += [
            Heading(job.datasets[dataset_name].title),
            Paragraph(
                f"{len(table):,} tiles, {int(table['whole'].sum()):,} of them whole, from "
                f"{table['scene'].nunique():,} scenes in {table['group'].nunique():,} groups; no "
                "two groups share ground."
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
    texts = map(text_cell, (row.recipe, row.split, row.subset))
    shared = [
        TableCell(f"{count:,} ({percent(count, row.tiles, decimals=1)})", float(count))
        for count in (row.scene_shared, row.group_shared)
    ]
    return [*texts, TableCell(f"{row.tiles:,}", float(row.tiles)), *shared]


def _recipe_audit(name: str, recipe: Recipe, rows: pd.DataFrame) -> str:
    """What one recipe's split shares, and what that means for its scores."""
    shared = "; ".join(_subset_audit(row) for row in rows.itertuples())

    subset = recipe.evaluate.subset
    verdict = f"The {subset} tiles are evaluated"
    if rows.loc[rows["subset"] == subset, "group_shared"].sum() > 0:
        verdict += ", so the scores are inflated"
    if subset == "val" and (recipe.evaluate.weights == "best" or recipe.early_stopping):
        verdict += "; they also chose the epoch, which inflates the scores a little"
    return f"{strong(name)} (split {recipe.split}): {shared}. {verdict}."


def _subset_audit(row) -> str:
    tiles = f"of the {row.tiles:,} {row.subset} tiles"
    if not row.group_shared:
        return f"none {tiles} shares a scene or ground with a training tile"
    share = percent(row.group_shared, row.tiles, decimals=1)
    return (
        f"{row.group_shared:,} {tiles} ({share}) show ground "
        f"that training tiles show too, {row.scene_shared:,} of them in the same scene"
    )


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
