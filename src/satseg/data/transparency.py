"""What hides pixels of an image: a mask in the file, or a band marked as transparency."""

from functools import lru_cache
from itertools import product

import numpy as np
import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window

HARMLESS = {MaskFlags.all_valid, MaskFlags.nodata}  # the no-data value is seen when bands are read
SAMPLES = 4  # windows in each direction that tell what a band marked as transparency holds
SAMPLE = 128  # their side in pixels


def hides(file: rasterio.DatasetReader, bands: list[int]) -> bool:
    """Whether a mask of the file or a transparent band hides pixels of these bands.

    A band marked as transparency hides nothing if it is one of them, or if it holds data.
    """
    return _transparent_band(file, bands) is not None or _has_mask(file, bands)


def hidden_pixels(
    file: rasterio.DatasetReader, bands: list[int], shape: tuple[int, int], window: Window | None
) -> np.ndarray:
    """Where pixels of these bands are hidden: bool [h, w].

    Args:
        file: the image.
        bands: the bands that are read.
        shape: height and width to read, as rasterio's `out_shape`.
        window: the part; None for all of it.
    """
    hidden = np.zeros(shape, bool)
    if _has_mask(file, bands):
        hidden |= file.dataset_mask(window=window, out_shape=shape) == 0
    alpha = _transparent_band(file, bands)
    if alpha:  # which GDAL's mask leaves out unless there are two or four bands
        hidden |= file.read(alpha, window=window, out_shape=shape) == 0
    return hidden


def alpha_band(file: rasterio.DatasetReader) -> int | None:
    """The band that is marked as transparency, counted from 1, if there is one."""
    meanings = file.colorinterp
    return meanings.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in meanings else None


@lru_cache(maxsize=4)  # asked for every part that is read
def holds_data(file: rasterio.DatasetReader, band: int) -> bool:
    """Whether most values of a band lie between 0 and its highest: those of a transparency do not,
    but some programs mark any fourth band as one."""
    height = min(SAMPLE, file.height)
    width = min(SAMPLE, file.width)
    rows = np.linspace(0, file.height - height, SAMPLES).astype(int)
    columns = np.linspace(0, file.width - width, SAMPLES).astype(int)

    samples = []
    for row, column in product(rows, columns):
        window = Window(column, row, width, height)
        samples.append(file.read(band, window=window).ravel())
    values = np.concatenate(samples)
    return bool(((values > 0) & (values < values.max())).mean() > 0.5)


def _has_mask(file: rasterio.DatasetReader, bands: list[int]) -> bool:
    """Whether a mask in or beside the file hides pixels of these bands."""
    flags = [set(file.mask_flag_enums[band - 1]) for band in bands]
    own = [kinds for kinds in flags if MaskFlags.alpha not in kinds]
    return any(not kinds or kinds - HARMLESS for kinds in own)


def _transparent_band(file: rasterio.DatasetReader, bands: list[int]) -> int | None:
    """The band, counted from 1, whose zeros hide pixels of these bands."""
    alpha = alpha_band(file)
    return None if alpha is None or alpha in bands or holds_data(file, alpha) else alpha
