"""How the models are built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import ceil, log2, sqrt
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from satseg.config.models import ModelSpec, PythonSpec, SmpSpec, UNetSpec
from satseg.figures.style import FAINT, INK, MUTED, PALETTE, WIDTH, place_axes, styled

POOL, UP, HEAD = PALETTE[1], PALETTE[2], PALETTE[3]


class Input(NamedTuple):
    """What a dataset puts into a model and asks of it."""

    title: str
    size: int
    """Height and width of a tile."""
    bands: int
    classes: int


class Column(NamedTuple):
    """One block of a U-Net drawing."""

    kind: str
    """`input`, `encoder`, `bottleneck`, `decoder` or `output`."""
    channels: int
    size: int
    """Height and width of its feature maps."""
    convs: int


def unet_columns(spec: UNetSpec, given: Input) -> list[Column]:
    """A U-Net's blocks from input to output."""
    sizes = [given.size >> level for level in range(len(spec.widths) + 1)]
    levels = list(zip(spec.widths, sizes, spec.convs, strict=False))
    ups = list(zip(spec.widths[::-1], sizes[-2::-1], spec.decoder_convs, strict=True))
    return [
        Column("input", given.bands, given.size, 0),
        *(Column("encoder", *level) for level in levels),
        Column("bottleneck", spec.bottleneck.width, sizes[-1], spec.bottleneck.convs),
        *(Column("decoder", *level) for level in ups),
        Column("output", given.classes, given.size, 0),
    ]


FILLS = {
    "input": "#F2F2F2",
    "encoder": "#9CC4E4",
    "bottleneck": "#4E93C5",
    "decoder": "#A6D9C4",
    "output": "#E9C4D9",
}


BOX, TABLE = 1.3, 0.62  # height in inches of a full-size box, and of the labels under it


LEFT, RIGHT = 0.72, 0.12  # margins in inches


