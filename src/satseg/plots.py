"""Figures from plain data: every function takes arrays, tables or specifications and returns a matplotlib Figure."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from itertools import groupby
from math import ceil, log2, sqrt
from pathlib import Path
from typing import NamedTuple

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Patch, Rectangle
from matplotlib.ticker import MaxNLocator, NullFormatter, PercentFormatter, StrMethodFormatter

from satseg.config import LandClass, ModelSpec, SmpSpec, UNetSpec
from satseg.metrics import NO_LABEL

MAJORITY = "majority"
METRICS = {
    "jaccard": "Jaccard",
    "dice": "Dice",
    "pixel_accuracy": "Pixel accuracy",
    "precision": "Precision",
    "recall": "Recall",
}

WIDTH = 9.6  # of every figure, in inches
INK, MUTED, FAINT, PALE = "#222222", "#6E6E6E", "#B9B9B9", "#E7E7E7"
# Okabe and Ito's colours without yellow, which is lost on white.
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
POOL, UP, HEAD = PALETTE[1], PALETTE[2], PALETTE[3]
SUBSET_MARKS = {"train": ("o", INK), "val": ("D", INK), "test": ("s", "white")}

STYLE = {
    "font.family": "sans-serif",
    # The first comes with matplotlib, so layout and bytes are the same everywhere; the rest serve SVG viewers.
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Helvetica", "Arial"],
    "font.size": 8,
    "text.color": INK,
    "figure.titlesize": 10.5,
    "figure.titleweight": "bold",
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": PALE,
    "grid.linewidth": 0.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.fonttype": "none",
    "svg.hashsalt": "satseg",
    "savefig.dpi": 150,
}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw in the house style, whatever the user's matplotlibrc says."""

    @wraps(draw)
    def in_style(*arguments, **options) -> Figure:
        with matplotlib.style.context(["default", STYLE]):
            return draw(*arguments, **options)

    return in_style


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure in the format of the path's suffix; the same figure gives the same bytes."""
    undated = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}
    with matplotlib.style.context(["default", STYLE]):
        figure.savefig(path, metadata=undated.get(Path(path).suffix))


def model_colors(models: Sequence[str]) -> dict[str, str]:
    """The colour of each model in every figure, by the study's order; the majority baseline is grey."""
    return {model: PALETTE[i % len(PALETTE)] for i, model in enumerate(models)} | {MAJORITY: MUTED}


# --- photographs and masks -------------------------------------------------------------------------------


class Panels(NamedTuple):
    """A few tiles of a dataset, with what models predicted for them."""

    title: str
    classes: Sequence[LandClass]
    scenes: Sequence[str]
    """Scene of each tile [K]."""
    images: np.ndarray
    """uint8 [K, H, W, C]."""
    masks: np.ndarray
    """uint8 [K, H, W]: class index, 255 where there is no label."""
    predictions: Mapping[str, np.ndarray] = {}
    """Model → class index, uint8 [K, H, W]."""
    counted: Sequence[int] = ()
    """Class indices that count in the pixel accuracy."""


@styled
def samples(blocks: Sequence[Panels]) -> Figure:
    """Tiles beside their masks, three pairs a row, a block per dataset."""
    across, between, gap = 3, 0.2, 0.04
    side = ((WIDTH - between * (across - 1)) / across - gap) / 2
    heads = [_head_height(b) for b in blocks]
    rows = [ceil(len(b.images) / across) for b in blocks]
    figure = Figure((WIDTH, sum(heads) + sum(rows) * (side + 0.26)))
    top = 0.0
    for block, head, count in zip(blocks, heads, rows, strict=True):
        _block_head(figure, 0, top, block)
        for i, (image, mask, scene) in enumerate(zip(block.images, block.masks, block.scenes, strict=True)):
            left = (i % across) * (2 * side + gap + between)
            y = top + head + i // across * (side + 0.26)
            _show(_place(figure, left, y, side, side), photograph(image))
            _show(_place(figure, left + side + gap, y, side, side), painted(mask, block.classes))
            _write(figure, left, y + side + 0.03, scene, va="top", fontsize=7, color=MUTED)
        top += head + count * (side + 0.26)
    return figure


