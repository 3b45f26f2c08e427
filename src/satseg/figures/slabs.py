"""The boxes and arrows that architectures are drawn with. One unit is one inch."""

from __future__ import annotations

from math import log2
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from satseg.figures.style import MUTED, PALE, PALETTE, PAPER, WIDTH

HEAD = PALETTE[3]
FILLS = {
    "input": PALE,
    "encoder": "#9CC4E4",
    "bottleneck": "#4E93C5",
    "decoder": "#A6D9C4",
    "output": "#E9C4D9",
}
# Inches: height of a full-size box; margins left and right of a drawing.
BOX = 1.3
LEFT = 0.72
RIGHT = 0.12
ROOM = WIDTH - LEFT - RIGHT


class ModelInput(NamedTuple):
    """What a dataset feeds a model and asks of it."""

    title: str
    size: int
    """Height and width of a tile."""
    bands: int
    classes: int


class Edges(NamedTuple):
    """Where a stage is drawn, in inches."""

    left: float
    right: float
    height: float


def box_height(size: int, full: int) -> float:
    """Height of the box of feature maps of a size, where the image has size `full`."""
    return BOX * (log2(max(1, size)) + 1) / (log2(full) + 1)


def draw_slab(
    axes: Axes, x: float, y: float, width: float, height: float, kind: str, i: int = 2
) -> None:
    """A box; of a decoder's, 0 is what the skip connection brings and 1 the up-convolution."""
    face = FILLS[kind]
    line = "-"
    if kind == "decoder" and i == 0:
        face = PAPER
        line = (0, (2, 1.5))
    if kind == "decoder" and i == 1:
        face = "#E9F6F0"
    axes.add_patch(Rectangle((x, y), width, height, fc=face, ec=MUTED, lw=0.6, ls=line))


def draw_arrow(
    axes: Axes, start: float, end: float, y: float, color: str, width: float = 1.3
) -> None:
    """A level arrow."""
    shape = {"arrowstyle": "-|>,head_width=0.18,head_length=0.36", "mutation_scale": 9}
    shape |= {"color": color, "lw": width, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (end, y), (start, y), arrowprops=shape)


def draw_labels(
    axes: Axes, x: float, floor: float, texts: tuple[str, ...], names: bool = False
) -> None:
    """The lines under a box, or their names at the left."""
    for i, text in enumerate(texts):
        style = {"color": MUTED} if names else {"ha": "center"}
        axes.text(x, floor - 0.1 - 0.16 * i, text, va="top", fontsize=7, **style)
