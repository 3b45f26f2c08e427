"""Scores of classes."""

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
from satseg.figures.style import BAR, MUTED, WIDTH, stack, styled
from satseg.metrics.baseline import MAJORITY


class Scores(NamedTuple):
    """What scores.csv says of one dataset and recipe."""

    title: str
    classes: Sequence[LandClass]
    """The classes that count."""
    rows: pd.DataFrame
    """model, seed, metric, class, value, low, high."""


def summary(rows: pd.DataFrame, metric: str, label: str) -> pd.DataFrame:
    """Value, low and high of a metric by model (index), means over seeds; models without a value
    are left out."""
    mine = rows[(rows["metric"] == metric) & (rows["class"] == label)].dropna(subset="value")
    return mine.groupby("model", sort=False)[["value", "low", "high"]].mean()


@styled
def per_class(blocks: Sequence[Scores], colors: Mapping[str, str]) -> Figure:
    """A panel per class and a line per model: IoU with its interval, seeds as small dots."""
    models = list(colors)
    across = min(8, max(len(b.classes) for b in blocks))
    downs = [ceil(len(b.classes) / across) for b in blocks]
    heights = [0.4 + down * (0.62 + 0.19 * len(models)) for down in downs]
    figure = Figure((WIDTH, sum(heights) + 0.35), layout="constrained")
    several = any(b.rows.loc[b.rows["model"] != MAJORITY, "seed"].nunique() > 1 for b in blocks)
    means = ", averaged over seeds; small dots: seeds" if several else ""
    figure.suptitle(f"IoU of each class   (line: 95 % interval{means})", x=0.008, ha="left")
    for part, block, down in zip(stack(figure, heights), blocks, downs, strict=True):
        part.suptitle(block.title, x=0.008, ha="left", fontsize=9)
        grid = part.subplots(down, across, squeeze=False, sharey=True)
        for axes in grid.flat[len(block.classes) :]:
            axes.remove()
        for axes, land in zip(grid.flat, block.classes, strict=False):
            _dots(axes, block.rows, land.name, models, colors)
            _class_title(axes, land)
            axes.set(xlim=(-0.03, 1.03), xticks=[0, 0.5, 1], xticklabels=["0", "0.5", "1"])
    return figure


def _class_title(axes: Axes, land: LandClass) -> None:
    """A class's name over a band of its colour."""
    axes.set_title(textwrap.fill(land.name, 14), pad=9, fontsize=8)
    above = axes.transAxes + ScaledTranslation(0, 4 / 72, axes.figure.dpi_scale_trans)
    for color, width in ((MUTED, 5), (land.color, 4)):
        band = {"color": color, "lw": width, "solid_capstyle": "butt"}
        axes.plot([0, 1], [1, 1], transform=above, clip_on=False, **band)


def _dots(
    axes: Axes, rows: pd.DataFrame, label: str, models: Sequence[str], colors: Mapping[str, str]
) -> None:
    """A line per model, first on top: mean, interval and seeds of a class's IoU."""
    rows = rows[(rows["metric"] == "iou") & (rows["class"] == label)]
    means = summary(rows, "iou", label)
    for place, model in enumerate(models):
        if model not in means.index:
            axes.text(0.02, place, "absent", va="center", fontsize=6.5, color=MUTED)
            continue
        value, low, high = means.loc[model]
        color = colors[model]
        mark = (
            {"marker": "|", "ms": 7, "mew": 1.6}
            if model == MAJORITY
            else {"marker": "o", "ms": 5, "mew": 0}
        )
        axes.plot([low, high], [place, place], color=color, **BAR)
        axes.plot(value, place, color=color, **mark)
        each = rows.loc[rows["model"] == model, "value"]
        if len(each) > 1:
            axes.plot(
                each,
                np.full(len(each), place + 0.27),
                ls="",
                marker="o",
                ms=1.8,
                mew=0,
                color=color,
            )
    axes.set_yticks(range(len(models)), models)
    axes.set_ylim(len(models) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
