"""Pixels of an image file as models see them: the chosen bands, in order, as uint8."""

from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from satseg.config.datasets import Pixels
from satseg.data.layout import Scene
from satseg.data.opening import open_image, open_mask
from satseg.data.registration import mask_turn
from satseg.data.transparency import alpha_band, hidden_pixels, hides, holds_data
from satseg.errors import UserError
from satseg.text import counted

# Bytes of decoded blocks: strips are read once only, and GDAL would keep 5 % of the RAM.
BLOCK_CACHE = 64 * 2**20

# What a file may declare a band to be that models cannot use, and what to do.
PALETTE = "its values are palette indices, not brightness; save it as RGB"
INKS = "its bands are printing inks (CMYK); save it as RGB"
TRANSPARENCY = (
    "band {band} is marked as transparency; set the dataset's pixels.bands to {others}, which "
    "hides pixels where it is 0, or to {every} if it is data"
)
DATA = (
    "band {band} is marked as transparency, but holds data, such as near infrared; set the "
    "dataset's pixels.bands to {every} to use it, or to {others} to leave it out"
)
DARK = 2 * 255  # a `scale` that ends above this makes an 8-bit image nearly black


def band_count(file: rasterio.DatasetReader, path: str | Path, pixels: Pixels) -> int:
    """Number of bands that `read_bands` takes of an image.

    Raises:
        UserError: it lacks a band, a band is not brightness (palette, inks, transparency), its
            values are not 8-bit and nothing says how to scale them, or they are 8-bit and scaled
            as if they were wider.
    """
    beyond = [band for band in pixels.bands or [] if band > file.count]
    if beyond:
        raise UserError(
            f"{path}: has no band {beyond[0]}, only {file.count}; correct the dataset's "
            f"pixels.bands"
        )

    bands = selected_bands(file, pixels)
    _check_meaning(file, path, pixels)

    dtypes = {file.dtypes[band - 1] for band in bands}
    listed = "/".join(sorted(dtypes))
    if any(np.dtype(dtype).kind not in "uif" for dtype in dtypes):
        raise UserError(f"{path}: {listed} pixels; save it as integers or floats")
    if not pixels.scale and dtypes != {"uint8"}:
        raise UserError(
            f"{path}: {listed} pixels, but models take 8 bits (uint8); set the dataset's "
            f"pixels.scale to the values that become 0 and 255, such as [0, 10000]"
        )
    if pixels.scale and len(pixels.scale) not in (1, len(bands)):
        raise UserError(
            f"{path}: {counted(len(bands), 'band')}; the dataset's pixels.scale has "
            f"{counted(len(pixels.scale), 'pair')}"
        )
    highest = max((high for _, high in pixels.scale or []), default=0)
    if "uint8" in dtypes and highest > DARK:
        raise UserError(
            f"{path}: 8-bit pixels, which the dataset's pixels.scale up to {highest:g} makes "
            f"black; convert it to the values of the other images "
            f"(gdal_translate -ot … -scale …), or remove it"
        )
    return len(bands)


def _check_meaning(file: rasterio.DatasetReader, path: str | Path, pixels: Pixels) -> None:
    """Refuse bands that are not brightness, unless the dataset names its bands; a palette is
    refused in any case."""
    meanings = file.colorinterp
    if ColorInterp.palette in meanings:
        raise UserError(f"{path}: {PALETTE}")
    if pixels.bands:
        return
    if ColorInterp.cyan in meanings:
        raise UserError(f"{path}: {INKS}")
    band = alpha_band(file)
    if band:
        every = list(file.indexes)
        others = [other for other in every if other != band]
        message = DATA if holds_data(file, band) else TRANSPARENCY
        raise UserError(f"{path}: {message.format(band=band, others=others, every=every)}")


def hides_pixels(file: rasterio.DatasetReader, pixels: Pixels) -> bool:
    """Whether a mask of the file or a transparent band hides some of the pixels that are read."""
    return hides(file, selected_bands(file, pixels))


