"""The figure `samples`: tiles beside their masks."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt

from matplotlib.figure import Figure

from satseg.figures.style import MUTED, WIDTH, place_axes, styled, write_text
from satseg.figures.tiles import (
    PHOTOGRAPHS,
    ShownTiles,
    draw_head,
    draw_mask,
    draw_photograph,
    head_height,
)

# Inches: between pairs, between an image and its mask, below a pair.
BETWEEN = 0.2
GAP = 0.04
UNDER = 0.26


@styled
def samples_figure(groups: Sequence[ShownTiles]) -> Figure:
    """Tiles beside their masks, a group per dataset: three pairs a row, or four if there are
    several datasets."""
    across = 3 if len(groups) == 1 else 4
    fitting = ((WIDTH - BETWEEN * (across - 1)) / across - GAP) / 2
    affordable = sqrt(PHOTOGRAPHS / sum(len(group.images) for group in groups))
    side = min(fitting, affordable)

    heights = []
    for group in groups:
        rows = ceil(len(group.images) / across)
        heights.append(head_height(group) + rows * (side + UNDER) + 0.1)
    figure = Figure((WIDTH, sum(heights)))

    for n, group in enumerate(groups):
        top = sum(heights[:n])
        draw_head(figure, 0, top, group)
        top += head_height(group)
        for i, (image, mask) in enumerate(zip(group.images, group.masks, strict=True)):
            left = i % across * (2 * side + GAP + BETWEEN)
            y = top + i // across * (side + UNDER)
            draw_photograph(place_axes(figure, left, y, side, side), image)
            beside = place_axes(figure, left + side + GAP, y, side, side)
            draw_mask(beside, mask, group.classes)
            below = y + side + 0.03
            write_text(figure, left, below, group.names[i], va="top", fontsize=7, color=MUTED)
    return figure