@styled
def predictions(blocks: Sequence[Panels]) -> Figure:
    """A row per tile: image, truth, and every model's prediction over the tile's pixel accuracy."""
    columns = 2 + max(len(b.predictions) for b in blocks)
    margin, gap, between, under = 0.2, 0.05, 0.3, 0.2
    side = min(1.55, (WIDTH - margin + gap) / columns - gap)
    # Narrow blocks stand side by side, as many as fit in the width at three quarters of the size.
    across = max(1, min(len(blocks), int((WIDTH + between) / (columns * (0.75 * side + gap) + margin + between))))
    width = (WIDTH - between * (across - 1)) / across
    side = min(side, (width - margin + gap) / columns - gap)
    heights = [_head_height(b, width) + 0.36 + len(b.images) * (side + under) for b in blocks]
    tall = [max(heights[i : i + across]) for i in range(0, len(blocks), across)]
    figure = Figure((WIDTH, 0.3 + sum(tall)))
    _write(figure, 0, 0.02, "Under each prediction: the tile's pixel accuracy.", va="top", color=MUTED)
    for i, block in enumerate(blocks):
        left, top = i % across * (width + between), 0.3 + sum(tall[: i // across])
        _block_head(figure, left, top, block, width)
        top += _head_height(block, width) + 0.36
        for row in range(len(block.images)):
            _prediction_row(figure, left, top + row * (side + under), side, gap, block, row)
    return figure


def _prediction_row(
    figure: Figure, left: float, top: float, side: float, gap: float, block: Panels, row: int
) -> None:
    image, mask = block.images[row], block.masks[row]
    name = textwrap.shorten(block.scenes[row], 24, placeholder="…")
    _write(figure, left + 0.08, top + side / 2, name, rotation=90, ha="center", va="center", fontsize=6, color=MUTED)
    guesses = {model: np.where(padding(mask), NO_LABEL, p[row]) for model, p in block.predictions.items()}
    shown = {"Image": photograph(image), "Truth": painted(mask, block.classes)}
    shown |= {model: painted(guess, block.classes) for model, guess in guesses.items()}
    for column, (title, picture) in enumerate(shown.items()):
        x = left + 0.2 + column * (side + gap)
        _show(_place(figure, x, top, side, side), picture)
        middle = x + side / 2
        if row == 0:
            wrapped = _wrapped(title, int(side / 0.078))
            _write(figure, middle, top - 0.04, wrapped, ha="center", va="bottom", linespacing=1)
        if title in guesses:
            accuracy = shown_accuracy(guesses[title], mask, block.counted)
            text = "–" if np.isnan(accuracy) else f"{accuracy:.2f}"
            _write(figure, middle, top + side + 0.02, text, ha="center", va="top", fontsize=7)


def shown_accuracy(prediction: np.ndarray, mask: np.ndarray, counted: Sequence[int]) -> float:
    """Share of the pixels of counted classes that are right; NaN where there is none."""
    judged = np.isin(mask, counted)
    return float((prediction == mask)[judged].mean()) if judged.any() else float("nan")


def padding(mask: np.ndarray) -> np.ndarray:
    """Where a tile reaches over its scene's edge: bool [H, W], trailing rows and columns without any label."""
    unlabelled = mask == NO_LABEL
    rows = np.logical_and.accumulate(unlabelled.all(1)[::-1])[::-1]
    columns = np.logical_and.accumulate(unlabelled.all(0)[::-1])[::-1]
    return rows[:, None] | columns[None, :]


def photograph(image: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] of an image [H, W, C]: its first three bands, or the first as grey."""
    return image[..., :3] if image.shape[-1] >= 3 else np.repeat(image[..., :1], 3, axis=-1)


def painted(mask: np.ndarray, classes: Sequence[LandClass]) -> np.ndarray:
    """uint8 [H, W, 3]: a mask in its class colours, striped in greys where there is no label."""
    palette = np.full((256, 3), 255, np.uint8)
    palette[: len(classes)] = np.rint([np.multiply(to_rgb(c.color), 255) for c in classes])
    rows, columns = np.indices(mask.shape)
    stripe = (rows + columns) // max(1, mask.shape[0] // 32) % 3 == 0
    stripes = np.where(stripe, 190, 245).astype(np.uint8)[..., None]
    return np.where((mask == NO_LABEL)[..., None], stripes, palette[mask])


def _swatches(block: Panels) -> list[Patch]:
    outline = {"edgecolor": MUTED, "linewidth": 0.5}
    patches = [Patch(facecolor=c.color, label=c.name, **outline) for c in block.classes]
    if (block.masks == NO_LABEL).any():
        patches.append(Patch(facecolor="#F5F5F5", hatch="/////", label="no label", **outline))
    return patches


def _legend_columns(block: Panels, width: float) -> int:
    longest = max(len(patch.get_label()) for patch in _swatches(block))
    return max(1, int(width / (0.5 + 0.074 * longest)))


def _head_height(block: Panels, width: float = WIDTH) -> float:
    """Inches above the first row: title and class legend."""
    return 0.38 + 0.19 * ceil(len(_swatches(block)) / _legend_columns(block, width))


def _block_head(figure: Figure, left: float, top: float, block: Panels, width: float = WIDTH) -> None:
    _write(figure, left, top + 0.05, block.title, va="top", fontsize=10, weight="bold")
    full_width, full_height = figure.get_size_inches()
    patches, columns = _swatches(block), _legend_columns(block, width)
    # A legend fills column by column; people read along the row.
    rows = ceil(len(patches) / columns)
    columns = ceil(len(patches) / rows)
    figure.legend(
        handles=[patches[i] for c in range(columns) for i in range(c, len(patches), columns)],
        loc="upper left",
        bbox_to_anchor=(left / full_width, 1 - (top + 0.24) / full_height),
        ncols=columns,
        borderpad=0,
        borderaxespad=0,
        handlelength=1.3,
        handletextpad=0.5,
        columnspacing=1.4,
    )


def _place(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place in inches from the upper left corner."""
    across, down = figure.get_size_inches()
    return figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))


