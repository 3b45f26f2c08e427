"""The style that all figures share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.text import Text

from satseg.metrics.baseline import MAJORITY

WIDTH = 9.6  # of every figure, in inches

INK = "#222222"
MUTED = "#6E6E6E"
FAINT = "#B9B9B9"
PALE = "#E7E7E7"
# Okabe and Ito's colours without yellow, which is lost on white.
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]

STEPS = [1, 2, 5, 10]  # between ticks

SUBSET_MARKS = {"train": ("o", INK), "val": ("D", INK), "test": ("s", "white")}

# What a name stands on.
BEHIND = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}
# A 95 % interval.
BAR = {"lw": 1.6, "alpha": 0.6, "solid_capstyle": "butt"}

STYLE = {
    "font.family": "sans-serif",
    # The first comes with matplotlib: layout and bytes are the same everywhere. The rest is for SVG
    # viewers.
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Helvetica", "Arial"],
    "font.size": 8,
    "text.color": INK,
    "figure.titlesize": 10.5,
    "figure.titleweight": "bold",
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": PALE,
    "grid.linewidth": 0.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.fonttype": "none",
    "svg.hashsalt": "satseg",
    "savefig.dpi": 150,
}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw in the house style, whatever the user's matplotlibrc says."""

    @wraps(draw)
    def in_style(*arguments, **options) -> Figure:
        with matplotlib.style.context(["default", STYLE]):
            return draw(*arguments, **options)

    return in_style


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure in the format of the path's suffix; the same figure gives the same bytes."""
    undated = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}
    with matplotlib.style.context(["default", STYLE]):
        figure.savefig(path, metadata=undated.get(Path(path).suffix))


def model_colors(models: Sequence[str]) -> dict[str, str]:
    """The colour of each model in every figure, by the study's order; the majority baseline is
    grey."""
    return {model: PALETTE[i % len(PALETTE)] for i, model in enumerate(models)} | {MAJORITY: MUTED}


def place_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place in inches from the upper left corner."""
    across, down = figure.get_size_inches()
    return figure.add_axes(
        (left / across, 1 - (top + height) / down, width / across, height / down)
    )


def write_text(figure: Figure, left: float, top: float, text: str, **options) -> Text:
    """Write text at a place given in inches from the top left."""
    across, down = figure.get_size_inches()
    return figure.text(left / across, 1 - top / down, text, **options)


def frame_axes(axes: Axes) -> None:
    """A thin frame and no ticks."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=FAINT, linewidth=0.5)


def fit_text(text: Text, inches: float) -> None:
    """Break a name that is too long at an underscore or a space, then make its letters small
    enough."""
    name = text.get_text()
    letter = 0.0091 * text.get_fontsize()
    cuts = [i + 1 for i, sign in enumerate(name[:-1]) if sign in "_ -"]
    if len(name) * letter > inches and cuts:
        cut = min(cuts, key=lambda i: abs(i - len(name) / 2))
        text.set_text(f"{name[:cut]}\n{name[cut:]}")
    longest = max(map(len, text.get_text().split("\n")))
    text.set_fontsize(text.get_fontsize() * min(1, inches / (longest * letter)))


def write_beside(
    axes: Axes, text: str, point: tuple[float, float], shift: float, **options
) -> None:
    """Write right of a point, or left of it if the shift (in points) is negative."""
    options = {"ha": "left" if shift > 0 else "right", "va": "center", "fontsize": 7.5} | options
    axes.annotate(text, point, (shift, 0), textcoords="offset points", **options)


def stack(figure: Figure, heights: Sequence[float]) -> list[SubFigure]:
    """Parts of a figure, one above the other."""
    return list(np.atleast_1d(figure.subfigures(len(heights), 1, height_ratios=heights)))


def model_scores(rows: pd.DataFrame, metric: str, class_name: str) -> pd.DataFrame:
    """Value, low and high of a metric by model (index); models without a value are left out.

    Args:
        rows: rows of summary.csv for one dataset and recipe.
        metric: the metric.
        class_name: a class, or `all`.
    """
    own = rows[(rows["metric"] == metric) & (rows["class"] == class_name)].dropna(subset="value")
    return own.set_index("model")[["value", "low", "high"]]
