"""Drawings of models by what was seen in them: `compact`, and those of
segmentation_models_pytorch."""

from __future__ import annotations

from itertools import pairwise
from math import sqrt
from typing import NamedTuple

from matplotlib.axes import Axes

from satseg.config.models import CompactSpec, SmpSpec
from satseg.figures.cards import card_text, millions
from satseg.figures.slabs import (
    BOX,
    HEAD,
    LEFT,
    ROOM,
    Edges,
    ModelInput,
    box_height,
    draw_arrow,
    draw_labels,
    draw_slab,
)
from satseg.figures.style import INK, MUTED

SCALE = 0.022  # inches per root of a channel
SKIPPING = ("Unet", "UnetPlusPlus", "MAnet", "Linknet", "FPN", "PAN", "UPerNet", "DeepLabV3Plus")


class Level(NamedTuple):
    """One box."""

    kind: str
    channels: int
    size: int


def outline_levels(outline: dict, model_input: ModelInput) -> list[Level]:
    """The boxes from image to class map, for tiles of a dataset."""

    def size(height: int) -> int:
        return max(1, height * model_input.size // outline["input"])

    return [
        Level("input", model_input.bands, model_input.size),
        *(Level("encoder", channels, size(height)) for channels, height in outline["encoder"]),
        *(Level("decoder", channels, size(height)) for channels, height in outline["decoder"]),
        Level("output", model_input.classes, size(outline["output"])),
    ]


def skip_pairs(levels: list[Level], model: CompactSpec | SmpSpec) -> list[tuple[int, int]]:
    """Places of the encoder levels, and of the decoder levels of the same size that they skip to;
    none into the coarsest."""
    if isinstance(model, SmpSpec) and model.architecture not in SKIPPING:
        return []
    sources = {level.size: i for i, level in enumerate(levels) if level.kind == "encoder"}
    deepest = min(sources)
    return [
        (sources[level.size], i)
        for i, level in enumerate(levels)
        if level.kind == "decoder" and level.size > deepest and level.size in sources
    ]


def draw_outline(
    axes: Axes,
    top: float,
    name: str,
    model: CompactSpec | SmpSpec,
    parameters: float | None,
    outline: dict,
    model_input: ModelInput,
) -> None:
    """Draw a model below a place in inches from the top.

    Args:
        axes: where one unit is one inch, and 0 the top.
        top: the place.
        name: of the model.
        model: its entry.
        parameters: their number, if it is known.
        outline: what `satseg.models.outline` found.
        model_input: the dataset that it is drawn for.
    """
    about = "each box: the last feature maps of a level"
    enlarged = outline["input"] // outline["output"]
    if enlarged > 1:
        about += f"; logits are enlarged {enlarged}-fold"
    text = f"{millions(parameters)}{card_text(model)}; {about}"
    axes.text(0, -top - 0.1, name, va="top", fontsize=9.5, weight="bold")
    axes.text(0, -top - 0.27, text, va="top", fontsize=7.5, color=MUTED)

    levels = outline_levels(outline, model_input)
    floor = -top - 0.5 - BOX
    widths = [SCALE * max(2.0, sqrt(level.channels)) for level in levels]
    gap = (ROOM - sum(widths)) / (len(levels) - 1)
    edges = []
    x = LEFT
    for level, width in zip(levels, widths, strict=True):
        height = box_height(level.size, model_input.size)
        draw_slab(axes, x, floor, width, height, level.kind)
        draw_labels(axes, x + width / 2, floor, (f"{level.channels}", f"{level.size}²"))
        edges.append(Edges(x, x + width, height))
        x += width + gap
    draw_labels(axes, 0, floor, ("channels", "size"), names=True)

    for i, (left, right) in enumerate(pairwise(edges)):
        color = HEAD if levels[i + 1].kind == "output" else INK
        y = floor + min(left.height, right.height) / 2
        draw_arrow(axes, left.right + 0.02, right.left - 0.02, y, color)
    for start, end in skip_pairs(levels, model):
        y = floor + (edges[start].height + edges[start + 1].height) / 2
        draw_arrow(axes, edges[start].right + 0.02, edges[end].left - 0.02, y, MUTED, 0.8)