def read_bands(
    file: rasterio.DatasetReader,
    pixels: Pixels,
    masked: bool,
    window: Window | None = None,
    **options,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Read a part of an image.

    Args:
        file: the opened image; `band_count` has accepted it.
        pixels: which bands, and how they are scaled.
        masked: what `hides_pixels` says of it.
        window: the part; None for all of it.
        options: further arguments of rasterio's `read`.

    Returns:
        uint8 [h, w, C], and bool [h, w] where the file hides a pixel, or all these bands hold its
        no-data value or NaN; None instead if the file can hold no such pixel.
    """
    values, missing = read_values(file, pixels, masked, window, **options)
    stored = scaled(values, pixels)
    if missing is not None:
        stored[missing] = 0
        missing = missing.all(0)
    return stored.transpose(1, 2, 0), missing


def read_values(
    file: rasterio.DatasetReader,
    pixels: Pixels,
    masked: bool,
    window: Window | None = None,
    **options,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Read a part of an image as it is, with the arguments of `read_bands`.

    Returns:
        [C, h, w], and bool [C, h, w] where there is no data; None if there is data everywhere.
    """
    bands = selected_bands(file, pixels)

    if not options:
        # A pixel's bands side by side, as in tiles and in most files, so that nothing has to be
        # rearranged later.
        height, width = (window.height, window.width) if window else file.shape
        dtype = np.result_type(*(file.dtypes[band - 1] for band in bands))
        options["out"] = np.empty((height, width, len(bands)), dtype).transpose(2, 0, 1)
    values = file.read(bands, window=window, **options)

    missing = no_data(values, [file.nodatavals[band - 1] for band in bands])
    if masked:
        hidden = hidden_pixels(file, bands, values.shape[1:], window)
        missing = np.broadcast_to(hidden, values.shape) if missing is None else missing | hidden
    return values, missing


def selected_bands(file: rasterio.DatasetReader, pixels: Pixels) -> list[int]:
    """The bands to read, counted from 1."""
    return pixels.bands or list(range(1, file.count + 1))


def scaled(values: np.ndarray, pixels: Pixels) -> np.ndarray:
    """Bands [C, h, w] as uint8: the low value becomes 0 and the high one 255, linearly; NaN becomes
    0."""
    if not pixels.scale:
        return values

    pairs = np.array(pixels.scale)
    if len(pairs) == 1:
        pairs = pairs.repeat(len(values), 0)

    # 32-bit floats hold 16-bit values exactly, but lose digits of wider ones.
    dtype = np.result_type(values.dtype, np.float32)
    low = pairs[:, 0, None, None].astype(dtype)
    high = pairs[:, 1, None, None].astype(dtype)
    shares = (values.astype(dtype) - low) / (high - low)
    return np.rint(np.nan_to_num(shares, nan=0.0).clip(0, 1) * 255).astype(np.uint8)


def no_data(values: np.ndarray, nodata: list[float | None]) -> np.ndarray | None:
    """Where a band holds its own no-data value or NaN: bool [C, h, w]; None if it can hold
    neither."""
    is_float = values.dtype.kind == "f"
    if not is_float and all(value is None for value in nodata):
        return None

    missing = np.isnan(values) if is_float else np.zeros(values.shape, bool)
    for band, value in enumerate(nodata):
        if value is not None:
            missing[band] |= values[band] == value
    return missing


def scene_shape(scene: Scene, pixels: Pixels) -> tuple[int, int, int]:
    """Height, width and bands of a scene, after checking that its mask fits.

    Raises:
        UserError: a file cannot be read, its pixels are not of the expected type, or image and mask
            differ in size or in the ground they show.
    """
    with open_image(scene.image) as image, open_mask(scene) as mask:
        bands = band_count(image, scene.image, pixels)
        if any(np.dtype(dtype).kind not in "ui" for dtype in mask.dtypes):
            raise UserError(
                f"{scene.mask}: {mask.dtypes[0]} pixels, but masks hold integers; save it as 8 or "
                f"16 bits"
            )
        mask_turn(image, mask, scene)
        if image.shape != mask.shape:
            raise UserError(
                f"{scene.mask}: {mask.width}×{mask.height} pixels, but its image "
                f"{scene.image.name} has {image.width}×{image.height}; make them the same size"
            )
        return image.height, image.width, bands
