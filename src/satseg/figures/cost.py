"""Score against cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, StrMethodFormatter
from matplotlib.transforms import Bbox

from satseg.figures.style import BAR, BEHIND, FAINT, MUTED, STEPS, WIDTH, stack, styled


class Cost(NamedTuple):
    """Score and cost of every model on a dataset under a recipe."""

    title: str
    rows: pd.DataFrame
    """model, value, low, high (mIoU^D), and the columns of COSTS."""


COSTS = {
    "epoch_seconds": "Epoch (s)",
    "latency_ms": "Latency (ms)",
    "peak_memory_mb": "Peak memory (MB)",
}


def pareto(cost: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Which points no other beats, being at least as cheap and as good and one of the two more:
    bool [N].

    Args:
        cost, score: float [N]; a point with a NaN is never on the front.
    """
    known = np.isfinite(cost) & np.isfinite(score)
    no_dearer, no_worse = cost[None] <= cost[:, None], score[None] >= score[:, None]
    better = (cost[None] < cost[:, None]) | (score[None] > score[:, None])
    return known & ~(no_dearer & no_worse & better).any(1)


@styled
def cost(blocks: Sequence[Cost], colors: Mapping[str, str]) -> Figure:
    """mIoU^D against epoch time, latency and memory; the front of what no other model beats is
    drawn out."""
    figure = Figure((WIDTH, 3.1 * len(blocks) + 0.5), layout="constrained")
    figure.suptitle("What accuracy costs", x=0.008, ha="left")
    front = Line2D(
        [], [], color=FAINT, lw=1.2, marker="o", mfc=MUTED, mec=MUTED, label="Pareto front"
    )
    beaten = Line2D([], [], ls="", marker="o", mfc="white", mec=MUTED, mew=1.4, label="beaten")
    bar = Line2D([], [], color=FAINT, lw=1.5, label="95 % interval")
    figure.legend(handles=[front, beaten, bar], loc="outside upper right", ncols=3)
    labelled = []
    for part, block in zip(stack(figure, [1.0] * len(blocks)), blocks, strict=True):
        part.suptitle(block.title, x=0.008, ha="left", fontsize=9)
        grid = part.subplots(1, len(COSTS), sharey=True)
        for axes, column in zip(grid, COSTS, strict=True):
            _cost_panel(axes, block.rows, column, colors)
            labelled.append((axes, block.rows, column))
        grid[0].set_ylabel("mIoUᴰ")
    # Labels go where there is room, which is known once the axes have their places.
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes, rows, column in labelled:
        _label_points(axes, rows, column, colors)
    return figure


def _cost_panel(axes: Axes, rows: pd.DataFrame, column: str, colors: Mapping[str, str]) -> None:
    costs, values = rows[column].to_numpy(float), rows["value"].to_numpy(float)
    best = pareto(costs, values)
    order = np.flatnonzero(best)[np.argsort(costs[best], kind="stable")]
    axes.plot(costs[order], values[order], color=FAINT, lw=1.2, zorder=1, label="Pareto front")
    for row, x, on_front in zip(rows.itertuples(), costs, best, strict=True):
        color = colors[row.model]
        axes.plot([x, x], [row.low, row.high], color=color, zorder=2, **BAR | {"alpha": 0.35})
        face = color if on_front else "white"
        axes.plot(x, row.value, ls="", marker="o", ms=6.5, mfc=face, mec=color, mew=1.6, zorder=3)
    low, high = rows["low"].min(), rows["high"].max()
    room = max(0.06 * (high - low), (0.1 - (high - low)) / 2)
    if np.isfinite(room):
        axes.set_ylim(low - room, high + room)
    _cost_axis(axes, costs[np.isfinite(costs) & (costs > 0)])
    axes.set_title(COSTS[column])


def _cost_axis(axes: Axes, costs: np.ndarray) -> None:
    """Room for the names; a logarithm where costs differ a lot, zero only where it is near."""
    if not len(costs):
        return
    low, high = costs.min(), costs.max()
    if high > 8 * low:
        axes.set_xscale("log", subs=[])
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.set_xlim(low / 2, high * 2)
    else:
        room = 0.4 * (high - low) or 0.5 * high
        axes.set_xlim(0 if low < high / 2 else low - room, high + room)
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS))


def _label_points(axes: Axes, rows: pd.DataFrame, column: str, colors: Mapping[str, str]) -> None:
    """Write each model beside its point, over no other point, interval or name if there is room."""
    renderer = axes.figure.canvas.get_renderer()
    points = rows.assign(x=rows[column].astype(float)).dropna(subset=["x", "value"])
    unit, inside = axes.figure.dpi / 72, axes.get_window_extent(renderer)
    taken = []
    for x, value, low, high in points[["x", "value", "low", "high"]].itertuples(index=False):
        (a, b), (_, c), (_, d) = axes.transData.transform([(x, value), (x, low), (x, high)])
        mark = Bbox.from_bounds(a - 5 * unit, b - 5 * unit, 10 * unit, 10 * unit)
        taken += [(mark, 2), (Bbox([(a, c), (a + 1, d)]), 1)]
    for point in points.sort_values("value", ascending=False, kind="stable").itertuples():
        look = {
            "textcoords": "offset points",
            "fontsize": 7.5,
            "va": "center",
            "color": colors[point.model],
        }
        look["bbox"] = BEHIND
        tried = []
        for i, (shift, distance) in enumerate(AROUND):
            side = "left" if shift[0] > 0 else "right"
            text = axes.annotate(point.model, (point.x, point.value), shift, ha=side, **look)
            box = text.get_window_extent(renderer)
            beyond = inside.count_contains(box.corners()) < 4
            covered = sum(weight for other, weight in taken if box.overlaps(other))
            tried.append((covered + distance + 4 * beyond, i, text, box))
        _, best, _, box = min(tried, key=lambda t: t[:2])
        for _, i, text, _ in tried:
            if i != best:
                text.remove()
        taken.append((box, 2))


# Where a name may stand from its point, in points, and what the distance counts against covering
# something.
AROUND = [
    ((x, y), 0.6 * i)
    for i, r in enumerate((9, 16, 24, 32))
    for x, y in ((r, 0), (-r, 0), (5, r), (-5, r), (5, -r), (-5, -r))
]
