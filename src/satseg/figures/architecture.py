"""The figure `architecture`: how the models are built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import ceil, sqrt
from types import MappingProxyType
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from satseg.config.models import ModelSpec, SdiSkips, UNetSpec
from satseg.figures.cards import CARD, draw_card, millions
from satseg.figures.outlines import draw_outline
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
from satseg.figures.style import INK, MUTED, PALETTE, PAPER, WIDTH, place_axes, styled
from satseg.text import counted

POOL = PALETTE[1]
UP = PALETTE[2]
# Inches: height of the labels under a box, of a panel's title, of the figure's title, of the key;
# width of the box where skip connections meet.
LABELS = 0.62
PANEL_TITLE = 0.66
HEAD_ROOM = 0.62
KEY = 0.35
INFUSION = 0.3
NO_CONVS = 0.16  # a line of labels less


class Stage(NamedTuple):
    """One block of a U-Net drawing."""

    kind: str
    """`input`, `encoder`, `bottleneck`, `decoder` or `output`."""
    channels: int
    size: int
    """Height and width of its feature maps."""
    convs: int
    skip: int = 0
    """Channels that a decoder's skip connection brings."""


def unet_stages(unet: UNetSpec, model_input: ModelInput) -> list[Stage]:
    """A U-Net's blocks from input to output."""
    sizes = [model_input.size >> level for level in range(len(unet.widths) + 1)]
    downs = zip(unet.widths, sizes, unet.convs, strict=False)
    skips = list(unet.widths)
    if unet.skips:
        first = unet.skips.from_level - 1
        skips[first:] = [unet.skips.channels] * len(skips[first:])
    ups = zip(unet.widths[::-1], sizes[-2::-1], unet.decoder_convs, skips[::-1], strict=True)
    return [
        Stage("input", model_input.bands, model_input.size, 0),
        *(Stage("encoder", *level) for level in downs),
        Stage("bottleneck", unet.bottleneck.width, sizes[-1], unet.bottleneck.convs),
        *(Stage("decoder", *level) for level in ups),
        Stage("output", model_input.classes, model_input.size, 0),
    ]


