"""The figure `classes`: how much of each class there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from satseg.config.datasets import LandClass
from satseg.figures.scales import draw_shares
from satseg.figures.style import INK, MUTED, PALE, PAPER, SUBSET_MARKS, WIDTH, styled
from satseg.text import percent


class ClassShares(NamedTuple):
    """How the labelled pixels of a pool of tiles are shared among the classes."""

    title: str
    classes: Sequence[LandClass]
    overall: np.ndarray
    """Share of each class [C], 0 to 1."""
    subsets: Mapping[str, np.ndarray]
    """Subset → share of each class [C]; NaN if a subset has no labelled pixel."""


@styled
def classes_figure(pools: Sequence[ClassShares]) -> Figure:
    """Bars: share of each class over all tiles; marks on them: the share in each subset."""
    across = min(2, len(pools))
    rows = [pools[i : i + across] for i in range(0, len(pools), across)]
    heights = [_row_height(row) for row in rows]
    figure = Figure((WIDTH, sum(heights) + 0.55), layout="constrained")
    grid = figure.add_gridspec(len(rows), across, height_ratios=heights)
    for i, pool in enumerate(pools):
        _draw_pool(figure.add_subplot(grid[divmod(i, across)]), pool)

    shown = set().union(*(pool.subsets for pool in pools))
    subsets = [name for name in SUBSET_MARKS if name in shown]
    bar = Patch(facecolor=PALE, edgecolor=MUTED, linewidth=0.5, label="all tiles")
    marks = [Line2D([], [], label=name, ls="", **_mark(name)) for name in subsets]
    figure.legend(handles=[bar, *marks], loc="outside upper right", ncols=len(marks) + 1)
    figure.suptitle("Share of labelled pixels by class", x=0.008, ha="left")
    return figure


def _row_height(pools: Sequence[ClassShares]) -> float:
    """Inches that a row of pools takes."""
    return 0.75 + 0.34 * max(len(pool.classes) for pool in pools)


def _mark(subset: str) -> dict:
    """How a subset's share is marked."""
    marker, face = SUBSET_MARKS[subset]
    edge = INK if face == PAPER else PAPER
    return {"marker": marker, "mfc": face, "mec": edge, "mew": 0.7, "ms": 5}


def _draw_pool(axes: Axes, pool: ClassShares) -> None:
    places = np.arange(len(pool.classes))
    colors = [land_class.shown_color for land_class in pool.classes]
    axes.barh(places, pool.overall, height=0.74, color=colors, edgecolor=MUTED, linewidth=0.5)

    offsets = np.linspace(-0.22, 0.22, len(pool.subsets)) if len(pool.subsets) > 1 else [0]
    for (subset, shares), offset in zip(pool.subsets.items(), offsets, strict=True):
        look = {"ls": "", "label": subset, "clip_on": False, "zorder": 3} | _mark(subset)
        axes.plot(shares, places + offset, **look)

    at_edge = {"transform": axes.get_yaxis_transform(), "ha": "right", "va": "center"}
    for place, share in zip(places, pool.overall, strict=True):
        axes.text(1, place, percent(share), **at_edge)
    furthest = float(np.nanmax([pool.overall, *pool.subsets.values()]))
    axes.set_yticks(places, [land_class.name for land_class in pool.classes])
    axes.set(xlim=(0, 1.2 * furthest), ylim=(len(places) - 0.5, -0.5))
    draw_shares(axes.xaxis)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0, pad=7)  # clear of marks at 0 %
    axes.set_title(pool.title)
    axes.set_title("all tiles", loc="right", fontsize=7.5, color=MUTED)
