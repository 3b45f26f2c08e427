"""Losses and metrics over epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from math import ceil
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from satseg.figures.style import (
    BEHIND,
    INK,
    MUTED,
    STEPS,
    WIDTH,
    fit_text,
    stack,
    styled,
    write_beside,
)

METRICS = {
    "jaccard": "Jaccard",
    "dice": "Dice",
    "pixel_accuracy": "Pixel accuracy",
    "precision": "Precision",
    "recall": "Recall",
}


class Run(NamedTuple):
    """The trainings of a model on a dataset by a recipe."""

    group: str
    """Dataset and recipe, as a title."""
    model: str
    histories: Sequence[pd.DataFrame]
    """A history.csv per seed."""
    published: Sequence[tuple[str, int, float]] = ()
    """Column of history.csv, epoch, printed value."""


@styled
def metrics(runs: Sequence[Run], colors: Mapping[str, str]) -> Figure:
    """A row per model and a column per metric: training dashed, validation solid, a line per
    seed."""
    groups = [(title, list(members)) for title, members in groupby(runs, lambda r: r.group)]
    row = float(np.clip(12 / len(runs), 1.05, 1.6))
    heights = [row * len(members) + 0.5 for _, members in groups]
    figure = Figure((WIDTH, sum(heights) + 0.4), layout="constrained")
    names = [f"{subset}_{metric}" for subset in ("train", "val") for metric in METRICS]
    values = np.concatenate([h[names].to_numpy(float).ravel() for r in runs for h in r.histories])
    low, high = _limits(values)
    for part, (title, members) in zip(stack(figure, heights), groups, strict=True):
        part.suptitle(title, x=0.008, ha="left", fontsize=9)
        grid = part.subplots(len(members), len(METRICS), squeeze=False, sharex="col", sharey=True)
        for i, run in enumerate(members):
            for axes, metric in zip(grid[i], METRICS, strict=True):
                _curves(axes, run.histories, metric, colors[run.model])
                axes.set_ylim(low, high)
                axes.set_title(METRICS[metric] if i == 0 else "")
            grid[i, 0].yaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
            fit_text(grid[i, 0].set_ylabel(run.model, weight="bold"), row)
        for axes in grid[-1]:
            axes.set_xlabel("Epoch")
    _curve_key(figure, "Metrics over epochs")
    return figure


@styled
def losses(runs: Sequence[Run], colors: Mapping[str, str]) -> Figure:
    """Training against validation loss, a panel per model, dataset and recipe, with published
    points."""
    alone = len({run.model for run in runs}) == 1
    groups = (
        [("", list(runs))] if alone else [(t, list(g)) for t, g in groupby(runs, lambda r: r.group)]
    )
    most = max(len(members) for _, members in groups)
    across = most if most <= 4 else ceil(most / ceil(most / 4))
    downs = [ceil(len(members) / across) for _, members in groups]
    heights = [2.1 * down + (0 if alone else 0.3) for down in downs]
    figure = Figure((WIDTH, sum(heights) + 0.5), layout="constrained")
    for part, (title, members), down in zip(stack(figure, heights), groups, downs, strict=True):
        if title:
            part.suptitle(title, x=0.008, ha="left", fontsize=9)
        grid = part.subplots(down, across, squeeze=False, sharey=True)
        for axes in grid.flat[len(members) :]:
            axes.remove()
        for i, (axes, run) in enumerate(zip(grid.flat, members, strict=False)):
            _curves(axes, run.histories, "loss", colors[run.model])
            _published_points(axes, run)
            axes.set_title(f"{run.group} · {run.model}" if alone else run.model)
            axes.set_xlabel("Epoch" if i // across == down - 1 else "")
        for axes in grid[:, 0]:
            axes.set_ylabel("Loss")
    _curve_key(figure, "Loss over epochs")
    return figure


def _curves(axes: Axes, histories: Sequence[pd.DataFrame], column: str, color: str) -> None:
    for history in histories:
        # A line needs two points.
        dots = {"marker": "o", "ms": 3} if len(history) < 3 else {}
        for subset, label, style in (("train", "training", DASHED), ("val", "validation", SOLID)):
            axes.plot(
                history["epoch"],
                history[f"{subset}_{column}"],
                color=color,
                label=label,
                **style,
                **dots,
            )
    last = [history.iloc[-1] for history in histories]
    end, value = max(h["epoch"] for h in last), float(np.mean([h[f"val_{column}"] for h in last]))
    if np.isfinite(value):
        write_beside(axes, f"{value:.2f}", (end, value), 3)
    axes.set_xlim(1 - 0.03 * end, end + max(0.22 * end, 0.3))
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS, integer=True))


DASHED, SOLID = {"ls": (0, (3, 1.6)), "lw": 1, "alpha": 0.75}, {"lw": 1.4}


def _published_points(axes: Axes, run: Run) -> None:
    for column, epoch, value in run.published:
        filled = INK if column.startswith("val") else "white"
        mark = {"marker": "D", "ms": 5.5, "mfc": filled, "mec": INK, "mew": 1.1}
        axes.plot(epoch, value, ls="", zorder=4, label="report", **mark)
        # Above or below, wherever our own curve is not.
        ours = pd.concat([h.loc[h["epoch"] == epoch, column] for h in run.histories]).mean()
        side = 1 if value >= ours else -1
        late = epoch > axes.get_xlim()[1] / 2
        place = {
            "ha": "right" if late else "left",
            "va": "bottom" if side > 0 else "top",
            "fontsize": 7.5,
        }
        axes.annotate(f"report {value:g}", (epoch, value), (4 if late else -4, 6 * side), bbox=BEHIND, zorder=5,
                      textcoords="offset points", **place)  # fmt: skip
    if run.published:
        low, high = axes.get_ylim()
        axes.set_ylim(low - 0.1 * (high - low), high + 0.05 * (high - low))


def _curve_key(figure: Figure, title: str) -> None:
    lines = [
        Line2D([], [], color=MUTED, label="training", **DASHED),
        Line2D([], [], color=MUTED, label="validation (number: last epoch)", **SOLID),
    ]
    figure.suptitle(title, x=0.008, ha="left")
    figure.legend(handles=lines, loc="outside upper right", ncols=2)


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Tenths that hold all values."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0, 1.0
    low, high = np.floor(known.min() * 10 - 0.1) / 10, np.ceil(known.max() * 10 + 0.1) / 10
    return max(0.0, float(low)), min(1.0, float(high)) + 0.02
