"""The figure of a comparison: the scores of both, and their differences with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from satseg.compare.scores import Compared
from satseg.figures.style import BAR, FAINT, INK, MUTED, PALETTE, PAPER, WIDTH, styled
from satseg.measures import MEASURES

ROW = 0.3  # inches
FRAME = 1.3  # inches above and below the rows


@styled
def draw_differences(rows: Sequence[Compared], titles: Sequence[str]) -> Figure:
    """A line per row: both scores at the left, second minus first at the right.

    Args:
        rows: one metric of each pair.
        titles: what the two studies are called.
    """
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(WIDTH, FRAME + ROW * len(rows)), sharey=True, layout="constrained"
    )
    label = MEASURES[rows[0].metric].label
    for place, row in enumerate(rows):
        left.plot([row.first.value, row.second.value], [place, place], color=FAINT, zorder=1)
        _draw_difference(right, place, row)

    places = range(len(rows))
    first = [row.first.value for row in rows]
    second = [row.second.value for row in rows]
    left.scatter(first, places, s=56, fc=PAPER, ec=INK, zorder=2, label=titles[0])
    left.scatter(second, places, s=26, color=PALETTE[0], zorder=3, label=titles[1])
    left.set_yticks(list(places), [str(row.pair.first) for row in rows])
    left.set_ylim(len(rows) - 0.5, -0.5)
    left.set_xlabel(label)
    left.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)

    right.axvline(0, color=MUTED, lw=0.8)
    right.set_xlabel(f"Difference in {label}, second minus first")
    for axes in (left, right):
        axes.grid(visible=False, axis="y")
    return figure


def _draw_difference(axes: plt.Axes, place: int, row: Compared) -> None:
    """A difference with its interval, in colour if it excludes zero."""
    if row.difference is None:
        text = axes.annotate(row.why, (0, place), (4, 0), textcoords="offset points", va="center")
        text.set_in_layout(False)
        return
    color = PALETTE[0] if row.difference.sign else MUTED
    if row.difference.known:
        ends = [row.difference.low, row.difference.high]
        axes.plot(ends, [place, place], color=color, **BAR)
    axes.scatter([row.difference.difference], [place], s=22, color=color, zorder=3)
