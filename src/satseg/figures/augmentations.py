"""The figure `augmentations`: a tile under each change by itself, as far as it may go."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from satseg.figures.style import MUTED, WIDTH, place_axes, styled, write_text
from satseg.figures.tiles import PHOTOGRAPHS, draw_photograph

# Inches: the least and the most side of a picture, between pictures, below one, of a title.
LEAST = 1.0
MOST = 1.5
GAP = 0.1
UNDER = 0.22
TITLE = 0.3


class ChangedTile(NamedTuple):
    """A tile and what becomes of it."""

    title: str
    names: Sequence[str]
    """What each change is called [K]."""
    images: Sequence[np.ndarray]
    """uint8 [H, W, C] each [K]."""


@styled
def augmentations_figure(groups: Sequence[ChangedTile]) -> Figure:
    """A group of pictures per dataset and augmentation; one line of text if there is none."""
    if not groups:
        figure = Figure((WIDTH, TITLE))
        write_text(figure, 0, 0.05, "No recipe of this study changes its tiles.", va="top")
        return figure

    pictures = sum(len(group.images) for group in groups)
    wanted = min(MOST, max(LEAST, sqrt(PHOTOGRAPHS / pictures)))
    across = round((WIDTH + GAP) / (wanted + GAP))
    side = (WIDTH + GAP) / across - GAP
    heights = [TITLE + ceil(len(group.images) / across) * (side + UNDER) for group in groups]
    figure = Figure((WIDTH, sum(heights)))

    for n, group in enumerate(groups):
        top = sum(heights[:n])
        write_text(figure, 0, top + 0.05, group.title, va="top", weight="bold")
        top += TITLE
        for i, (name, image) in enumerate(zip(group.names, group.images, strict=True)):
            left = i % across * (side + GAP)
            y = top + i // across * (side + UNDER)
            draw_photograph(place_axes(figure, left, y, side, side), image)
            write_text(figure, left, y + side + 0.03, name, va="top", fontsize=7, color=MUTED)
    return figure
