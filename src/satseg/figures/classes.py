"""How much of each class there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter

from satseg.config.datasets import LandClass
from satseg.figures.style import INK, MUTED, PALE, STEPS, SUBSET_MARKS, WIDTH, styled
from satseg.text import percent


class Shares(NamedTuple):
    """How the labelled pixels of a pool of tiles are shared among the classes."""

    title: str
    classes: Sequence[LandClass]
    overall: np.ndarray
    """Share of each class [C], 0 to 1."""
    subsets: Mapping[str, np.ndarray]
    """Subset → share of each class [C]; NaN where a subset has no labelled pixel."""


@styled
def class_shares(panels: Sequence[Shares]) -> Figure:
    """Bars: share of each class over all tiles; marks on them: the share in each subset."""
    across = min(2, len(panels))
    rows = [panels[i : i + across] for i in range(0, len(panels), across)]
    heights = [0.75 + 0.34 * max(len(p.classes) for p in row) for row in rows]
    figure = Figure((WIDTH, sum(heights) + 0.55), layout="constrained")
    grid = figure.add_gridspec(len(rows), across, height_ratios=heights)
    for i, panel in enumerate(panels):
        _share_panel(figure.add_subplot(grid[divmod(i, across)]), panel)
    subsets = [name for name in SUBSET_MARKS if any(name in p.subsets for p in panels)]
    bar = Patch(facecolor=PALE, edgecolor=MUTED, linewidth=0.5, label="all tiles")
    marks = [Line2D([], [], label=name, ls="", **_mark(name)) for name in subsets]
    figure.legend(handles=[bar, *marks], loc="outside upper right", ncols=len(marks) + 1)
    figure.suptitle("Share of labelled pixels by class", x=0.008, ha="left")
    return figure


def _mark(subset: str) -> dict:
    marker, face = SUBSET_MARKS[subset]
    return {
        "marker": marker,
        "mfc": face,
        "mec": INK if face == "white" else "white",
        "mew": 0.7,
        "ms": 5,
    }


def _share_panel(axes: Axes, panel: Shares) -> None:
    places = np.arange(len(panel.classes))
    colors = [c.color for c in panel.classes]
    axes.barh(places, panel.overall, height=0.74, color=colors, edgecolor=MUTED, linewidth=0.5)
    offsets = np.linspace(-0.22, 0.22, len(panel.subsets)) if len(panel.subsets) > 1 else [0]
    for (subset, shares), offset in zip(panel.subsets.items(), offsets, strict=True):
        axes.plot(
            shares, places + offset, ls="", label=subset, clip_on=False, zorder=3, **_mark(subset)
        )
    for place, share in zip(places, panel.overall, strict=True):
        axes.text(
            1, place, percent(share), transform=axes.get_yaxis_transform(), ha="right", va="center"
        )
    furthest = float(np.nanmax([panel.overall, *panel.subsets.values()]))
    axes.set_yticks(places, [c.name for c in panel.classes])
    axes.set(xlim=(0, 1.2 * furthest), ylim=(len(places) - 0.5, -0.5))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.set_title(panel.title)
    axes.set_title("all tiles", loc="right", fontsize=7.5, color=MUTED)
