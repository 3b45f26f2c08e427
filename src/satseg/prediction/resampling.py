"""A scene with pixels of another size, as GDAL resamples it while it is read."""

import math
from pathlib import Path

import rasterio
from affine import Affine
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from satseg.data.origin import pixel_size
from satseg.data.transparency import alpha_band, hides
from satseg.errors import UserError
from satseg.models.segmenter import Segmenter

MODEL = "model"
"""Stands for the pixel size of a model's training images."""


def resampled(
    file: rasterio.DatasetReader, path: str | Path, segmenter: Segmenter, size: float | str
) -> WarpedVRT:
    """The scene in its own coordinate system, with pixels of another size: means of its pixels
    where they become larger, bilinear where they become smaller.

    Args:
        file: the opened scene.
        path: its path, for messages.
        segmenter: a trained model.
        size: side of a pixel in metres, or `model` for that of the training images.

    Raises:
        UserError: the size of the scene's pixels or of the model's is not known.
    """
    metres = pixel_size(file)
    if not metres or file.transform.is_identity:
        raise UserError(
            f"{path}: has no grid with a known pixel size, so it cannot be resampled; leave "
            f"--resample out, or give it a position first (gdalwarp)"
        )

    factor = _wanted(segmenter, size) / metres
    width, height = (max(1, round(length / factor)) for length in (file.width, file.height))
    own_mask = alpha_band(file) is None and hides(file, list(file.indexes))
    return WarpedVRT(
        file,
        crs=file.crs,
        transform=file.transform @ Affine.scale(file.width / width, file.height / height),
        width=width,
        height=height,
        resampling=Resampling.average if factor > 1 else Resampling.bilinear,
        add_alpha=own_mask,
    )


def _wanted(segmenter: Segmenter, size: float | str) -> float:
    """The side of a pixel in metres."""
    if size != MODEL:
        return float(size)
    if segmenter.origin.metres is None:
        raise UserError(
            "--resample model: the model's training images state no pixel size; give it in metres, "
            "such as --resample 0.3"
        )
    return math.sqrt(math.prod(segmenter.origin.metres))
