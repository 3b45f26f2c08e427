"""Pixels of an image file as models see them: the chosen bands, in order, as uint8."""

from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.windows import Window

from satseg.config.datasets import Pixels
from satseg.data.layout import Scene
from satseg.errors import UserError

# What a file may say of a band that is no picture as models see it, and what to do.
PALETTE = "its values are numbers of a palette, not brightness; save it as RGB"


INKS = "its bands are printing inks (CMYK); save it as RGB"


ALPHA = "band {band} is marked as transparency; say with the dataset's pixels.bands which to take, such as {others}"


def band_count(file: rasterio.DatasetReader, path: str | Path, pixels: Pixels) -> int:
    """Number of bands that `read_bands` takes of an image.

    Raises:
        UserError: it lacks a band, a band is no picture (a palette, inks, transparency), or its
            values are no 8-bit ones and nothing says how to scale them.
    """
    beyond = [band for band in pixels.bands or [] if band > file.count]
    if beyond:
        raise UserError(
            f"{path}: has no band {beyond[0]}, only {file.count}; correct the dataset's pixels.bands"
        )
    bands = chosen(file, pixels)
    _check_meaning(file, path, pixels)
    kinds = {file.dtypes[band - 1] for band in bands}
    if any(np.dtype(kind).kind not in "uif" for kind in kinds):
        raise UserError(
            f"{path}: {'/'.join(sorted(kinds))} pixels; save it as whole or real numbers"
        )
    if not pixels.scale and kinds != {"uint8"}:
        raise UserError(
            f"{path}: {'/'.join(sorted(kinds))} pixels, but models see 8 bits (uint8); say with the dataset's "
            f"pixels.scale which values become 0 and 255, such as [0, 10000]"
        )
    if pixels.scale and len(pixels.scale) not in (1, len(bands)):
        raise UserError(
            f"{path}: {len(bands)} bands; the dataset's pixels.scale has {len(pixels.scale)} pairs"
        )
    return len(bands)


def _check_meaning(file: rasterio.DatasetReader, path: str | Path, pixels: Pixels) -> None:
    """Refuse bands that are no picture; whoever names the bands knows what they are, palettes
    aside."""
    meanings = file.colorinterp
    if ColorInterp.palette in meanings:
        raise UserError(f"{path}: {PALETTE}")
    if pixels.bands:
        return
    if ColorInterp.cyan in meanings:
        raise UserError(f"{path}: {INKS}")
    if ColorInterp.alpha in meanings:
        band = meanings.index(ColorInterp.alpha) + 1
        others = [other for other in range(1, file.count + 1) if other != band]
        raise UserError(f"{path}: {ALPHA.format(band=band, others=others)}")


def read_bands(
    file: rasterio.DatasetReader, pixels: Pixels, window: Window | None = None, **options
) -> tuple[np.ndarray, np.ndarray | None]:
    """Read a part of an image.

    Args:
        file: the opened image; `band_count` has accepted it.
        pixels: which bands, and how they are scaled.
        window: the part; None for all of it.
        options: further arguments of rasterio's `read`.

    Returns:
        uint8 [h, w, C], and bool [h, w] where all these bands hold the file's no-data value or NaN;
        None instead where the file can hold neither.
    """
    bands = chosen(file, pixels)
    if not options:
        # A pixel's bands side by side, as in tiles and in most files: nothing is to be rearranged
        # later.
        height, width = (window.height, window.width) if window else file.shape
        kind = np.result_type(*(file.dtypes[band - 1] for band in bands))
        options["out"] = np.empty((height, width, len(bands)), kind).transpose(2, 0, 1)
    values = file.read(bands, window=window, **options)
    gone = absent(values, [file.nodatavals[band - 1] for band in bands])
    stored = scaled(values, pixels)
    if gone is not None:
        stored[gone] = 0
        gone = gone.all(0)
    return stored.transpose(1, 2, 0), gone


def chosen(file: rasterio.DatasetReader, pixels: Pixels) -> list[int]:
    """The bands to read, counted from 1."""
    return pixels.bands or list(range(1, file.count + 1))


def scaled(values: np.ndarray, pixels: Pixels) -> np.ndarray:
    """Bands [C, h, w] as uint8: each low value becomes 0, each high one 255, linearly; what is no
    number becomes 0."""
    if not pixels.scale:
        return values
    pairs = np.array(pixels.scale)
    if len(pairs) == 1:
        pairs = pairs.repeat(len(values), 0)
    # 32-bit floats hold 16-bit values exactly; for wider ones they would lose digits.
    kind = np.result_type(values.dtype, np.float32)
    low, high = (pairs[:, i, None, None].astype(kind) for i in (0, 1))
    shares = (values.astype(kind) - low) / (high - low)
    return np.rint(np.nan_to_num(shares, nan=0.0).clip(0, 1) * 255).astype(np.uint8)


def absent(values: np.ndarray, nodata: list[float | None]) -> np.ndarray | None:
    """Where a band holds no data, its own no-data value or NaN: bool [C, h, w]; None where that
    cannot be."""
    real = values.dtype.kind == "f"
    if not real and all(value is None for value in nodata):
        return None
    gone = np.isnan(values) if real else np.zeros(values.shape, bool)
    for band, value in enumerate(nodata):
        if value is not None:
            gone[band] |= values[band] == value
    return gone


BLOCK_CACHE = (
    64 * 2**20
)  # bytes of decoded blocks: strips never come back, and GDAL would keep a twentieth of the RAM


def scene_shape(scene: Scene, pixels: Pixels) -> tuple[int, int, int]:
    """Height, width and bands of a scene, after checking that its mask fits.

    Raises:
        UserError: a file cannot be read, its pixels are of another kind than expected, or the sizes
            differ.
    """
    with open_image(scene.image) as image, open_image(scene.mask) as mask:
        bands = band_count(image, scene.image, pixels)
        if any(np.dtype(kind).kind not in "ui" for kind in mask.dtypes):
            raise UserError(
                f"{scene.mask}: {mask.dtypes[0]} pixels; masks hold whole numbers; save it as 8 or 16 bits"
            )
        if image.shape != mask.shape:
            raise UserError(
                f"{scene.mask}: {mask.width}×{mask.height} pixels, but its image {scene.image.name} has "
                f"{image.width}×{image.height}; they must be equal"
            )
        return image.height, image.width, bands


def open_image(path: Path) -> rasterio.DatasetReader:
    """Open an image or a mask.

    Raises:
        UserError: it is not readable.
    """
    try:
        return rasterio.open(path)
    except RasterioError:
        raise UserError(f"{path}: not a readable image; replace the file") from None
