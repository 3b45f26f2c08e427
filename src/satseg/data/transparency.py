"""What hides pixels of an image: a mask in the file, or a band marked as transparency."""

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
    alpha = alpha_band(file)
    if alpha:
        return alpha not in bands and not holds_data(file, alpha)
    flags = [set(file.mask_flag_enums[band - 1]) for band in bands]
    return any(not kinds or kinds - HARMLESS for kinds in flags)


def alpha_band(file: rasterio.DatasetReader) -> int | None:
    """The band that is marked as transparency, counted from 1, if there is one."""
    meanings = file.colorinterp
    return meanings.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in meanings else None


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
