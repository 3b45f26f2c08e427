"""The figure `trials`: what the trials of a tuning scored, by epochs and by each key."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from satseg.config.tunings import Range, Tuning
from satseg.figures.scales import draw_powers
from satseg.figures.style import FAINT, INK, PALETTE, WIDTH, stack, styled, write_text
from satseg.text import counted

ACROSS = 4  # axes in a row
HEIGHT = 2.0  # inches of a row
TITLE = 0.35
LABEL = "validation mIoUᴰ"
BEST = PALETTE[1]
SHADES = [FAINT, PALETTE[5], PALETTE[0]]  # of trials dropped at the first rung, later, never


class TunedTrials(NamedTuple):
    """The trials of a tuning."""

    title: str
    tuning: Tuning
    trials: pd.DataFrame
    """Columns of trials.csv."""
    importance: pd.DataFrame
    """Columns of importance.csv."""


@styled
def trials_figure(groups: Sequence[TunedTrials]) -> Figure:
    """A group of axes per tuning: the value over epochs, then over each key; one line of text if
    there is none."""
    if not groups:
        figure = Figure((WIDTH, TITLE))
        write_text(figure, 0, 0.05, "No recipe of this study is tuned.", va="top")
        return figure

    rows = [ceil((1 + len(group.tuning.space)) / ACROSS) for group in groups]
    heights = [TITLE + HEIGHT * count for count in rows]
    figure = Figure((WIDTH, sum(heights)), layout="constrained")
    for part, group, count in zip(stack(figure, heights), groups, rows, strict=True):
        _draw_group(part, group, count)
    return figure


def _draw_group(part: SubFigure, group: TunedTrials, rows: int) -> None:
    best = group.trials.sort_values(["rung", "kept"]).to_dict("records")[-1]
    part.suptitle(
        f"{group.title}: best trial {best['trial']} of {group.tuning.trials}, "
        f"{LABEL} {best['value']:.3f} after {counted(best['epochs'], 'epoch')}",
        x=0.008,
        ha="left",
        fontsize=9,
    )
    grid = list(part.subplots(rows, ACROSS, squeeze=False, sharey=True).flat)
    last = group.trials.sort_values("rung").groupby("trial").last()
    reached = last["rung"].map(lambda rung: _shade(rung, group.trials["rung"].max()))
    reached[best["trial"]] = BEST

    _draw_epochs(grid[0], group, reached)
    shares = group.importance.set_index("key")["importance"]
    for axes, key in zip(grid[1:], group.tuning.space, strict=False):
        _draw_key(axes, group, key, reached)
        share = f" ({100 * shares[key]:.0f} %)" if key in shares else ""
        axes.set_xlabel(f"{key}{share}")
    for axes in grid[1 + len(group.tuning.space) :]:
        axes.set_visible(False)
    for axes in grid[::ACROSS]:
        axes.set_ylabel(LABEL)


def _shade(rung: int, last: int) -> str:
    """Colour of a trial by the rung it reached."""
    if rung == last:
        return SHADES[2]
    return SHADES[0] if rung == 1 else SHADES[1]


def _draw_epochs(axes: Axes, group: TunedTrials, colors: pd.Series) -> None:
    """A line per trial over the rungs it reached."""
    for trial, rows in group.trials.groupby("trial"):
        color = colors[trial]
        axes.plot(
            rows["epochs"], rows["value"], "o-", ms=3, lw=1, color=color, zorder=_order(color)
        )
    axes.set_xlabel("epochs")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _draw_key(axes: Axes, group: TunedTrials, key: str, colors: pd.Series) -> None:
    """The value of each trial at the first rung, which all reach, over a key."""
    rows = group.trials[group.trials["rung"] == 1]
    values = group.tuning.space[key]
    if isinstance(values, Range):
        places = rows[key].astype(float)
        if values.log:
            axes.set_xscale("log")
            axes.set_xlim(values.low / 1.3, values.high * 1.3)
            draw_powers(axes.xaxis, (1, 3) if values.high < 30 * values.low else (1,))
    else:
        names = list(dict.fromkeys(rows[key].astype(str)))
        places = rows[key].astype(str).map(names.index)
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.5, len(names) - 0.5)
    shades = colors[rows["trial"]]
    axes.scatter(places, rows["value"], s=14, c=list(shades), edgecolors=INK, linewidths=0.3)


def _order(color: str) -> float:
    """What is drawn later lies on top: the best trial, then those that got far."""
    return 3 if color == BEST else 2 + 0.1 * SHADES.index(color)