@styled
def architecture_figure(
    models: Mapping[str, ModelSpec],
    inputs: Sequence[ModelInput],
    parameters: Mapping[str, float],
    outlines: Mapping[str, dict | None] = MappingProxyType({}),
) -> Figure:
    """A drawing of each model; a card for those of which nothing but the name is known.

    Args:
        models: name → specification, in the study's order.
        inputs: one per dataset; the drawings are for the first.
        parameters: name → number of parameters, if known.
        outlines: name → what `satseg.models.outline` found, of models other than U-Nets level by
            level.
    """
    unets = {name: model for name, model in models.items() if isinstance(model, UNetSpec)}
    drawings = {name: unet_stages(unet, inputs[0]) for name, unet in unets.items()}
    outlined = [name for name in models if name not in unets and outlines.get(name)]
    cards = [name for name in models if name not in unets and name not in outlined]

    panel_height = BOX + LABELS + PANEL_TITLE
    drawn_height = len(drawings) * panel_height + len(outlined) * (panel_height - NO_CONVS)
    key_height = KEY if drawings else 0
    height = HEAD_ROOM + drawn_height + key_height + ceil(len(cards) / 2) * CARD
    figure = Figure((WIDTH, height))
    axes = place_axes(figure, 0, 0, WIDTH, height)
    # One unit is one inch, so that sizes of text and boxes can be compared.
    axes.set(xlim=(0, WIDTH), ylim=(-height, 0))
    axes.axis("off")
    axes.text(0, -0.05, "Architectures", va="top", fontsize=10.5, weight="bold")
    is_drawn = bool(drawings or outlined)
    axes.text(0, -0.27, _inputs_sentence(inputs, is_drawn), va="top", color=MUTED)

    scales = [_room(stages) / _units(stages) for stages in drawings.values()]
    scale = min([0.035, *scales])
    top = HEAD_ROOM
    for name, stages in drawings.items():
        _draw_title(axes, top, name, unets[name], parameters.get(name))
        _draw_unet(axes, -top - 0.5 - BOX, stages, scale, unets[name].skips)
        top += panel_height
    if drawings:
        _draw_key(axes, -top - 0.08)
        top += KEY
    for name in outlined:
        draw_outline(axes, top, name, models[name], parameters.get(name), outlines[name], inputs[0])
        top += panel_height - NO_CONVS
    for i, name in enumerate(cards):
        left = i % 2 * WIDTH / 2
        draw_card(axes, left, -top - i // 2 * CARD, name, models[name], parameters.get(name))
    return figure


def _inputs_sentence(inputs: Sequence[ModelInput], drawn: bool) -> str:
    first, *others = [
        f"{i.title}: {counted(i.bands, 'band')}, tiles of {i.size}², {counted(i.classes, 'class')}"
        for i in inputs
    ]
    lead = "Drawn for " if drawn else ""
    rest = f"   (also {'; '.join(others)})" if others else ""
    return f"{lead}{first}{rest}"


def _units(stages: Sequence[Stage]) -> float:
    return sum(sum(_slab_widths(stage)) for stage in stages)


def _room(stages: Sequence[Stage]) -> float:
    return ROOM - 0.27 * (len(stages) - 1)


def _slab_widths(stage: Stage) -> list[float]:
    """Relative widths of a block's boxes; a decoder begins with the skip connection and the
    up-convolution."""
    boxes = {"input": 1, "output": 1, "decoder": stage.convs + 1}.get(stage.kind, stage.convs)
    channels = [stage.skip] * (stage.kind == "decoder") + [stage.channels] * boxes
    return [max(2.0, sqrt(number)) for number in channels]


def _draw_title(
    axes: Axes, top: float, name: str, unet: UNetSpec, parameters: float | None
) -> None:
    steps = ["3×3 convolution"]
    if unet.batch_norm:
        steps.append("batch normalisation")
    steps.append("ReLU")
    if unet.dropout:
        steps.append(f"dropout {unet.dropout:g}")
    about = f"each solid box: {' → '.join(steps)}"
    if unet.head_dropout:
        about += f"; dropout {unet.head_dropout:g} before the head"
    if unet.skips:
        about += f"; levels {unet.skips.from_level} and deeper meet in SDI"
    text = f"{millions(parameters)}{about}"
    axes.text(0, -top - 0.1, name, va="top", fontsize=9.5, weight="bold")
    axes.text(0, -top - 0.27, text, va="top", fontsize=7.5, color=MUTED)


def _draw_unet(
    axes: Axes, floor: float, stages: Sequence[Stage], scale: float, skips: SdiSkips | None
) -> None:
    """Boxes on a common floor: height is the logarithm of the size, width the root of the
    channels."""
    gap = (ROOM - scale * _units(stages)) / (len(stages) - 1)
    edges = []
    x = LEFT
    for stage in stages:
        height = box_height(stage.size, stages[0].size)
        left = x
        for i, width in enumerate(_slab_widths(stage)):
            draw_slab(axes, x, floor, scale * width, height, stage.kind, i)
            x += scale * width
        edges.append(Edges(left, x, height))
        convs = {"input": "", "output": "1×1"}.get(stage.kind, str(stage.convs))
        texts = (f"{stage.channels}", f"{stage.size}²", convs)
        draw_labels(axes, (left + x) / 2, floor, texts)
        x += gap

    draw_labels(axes, 0, floor, ("channels", "size", "3×3 convs"), names=True)
    _draw_arrows(axes, floor, stages, edges)
    _draw_skips(axes, floor, stages, edges, skips)


def _draw_arrows(axes: Axes, floor: float, stages: Sequence[Stage], edges: Sequence[Edges]) -> None:
    """What leads from one stage to the next."""
    colors = {"bottleneck": POOL, "encoder": POOL, "decoder": UP, "output": HEAD}
    for i, (stage, after) in enumerate(pairwise(stages)):
        color = INK if stage.kind == "input" else colors[after.kind]
        y = floor + min(edges[i].height, edges[i + 1].height) / 2
        draw_arrow(axes, edges[i].right + 0.02, edges[i + 1].left - 0.02, y, color)


def _draw_skips(
    axes: Axes,
    floor: float,
    stages: Sequence[Stage],
    edges: Sequence[Edges],
    skips: SdiSkips | None,
) -> None:
    """Skip connections; those that carry all levels pass a common box in the middle."""
    bottleneck = edges[len(edges) // 2]
    left = (bottleneck.left + bottleneck.right - INFUSION) / 2
    met = []
    for i, stage in enumerate(stages):
        if stage.kind != "encoder":
            continue
        start = edges[i].right + 0.02
        end = edges[-1 - i].left - 0.02
        y = floor + (edges[i].height + edges[i + 1].height) / 2
        if skips is None or i < skips.from_level:
            draw_arrow(axes, start, end, y, MUTED, 0.8)
        else:
            draw_arrow(axes, start, left, y, MUTED, 0.8)
            draw_arrow(axes, left + INFUSION, end, y, MUTED, 0.8)
            met.append(y)
    if met:
        height = max(met) - min(met) + 0.12
        box = Rectangle((left, min(met) - 0.06), INFUSION, height, fc=PAPER, ec=MUTED, lw=0.8)
        axes.add_patch(box)
        middle = (min(met) + max(met)) / 2
        text = f"SDI\n{skips.channels}"
        axes.text(left + INFUSION / 2, middle, text, ha="center", va="center", fontsize=6)


def _draw_key(axes: Axes, y: float) -> None:
    x = 0.0
    for text, color, width in [
        ("2×2 max-pooling", POOL, 1.3),
        ("2×2 up-convolution (pale box)", UP, 1.3),
        ("skip connection (dashed box)", MUTED, 0.8),
        ("1×1 convolution", HEAD, 1.3),
    ]:
        draw_arrow(axes, x, x + 0.3, y, color, width)
        axes.text(x + 0.37, y, text, va="center")
        x += 0.7 + 0.073 * len(text)
