"""The figure `losses`: losses over epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from satseg.figures.curves import ModelRuns, by_group, draw_curves, draw_key
from satseg.figures.style import BEHIND, INK, PAPER, WIDTH, stack, styled


@styled
def losses_figure(runs: Sequence[ModelRuns], colors: Mapping[str, str]) -> Figure:
    """Training against validation loss, a panel per model, dataset and recipe, with published
    points."""
    one_model = len({model_runs.model for model_runs in runs}) == 1
    groups = [("", list(runs))] if one_model else by_group(runs)
    most = max(len(members) for _, members in groups)
    across = most if most <= 4 else ceil(most / ceil(most / 4))
    downs = [ceil(len(members) / across) for _, members in groups]
    title_height = 0 if one_model else 0.3
    heights = [2.1 * down + title_height for down in downs]
    figure = Figure((WIDTH, sum(heights) + 0.5), layout="constrained")

    for part, (title, members), down in zip(stack(figure, heights), groups, downs, strict=True):
        if title:
            part.suptitle(title, x=0.008, ha="left", fontsize=9)
        grid = part.subplots(down, across, squeeze=False, sharey=True)
        for axes in grid.flat[len(members) :]:
            axes.remove()
        for i, (axes, model_runs) in enumerate(zip(grid.flat, members, strict=False)):
            model = model_runs.model
            draw_curves(axes, model_runs.histories, "loss", colors[model])
            _draw_published(axes, model_runs)
            axes.set_title(f"{model_runs.group} · {model}" if one_model else model)
            axes.set_xlabel("Epoch" if i // across == down - 1 else "")
        for axes in grid[:, 0]:
            axes.set_ylabel("Loss")
    draw_key(figure, "Loss over epochs")
    return figure


def _draw_published(axes: Axes, runs: ModelRuns) -> None:
    """A mark and a number for each published loss."""
    for column, epoch, value in runs.published:
        face = INK if column.startswith("val") else PAPER
        mark = {"marker": "D", "ms": 5.5, "mfc": face, "mec": INK, "mew": 1.1}
        axes.plot(epoch, value, ls="", zorder=4, label="published", **mark)

        # Above or below, wherever our own curve is not.
        reached = [history.loc[history["epoch"] == epoch, column] for history in runs.histories]
        above = value >= pd.concat(reached).mean()
        late = epoch > axes.get_xlim()[1] / 2
        axes.annotate(
            f"published {value:g}",
            (epoch, value),
            (4 if late else -4, 6 if above else -6),
            textcoords="offset points",
            ha="right" if late else "left",
            va="bottom" if above else "top",
            fontsize=7.5,
            bbox=BEHIND,
            zorder=5,
        )
    if runs.published:
        low, high = axes.get_ylim()
        axes.set_ylim(low - 0.1 * (high - low), high + 0.05 * (high - low))
