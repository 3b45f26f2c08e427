"""The figure `leakage`: what the split gives away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from satseg.figures.scales import draw_shares
from satseg.figures.style import (
    BAR,
    FIXED_INK,
    INK,
    MUTED,
    WIDTH,
    model_scores,
    stack,
    styled,
    write_beside,
)
from satseg.measures import MAJORITY, MEASURES
from satseg.text import percent

SAME_SCENE = "#E69F00"
SAME_GROUND = "#8C6100"


class Audit(NamedTuple):
    """What the evaluated tiles of a dataset share with the training tiles, under each recipe."""

    title: str
    rows: pd.DataFrame
    """recipe, split, subset, tiles, scene_shared, exposed: one row per recipe."""
    scores: Mapping[str, pd.DataFrame]
    """Recipe → rows of summary.csv."""


@styled
def leakage_figure(audits: Sequence[Audit], colors: Mapping[str, str]) -> Figure:
    """Share of the evaluated tiles that touch or show ground seen in training, beside the score if
    splits differ."""
    models = [model for model in colors if model != MAJORITY]
    compared = any(audit.rows["split"].nunique() > 1 for audit in audits)
    pitch = max(0.85, 0.2 * (len(models) + 1)) if compared else 0.75
    heights = []
    for audit in audits:
        drawn = compared or audit.rows["exposed"].any()
        heights.append(0.75 + pitch * len(audit.rows) if drawn else 0.35 + 0.5 * len(audit.rows))
    figure = Figure((WIDTH, sum(heights) + 0.6), layout="constrained")
    beside = ", and the score beside it" if compared else ""
    figure.suptitle(f"Evaluated tiles on ground seen in training{beside}", x=0.008, ha="left")
    bars = [
        Patch(facecolor=SAME_SCENE, label="same scene"),
        Patch(facecolor=SAME_GROUND, label="touching, or on the same ground"),
    ]
    if any(audit.rows["exposed"].any() for audit in audits):
        figure.legend(handles=bars, loc="outside upper right", ncols=2)

    for part, audit in zip(stack(figure, heights), audits, strict=True):
        part.suptitle(audit.title, x=0.008, ha="left", fontsize=9)
        grid = part.subplots(1, 1 + compared, squeeze=False, sharey=True)[0]
        _draw_shares(grid[0], audit.rows)
        if compared:
            _draw_scores(grid[1], audit, models, colors)
    return figure


def _draw_shares(axes: Axes, rows: pd.DataFrame) -> None:
    for place, row in enumerate(rows.itertuples()):
        if not row.exposed:
            text = f"none of the {row.tiles:,} tiles"
            write_beside(axes, text, (0, place), 5, color=INK)
            continue
        for offset, count, color in (
            (-0.15, row.scene_shared, SAME_SCENE),
            (0.15, row.exposed, SAME_GROUND),
        ):
            share = count / row.tiles
            axes.barh(place + offset, share, height=0.26, color=color)
            inside = share > 0.6
            ink = INK
            if inside:
                ink = "white" if color == SAME_GROUND else FIXED_INK
            text = f"{percent(share)} ({count:,} of {row.tiles:,})"
            write_beside(axes, text, (share, place + offset), -5 if inside else 5, color=ink)
    names = [f"{row.recipe}\nsplit {row.split}, {row.subset} tiles" for row in rows.itertuples()]
    axes.set_yticks(range(len(rows)), names)
    axes.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5))
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    if rows["exposed"].any():
        draw_shares(axes.xaxis)
        axes.set_title("Share of the evaluated tiles")
    else:  # an axis would only say 0 %
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)


def _draw_scores(
    axes: Axes, audit: Audit, models: Sequence[str], colors: Mapping[str, str]
) -> None:
    """A line per model under each recipe, and the majority baseline dotted across them."""
    offsets = (np.arange(len(models)) - (len(models) - 1) / 2) * 0.8 / max(len(models), 4)
    for place, recipe in enumerate(audit.rows["recipe"]):
        scores = model_scores(audit.scores[recipe], "miou_d", "all")
        for model, offset in zip(models, offsets, strict=True):
            if model in scores.index:
                _draw_score(axes, model, scores.loc[model], place + offset, colors[model])
        if MAJORITY in scores.index:
            value = scores.loc[MAJORITY, "value"]
            ends = [place - 0.42, place + 0.42]
            axes.plot([value, value], ends, color=MUTED, lw=1.2, ls=(0, (2, 1.5)))
            text = f"{MAJORITY} {value:.3f}"
            write_beside(axes, text, (value, ends[1]), 4, va="bottom", fontsize=7, color=MUTED)
    axes.set_xlim(0, 1)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0, labelleft=False)
    bounds = pd.concat([rows["low"] for rows in audit.scores.values()])
    known = f" with {MEASURES['interval'].label}" if bounds.notna().any() else ""
    axes.set_title(f"{MEASURES['miou_d'].label}{known}")


def _draw_score(axes: Axes, model: str, score: pd.Series, y: float, color: str) -> None:
    """A model's score with its interval, if there is one, and its name on the side that has
    room."""
    value = score["value"]
    low, high = score[["low", "high"]].fillna(value)
    axes.plot([low, high], [y, y], color=color, **BAR)
    axes.plot(value, y, marker="o", ms=5, mew=0, color=color)
    text = f"{model}  {value:.3f}"
    if high > 0.65:
        write_beside(axes, text, (low, y), -6)
    else:
        write_beside(axes, text, (high, y), 6)
