"""The figure `predictions`: the same tiles as every model sees them."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from matplotlib.figure import Figure

from satseg.data.labels import NO_LABEL
from satseg.figures.style import INK, MUTED, WIDTH, fit_text, place_axes, styled, write_text
from satseg.figures.tiles import (
    PHOTOGRAPHS,
    ShownTiles,
    draw_head,
    draw_mask,
    draw_photograph,
    head_height,
    padding,
    shown_accuracy,
)

NOTE = (
    "Under a prediction: pixel accuracy of the tile. Percentile: of the models' mean mIoU of the "
    "tile, among all evaluated tiles."
)
HARD_NOTE = "Hard tiles, apart: in each, a class looks least like itself elsewhere"
# Inches: above the first group, between tiles, between groups, below a tile, above the first tile
# of a group, left of the first one, above the hard tiles.
NOTE_HEIGHT = 0.25
GAP = 0.05
BETWEEN = 0.3
UNDER = 0.2
HEADER = 0.3
NAMES = 0.44
APART = 0.26


@styled
def predictions_figure(groups: Sequence[ShownTiles]) -> Figure:
    """A row per tile: image, truth, and every model's prediction over the tile's pixel accuracy."""
    columns = 2 + max(len(group.predictions) for group in groups)
    side = min(1.55, sqrt(PHOTOGRAPHS / sum(len(group.images) for group in groups)))
    # Narrow groups stand side by side, as many as fit in the width at three quarters of the size.
    needed = columns * (0.75 * side + GAP) + NAMES
    across = int(np.clip((WIDTH + BETWEEN) / (needed + BETWEEN), 1, len(groups)))
    width = (WIDTH - BETWEEN * (across - 1)) / across
    side = min(side, (width - NAMES + GAP) / columns - GAP)

    heights = []
    for group in groups:
        tiles = len(group.images) * (side + UNDER)
        apart = APART if group.hard else 0
        heights.append(head_height(group, width) + HEADER + tiles + apart + 0.1)
    tallest = [max(heights[i : i + across]) for i in range(0, len(groups), across)]
    figure = Figure((WIDTH, NOTE_HEIGHT + sum(tallest)))
    write_text(figure, 0, 0.02, NOTE, va="top", color=MUTED)

    for i, group in enumerate(groups):
        left = i % across * (width + BETWEEN)
        top = NOTE_HEIGHT + sum(tallest[: i // across])
        draw_head(figure, left, top, group, width)
        top += head_height(group, width) + HEADER
        first_hard = len(group.images) - group.hard
        for row in range(len(group.images)):
            y = top + row * (side + UNDER)
            if row >= first_hard:
                y += APART
            if row == first_hard:
                options = {"va": "bottom", "fontsize": 7.5, "color": INK}
                note = write_text(figure, left + NAMES, y - 0.04, HARD_NOTE, **options)
                fit_text(note, width - NAMES)
            _draw_row(figure, left, y, side, group, row)
    return figure


def _draw_row(
    figure: Figure, left: float, top: float, side: float, group: ShownTiles, row: int
) -> None:
    """One tile: its name, why it is shown, its image, and what lies over it."""
    middle = top + side / 2
    upright = {"rotation": 90, "ha": "center", "va": "center", "linespacing": 1, "fontsize": 6.5}
    name = write_text(figure, left + 0.1, middle, group.names[row], color=MUTED, **upright)
    fit_text(name, side)
    if group.notes:
        note = write_text(figure, left + 0.3, middle, group.notes[row], color=INK, **upright)
        fit_text(note, side)

    mask = group.masks[row]
    outside = padding(mask)
    layers = {"Truth": mask}
    for model, predicted in group.predictions.items():
        layers[model] = np.where(outside, NO_LABEL, predicted[row])

    for column, title in enumerate(["Image", *layers]):
        x = left + NAMES + column * (side + GAP)
        axes = place_axes(figure, x, top, side, side)
        if column == 0:
            draw_photograph(axes, group.images[row])
        else:
            draw_mask(axes, layers[title], group.classes)
        if row == 0:
            centred = {"ha": "center", "va": "baseline", "linespacing": 1}
            fit_text(write_text(figure, x + side / 2, top - 0.06, title, **centred), side)
        if column > 1:
            accuracy = shown_accuracy(layers[title], mask, group.counted)
            text = "–" if np.isnan(accuracy) else f"{accuracy:.2f}"
            below = {"ha": "center", "va": "top", "fontsize": 7}
            write_text(figure, x + side / 2, top + side + 0.02, text, **below)
