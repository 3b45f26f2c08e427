"""The style that all figures share."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from itertools import cycle
from types import MappingProxyType
from unicodedata import east_asian_width

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.text import Text

from satseg.measures import MAJORITY

WIDTH = 9.6  # of every figure, in inches

# No class has any of these very colours: where the page is dark, they change and classes' stay.
PAPER = "#FEFEFE"
TINT = "#F6F8FA"
INK = "#222222"
MUTED = "#6E6E6E"
FAINT = "#B9B9B9"
PALE = "#E7E7E7"
# On what keeps its colour where the page is dark, so does the ink.
FIXED_INK = "#1F1F1F"
# For models: four of Okabe and Ito's, then those that look least like the ones before, on paper and
# in the dark. All are seen on white (3:1).
PALETTE = [
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#A87400",
    "#6600CC",
    "#116600",
    "#661100",
    "#F20051",
    "#006666",
    "#000D4C",
    "#664400",
    "#7C74A6",
    "#53A600",
    "#A67C74",
    "#CC0088",
    "#3292A6",
    "#808046",
    "#4C3649",
    "#660066",
    "#004466",
]

STEPS = [1, 2, 5, 10]  # between ticks

SUBSET_MARKS = {"train": ("o", INK), "val": ("D", INK), "test": ("s", PAPER)}

# What a name stands on.
BEHIND = {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.8, "pad": 0.5}
# A 95 % interval.
BAR = {"lw": 1.6, "alpha": 0.6, "solid_capstyle": "butt"}

FONT = "DejaVu Sans"  # comes with matplotlib: layout and bytes are the same everywhere

STYLE = {
    "text.parse_math": False,  # a dollar in a name is a dollar
    "font.family": "sans-serif",
    # All but the first are for SVG viewers.
    "font.sans-serif": [FONT, "Verdana", "Helvetica", "Arial"],
    "font.size": 8,
    "text.color": INK,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "savefig.facecolor": PAPER,
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


@contextmanager
def house_style() -> Iterator[None]:
    """A block that draws in the house style, whatever the user's matplotlibrc says."""
    with matplotlib.style.context(["default", STYLE]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # see satseg.figures.fonts
        yield


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw in the house style."""

    @wraps(draw)
    def in_style(*arguments, **options) -> Figure:
        with house_style():
            return draw(*arguments, **options)

    return in_style


def model_colors(
    models: Sequence[str], places: Mapping[str, int] = MappingProxyType({})
) -> dict[str, str]:
    """The colour of each model, in the study's order; the majority baseline is grey.

    A model has the colour of its place among all configured models, in every study. Only where an
    earlier model of the same study has that colour, it takes one that none has, as long as there
    are some.

    Args:
        models: the study's models.
        places: place of each model in the configuration; by default that in the study.
    """
    places = places or {model: i for i, model in enumerate(models)}
    order = sorted(models, key=places.__getitem__)
    chosen: dict[str, str] = {}
    for model in order:
        color = PALETTE[places[model] % len(PALETTE)]
        if color not in chosen.values():
            chosen[model] = color

    left = [color for color in PALETTE if color not in chosen.values()]
    others = [model for model in order if model not in chosen]
    chosen |= dict(zip(others, cycle([*left, *PALETTE]), strict=False))
    return {model: chosen[model] for model in models} | {MAJORITY: MUTED}


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
    cuts = [i + 1 for i, sign in enumerate(name[:-1]) if sign in "_ -"]
    if _letters(name) * _letter_width(text) > inches and cuts:
        cut = min(cuts, key=lambda i: abs(i - len(name) / 2))
        text.set_text(f"{name[:cut]}\n{name[cut:]}")
    shrink_text(text, inches)


def shrink_text(text: Text, inches: float) -> None:
    """Make letters small enough for the longest line to fit."""
    longest = max(1, *map(_letters, text.get_text().split("\n")))
    fits = inches / (longest * _letter_width(text))
    text.set_fontsize(text.get_fontsize() * min(1, fits))


def _letter_width(text: Text) -> float:
    """Inches that a letter takes, about."""
    return (0.0102 if text.get_fontweight() == "bold" else 0.0091) * text.get_fontsize()


def _letters(name: str) -> float:
    """Length in letters; Chinese, Japanese and Korean signs are wider."""
    return sum(1.6 if east_asian_width(sign) in "WF" else 1 for sign in name)


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
