"""Curves over epochs, which `losses` and `metrics` share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from satseg.figures.style import MUTED, STEPS, write_beside

DASHED = {"ls": (0, (3, 1.6)), "lw": 1, "alpha": 0.75}
SOLID = {"lw": 1.4}


class ModelRuns(NamedTuple):
    """The runs of a model on a dataset under a recipe."""

    group: str
    """Dataset and recipe, as a title."""
    model: str
    histories: Sequence[pd.DataFrame]
    """A history.csv per seed."""
    published: Sequence[tuple[str, int, float]] = ()
    """Column of history.csv, epoch, published value."""


def by_group(runs: Sequence[ModelRuns]) -> list[tuple[str, list[ModelRuns]]]:
    """The runs of each dataset and recipe, with its title."""
    return [(title, list(members)) for title, members in groupby(runs, lambda r: r.group)]


def draw_curves(axes: Axes, histories: Sequence[pd.DataFrame], column: str, color: str) -> None:
    """One quantity over epochs, training and validation, a pair of lines per seed."""
    for history in histories:
        # A line needs two points.
        dots = {"marker": "o", "ms": 3} if len(history) < 3 else {}
        for subset, label, style in (("train", "training", DASHED), ("val", "validation", SOLID)):
            values = history[f"{subset}_{column}"]
            axes.plot(history["epoch"], values, color=color, label=label, **style, **dots)

    last_rows = [history.iloc[-1] for history in histories]
    last_epoch = max(row["epoch"] for row in last_rows)
    last_value = float(np.mean([row[f"val_{column}"] for row in last_rows]))
    if np.isfinite(last_value):
        write_beside(axes, f"{last_value:.2f}", (last_epoch, last_value), 3)
    axes.set_xlim(1 - 0.03 * last_epoch, last_epoch + max(0.22 * last_epoch, 0.3))
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS, integer=True))


def draw_key(figure: Figure, title: str) -> None:
    """The figure's title, and which line is which."""
    lines = [
        Line2D([], [], color=MUTED, label="training", **DASHED),
        Line2D([], [], color=MUTED, label="validation (number: last epoch)", **SOLID),
    ]
    figure.suptitle(title, x=0.008, ha="left")
    figure.legend(handles=lines, loc="outside upper right", ncols=2)
