"""Figures from plain data: arrays, tables and specifications in, a matplotlib Figure out."""

from __future__ import annotations

import textwrap
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from io import BytesIO
from itertools import groupby, pairwise
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
from matplotlib.text import Text
from matplotlib.ticker import LogLocator, MaxNLocator, PercentFormatter, StrMethodFormatter
from matplotlib.transforms import Bbox, ScaledTranslation
from PIL import Image

from satseg.config import LandClass, ModelSpec, PythonSpec, SmpSpec, UNetSpec
from satseg.data.store import NO_LABEL
from satseg.metrics import MAJORITY

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
STEPS = [1, 2, 5, 10]  # between ticks
SUBSET_MARKS = {"train": ("o", INK), "val": ("D", INK), "test": ("s", "white")}

STYLE = {
    "font.family": "sans-serif",
    # The first comes with matplotlib: layout and bytes are the same everywhere. The rest is for SVG viewers.
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


PHOTOGRAPHS = 14  # square inches a figure may give them; at 150 dpi its PNG stays near 1 MB


@styled
def samples(blocks: Sequence[Panels]) -> Figure:
    """Tiles beside their masks, a block per dataset: three pairs a row, or four where there are several."""
    across, between, gap, under = 3 if len(blocks) == 1 else 4, 0.2, 0.04, 0.26
    side = ((WIDTH - between * (across - 1)) / across - gap) / 2
    side = min(side, sqrt(PHOTOGRAPHS / sum(len(b.images) for b in blocks)))
    heights = [_head_height(b) + ceil(len(b.images) / across) * (side + under) + 0.1 for b in blocks]
    figure = Figure((WIDTH, sum(heights)))
    for n, block in enumerate(blocks):
        top = sum(heights[:n])
        _block_head(figure, 0, top, block)
        top += _head_height(block)
        for i, (image, mask, scene) in enumerate(zip(block.images, block.masks, block.scenes, strict=True)):
            left, y = i % across * (2 * side + gap + between), top + i // across * (side + under)
            _photograph(_place(figure, left, y, side, side), image)
            _mask(_place(figure, left + side + gap, y, side, side), mask, block.classes)
            _write(figure, left, y + side + 0.03, scene, va="top", fontsize=7, color=MUTED)
    return figure


@styled
def predictions(blocks: Sequence[Panels]) -> Figure:
    """A row per tile: image, truth, and every model's prediction over the tile's pixel accuracy."""
    columns = 2 + max(len(b.predictions) for b in blocks)
    side = min(1.55, sqrt(PHOTOGRAPHS / sum(len(b.images) for b in blocks)))
    # Narrow blocks stand side by side, as many as fit in the width at three quarters of the size.
    needed = columns * (0.75 * side + GAP) + NAMES
    across = int(np.clip((WIDTH + BETWEEN) / (needed + BETWEEN), 1, len(blocks)))
    width = (WIDTH - BETWEEN * (across - 1)) / across
    side = min(side, (width - NAMES + GAP) / columns - GAP)
    heights = [_head_height(b, width) + HEADER + len(b.images) * (side + UNDER) + 0.1 for b in blocks]
    tall = [max(heights[i : i + across]) for i in range(0, len(blocks), across)]
    figure = Figure((WIDTH, 0.25 + sum(tall)))
    note = "Number under a prediction: the tile's pixel accuracy. Odd: the class looks least as it usually does."
    _write(figure, 0, 0.02, note, va="top", color=MUTED)
    for i, block in enumerate(blocks):
        left, top = i % across * (width + BETWEEN), 0.25 + sum(tall[: i // across])
        _block_head(figure, left, top, block, width)
        top += _head_height(block, width) + HEADER
        for row in range(len(block.images)):
            _prediction_row(figure, left, top + row * (side + UNDER), side, block, row)
    return figure


# Inches: between tiles, between blocks, below a tile, above the first one, left of the first one.
GAP, BETWEEN, UNDER, HEADER, NAMES = 0.05, 0.3, 0.2, 0.3, 0.24


def _prediction_row(figure: Figure, left: float, top: float, side: float, block: Panels, row: int) -> None:
    image, mask = block.images[row], block.masks[row]
    place = {"rotation": 90, "ha": "center", "va": "center", "linespacing": 1, "color": MUTED}
    _fit(_write(figure, left + NAMES / 2 - 0.02, top + side / 2, block.scenes[row], fontsize=6.5, **place), side)
    guesses = {model: np.where(padding(mask), NO_LABEL, p[row]) for model, p in block.predictions.items()}
    for column, title in enumerate(["Image", "Truth", *guesses]):
        x = left + NAMES + column * (side + GAP)
        middle, axes = x + side / 2, _place(figure, x, top, side, side)
        if column == 0:
            _photograph(axes, image)
        else:
            _mask(axes, guesses[title] if column > 1 else mask, block.classes)
        if row == 0:
            _fit(_write(figure, middle, top - 0.06, title, ha="center", va="baseline", linespacing=1), side)
        if column > 1:
            accuracy = shown_accuracy(guesses[title], mask, block.counted)
            text = "–" if np.isnan(accuracy) else f"{accuracy:.2f}"
            _write(figure, middle, top + side + 0.02, text, ha="center", va="top", fontsize=7)


def shown_accuracy(prediction: np.ndarray, mask: np.ndarray, counted: Sequence[int]) -> float:
    """Share of the pixels of counted classes that are right; NaN where there is none."""
    judged = np.isin(mask, counted)
    return float((prediction == mask)[judged].mean()) if judged.any() else float("nan")


def padding(mask: np.ndarray) -> np.ndarray:
    """Where a tile reaches over its scene's edge: bool [H, W], trailing rows and columns without a label."""
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


def photograph_uri(image: np.ndarray) -> str:
    """An image [H, W, C] as a JPEG in a data URI."""
    return _uri(Image.fromarray(np.ascontiguousarray(photograph(image))), "jpeg", quality=85)


def mask_uri(labels: np.ndarray, mask: np.ndarray, classes: Sequence[LandClass]) -> str:
    """Class indices [H, W] in their colours as a PNG in a data URI; bare where `mask` reaches over its scene's edge."""
    shown = painted(np.where(padding(mask), NO_LABEL, labels), classes)
    return _uri(Image.fromarray(shown).convert("P", palette=Image.Palette.ADAPTIVE), "png", optimize=True)


def _uri(picture: Image.Image, kind: str, **options) -> str:
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind};base64,{b64encode(buffer.getvalue()).decode()}"


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
    return 0.34 + 0.19 * ceil(len(_swatches(block)) / _legend_columns(block, width))


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


def _write(figure: Figure, left: float, top: float, text: str, **options) -> Text:
    across, down = figure.get_size_inches()
    return figure.text(left / across, 1 - top / down, text, **options)


def _photograph(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(photograph(image))
    _frame(axes)


def _mask(axes: Axes, mask: np.ndarray, classes: Sequence[LandClass]) -> None:
    # Blending colours would show classes that are not there.
    axes.imshow(painted(mask, classes), interpolation="nearest")
    _frame(axes)


def _frame(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=FAINT, linewidth=0.5)


def _fit(text: Text, inches: float) -> None:
    """Break a name that is too long at an underscore or a space, then make its letters small enough."""
    name, letter = text.get_text(), 0.0091 * text.get_fontsize()
    cuts = [i + 1 for i, sign in enumerate(name[:-1]) if sign in "_ -"]
    if len(name) * letter > inches and cuts:
        cut = min(cuts, key=lambda i: abs(i - len(name) / 2))
        text.set_text(f"{name[:cut]}\n{name[cut:]}")
    longest = max(map(len, text.get_text().split("\n")))
    text.set_fontsize(text.get_fontsize() * min(1, inches / (longest * letter)))


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
    bar = Patch(facecolor=PALE, edgecolor=MUTED, linewidth=0.5, label="all tiles")
    marks = [Line2D([], [], label=name, ls="", **_mark(name)) for name in subsets]
    figure.legend(handles=[bar, *marks], loc="outside upper right", ncols=len(marks) + 1)
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
    for place, share in zip(places, panel.overall, strict=True):
        axes.text(1, place, _percent(share), transform=axes.get_yaxis_transform(), ha="right", va="center")
    furthest = float(np.nanmax([panel.overall, *panel.subsets.values()]))
    axes.set_yticks(places, [c.name for c in panel.classes])
    axes.set(xlim=(0, 1.2 * furthest), ylim=(len(places) - 0.5, -0.5))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.set_title(panel.title)
    axes.set_title("all tiles", loc="right", fontsize=7.5, color=MUTED)


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
def architecture(models: Mapping[str, ModelSpec], inputs: Sequence[Input], parameters: Mapping[str, float]) -> Figure:
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
    return WIDTH - LEFT - RIGHT - 0.27 * (len(columns) - 1)


def _slabs(column: Column) -> list[float]:
    """Relative widths of a block's boxes; a decoder begins with the skip connection and the up-convolution."""
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
    known = parameters is not None and np.isfinite(parameters)
    return f"{parameters / 1e6:.2f} M parameters; " if known else ""


def _draw_unet(axes: Axes, floor: float, columns: Sequence[Column], scale: float) -> None:
    """Boxes on a common floor: height is the logarithm of the size, width the root of the channels."""
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


def _draw_slab(axes: Axes, x: float, y: float, width: float, height: float, kind: str, i: int) -> None:
    face, line = FILLS[kind], "-"
    if kind == "decoder" and i < 2:
        face, line = ("white", (0, (2, 1.5))) if i == 0 else ("#E9F6F0", "-")
    axes.add_patch(Rectangle((x, y), width, height, fc=face, ec="#4A4A4A", lw=0.6, ls=line))


def _column_labels(axes: Axes, x: float, floor: float, column: Column) -> None:
    convs = {"input": "", "output": "1×1"}.get(column.kind, str(column.convs))
    for i, text in enumerate((f"{column.channels}", f"{column.size}²", convs)):
        axes.text(x, floor - 0.1 - 0.16 * i, text, ha="center", va="top", fontsize=7)


def _draw_arrows(axes: Axes, floor: float, columns: Sequence[Column], edges: Sequence[tuple]) -> None:
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
    axes: Axes, left: float, top: float, name: str, spec: SmpSpec | PythonSpec, parameters: float | None
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
    row = float(np.clip(12 / len(runs), 1.05, 1.6))
    heights = [row * len(members) + 0.5 for _, members in groups]
    figure = Figure((WIDTH, sum(heights) + 0.4), layout="constrained")
    names = [f"{subset}_{metric}" for subset in ("train", "val") for metric in METRICS]
    values = np.concatenate([h[names].to_numpy(float).ravel() for r in runs for h in r.histories])
    low, high = _limits(values)
    for part, (title, members) in zip(_stack(figure, heights), groups, strict=True):
        part.suptitle(title, x=0.008, ha="left", fontsize=9)
        grid = part.subplots(len(members), len(METRICS), squeeze=False, sharex="col", sharey=True)
        for i, run in enumerate(members):
            for axes, metric in zip(grid[i], METRICS, strict=True):
                _curves(axes, run.histories, metric, colors[run.model])
                axes.set_ylim(low, high)
                axes.set_title(METRICS[metric] if i == 0 else "")
            grid[i, 0].yaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
            _fit(grid[i, 0].set_ylabel(run.model, weight="bold"), row)
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
        grid = part.subplots(down, across, squeeze=False, sharey=True)
        for axes in grid.flat[len(members) :]:
            axes.remove()
        for i, (axes, run) in enumerate(zip(grid.flat, members, strict=False)):
            _curves(axes, run.histories, "loss", colors[run.model])
            _published_points(axes, run)
            axes.set_title(f"{run.group} · {run.model}" if alone else run.model)
            axes.set_xlabel("Epoch" if i // across == down - 1 else "")
        for axes in grid[:, 0]:
            axes.set_ylabel("Loss")
    _curve_key(figure, "Loss over epochs")
    return figure


def _curves(axes: Axes, histories: Sequence[pd.DataFrame], column: str, color: str) -> None:
    for history in histories:
        # A line needs two points.
        dots = {"marker": "o", "ms": 3} if len(history) < 3 else {}
        for subset, label, style in (("train", "training", DASHED), ("val", "validation", SOLID)):
            axes.plot(history["epoch"], history[f"{subset}_{column}"], color=color, label=label, **style, **dots)
    last = [history.iloc[-1] for history in histories]
    end, value = max(h["epoch"] for h in last), float(np.mean([h[f"val_{column}"] for h in last]))
    if np.isfinite(value):
        _beside(axes, f"{value:.2f}", (end, value), 3)
    axes.set_xlim(1 - 0.03 * end, end + max(0.22 * end, 0.3))
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS, integer=True))


DASHED, SOLID = {"ls": (0, (3, 1.6)), "lw": 1, "alpha": 0.75}, {"lw": 1.4}


def _beside(axes: Axes, text: str, point: tuple[float, float], shift: float, **options) -> None:
    """Write right of a point, or left of it where the shift (in points) is negative."""
    options = {"ha": "left" if shift > 0 else "right", "va": "center", "fontsize": 7.5} | options
    axes.annotate(text, point, (shift, 0), textcoords="offset points", **options)


def _published_points(axes: Axes, run: Run) -> None:
    for column, epoch, value in run.published:
        filled = INK if column.startswith("val") else "white"
        mark = {"marker": "D", "ms": 5.5, "mfc": filled, "mec": INK, "mew": 1.1}
        axes.plot(epoch, value, ls="", zorder=4, label="report", **mark)
        # Above or below, wherever our own curve is not.
        ours = pd.concat([h.loc[h["epoch"] == epoch, column] for h in run.histories]).mean()
        side = 1 if value >= ours else -1
        late = epoch > axes.get_xlim()[1] / 2
        place = {"ha": "right" if late else "left", "va": "bottom" if side > 0 else "top", "fontsize": 7.5}
        axes.annotate(f"report {value:g}", (epoch, value), (4 if late else -4, 6 * side), bbox=BEHIND, zorder=5,
                      textcoords="offset points", **place)  # fmt: skip
    if run.published:
        low, high = axes.get_ylim()
        axes.set_ylim(low - 0.1 * (high - low), high + 0.05 * (high - low))


def _curve_key(figure: Figure, title: str) -> None:
    lines = [
        Line2D([], [], color=MUTED, label="training", **DASHED),
        Line2D([], [], color=MUTED, label="validation (number: last epoch)", **SOLID),
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
    """Value, low and high of a metric by model (index), means over seeds; models without a value are left out."""
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
            _dots(axes, block.rows, land.name, models, colors)
            _class_title(axes, land)
            axes.set(xlim=(-0.03, 1.03), xticks=[0, 0.5, 1], xticklabels=["0", "0.5", "1"])
    return figure


def _class_title(axes: Axes, land: LandClass) -> None:
    """A class's name over a band of its colour."""
    axes.set_title(textwrap.fill(land.name, 14), pad=9, fontsize=8)
    above = axes.transAxes + ScaledTranslation(0, 4 / 72, axes.figure.dpi_scale_trans)
    for color, width in ((MUTED, 5), (land.color, 4)):
        band = {"color": color, "lw": width, "solid_capstyle": "butt"}
        axes.plot([0, 1], [1, 1], transform=above, clip_on=False, **band)


def _dots(axes: Axes, rows: pd.DataFrame, label: str, models: Sequence[str], colors: Mapping[str, str]) -> None:
    """A line per model, first on top: mean, interval and seeds of a class's IoU."""
    rows = rows[(rows["metric"] == "iou") & (rows["class"] == label)]
    means = summary(rows, "iou", label)
    for place, model in enumerate(models):
        if model not in means.index:
            axes.text(0.02, place, "absent", va="center", fontsize=6.5, color=MUTED)
            continue
        value, low, high = means.loc[model]
        color = colors[model]
        mark = {"marker": "|", "ms": 7, "mew": 1.6} if model == MAJORITY else {"marker": "o", "ms": 5, "mew": 0}
        axes.plot([low, high], [place, place], color=color, **BAR)
        axes.plot(value, place, color=color, **mark)
        each = rows.loc[rows["model"] == model, "value"]
        if len(each) > 1:
            axes.plot(each, np.full(len(each), place + 0.27), ls="", marker="o", ms=1.8, mew=0, color=color)
    axes.set_yticks(range(len(models)), models)
    axes.set_ylim(len(models) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)


BEHIND = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}  # what a name stands on
BAR = {"lw": 1.6, "alpha": 0.6, "solid_capstyle": "butt"}  # a 95 % interval


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
    beside = ", and the score beside it" if compared else ""
    figure.suptitle(f"Judged tiles on ground seen in training{beside}", x=0.008, ha="left")
    bars = [Patch(facecolor=c, label=t) for t, c in zip(("same scene", "same ground"), SHARED, strict=True)]
    figure.legend(handles=bars, loc="outside upper right", ncols=2)
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
            share = count / row.tiles
            axes.barh(place + offset, share, height=0.26, color=color)
            inside = share > 0.6
            ink = "white" if inside and color == SHARED[1] else INK
            text = f"{_percent(share)} ({count:,} of {row.tiles:,})"
            _beside(axes, text, (share, place + offset), -5 if inside else 5, color=ink)
    names = [f"{r.recipe}\nsplit {r.split}, {r.subset} tiles" for r in rows.itertuples()]
    axes.set_yticks(range(len(rows)), names)
    axes.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.set_title("Share of the judged tiles")


def _score_rows(axes: Axes, audit: Audit, models: Sequence[str], colors: Mapping[str, str]) -> None:
    """A line per model under each recipe, and the majority baseline dotted across them."""
    offsets = (np.arange(len(models)) - (len(models) - 1) / 2) * 0.8 / max(len(models), 4)
    for place, recipe in enumerate(audit.rows["recipe"]):
        means = summary(audit.scores[recipe], "miou_d", "all")
        for model, offset in zip(models, offsets, strict=True):
            if model in means.index:
                value, low, high = means.loc[model]
                y, color, text = place + offset, colors[model], f"{model}  {value:.3f}"
                axes.plot([low, high], [y, y], color=color, **BAR)
                axes.plot(value, y, marker="o", ms=5, mew=0, color=color)
                _beside(axes, text, (low, y) if high > 0.65 else (high, y), -6 if high > 0.65 else 6)
        if MAJORITY in means.index:
            value = means.loc[MAJORITY, "value"]
            axes.plot([value, value], [place - 0.42, place + 0.42], color=MUTED, lw=1.2, ls=(0, (2, 1.5)))
            text, below = f"{MAJORITY} {value:.3f}", (value, place + 0.42)
            _beside(axes, text, below, 4, va="bottom", fontsize=7, color=MUTED)
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
    """Which points no other beats, being at least as cheap and as good and one of the two more: bool [N].

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
    beaten = Line2D([], [], ls="", marker="o", mfc="white", mec=MUTED, mew=1.4, label="beaten")
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
        _label_points(axes, rows, column, colors)
    return figure


def _cost_panel(axes: Axes, rows: pd.DataFrame, column: str, colors: Mapping[str, str]) -> None:
    costs, values = rows[column].to_numpy(float), rows["value"].to_numpy(float)
    best = pareto(costs, values)
    order = np.flatnonzero(best)[np.argsort(costs[best], kind="stable")]
    axes.plot(costs[order], values[order], color=FAINT, lw=1.2, zorder=1, label="Pareto front")
    for row, x, on_front in zip(rows.itertuples(), costs, best, strict=True):
        color = colors[row.model]
        axes.plot([x, x], [row.low, row.high], color=color, zorder=2, **BAR | {"alpha": 0.35})
        face = color if on_front else "white"
        axes.plot(x, row.value, ls="", marker="o", ms=6.5, mfc=face, mec=color, mew=1.6, zorder=3)
    low, high = rows["low"].min(), rows["high"].max()
    room = max(0.06 * (high - low), (0.1 - (high - low)) / 2)
    if np.isfinite(room):
        axes.set_ylim(low - room, high + room)
    _cost_axis(axes, costs[np.isfinite(costs) & (costs > 0)])
    axes.set_title(COSTS[column])


def _cost_axis(axes: Axes, costs: np.ndarray) -> None:
    """Room for the names; a logarithm where costs differ a lot, zero only where it is near."""
    if not len(costs):
        return
    low, high = costs.min(), costs.max()
    if high > 8 * low:
        axes.set_xscale("log", subs=[])
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.set_xlim(low / 2, high * 2)
    else:
        room = 0.4 * (high - low) or 0.5 * high
        axes.set_xlim(0 if low < high / 2 else low - room, high + room)
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS))


def _label_points(axes: Axes, rows: pd.DataFrame, column: str, colors: Mapping[str, str]) -> None:
    """Write each model beside its point, over no other point, interval or name if there is room."""
    renderer = axes.figure.canvas.get_renderer()
    points = rows.assign(x=rows[column].astype(float)).dropna(subset=["x", "value"])
    unit, inside = axes.figure.dpi / 72, axes.get_window_extent(renderer)
    taken = []
    for x, value, low, high in points[["x", "value", "low", "high"]].itertuples(index=False):
        (a, b), (_, c), (_, d) = axes.transData.transform([(x, value), (x, low), (x, high)])
        mark = Bbox.from_bounds(a - 5 * unit, b - 5 * unit, 10 * unit, 10 * unit)
        taken += [(mark, 2), (Bbox([(a, c), (a + 1, d)]), 1)]
    for point in points.sort_values("value", ascending=False, kind="stable").itertuples():
        look = {"textcoords": "offset points", "fontsize": 7.5, "va": "center", "color": colors[point.model]}
        look["bbox"] = BEHIND
        tried = []
        for i, (shift, distance) in enumerate(AROUND):
            side = "left" if shift[0] > 0 else "right"
            text = axes.annotate(point.model, (point.x, point.value), shift, ha=side, **look)
            box = text.get_window_extent(renderer)
            beyond = inside.count_contains(box.corners()) < 4
            covered = sum(weight for other, weight in taken if box.overlaps(other))
            tried.append((covered + distance + 4 * beyond, i, text, box))
        _, best, _, box = min(tried, key=lambda t: t[:2])
        for _, i, text, _ in tried:
            if i != best:
                text.remove()
        taken.append((box, 2))


# Where a name may stand from its point, in points, and what the distance counts against covering something.
AROUND = [
    ((x, y), 0.6 * i)
    for i, r in enumerate((9, 16, 24, 32))
    for x, y in ((r, 0), (-r, 0), (5, r), (-5, r), (5, -r), (-5, -r))
]
