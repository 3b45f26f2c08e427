"""The figure `per_class`: IoU of each class."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from math import ceil
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from satseg.config.datasets import LandClass
from satseg.figures.style import BAR, MUTED, WIDTH, model_scores, stack, styled
from satseg.measures import MAJORITY


class ClassScores(NamedTuple):
    """The scores of one dataset and recipe."""

    title: str
    classes: Sequence[LandClass]
    """The classes that count."""
    rows: pd.DataFrame
    """Rows of summary.csv: model, metric, class, value, low, high; NaN ends without an interval."""
    seeds: pd.DataFrame
    """Rows of scores.csv: model, seed, metric, class, value."""


@styled
def per_class_figure(groups: Sequence[ClassScores], colors: Mapping[str, str]) -> Figure:
    """A panel per class and a line per model: IoU with its interval, seeds as small dots."""
    models = list(colors)
    across = min(8, max(len(group.classes) for group in groups))
    downs = [ceil(len(group.classes) / across) for group in groups]
    heights = [0.4 + down * (0.62 + 0.19 * len(models)) for down in downs]
    figure = Figure((WIDTH, sum(heights) + 0.35), layout="constrained")
    key = []
    several = any(_seeds(group.seeds) > 1 for group in groups)
    if any(group.rows["low"].notna().any() for group in groups):
        key.append("line: 95 % interval")
    if several:
        key.append("small dots: seeds")
    shown = f"   ({'; '.join(key)})" if key else ""
    figure.suptitle(f"IoU of each class{shown}", x=0.008, ha="left")

    for part, group, down in zip(stack(figure, heights), groups, downs, strict=True):
        part.suptitle(group.title, x=0.008, ha="left", fontsize=9)
        grid = part.subplots(down, across, squeeze=False, sharey=True)
        for axes in grid.flat[len(group.classes) :]:
            axes.remove()
        for axes, land_class in zip(grid.flat, group.classes, strict=False):
            _draw_models(axes, group, land_class.name, colors)
            _draw_class_title(axes, land_class)
            axes.set(xlim=(-0.03, 1.03), xticks=[0, 0.5, 1], xticklabels=["0", "0.5", "1"])
    return figure


def _seeds(rows: pd.DataFrame) -> int:
    """Number of seeds of the models."""
    return rows.loc[rows["model"] != MAJORITY, "seed"].nunique()


def _draw_class_title(axes: Axes, land_class: LandClass) -> None:
    """A class's name over a band of its colour."""
    axes.set_title(textwrap.fill(land_class.name, 14), pad=9, fontsize=8)
    above = axes.transAxes + ScaledTranslation(0, 4 / 72, axes.figure.dpi_scale_trans)
    for color, width in ((MUTED, 5), (land_class.shown_color, 4)):
        band = {"color": color, "lw": width, "solid_capstyle": "butt"}
        axes.plot([0, 1], [1, 1], transform=above, clip_on=False, **band)


def _draw_models(
    axes: Axes, group: ClassScores, class_name: str, colors: Mapping[str, str]
) -> None:
    """A line per model, first on top: mean, interval and seeds of a class's IoU."""
    of_class = (group.seeds["metric"] == "iou") & (group.seeds["class"] == class_name)
    runs = group.seeds[of_class]
    scores = model_scores(group.rows, "iou", class_name)
    for place, (model, color) in enumerate(colors.items()):
        if model not in scores.index:
            axes.text(0.02, place, "absent", va="center", fontsize=6.5, color=MUTED)
            continue
        value, low, high = scores.loc[model]
        mark = {"marker": "o", "ms": 5, "mew": 0}
        if model == MAJORITY:
            mark = {"marker": "|", "ms": 7, "mew": 1.6}
        axes.plot([low, high], [place, place], color=color, **BAR)
        axes.plot(value, place, color=color, **mark)

        seeds = runs.loc[runs["model"] == model, "value"]
        if len(seeds) > 1:
            below = np.full(len(seeds), place + 0.27)
            axes.plot(seeds, below, ls="", marker="o", ms=1.8, mew=0, color=color)
    axes.set_yticks(range(len(colors)), list(colors))
    axes.set_ylim(len(colors) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
