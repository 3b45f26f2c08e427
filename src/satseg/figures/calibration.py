"""Reliability diagrams: of a run beside its numbers, and of a study's models as the figure
`calibration`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from statistics import mean
from typing import NamedTuple

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from satseg.figures.scales import draw_shares
from satseg.figures.style import FAINT, INK, MUTED, PALETTE, PAPER, WIDTH, stack, styled

ACROSS = 4  # panels side by side at most
PANEL = 2.2  # inches
STATES = {"before": (PAPER, INK, MUTED), "after": (PALETTE[0], PALETTE[0], PALETTE[0])}


class Calibrated(NamedTuple):
    """What the runs of a model were found to be worth, at a dataset and recipe."""

    group: str
    """The dataset and recipe."""
    model: str
    runs: list[Mapping]
    """The content of each run's `calibration.json`."""


@styled
def calibration_figure(models: Sequence[Calibrated], colors: Mapping[str, str]) -> Figure:
    """The share of right pixels over confidence, a panel per model, dataset and recipe: hollow as
    the network says it, filled with the temperature of each run."""
    groups: dict[str, list[Calibrated]] = {}
    for model in models:
        groups.setdefault(model.group, []).append(model)
    downs = [ceil(len(members) / ACROSS) for members in groups.values()]
    heights = [PANEL * down + 0.3 for down in downs]
    figure = Figure((WIDTH, sum(heights) + 0.5), layout="constrained")
    for part, (title, members), down in zip(
        stack(figure, heights), groups.items(), downs, strict=True
    ):
        part.suptitle(title, x=0.008, ha="left", fontsize=9)
        grid = part.subplots(down, ACROSS, squeeze=False, sharey=True)
        for axes in grid.flat[len(members) :]:
            axes.remove()
        for i, (axes, member) in enumerate(zip(grid.flat, members, strict=False)):
            _draw_model(axes, member, colors[member.model])
            axes.set_xlabel("Confidence" if i + ACROSS >= len(members) else "")
        for axes in grid[:, 0]:
            axes.set_ylabel("Pixels that are right")
    _draw_key(figure)
    return figure


def _draw_model(axes: Axes, model: Calibrated, color: str) -> None:
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1, zorder=1)
    errors = []
    for state, (inside, edge, line) in (
        ("before", (PAPER, MUTED, MUTED)),
        ("after", (color, color, color)),
    ):
        for found in model.runs:
            used = [own for own in found[state]["bins"] if own["pixels"]]
            sure = [own["confidence"] for own in used]
            right = [own["right"] for own in used]
            axes.plot(sure, right, color=line, lw=0.9, zorder=2)
            axes.scatter(sure, right, s=12, fc=inside, ec=edge, lw=0.8, zorder=3)
        errors.append(f"{100 * mean(found[state]['ece'] for found in model.runs):.1f} %")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_title(f"{model.model}\nerror {' → '.join(errors)}", fontsize=8)
    for axis in (axes.xaxis, axes.yaxis):
        draw_shares(axis)
    axes.set_xticks([0, 0.5, 1])


def _draw_key(figure: Figure) -> None:
    marks = [
        Line2D([], [], color=MUTED, marker="o", ms=4, mfc=PAPER, label="as the network says"),
        Line2D([], [], color=INK, marker="o", ms=4, label="with its temperature"),
        Line2D([], [], color=FAINT, lw=1, label="as right as sure"),
    ]
    figure.suptitle("Calibration", x=0.008, ha="left", fontsize=10.5)
    figure.legend(handles=marks, loc="upper right", ncols=3)


@styled
def draw_calibration(found: Mapping) -> Figure:
    """The share of right pixels over confidence, and how many pixels there are of each.

    Args:
        found: the content of `calibration.json`.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, WIDTH * 0.42), layout="constrained")
    left.plot([0, 1], [0, 1], color=FAINT, lw=1, zorder=1)
    for state, (inside, edge, line) in STATES.items():
        bins = found[state]["bins"]
        used = [own for own in bins if own["pixels"]]
        sure = [own["confidence"] for own in used]
        label = f"{_temperature(found, state)}: error {100 * found[state]['ece']:.1f} %"
        left.plot(sure, [own["right"] for own in used], color=line, zorder=2)
        left.scatter(
            sure, [own["right"] for own in used], s=22, fc=inside, ec=edge, zorder=3, label=label
        )
        total = max(1, found[state]["pixels"])
        edges = [i / len(bins) for i in range(len(bins) + 1)]
        shares = [own["pixels"] / total for own in bins]
        right.stairs(shares, edges, color=edge)

    left.set(xlabel="Confidence: the highest probability", ylabel="Pixels that are right")
    left.set(xlim=(0, 1), ylim=(0, 1))
    right.set(xlabel="Confidence", ylabel="Share of the pixels", xlim=(0, 1))
    for axis in (left.xaxis, left.yaxis, right.xaxis, right.yaxis):
        draw_shares(axis)
    left.legend(loc="upper left")
    return figure


def _temperature(found: Mapping, state: str) -> str:
    value = 1 if state == "before" else found["temperature"]
    return f"temperature {value:.3g}"
