"""The page of splits and their leakage."""

import pandas as pd

from satseg.jobs.slices import StudySlice
from satseg.measures import LABELS
from satseg.pages.cells import interval_cell, score_cell
from satseg.pages.markdown import bullets, escape, table
from satseg.pages.sentences import gap_sentence
from satseg.study.comparison import Gap
from satseg.text import percent, signed

SHARING = (
    "A model that is judged on ground it was trained on is asked what it remembers, not what it has learned. "
    "The audit counts the tiles of each subset that come from a scene, or show ground, that training tiles "
    "show too."
)


def splits_page(
    spec: StudySlice, audit: pd.DataFrame, tiles: dict[str, pd.DataFrame], leaks: list[Gap]
) -> str:
    """splits.md: the leakage audit in plain words, from the frame of splits.csv, and what leakage
    adds."""
    header = [
        "Recipe",
        "Split",
        "Subset",
        "Tiles",
        "From scenes seen in training",
        "On ground seen in training",
    ]
    parts = ["# Splits and leakage", SHARING]
    for dataset, stored in tiles.items():
        mine = audit[audit["dataset"] == dataset]
        rows = [
            [escape(r.recipe), escape(r.split), r.subset, f"{r.tiles:,}"]
            + [
                f"{n:,} ({percent(n, r.tiles, decimals=1)})"
                for n in (r.scene_shared, r.group_shared)
            ]
            for r in mine.itertuples()
        ]
        parts += [
            f"## {escape(spec.datasets[dataset].title)}",
            f"{len(stored):,} tiles, {int(stored['whole'].sum()):,} of them whole, from "
            f"{stored['scene'].nunique():,} scenes in {stored['group'].nunique():,} groups, "
            f"each on ground of its own.",
            bullets(audited(spec, name, rows) for name, rows in mine.groupby("recipe", sort=False)),
            table(header, rows, texts=3),
        ]
    return "\n\n".join([*parts, *(part for gap in leaks for part in gap_section(gap))])


def gap_section(gap: Gap) -> list[str]:
    """What leakage adds to each model's score."""
    first, second = (escape(c.recipe) for c in gap)
    header = [
        "Model",
        f"mIoU^D, {first}",
        LABELS["interval"],
        f"mIoU^D, {second}",
        LABELS["interval"],
        "Difference",
    ]
    rows = [
        [
            escape(a.model),
            *(cell(score) for score in (a.main, b.main) for cell in (score_cell, interval_cell)),
            signed(a.main.value - b.main.value),
        ]
        for a, b in gap.pairs()
    ]
    return [
        f"## What leakage adds: {escape(gap.leaky.title)}",
        gap_sentence(gap),
        "The two recipes differ in nothing but the split. The splits judge different tiles, so how hard "
        "these are is part of the difference.",
        table(header, rows),
    ]


def audited(spec: StudySlice, name: str, rows: pd.DataFrame) -> str:
    """What one recipe's split shares, and what that means for its scores."""
    recipe, told = spec.recipes[name], []
    for row in rows.itertuples():
        of = f"of the {row.tiles:,} {row.subset} tiles"
        told.append(
            f"{row.group_shared:,} {of} ({percent(row.group_shared, row.tiles, decimals=1)}) "
            f"show ground that training tiles show too, {row.scene_shared:,} of them in the same scene"
            if row.group_shared
            else f"none {of} shares a scene or ground with a training tile"
        )
    subset = recipe.evaluate.subset
    leaks = rows.loc[rows["subset"] == subset, "group_shared"].sum() > 0
    verdict = f"The {subset} tiles are judged" + (", so the scores flatter" if leaks else "")
    if subset == "val" and (recipe.evaluate.weights == "best" or recipe.early_stopping):
        verdict += "; they also chose the epoch, which flatters a little"
    return f"**{escape(name)}** (split {escape(recipe.split)}): {'; '.join(told)}. {verdict}."
