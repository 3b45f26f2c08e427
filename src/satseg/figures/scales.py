"""How axes are scaled and what their ticks say."""

from __future__ import annotations

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullLocator,
    StrMethodFormatter,
)

from satseg.figures.style import STEPS

WIDE = 10
"""Costs and counts that differ by more than this factor are drawn on a logarithmic axis, which says
so; scores, shares and losses never are."""


def draw_shares(axis: Axis) -> None:
    """Ticks of shares as percentages, no two of them alike."""
    axis.set_major_locator(MaxNLocator(5, steps=STEPS))
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.6g} %"))


def draw_powers(axis: Axis, factors: tuple[int, ...]) -> None:
    """Ticks of a logarithmic axis, in plain numbers: the powers of ten times these factors."""
    axis.set_major_locator(LogLocator(subs=factors, numticks=6))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(StrMethodFormatter("{x:,g}"))


def draw_costs(axes: Axes, values: np.ndarray, label: str, which: Literal["x", "y"] = "x") -> None:
    """The axis of a cost or a count: its label, its scale by the rule of `WIDE`, and few ticks.

    Args:
        axes: where it is drawn.
        values: all values of it in the figure; those that are not known or not positive are left
            out.
        label: what is measured.
        which: the axis.
    """
    known = values[np.isfinite(values) & (values > 0)]
    if not len(known):
        axes.set(**{f"{which}label": label})
        return
    low = known.min()
    high = known.max()
    axis = axes.xaxis if which == "x" else axes.yaxis
    if high > WIDE * low:
        axes.set(**{f"{which}scale": "log", f"{which}label": f"{label}, logarithmic"})
        axes.set(**{f"{which}lim": (low / 2, high * 2)})
        draw_powers(axis, (1, 2, 5) if np.log10(high / low) < 1.6 else (1,))
    else:
        room = 0.4 * (high - low) or 0.5 * high
        lowest = 0 if low < high / 2 else low - room
        axes.set(**{f"{which}lim": (lowest, high + room), f"{which}label": label})
        axis.set_major_locator(MaxNLocator(4, steps=STEPS))
        axis.set_major_formatter(StrMethodFormatter("{x:,g}"))