@styled
def architecture(
    models: Mapping[str, ModelSpec], inputs: Sequence[Input], parameters: Mapping[str, float]
) -> Figure:
    """A drawing of each U-Net and a card for each other model.

    Args:
        models: name → specification, in the study's order.
        inputs: one per dataset; the drawings are for the first.
        parameters: name → number of parameters, where known.
    """
    unets = {name: spec for name, spec in models.items() if isinstance(spec, UNetSpec)}
    drawn = {name: unet_columns(spec, inputs[0]) for name, spec in unets.items()}
    cards = {name: spec for name, spec in models.items() if name not in unets}
    panel, card_rows = BOX + TABLE + 0.66, ceil(len(cards) / 2)
    height = 0.62 + len(drawn) * panel + (0.35 if drawn else 0) + card_rows * 0.8
    figure = Figure((WIDTH, height))
    axes = place_axes(figure, 0, 0, WIDTH, height)
    # One unit is one inch, so that sizes of text and boxes can be told from each other.
    axes.set(xlim=(0, WIDTH), ylim=(-height, 0))
    axes.axis("off")
    axes.text(0, -0.05, "Architectures", va="top", fontsize=10.5, weight="bold")
    axes.text(0, -0.27, _inputs_sentence(inputs, bool(drawn)), va="top", color=MUTED)
    scale = min([0.035, *(_room(columns) / _units(columns) for columns in drawn.values())])
    top = 0.62
    for name, columns in drawn.items():
        _unet_title(axes, top, name, models[name], parameters.get(name))
        _draw_unet(axes, -top - 0.5 - BOX, columns, scale)
        top += panel
    if drawn:
        _arrow_key(axes, -top - 0.08)
        top += 0.35
    for i, (name, spec) in enumerate(cards.items()):
        _draw_card(axes, i % 2 * WIDTH / 2, -top - i // 2 * 0.8, name, spec, parameters.get(name))
    return figure


def _inputs_sentence(inputs: Sequence[Input], drawn: bool) -> str:
    of = [f"{i.title}: {i.bands} bands, tiles of {i.size}², {i.classes} classes" for i in inputs]
    lead = "Drawn for " if drawn else ""
    return lead + of[0] + (f"   (also {'; '.join(of[1:])})" if of[1:] else "")


def _units(columns: Sequence[Column]) -> float:
    return sum(sum(_slabs(c)) for c in columns)


def _room(columns: Sequence[Column]) -> float:
    return WIDTH - LEFT - RIGHT - 0.27 * (len(columns) - 1)


def _slabs(column: Column) -> list[float]:
    """Relative widths of a block's boxes; a decoder begins with the skip connection and the
    up-convolution."""
    boxes = {"input": 1, "output": 1, "decoder": column.convs + 2}.get(column.kind, column.convs)
    return [max(2.0, sqrt(column.channels))] * boxes


def _unet_title(
    axes: Axes, top: float, name: str, spec: UNetSpec, parameters: float | None
) -> None:
    parts = ["3×3 convolution", "batch normalisation" if spec.batch_norm else "", "ReLU"]
    parts.append(f"dropout {spec.dropout:g}" if spec.dropout else "")
    about = "each solid box: " + " → ".join(filter(None, parts))
    about += f"; dropout {spec.head_dropout:g} before the head" if spec.head_dropout else ""
    axes.text(0, -top - 0.1, name, va="top", fontsize=9.5, weight="bold")
    axes.text(
        0, -top - 0.27, f"{_millions(parameters)}{about}", va="top", fontsize=7.5, color=MUTED
    )


def _millions(parameters: float | None) -> str:
    known = parameters is not None and np.isfinite(parameters)
    return f"{parameters / 1e6:.2f} M parameters; " if known else ""


def _draw_unet(axes: Axes, floor: float, columns: Sequence[Column], scale: float) -> None:
    """Boxes on a common floor: height is the logarithm of the size, width the root of the
    channels."""
    gap = (WIDTH - LEFT - RIGHT - scale * _units(columns)) / (len(columns) - 1)
    edges, x = [], LEFT
    for column in columns:
        height = BOX * (log2(column.size) + 1) / (log2(columns[0].size) + 1)
        left = x
        for i, width in enumerate(_slabs(column)):
            _draw_slab(axes, x, floor, scale * width, height, column.kind, i)
            x += scale * width
        edges.append((left, x, height))
        _column_labels(axes, (left + x) / 2, floor, column)
        x += gap
    for i, label in enumerate(("channels", "size", "3×3 convs")):
        axes.text(0, floor - 0.1 - 0.16 * i, label, va="top", fontsize=7, color=MUTED)
    _draw_arrows(axes, floor, columns, edges)


def _draw_slab(
    axes: Axes, x: float, y: float, width: float, height: float, kind: str, i: int
) -> None:
    face, line = FILLS[kind], "-"
    if kind == "decoder" and i < 2:
        face, line = ("white", (0, (2, 1.5))) if i == 0 else ("#E9F6F0", "-")
    axes.add_patch(Rectangle((x, y), width, height, fc=face, ec="#4A4A4A", lw=0.6, ls=line))


def _column_labels(axes: Axes, x: float, floor: float, column: Column) -> None:
    convs = {"input": "", "output": "1×1"}.get(column.kind, str(column.convs))
    for i, text in enumerate((f"{column.channels}", f"{column.size}²", convs)):
        axes.text(x, floor - 0.1 - 0.16 * i, text, ha="center", va="top", fontsize=7)


def _draw_arrows(
    axes: Axes, floor: float, columns: Sequence[Column], edges: Sequence[tuple]
) -> None:
    """Between neighbours what leads from one to the next; above them the skip connections."""
    for i, (column, after) in enumerate(pairwise(columns)):
        color = {"bottleneck": POOL, "encoder": POOL, "decoder": UP, "output": HEAD}[after.kind]
        color = INK if column.kind == "input" else color
        y = floor + min(edges[i][2], edges[i + 1][2]) / 2
        _arrow(axes, edges[i][1] + 0.02, edges[i + 1][0] - 0.02, y, color)
    for i, column in enumerate(columns):
        if column.kind == "encoder":
            (_, right, height), (left, _, _) = edges[i], edges[-1 - i]
            step = height - edges[i + 1][2]
            _arrow(axes, right + 0.02, left - 0.02, floor + height - step / 2, MUTED, 0.8)


def _arrow(axes: Axes, start: float, end: float, y: float, color: str, width: float = 1.3) -> None:
    shape = {"arrowstyle": "-|>,head_width=0.18,head_length=0.36", "mutation_scale": 9}
    shape |= {"color": color, "lw": width, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (end, y), (start, y), arrowprops=shape)


def _arrow_key(axes: Axes, y: float) -> None:
    x = 0.0
    for text, color, width in [
        ("2×2 max-pooling", POOL, 1.3),
        ("2×2 up-convolution (pale box)", UP, 1.3),
        ("skip connection (dashed box)", MUTED, 0.8),
        ("1×1 convolution", HEAD, 1.3),
    ]:
        _arrow(axes, x, x + 0.3, y, color, width)
        axes.text(x + 0.37, y, text, va="center")
        x += 0.7 + 0.073 * len(text)


def _draw_card(
    axes: Axes,
    left: float,
    top: float,
    name: str,
    spec: SmpSpec | PythonSpec,
    parameters: float | None,
) -> None:
    style = {"boxstyle": "round,pad=0,rounding_size=0.06", "fc": "#F6F8FA", "ec": FAINT, "lw": 0.8}
    axes.add_patch(FancyBboxPatch((left + 0.05, top - 0.68), WIDTH / 2 - 0.2, 0.6, **style))
    axes.text(left + 0.17, top - 0.17, name, va="top", fontsize=9.5, weight="bold")
    text = f"{_millions(parameters)}{_card_text(spec)}"
    axes.text(left + 0.17, top - 0.4, text, va="top", fontsize=7.5, color=MUTED)


def _card_text(spec: SmpSpec | PythonSpec) -> str:
    if isinstance(spec, PythonSpec):
        return f"{spec.name} of {spec.file}"
    weights = f"{spec.encoder_weights} weights" if spec.encoder_weights else "random weights"
    return f"{spec.architecture}, encoder {spec.encoder}, {weights}"
