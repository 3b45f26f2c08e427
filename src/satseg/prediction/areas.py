"""How much ground each class of a map covers."""

from pathlib import Path

import numpy as np
import pandas as pd
import rasterio

from satseg.data.globe import degrees, equal_area
from satseg.data.labels import NO_LABEL
from satseg.data.origin import pixel_size

CELL = 16  # pixels: within a square this wide, every pixel is taken to cover the same ground
HECTARE = 1e4  # square metres
COLUMNS = ["index", "class", "pixels", "hectares", "share"]


def write_areas(raster: str | Path, out: str | Path, classes: list[str]) -> None:
    """Write a row per class with its pixels, hectares on the WGS 84 ellipsoid (empty if the map has
    no position), and its share of all that has data: of the ground, or else of the pixels.

    Args:
        raster: a class map: uint8 class indices, 255 where there is no data.
        out: the CSV file.
        classes: class names by class index.
    """
    with rasterio.open(raster) as file:
        pixels, metres2 = class_areas(file, len(classes))
    known = np.isfinite(metres2).all()
    weights = metres2 if known else pixels
    table = pd.DataFrame(
        {
            "index": range(len(classes)),
            "class": classes,
            "pixels": pixels,
            "hectares": (metres2 / HECTARE).round(4),
            "share": (weights / max(weights.sum(), 1e-12)).round(6),
        },
        columns=COLUMNS,
    )
    table.to_csv(out, index=False)


def class_areas(file: rasterio.DatasetReader, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels int64 [count] and square metres float64 [count] of each class index of a map; these
    NaN if the map has no position."""
    pixels = np.zeros(count, np.int64)
    metres2 = np.zeros(count)
    for _, window in file.block_windows(1):
        labels = file.read(1, window=window)
        ground = _cell_areas(file, window.row_off, window.col_off, labels.shape)
        for index in np.unique(labels[labels != NO_LABEL]):
            in_cells = _in_cells(labels == index)
            pixels[index] += in_cells.sum()
            metres2[index] += (in_cells * ground).sum()
    if pixel_size(file) is None:
        metres2[:] = np.nan
    return pixels, metres2


def _edges(length: int) -> np.ndarray:
    return np.append(np.arange(0, length, CELL), length)


def _in_cells(chosen: np.ndarray) -> np.ndarray:
    """How many pixels of each cell are chosen."""
    rows, columns = (_edges(length)[:-1] for length in chosen.shape)
    return np.add.reduceat(np.add.reduceat(chosen.astype(np.int64), rows, 0), columns, 1)


def _cell_areas(
    file: rasterio.DatasetReader, top: int, left: int, shape: tuple[int, int]
) -> np.ndarray:
    """Square metres that a pixel covers in each cell of a block: float64 [rows, columns]."""
    rows, columns = (_edges(length) for length in shape)
    y, x = np.meshgrid(rows + top, columns + left, indexing="ij")
    corners = np.column_stack([x.ravel(), y.ravel()]).astype(float)
    places = degrees(file, corners)
    if places is None:
        return np.full((len(rows) - 1, len(columns) - 1), np.nan)

    # The short way around the globe from the first corner of each cell.
    places = places.reshape(*x.shape, 2)
    around = [places[:-1, :-1], places[:-1, 1:], places[1:, 1:], places[1:, :-1]]
    cells = np.stack(around, axis=-2)
    first = cells[..., :1, 0]
    cells[..., 0] = first + (cells[..., 0] - first + 180) % 360 - 180

    px, py = np.moveaxis(equal_area(cells) - equal_area(cells[..., :1, :]), -1, 0)
    twice = px * np.roll(py, -1, -1) - np.roll(px, -1, -1) * py
    ground = np.abs(twice.sum(-1)) / 2
    return ground / (np.diff(rows)[:, None] * np.diff(columns))