def _write(figure: Figure, left: float, top: float, text: str, **options) -> None:
    across, down = figure.get_size_inches()
    figure.text(left / across, 1 - top / down, text, **options)


def _show(axes: Axes, picture: np.ndarray) -> None:
    # Only masks hold few colours; blending them would show classes that are not there.
    flat = len(np.unique(picture.reshape(-1, 3)[::7], axis=0)) < 300
    axes.imshow(picture, interpolation="nearest" if flat else "auto")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=FAINT, linewidth=0.5)


def _wrapped(name: str, width: int) -> str:
    """A name over at most two lines, broken at an underscore or a space."""
    if len(name) <= width:
        return name
    cuts = [i + 1 for i, letter in enumerate(name[:-1]) if letter in "_ -"] or [len(name) // 2]
    cut = min(cuts, key=lambda i: abs(i - len(name) / 2))
    return f"{name[:cut]}\n{name[cut:]}"


# --- classes ---------------------------------------------------------------------------------------------


class Shares(NamedTuple):
    """How the labelled pixels of a pool of tiles are shared among the classes."""

    title: str
    classes: Sequence[LandClass]
    overall: np.ndarray
    """Share of each class [C], 0 to 1."""
    subsets: Mapping[str, np.ndarray]
    """Subset → share of each class [C]; NaN where a subset has no labelled pixel."""


@styled
def class_shares(panels: Sequence[Shares]) -> Figure:
    """Bars: share of each class over all tiles; marks on them: the share in each subset."""
    across = min(2, len(panels))
    rows = [panels[i : i + across] for i in range(0, len(panels), across)]
    heights = [0.75 + 0.34 * max(len(p.classes) for p in row) for row in rows]
    figure = Figure((WIDTH, sum(heights) + 0.55), layout="constrained")
    grid = figure.add_gridspec(len(rows), across, height_ratios=heights)
    for i, panel in enumerate(panels):
        _share_panel(figure.add_subplot(grid[divmod(i, across)]), panel)
    subsets = [name for name in SUBSET_MARKS if any(name in p.subsets for p in panels)]
    bar = Patch(facecolor=PALE, edgecolor=MUTED, linewidth=0.5, label="all tiles (labelled)")
    marks = [Line2D([], [], label=name, ls="", **_mark(name)) for name in subsets]
    figure.legend(handles=[bar, *marks], loc="outside upper left", ncols=len(marks) + 1)
    figure.suptitle("Share of labelled pixels by class", x=0.008, ha="left")
    return figure


def _mark(subset: str) -> dict:
    marker, face = SUBSET_MARKS[subset]
    return {"marker": marker, "mfc": face, "mec": INK if face == "white" else "white", "mew": 0.7, "ms": 5}


def _share_panel(axes: Axes, panel: Shares) -> None:
    places = np.arange(len(panel.classes))
    colors = [c.color for c in panel.classes]
    axes.barh(places, panel.overall, height=0.74, color=colors, edgecolor=MUTED, linewidth=0.5)
    offsets = np.linspace(-0.22, 0.22, len(panel.subsets)) if len(panel.subsets) > 1 else [0]
    for (subset, shares), offset in zip(panel.subsets.items(), offsets, strict=True):
        axes.plot(shares, places + offset, ls="", label=subset, clip_on=False, zorder=3, **_mark(subset))
    furthest = np.nanmax([panel.overall, *panel.subsets.values()], axis=0)
    for place, far, share in zip(places, furthest, panel.overall, strict=True):
        axes.annotate(_percent(share), (far, place), (7, 0), textcoords="offset points", va="center", fontsize=7.5)
    axes.set_yticks(places, [c.name for c in panel.classes])
    axes.set(xlim=(0, min(1.12, 1.16 * float(np.nanmax(furthest)) + 0.02)), ylim=(len(places) - 0.5, -0.5))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.set_title(panel.title)


def _percent(share: float) -> str:
    """A percentage with one decimal below ten."""
    return f"{100 * share:.{1 if 0 < share < 0.0995 else 0}f} %"


# --- architectures ---------------------------------------------------------------------------------------


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


FILLS = {"input": "#F2F2F2", "encoder": "#9CC4E4", "bottleneck": "#4E93C5", "decoder": "#A6D9C4", "output": "#E9C4D9"}
BOX, TABLE, MARGIN = 1.3, 0.62, (0.72, 0.12)  # inches: height of a full-size box, of the labels; left and right edge


@styled
def architecture(models: Mapping[str, ModelSpec], inputs: Sequence[Input], parameters: Mapping[str, float]) -> Figure:
    """A drawing of each U-Net and a card for each model of a library.

    Args:
        models: name → specification, in the study's order.
        inputs: one per dataset; the drawings are for the first.
        parameters: name → number of parameters, where known.
    """
    drawn = {name: unet_columns(spec, inputs[0]) for name, spec in models.items() if isinstance(spec, UNetSpec)}
    cards = {name: spec for name, spec in models.items() if isinstance(spec, SmpSpec)}
    panel, card_rows = BOX + TABLE + 0.72, ceil(len(cards) / 2)
    height = 0.62 + len(drawn) * panel + (0.35 if drawn else 0) + card_rows * 0.8
    figure = Figure((WIDTH, height))
    axes = _place(figure, 0, 0, WIDTH, height)
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
    return WIDTH - sum(MARGIN) - 0.27 * (len(columns) - 1)


def _slabs(column: Column) -> list[float]:
    """Relative widths of a block's boxes: the root of their channels; a decoder also holds skip and up-convolution."""
    boxes = {"input": 1, "output": 1, "decoder": column.convs + 2}.get(column.kind, column.convs)
    return [max(2.0, sqrt(column.channels))] * boxes


def _unet_title(axes: Axes, top: float, name: str, spec: UNetSpec, parameters: float | None) -> None:
    parts = ["3×3 convolution", "batch normalisation" if spec.batch_norm else "", "ReLU"]
    parts.append(f"dropout {spec.dropout:g}" if spec.dropout else "")
    about = "each solid box: " + " → ".join(filter(None, parts))
    about += f"; dropout {spec.head_dropout:g} before the head" if spec.head_dropout else ""
    axes.text(0, -top - 0.1, name, va="top", fontsize=9.5, weight="bold")
    axes.text(0, -top - 0.27, f"{_millions(parameters)}{about}", va="top", fontsize=7.5, color=MUTED)


def _millions(parameters: float | None) -> str:
    return "" if parameters is None or not np.isfinite(parameters) else f"{parameters / 1e6:.2f} M parameters; "


def _draw_unet(axes: Axes, floor: float, columns: Sequence[Column], scale: float) -> None:
    """Boxes on a common floor: height is the logarithm of the size, width the root of the channels."""
    gap = (WIDTH - sum(MARGIN) - scale * _units(columns)) / (len(columns) - 1)
    edges, x = [], MARGIN[0]
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


def _draw_slab(axes: Axes, x: float, y: float, width: float, height: float, kind: str, i: int) -> None:
    face, line = FILLS[kind], "-"
    if kind == "decoder" and i < 2:
        face, line = ("white", (0, (2, 1.5))) if i == 0 else ("#E9F6F0", "-")
    axes.add_patch(Rectangle((x, y), width, height, facecolor=face, edgecolor="#4A4A4A", linewidth=0.6, ls=line))


def _column_labels(axes: Axes, x: float, floor: float, column: Column) -> None:
    convs = {"input": "", "output": "1×1"}.get(column.kind, str(column.convs))
    for i, text in enumerate((f"{column.channels}", f"{column.size}²", convs)):
        axes.text(x, floor - 0.1 - 0.16 * i, text, ha="center", va="top", fontsize=7)


def _draw_arrows(axes: Axes, floor: float, columns: Sequence[Column], edges: Sequence[tuple]) -> None:
    """Between neighbours what leads from one to the next; above them the skip connections."""
    for i, (column, after) in enumerate(zip(columns, columns[1:], strict=False)):
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
    shape = {"arrowstyle": "-|>,head_width=0.18,head_length=0.36", "color": color, "lw": width}
    axes.annotate("", (end, y), (start, y), arrowprops=shape | {"shrinkA": 0, "shrinkB": 0, "mutation_scale": 9})


def _arrow_key(axes: Axes, y: float) -> None:
    x = 0.0
    entries = [("2×2 max-pooling", POOL, 1.3), ("2×2 up-convolution", UP, 1.3), ("1×1 head", HEAD, 1.3)]
    for text, color, width in [*entries, ("skip connection, concatenated (dashed box)", MUTED, 0.8)]:
        _arrow(axes, x, x + 0.3, y, color, width)
        axes.text(x + 0.37, y, text, va="center")
        x += 0.7 + 0.073 * len(text)
    axes.text(x, y, "pale box: up-convolved", va="center", color=MUTED)


def _draw_card(axes: Axes, left: float, top: float, name: str, spec: SmpSpec, parameters: float | None) -> None:
    shape = FancyBboxPatch(
        (left + 0.05, top - 0.68),
        WIDTH / 2 - 0.2,
        0.6,
        boxstyle="round,pad=0,rounding_size=0.06",
        facecolor="#F6F8FA",
        edgecolor=FAINT,
        linewidth=0.8,
    )
    axes.add_patch(shape)
    weights = f"{spec.encoder_weights} weights" if spec.encoder_weights else "random weights"
    axes.text(left + 0.17, top - 0.17, name, va="top", fontsize=9.5, weight="bold")
    text = f"{_millions(parameters)}{spec.architecture}, encoder {spec.encoder}, {weights}"
    axes.text(left + 0.17, top - 0.4, text, va="top", fontsize=7.5, color=MUTED)


# --- histories -------------------------------------------------------------------------------------------


class Run(NamedTuple):
    """The trainings of a model on a dataset by a recipe."""

    group: str
    """Dataset and recipe, as a title."""
    model: str
    histories: Sequence[pd.DataFrame]
    """A history.csv per seed."""
    published: Sequence[tuple[str, int, float]] = ()
    """Column of history.csv, epoch, printed value."""


@styled
def metrics(runs: Sequence[Run], colors: Mapping[str, str]) -> Figure:
    """A row per model and a column per metric: training dashed, validation solid, a line per seed."""
    groups = [(title, list(members)) for title, members in groupby(runs, lambda r: r.group)]
    row = float(np.clip(12 / len(runs), 0.95, 1.6))
    heights = [row * len(members) + 0.5 for _, members in groups]
    figure = Figure((WIDTH, sum(heights) + 0.4), layout="constrained")
    names = [f"{subset}_{metric}" for subset in ("train", "val") for metric in METRICS]
    values = np.concatenate([h[names].to_numpy(float).ravel() for r in runs for h in r.histories])
    low, high = _limits(values)
    for part, (title, members) in zip(_stack(figure, heights), groups, strict=True):
        part.suptitle(title, x=0.008, ha="left", fontsize=9)
        grid = part.subplots(len(members), len(METRICS), squeeze=False, sharex="col")
        for i, run in enumerate(members):
            for axes, metric in zip(grid[i], METRICS, strict=True):
                _curves(axes, run.histories, metric, colors[run.model])
                axes.set_ylim(low, high)
                axes.set_title(METRICS[metric] if i == 0 else "")
                axes.tick_params(labelleft=axes is grid[i, 0])
            grid[i, 0].set_ylabel(_wrapped(run.model, int(row / 0.085)), weight="bold")
        for axes in grid[-1]:
            axes.set_xlabel("Epoch")
    _curve_key(figure, "Metrics over epochs")
    return figure


@styled
def losses(runs: Sequence[Run], colors: Mapping[str, str]) -> Figure:
    """Training against validation loss, a panel per model, dataset and recipe, with published points."""
    alone = len({run.model for run in runs}) == 1
    groups = [("", list(runs))] if alone else [(t, list(g)) for t, g in groupby(runs, lambda r: r.group)]
    most = max(len(members) for _, members in groups)
    across = most if most <= 4 else ceil(most / ceil(most / 4))
    downs = [ceil(len(members) / across) for _, members in groups]
    heights = [2.1 * down + (0 if alone else 0.3) for down in downs]
    figure = Figure((WIDTH, sum(heights) + 0.5), layout="constrained")
    for part, (title, members), down in zip(_stack(figure, heights), groups, downs, strict=True):
        if title:
            part.suptitle(title, x=0.008, ha="left", fontsize=9)
        grid = part.subplots(down, across, squeeze=False, sharey=not alone)
        for axes in grid.flat[len(members) :]:
            axes.remove()
        for i, (axes, run) in enumerate(zip(grid.flat, members, strict=False)):
            _curves(axes, run.histories, "loss", colors[run.model])
            _published_points(axes, run.published)
            axes.set_title(f"{run.group} · {run.model}" if alone else run.model)
            axes.set_xlabel("Epoch" if i + across >= len(members) else "")
        for axes in grid[:, 0]:
            axes.set_ylabel("Loss")
    _curve_key(figure, "Loss over epochs")
    return figure


def _curves(axes: Axes, histories: Sequence[pd.DataFrame], column: str, color: str) -> None:
    for history in histories:
        # A line needs two points.
        dots = {"marker": "o", "ms": 3} if len(history) < 3 else {}
        train, val = history[f"train_{column}"], history[f"val_{column}"]
        axes.plot(history["epoch"], train, ls=(0, (3, 1.6)), lw=1, color=color, alpha=0.75, label="training", **dots)
        axes.plot(history["epoch"], val, lw=1.4, color=color, label="validation", **dots)
    last = [history.iloc[-1] for history in histories]
    end, value = max(h["epoch"] for h in last), float(np.mean([h[f"val_{column}"] for h in last]))
    if np.isfinite(value):
        axes.annotate(f"{value:.2f}", (end, value), (3, 0), textcoords="offset points", va="center", fontsize=7)
    axes.set_xlim(1 - 0.03 * end, end + max(0.22 * end, 0.3))
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def _published_points(axes: Axes, points: Iterable[tuple[str, int, float]]) -> None:
    for column, epoch, value in points:
        filled = INK if column.startswith("val") else "white"
        axes.plot(epoch, value, ls="", marker="D", ms=5.5, mfc=filled, mec=INK, mew=1.1, zorder=4, label="report")
        axes.annotate(f"report {value:g}", (epoch, value), (6, 6), textcoords="offset points", fontsize=7)


def _curve_key(figure: Figure, title: str) -> None:
    lines = [
        Line2D([], [], color=MUTED, lw=1, ls=(0, (3, 1.6)), label="training"),
        Line2D([], [], color=MUTED, lw=1.4, label="validation (number: last epoch)"),
    ]
    figure.suptitle(title, x=0.008, ha="left")
    figure.legend(handles=lines, loc="outside upper right", ncols=2)


def _stack(figure: Figure, heights: Sequence[float]) -> list[SubFigure]:
    """Parts of a figure, one above the other."""
    return list(np.atleast_1d(figure.subfigures(len(heights), 1, height_ratios=heights)))


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Tenths that hold all values."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0, 1.0
    low, high = np.floor(known.min() * 10 - 0.1) / 10, np.ceil(known.max() * 10 + 0.1) / 10
    return max(0.0, float(low)), min(1.0, float(high)) + 0.02


# --- scores ----------------------------------------------------------------------------------------------


class Scores(NamedTuple):
    """What scores.csv says of one dataset and recipe."""

    title: str
    classes: Sequence[LandClass]
    """The classes that count."""
    rows: pd.DataFrame
    """model, seed, metric, class, value, low, high."""


def summary(rows: pd.DataFrame, metric: str, label: str) -> pd.DataFrame:
    """Value and interval of a metric by model (index), each the mean over seeds; models without a value are left out."""
    mine = rows[(rows["metric"] == metric) & (rows["class"] == label)].dropna(subset="value")
    return mine.groupby("model", sort=False)[["value", "low", "high"]].mean()


@styled
def per_class(blocks: Sequence[Scores], colors: Mapping[str, str]) -> Figure:
    """A panel per class and a line per model: IoU with its interval, seeds as small dots."""
    models = list(colors)
    across = min(8, max(len(b.classes) for b in blocks))
    downs = [ceil(len(b.classes) / across) for b in blocks]
    heights = [0.4 + down * (0.62 + 0.19 * len(models)) for down in downs]
    figure = Figure((WIDTH, sum(heights) + 0.35), layout="constrained")
    several = any(b.rows.loc[b.rows["model"] != MAJORITY, "seed"].nunique() > 1 for b in blocks)
    means = ", averaged over seeds; small dots: seeds" if several else ""
    figure.suptitle(f"IoU of each class   (line: 95 % interval{means})", x=0.008, ha="left")
    for part, block, down in zip(_stack(figure, heights), blocks, downs, strict=True):
        part.suptitle(block.title, x=0.008, ha="left", fontsize=9)
        grid = part.subplots(down, across, squeeze=False, sharey=True)
        for axes in grid.flat[len(block.classes) :]:
            axes.remove()
        for axes, land in zip(grid.flat, block.classes, strict=False):
            _dots(axes, block.rows, "iou", land.name, models, colors)
            axes.set_title(textwrap.fill(land.name, 14), pad=7, fontsize=8)
            for color, width in ((MUTED, 4.6), (land.color, 3.6)):
                axes.plot([0, 1], [1.03, 1.03], transform=axes.transAxes, color=color, lw=width, clip_on=False,
                          solid_capstyle="butt")  # fmt: skip
            axes.set(xlim=(-0.03, 1.03), xticks=[0, 0.5, 1], xticklabels=["0", "0.5", "1"])
    return figure


def _dots(
    axes: Axes, rows: pd.DataFrame, metric: str, label: str, models: Sequence[str], colors: Mapping[str, str]
) -> None:
    """A line per model, first on top: mean, interval and seeds of a metric."""
    means = summary(rows, metric, label)
    for place, model in enumerate(models):
        if model not in means.index:
            axes.text(0.02, place, "absent", va="center", fontsize=6.5, color=MUTED)
            continue
        value, low, high = means.loc[model]
        color, mark = colors[model], "|" if model == MAJORITY else "o"
        axes.plot([low, high], [place, place], color=color, lw=1.5, alpha=0.6, solid_capstyle="butt")
        axes.plot(value, place, marker=mark, ms=7 if mark == "|" else 5, mew=1.6 if mark == "|" else 0, color=color)
        each = rows[(rows["model"] == model) & (rows["metric"] == metric) & (rows["class"] == label)]["value"]
        if len(each) > 1:
            axes.plot(each, np.full(len(each), place + 0.27), ls="", marker="o", ms=1.8, mew=0, color=color)
    axes.set_yticks(range(len(models)), models)
    axes.set_ylim(len(models) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)


class Audit(NamedTuple):
    """What the judged tiles of a dataset share with the training tiles, under each recipe."""

    title: str
    rows: pd.DataFrame
    """recipe, split, subset, tiles, scene_shared, group_shared: one row per recipe."""
    scores: Mapping[str, pd.DataFrame]
    """Recipe → rows of scores.csv."""


@styled
def leakage(audits: Sequence[Audit], colors: Mapping[str, str]) -> Figure:
    """Share of the judged tiles that the training has seen ground of, beside the score where splits differ."""
    models = [model for model in colors if model != MAJORITY]
    compared = any(audit.rows["split"].nunique() > 1 for audit in audits)
    pitch = max(0.85, 0.2 * (len(models) + 1)) if compared else 0.75
    heights = [0.75 + pitch * len(audit.rows) for audit in audits]
    figure = Figure((WIDTH, sum(heights) + 0.6), layout="constrained")
    ask = " and the score they go with" if compared else ""
    figure.suptitle(f"Judged tiles that training has seen the ground of{ask}", x=0.008, ha="left")
    bars = [Patch(facecolor=c, label=t) for t, c in zip(("same scene", "same ground"), SHARED, strict=True)]
    figure.legend(handles=bars, loc="outside upper left", ncols=2)
    for part, audit in zip(_stack(figure, heights), audits, strict=True):
        part.suptitle(audit.title, x=0.008, ha="left", fontsize=9)
        grid = part.subplots(1, 1 + compared, squeeze=False, sharey=True)[0]
        _shared_bars(grid[0], audit.rows)
        if compared:
            _score_rows(grid[1], audit, models, colors)
    return figure


SHARED = ("#E69F00", "#8C6100")


def _shared_bars(axes: Axes, rows: pd.DataFrame) -> None:
    for place, row in enumerate(rows.itertuples()):
        for offset, count, color in ((-0.15, row.scene_shared, SHARED[0]), (0.15, row.group_shared, SHARED[1])):
            share = count / row.tiles if row.tiles else np.nan
            axes.barh(place + offset, share, height=0.26, color=color)
            if np.isfinite(share):
                text = f"{_percent(share)} ({count:,} of {row.tiles:,})"
                inside = share > 0.6
                axes.annotate(text, (share, place + offset), (-5 if inside else 5, 0), textcoords="offset points",
                              va="center", ha="right" if inside else "left", fontsize=7.5,
                              color=("white" if color == SHARED[1] else INK) if inside else INK)  # fmt: skip
    axes.set_yticks(range(len(rows)), [f"{r.recipe}\nsplit {r.split}, {r.subset} tiles" for r in rows.itertuples()])
    axes.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.set_title("Share of the judged tiles")


def _score_rows(axes: Axes, audit: Audit, models: Sequence[str], colors: Mapping[str, str]) -> None:
    offsets = (np.arange(len(models)) - (len(models) - 1) / 2) * 0.8 / max(len(models), 4)
    for place, recipe in enumerate(audit.rows["recipe"]):
        means = summary(audit.scores[recipe], "miou_d", "all")
        for model, offset in zip(models, offsets, strict=True):
            if model in means.index:
                value, low, high = means.loc[model]
                y, color = place + offset, colors[model]
                axes.plot([low, high], [y, y], color=color, lw=1.6, alpha=0.6, solid_capstyle="butt")
                axes.plot(value, y, marker="o", ms=5, mew=0, color=color)
                axes.annotate(f"{model}  {value:.3f}", (high, y), (6, 0), textcoords="offset points", va="center",
                              fontsize=7.5)  # fmt: skip
        if MAJORITY in means.index:
            value = means.loc[MAJORITY, "value"]
            axes.plot([value, value], [place - 0.42, place + 0.42], color=MUTED, lw=1.2, ls=(0, (2, 1.5)))
            axes.annotate(f"{MAJORITY} {value:.3f}", (value, place + 0.42), (4, 1), textcoords="offset points",
                          va="bottom", fontsize=7, color=MUTED)  # fmt: skip
    axes.axhline(0.5, lw=0) if len(audit.rows) > 1 else None
    axes.set_xlim(0, 1)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0, labelleft=False)
    axes.set_title("mIoUᴰ with 95 % interval")


