"""Which scenes a model can predict."""

from pathlib import Path
from typing import Any, NamedTuple

import rasterio
import rasterio.shutil
from rasterio.enums import ColorInterp, MaskFlags

from satseg.config.datasets import Pixels
from satseg.data.images import PALETTE
from satseg.data.origin import pixel_size
from satseg.errors import UserError
from satseg.models.segmenter import Segmenter
from satseg.progress import log

COARSER = 1.25  # pixels may be so many times larger than those the model was trained on, or smaller


class Source(NamedTuple):
    """An opened scene that fits the model."""

    file: rasterio.DatasetReader
    path: Path
    pixels: Pixels
    masked: bool
    """Whether an alpha band or a mask hides pixels."""


def accept(
    file: rasterio.DatasetReader, path: Path, segmenter: Segmenter, placed: bool = False
) -> Source:
    """Take a scene that is like those the model was trained on; `placed` where it must say where it
    lies.

    Raises:
        UserError: its bands, the type of its pixels or their size are not what the model knows, or
            it has no place.
    """
    origin = segmenter.origin
    if ColorInterp.palette in file.colorinterp:
        raise UserError(f"{path}: {PALETTE}")
    colours = [band for band in file.indexes if file.colorinterp[band - 1] != ColorInterp.alpha]
    bands = origin.pixels.bands or (
        colours if len(colours) == segmenter.bands else list(file.indexes)
    )
    if len(bands) != segmenter.bands or max(bands) > file.count:
        wanted = (
            f"the bands {', '.join(map(str, bands))}"
            if origin.pixels.bands
            else f"{segmenter.bands} bands"
        )
        raise UserError(
            f"{path}: {len(colours)} band{'s' * (len(colours) != 1)}, but the model was trained on {wanted}; choose a "
            f"scene with the same bands in the same order (gdal_translate -b picks them)"
        )
    kinds = sorted({file.dtypes[band - 1] for band in bands} - set(origin.dtypes))
    if kinds:
        raise UserError(
            f"{path}: {kinds[0]} pixels, but the model was trained on {'/'.join(origin.dtypes)}; convert its values to "
            f"what the training images held (gdal_translate -ot … -scale …)"
        )
    metres = pixel_size(file)
    if origin.metres and not metres:
        log.warning(
            "%s: does not say how large its pixels are; the model was trained on %s",
            path,
            _metres(origin),
        )
    if (
        origin.metres
        and metres
        and not origin.metres[0] / COARSER <= metres <= origin.metres[1] * COARSER
    ):
        raise UserError(
            f"{path}: pixels of {metres:.3g} m, but the model was trained on {_metres(origin)}; resample the scene "
            f"(gdalwarp -tr), or train on images like it"
        )
    if placed and not metres:
        raise UserError(
            f"{path}: does not say where on the globe it lies, as polygons do; leave them out"
        )
    # Some programs call any fourth band transparency; what the model sees hides nothing.
    flags = [set(file.mask_flag_enums[band - 1]) for band in bands]
    hidden = any(not kinds or kinds - {MaskFlags.all_valid, MaskFlags.nodata} for kinds in flags)
    masked = hidden and ColorInterp.alpha not in {file.colorinterp[band - 1] for band in bands}
    return Source(file, path, origin.pixels.model_copy(update={"bands": bands}), masked)


def _metres(origin: Any) -> str:
    low, high = (f"{value:.3g}" for value in origin.metres)
    return f"{low} m" if low == high else f"{low} to {high} m"
