"""The figure `confusion`: which class is taken for which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from satseg.figures.style import FIXED_INK, MUTED, PALE, WIDTH, place_axes, styled, write_text
from satseg.metrics.counts import ratio

# Inches: side of a cell, room for the names left of and below a matrix, its title, between
# matrices, the head of the figure and of a group.
CELL = 0.34
NAMES = 0.85
TITLE = 0.3
BETWEEN = 0.2
HEAD = 0.5
GROUP = 0.3

SHADES = LinearSegmentedColormap.from_list("shades", ["#FFFFFF", "#5FA3D3"])
"""Light enough at either end for dark numbers."""


class Confusions(NamedTuple):
    """The confusion matrices of a dataset under a recipe."""

    title: str
    classes: Sequence[str]
    models: Mapping[str, np.ndarray]
    """Model → pixels [C, C], rows for the true classes."""


@styled
def confusion_figure(groups: Sequence[Confusions]) -> Figure:
    """A matrix per model: of the pixels of each true class, the share predicted as each class."""
    heights = []
    for group in groups:
        downs = ceil(len(group.models) / _across(group))
        heights.append(GROUP + downs * (_side(group) + TITLE + NAMES + BETWEEN))
    figure = Figure((WIDTH, HEAD + sum(heights)))
    options = {"fontsize": 10.5, "weight": "bold", "va": "top"}
    write_text(figure, 0.05, 0.05, "What each class is taken for", **options)
    note = "Row: true class. Column: prediction. Per cent of the row's pixels."
    write_text(figure, 0.05, 0.26, note, va="top", color=MUTED)

    for i, group in enumerate(groups):
        top = HEAD + sum(heights[:i])
        write_text(figure, 0.05, top + 0.05, group.title, va="top", fontsize=9)
        across = _across(group)
        side = _side(group)
        for n, (model, matrix) in enumerate(group.models.items()):
            left = NAMES + n % across * (side + NAMES + BETWEEN)
            down = top + GROUP + n // across * (side + TITLE + NAMES + BETWEEN) + TITLE
            axes = place_axes(figure, left, down, side, side)
            _draw_matrix(axes, matrix, group.classes)
            axes.set_title(model, fontsize=8.5)
    return figure


def _side(group: Confusions) -> float:
    """Inches of a matrix: one of many classes fills the width."""
    return min(CELL * len(group.classes), WIDTH - NAMES - BETWEEN)


def _across(group: Confusions) -> int:
    """Matrices in a row."""
    return max(1, int((WIDTH + BETWEEN) / (_side(group) + NAMES + BETWEEN)))


def _draw_matrix(axes: Axes, matrix: np.ndarray, classes: Sequence[str]) -> None:
    """Shares of each row, as shades and as numbers; a class without a pixel has no numbers."""
    shares = ratio(matrix, matrix.sum(1, keepdims=True))
    axes.imshow(np.nan_to_num(shares), cmap=SHADES, vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        if np.isfinite(share):
            weight = "bold" if row == column else "normal"
            text = _rounded(share)
            centred = {"ha": "center", "va": "center", "fontsize": 7.5}
            axes.text(column, row, text, color=FIXED_INK, weight=weight, **centred)
    places = range(len(classes))
    axes.set_xticks(places, classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(places, classes)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set(visible=True, color=PALE)


def _rounded(share: float) -> str:
    """Per cent: a share that is not zero never reads as 0, one that is not all never as 100."""
    if 0 < share < 0.005:
        return "<1"
    if 0.995 <= share < 1:
        return ">99"
    return f"{100 * share:.0f}"
