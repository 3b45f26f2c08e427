"""The figure `metrics`: metrics over epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from satseg.figures.curves import ModelRuns, by_group, draw_curves, draw_key
from satseg.figures.style import STEPS, WIDTH, fit_text, stack, styled
from satseg.measures import CURVES, MEASURES

TITLE = 1.6  # inches for the name of a metric


@styled
def metrics_figure(runs: Sequence[ModelRuns], colors: Mapping[str, str]) -> Figure:
    """A row per model and a column per metric: training dashed, validation solid, a line per
    seed."""
    groups = by_group(runs)
    row_height = float(np.clip(12 / len(runs), 1.05, 1.6))
    heights = [row_height * len(members) + 0.5 for _, members in groups]
    figure = Figure((WIDTH, sum(heights) + 0.4), layout="constrained")
    low, high = _limits(runs)

    for part, (title, members) in zip(stack(figure, heights), groups, strict=True):
        part.suptitle(title, x=0.008, ha="left", fontsize=9)
        grid = part.subplots(len(members), len(CURVES), squeeze=False, sharex="col", sharey=True)
        for i, model_runs in enumerate(members):
            for axes, metric in zip(grid[i], CURVES, strict=True):
                draw_curves(axes, model_runs.histories, metric, colors[model_runs.model])
                axes.set_ylim(low, high)
                title = axes.set_title(MEASURES[metric].label if i == 0 else "")
                fit_text(title, TITLE)
            grid[i, 0].yaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
            fit_text(grid[i, 0].set_ylabel(model_runs.model, weight="bold"), 0.85 * row_height)
        for axes in grid[-1]:
            axes.set_xlabel("Epoch")
    draw_key(figure, "Metrics over epochs")
    return figure


def _limits(runs: Sequence[ModelRuns]) -> tuple[float, float]:
    """Tenths that hold all values."""
    names = [f"train_{metric}" for metric in CURVES] + [f"val_{metric}" for metric in CURVES]
    histories = [history for model_runs in runs for history in model_runs.histories]
    values = np.concatenate([history[names].to_numpy(float).ravel() for history in histories])
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0, 1.0
    low = np.floor(known.min() * 10 - 0.1) / 10
    high = np.ceil(known.max() * 10 + 0.1) / 10
    return max(0.0, float(low)), min(1.0, float(high)) + 0.02
