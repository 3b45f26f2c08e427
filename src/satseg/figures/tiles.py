"""Tiles and masks as pictures."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from io import BytesIO
from math import ceil
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

from satseg.config.datasets import LandClass
from satseg.data.labels import NO_LABEL
from satseg.figures.style import MUTED, WIDTH, frame_axes, shrink_text, write_text


class ShownTiles(NamedTuple):
    """A few tiles of a dataset, with what models predicted for them."""

    title: str
    classes: Sequence[LandClass]
    names: Sequence[str]
    """What each tile is called [K]: its scene."""
    images: np.ndarray
    """uint8 [K, H, W, C]."""
    masks: np.ndarray
    """uint8 [K, H, W]: class index, 255 without a label."""
    predictions: Mapping[str, np.ndarray] = {}
    """Model → class index, uint8 [K, H, W]."""
    counted: Sequence[int] = ()
    """Class indices that count in the pixel accuracy."""
    notes: Sequence[str] = ()
    """Why each tile is shown [K]."""
    hard: int = 0
    """How many of the last tiles stand apart, because they are hard."""


# Square inches that a figure may give to photographs; at 150 dpi its PNG stays near 1 MB.
PHOTOGRAPHS = 14

WRONG = "#FF1F8F"  # seen on any ground
UNCOUNTED = "#8A8A8A"


def padding(mask: np.ndarray) -> np.ndarray:
    """Where a tile extends beyond its scene: bool [H, W], trailing rows and columns without a
    label."""
    unlabelled = mask == NO_LABEL
    rows = np.logical_and.accumulate(unlabelled.all(1)[::-1])[::-1]
    columns = np.logical_and.accumulate(unlabelled.all(0)[::-1])[::-1]
    return rows[:, None] | columns[None, :]


def photograph(image: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] of an image [H, W, C]: its first three bands, or the first as grey."""
    return image[..., :3] if image.shape[-1] >= 3 else np.repeat(image[..., :1], 3, axis=-1)


def painted(mask: np.ndarray, classes: Sequence[LandClass]) -> np.ndarray:
    """uint8 [H, W, 3]: a mask in its class colours, striped in greys where it has no label."""
    palette = np.full((256, 3), 255, np.uint8)
    palette[: len(classes)] = np.rint([np.multiply(to_rgb(c.shown_color), 255) for c in classes])
    rows, columns = np.indices(mask.shape)
    stripe = (rows + columns) // max(1, mask.shape[0] // 32) % 3 == 0
    stripes = np.where(stripe, 190, 245).astype(np.uint8)[..., None]
    return np.where((mask == NO_LABEL)[..., None], stripes, palette[mask])


def photograph_uri(image: np.ndarray) -> str:
    """An image [H, W, C] as a JPEG in a data URI."""
    return _uri(Image.fromarray(np.ascontiguousarray(photograph(image))), "jpeg", quality=85)


def mask_uri(labels: np.ndarray, mask: np.ndarray, classes: Sequence[LandClass]) -> str:
    """Class indices [H, W] in their colours as a PNG in a data URI; blank where `mask` extends
    beyond its scene."""
    shown = painted(np.where(padding(mask), NO_LABEL, labels), classes)
    return _uri(
        Image.fromarray(shown).convert("P", palette=Image.Palette.ADAPTIVE), "png", optimize=True
    )


def error_map(prediction: np.ndarray, mask: np.ndarray, counted: Sequence[int]) -> np.ndarray:
    """Which pixels are wrong, uint8 [H, W]: 0 right, 1 wrong, 2 not counted."""
    wrong = (prediction != mask).astype(np.uint8)
    return np.where(np.isin(mask, counted), wrong, 2).astype(np.uint8)


def errors_uri(prediction: np.ndarray, mask: np.ndarray, counted: Sequence[int]) -> str:
    """The wrong pixels as a PNG in a data URI, to lie over the image: right ones are clear, those
    that do not count are grey."""
    picture = Image.fromarray(error_map(prediction, mask, counted)).convert("P")
    colors = (np.multiply(to_rgb(color), 255) for color in ("white", WRONG, UNCOUNTED))
    picture.putpalette(np.rint(np.concatenate(list(colors))).astype(np.uint8).tobytes())
    return _uri(picture, "png", optimize=True, transparency=bytes([0, 255, 255]))


def _uri(picture: Image.Image, kind: str, **options) -> str:
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind};base64,{b64encode(buffer.getvalue()).decode()}"


def shown_accuracy(prediction: np.ndarray, mask: np.ndarray, counted: Sequence[int]) -> float:
    """Share of the pixels of counted classes that are correct; NaN if there is none."""
    counts = np.isin(mask, counted)
    return float((prediction == mask)[counts].mean()) if counts.any() else float("nan")


def draw_photograph(axes: Axes, image: np.ndarray) -> None:
    """An image [H, W, C] in a thin frame."""
    axes.imshow(photograph(image))
    frame_axes(axes)


def draw_mask(axes: Axes, mask: np.ndarray, classes: Sequence[LandClass]) -> None:
    """A mask [H, W] in a thin frame."""
    # Blending colours would show classes that are not there.
    axes.imshow(painted(mask, classes), interpolation="nearest")
    frame_axes(axes)


def head_height(group: ShownTiles, width: float = WIDTH) -> float:
    """Inches that the title and class legend take above the first row."""
    return 0.34 + 0.19 * ceil(len(_legend_patches(group)) / _legend_columns(group, width))


def draw_head(
    figure: Figure, left: float, top: float, group: ShownTiles, width: float = WIDTH
) -> None:
    """The title and class legend of a group, at a place in inches."""
    title = write_text(figure, left, top + 0.05, group.title, va="top", fontsize=10, weight="bold")
    shrink_text(title, width)
    full_width, full_height = figure.get_size_inches()
    patches = _legend_patches(group)
    rows = ceil(len(patches) / _legend_columns(group, width))
    columns = ceil(len(patches) / rows)
    # A legend fills column by column; people read along the row.
    order = sorted(range(len(patches)), key=lambda i: (i % columns, i))
    figure.legend(
        handles=[patches[i] for i in order],
        loc="upper left",
        bbox_to_anchor=(left / full_width, 1 - (top + 0.24) / full_height),
        ncols=columns,
        borderpad=0,
        borderaxespad=0,
        handlelength=1.3,
        handletextpad=0.5,
        columnspacing=1.4,
    )


def _legend_patches(group: ShownTiles) -> list[Patch]:
    outline = {"edgecolor": MUTED, "linewidth": 0.5}
    patches = [Patch(facecolor=c.shown_color, label=c.name, **outline) for c in group.classes]
    if (group.masks == NO_LABEL).any():
        patches.append(Patch(facecolor="#F5F5F5", hatch="/////", label="no label", **outline))
    return patches


def _legend_columns(group: ShownTiles, width: float) -> int:
    longest = max(len(patch.get_label()) for patch in _legend_patches(group))
    return max(1, int(width / (0.5 + 0.074 * longest)))