# --- cost ------------------------------------------------------------------------------------------------


class Cost(NamedTuple):
    """Score and cost of every model on a dataset under a recipe."""

    title: str
    rows: pd.DataFrame
    """model, value, low, high (mIoU^D), and the columns of COSTS."""


COSTS = {"epoch_seconds": "Epoch (s)", "latency_ms": "Latency (ms)", "peak_memory_mb": "Peak memory (MB)"}


def pareto(cost: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Which points no other beats: bool [N]; another beats a point that is no cheaper and no better, and not the same.

    Args:
        cost, score: float [N]; a point with a NaN is never on the front.
    """
    known = np.isfinite(cost) & np.isfinite(score)
    no_dearer, no_worse = cost[None] <= cost[:, None], score[None] >= score[:, None]
    better = (cost[None] < cost[:, None]) | (score[None] > score[:, None])
    return known & ~(no_dearer & no_worse & better).any(1)


@styled
def cost(blocks: Sequence[Cost], colors: Mapping[str, str]) -> Figure:
    """mIoU^D against epoch time, latency and memory; the front of what no other model beats is drawn out."""
    figure = Figure((WIDTH, 3.1 * len(blocks) + 0.5), layout="constrained")
    figure.suptitle("What accuracy costs", x=0.008, ha="left")
    front = Line2D([], [], color=FAINT, lw=1.2, marker="o", mfc=MUTED, mec=MUTED, label="Pareto front")
    beaten = Line2D([], [], ls="", marker="o", mfc="white", mec=MUTED, mew=1.4, label="beaten by another model")
    bar = Line2D([], [], color=FAINT, lw=1.5, label="95 % interval")
    figure.legend(handles=[front, beaten, bar], loc="outside upper right", ncols=3)
    labelled = []
    for part, block in zip(_stack(figure, [1.0] * len(blocks)), blocks, strict=True):
        part.suptitle(block.title, x=0.008, ha="left", fontsize=9)
        grid = part.subplots(1, len(COSTS), sharey=True)
        for axes, column in zip(grid, COSTS, strict=True):
            _cost_panel(axes, block.rows, column, colors)
            labelled.append((axes, block.rows, column))
        grid[0].set_ylabel("mIoUᴰ")
    # Labels go where there is room, which is known once the axes have their places.
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes, rows, column in labelled:
        _label_points(axes, rows[column].to_numpy(float), rows["value"].to_numpy(float), list(rows["model"]))
    return figure


def _cost_panel(axes: Axes, rows: pd.DataFrame, column: str, colors: Mapping[str, str]) -> None:
    costs, values = rows[column].to_numpy(float), rows["value"].to_numpy(float)
    best = pareto(costs, values)
    order = np.flatnonzero(best)[np.argsort(costs[best], kind="stable")]
    axes.plot(costs[order], values[order], color=FAINT, lw=1.2, zorder=1, label="Pareto front")
    for row, x, on_front in zip(rows.itertuples(), costs, best, strict=True):
        color = colors[row.model]
        axes.plot([x, x], [row.low, row.high], color=color, lw=1.5, alpha=0.35, solid_capstyle="butt", zorder=2)
        face = color if on_front else "white"
        axes.plot(x, row.value, ls="", marker="o", ms=6.5, mfc=face, mec=color, mew=1.6, zorder=3)
    known = costs[np.isfinite(costs) & (costs > 0)]
    if len(known) and known.max() > 8 * known.min():
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(known.min() / 1.8, known.max() * 1.8)
    elif len(known):
        axes.set_xlim(0, known.max() * 1.2)
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_title(COSTS[column])


def _label_points(axes: Axes, xs: np.ndarray, ys: np.ndarray, names: Sequence[str]) -> None:
    """Write each name beside its point, where it covers no other point, name or edge if it can."""
    renderer = axes.figure.canvas.get_renderer()
    points = axes.transData.transform(np.column_stack([xs, ys]))
    unit = axes.figure.dpi / 72
    inside = axes.get_window_extent(renderer)
    taken: list[tuple[float, float, float, float]] = [
        (x - 5 * unit, y - 5 * unit, x + 5 * unit, y + 5 * unit) for x, y in points if np.isfinite([x, y]).all()
    ]
    around = [(dx, dy) for r in (9, 16, 24, 32) for dx, dy in ((r, 0), (-r, 0), (5, r), (-5, r), (5, -r), (-5, -r))]
    for x, y, name in sorted(zip(xs, ys, names, strict=True), key=lambda p: -p[1] if np.isfinite(p[1]) else 0):
        if not np.isfinite([x, y]).all():
            continue
        tried = []
        for dx, dy in around:
            text = axes.annotate(name, (x, y), (dx, dy), textcoords="offset points", fontsize=7.5,
                                 ha="left" if dx > 0 else "right", va="center")  # fmt: skip
            box = text.get_window_extent(renderer)
            text.remove()
            hits = sum(box.x0 < t[2] and t[0] < box.x1 and box.y0 < t[3] and t[1] < box.y1 for t in taken)
            out = box.x0 < inside.x0 or box.x1 > inside.x1 or box.y0 < inside.y0 or box.y1 > inside.y1
            tried.append((hits + 2 * out, len(tried), (dx, dy), box.extents))
        _, _, (dx, dy), extents = min(tried)
        axes.annotate(name, (x, y), (dx, dy), textcoords="offset points", fontsize=7.5,
                      ha="left" if dx > 0 else "right", va="center")  # fmt: skip
        taken.append(tuple(extents))
