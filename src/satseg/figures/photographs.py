"""Tiles, masks and predictions side by side."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from io import BytesIO
from math import ceil, sqrt
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

from satseg.config.datasets import LandClass
from satseg.data.labels import NO_LABEL
from satseg.figures.style import MUTED, WIDTH, fit_text, frame_axes, place_axes, styled, write_text


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
    """Tiles beside their masks, a block per dataset: three pairs a row, or four where there are
    several."""
    across, between, gap, under = 3 if len(blocks) == 1 else 4, 0.2, 0.04, 0.26
    side = ((WIDTH - between * (across - 1)) / across - gap) / 2
    side = min(side, sqrt(PHOTOGRAPHS / sum(len(b.images) for b in blocks)))
    heights = [
        _head_height(b) + ceil(len(b.images) / across) * (side + under) + 0.1 for b in blocks
    ]
    figure = Figure((WIDTH, sum(heights)))
    for n, block in enumerate(blocks):
        top = sum(heights[:n])
        _block_head(figure, 0, top, block)
        top += _head_height(block)
        for i, (image, mask, scene) in enumerate(
            zip(block.images, block.masks, block.scenes, strict=True)
        ):
            left, y = i % across * (2 * side + gap + between), top + i // across * (side + under)
            _photograph(place_axes(figure, left, y, side, side), image)
            _mask(place_axes(figure, left + side + gap, y, side, side), mask, block.classes)
            write_text(figure, left, y + side + 0.03, scene, va="top", fontsize=7, color=MUTED)
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
    heights = [
        _head_height(b, width) + HEADER + len(b.images) * (side + UNDER) + 0.1 for b in blocks
    ]
    tall = [max(heights[i : i + across]) for i in range(0, len(blocks), across)]
    figure = Figure((WIDTH, 0.25 + sum(tall)))
    note = "Number under a prediction: the tile's pixel accuracy. Odd: the class looks least as it usually does."
    write_text(figure, 0, 0.02, note, va="top", color=MUTED)
    for i, block in enumerate(blocks):
        left, top = i % across * (width + BETWEEN), 0.25 + sum(tall[: i // across])
        _block_head(figure, left, top, block, width)
        top += _head_height(block, width) + HEADER
        for row in range(len(block.images)):
            _prediction_row(figure, left, top + row * (side + UNDER), side, block, row)
    return figure


# Inches: between tiles, between blocks, below a tile, above the first one, left of the first one.
GAP, BETWEEN, UNDER, HEADER, NAMES = 0.05, 0.3, 0.2, 0.3, 0.24


def _prediction_row(
    figure: Figure, left: float, top: float, side: float, block: Panels, row: int
) -> None:
    image, mask = block.images[row], block.masks[row]
    place = {"rotation": 90, "ha": "center", "va": "center", "linespacing": 1, "color": MUTED}
    fit_text(
        write_text(
            figure,
            left + NAMES / 2 - 0.02,
            top + side / 2,
            block.scenes[row],
            fontsize=6.5,
            **place,
        ),
        side,
    )
    guesses = {
        model: np.where(padding(mask), NO_LABEL, p[row]) for model, p in block.predictions.items()
    }
    for column, title in enumerate(["Image", "Truth", *guesses]):
        x = left + NAMES + column * (side + GAP)
        middle, axes = x + side / 2, place_axes(figure, x, top, side, side)
        if column == 0:
            _photograph(axes, image)
        else:
            _mask(axes, guesses[title] if column > 1 else mask, block.classes)
        if row == 0:
            fit_text(
                write_text(
                    figure, middle, top - 0.06, title, ha="center", va="baseline", linespacing=1
                ),
                side,
            )
        if column > 1:
            accuracy = shown_accuracy(guesses[title], mask, block.counted)
            text = "–" if np.isnan(accuracy) else f"{accuracy:.2f}"
            write_text(figure, middle, top + side + 0.02, text, ha="center", va="top", fontsize=7)


def shown_accuracy(prediction: np.ndarray, mask: np.ndarray, counted: Sequence[int]) -> float:
    """Share of the pixels of counted classes that are right; NaN where there is none."""
    judged = np.isin(mask, counted)
    return float((prediction == mask)[judged].mean()) if judged.any() else float("nan")


def padding(mask: np.ndarray) -> np.ndarray:
    """Where a tile reaches over its scene's edge: bool [H, W], trailing rows and columns without a
    label."""
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
    """Class indices [H, W] in their colours as a PNG in a data URI; bare where `mask` reaches over
    its scene's edge."""
    shown = painted(np.where(padding(mask), NO_LABEL, labels), classes)
    return _uri(
        Image.fromarray(shown).convert("P", palette=Image.Palette.ADAPTIVE), "png", optimize=True
    )


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


def _block_head(
    figure: Figure, left: float, top: float, block: Panels, width: float = WIDTH
) -> None:
    write_text(figure, left, top + 0.05, block.title, va="top", fontsize=10, weight="bold")
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


def _photograph(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(photograph(image))
    frame_axes(axes)


def _mask(axes: Axes, mask: np.ndarray, classes: Sequence[LandClass]) -> None:
    # Blending colours would show classes that are not there.
    axes.imshow(painted(mask, classes), interpolation="nearest")
    frame_axes(axes)
