"""Which scenes a model can predict."""

import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import rasterio
from rasterio.enums import ColorInterp

from satseg.config.datasets import Pixels
from satseg.data.images import PALETTE
from satseg.data.origin import pixel_size
from satseg.data.transparency import alpha_band, hides, holds_data
from satseg.errors import UserError
from satseg.models.segmenter import Segmenter
from satseg.progress import log
from satseg.text import counted

IMAGES = {".tif", ".tiff", ".jp2", ".img", ".png", ".jpg", ".jpeg"}  # in a zip
COARSER = 1.25  # by this factor, pixels may be larger or smaller than those of the training images


class AcceptedScene(NamedTuple):
    """An opened scene that fits the model."""

    file: rasterio.DatasetReader
    path: str | Path
    pixels: Pixels
    """The bands that the model sees, and how they are scaled."""
    masked: bool
    """Whether an alpha band or a mask hides pixels."""


def unpacked(scene: str | Path) -> str | Path:
    """What GDAL opens for a scene: the image inside, if it is a zip.

    Raises:
        UserError: it is a folder, or a zip that is damaged or does not hold exactly one image.
    """
    path = Path(scene)
    if path.is_dir():
        raise UserError(
            f"{path}: a folder; name an image in it, or give all of them an entry in `predictions` "
            f"(docs/predict.md)"
        )
    if path.suffix.lower() != ".zip" or not path.is_file():
        return scene  # a path would lose the second slash of an address or of `/vsizip//folder/…`

    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.replace("\\", "/") for name in archive.namelist()]  # as GDAL calls them
    except zipfile.BadZipFile:
        raise UserError(f"{path}: not a complete zip archive; get it again") from None
    inside = f"/vsizip/{path.resolve()}"
    images = [name for name in names if _is_image(name)]
    if len(images) != 1:
        example = f", such as {inside}/{images[0]}" if images else ""
        raise UserError(
            f"{path}: holds {counted(len(images), 'image')}, not one; unpack it, or name the one "
            f"to predict{example}"
        )
    return f"{inside}/{images[0]}"


def _is_image(name: str) -> bool:
    """Whether an entry of a zip is an image; hidden ones are what systems put beside images."""
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower() in IMAGES and not hidden


def accept(
    file: rasterio.DatasetReader,
    path: str | Path,
    members: Sequence[Segmenter],
    georeferenced: bool = False,
) -> AcceptedScene:
    """Accept a scene that is like those the models were trained on.

    Args:
        file: the opened scene.
        path: its path, for messages.
        members: trained models that `check_members` accepts; images of one dataset may differ from
            another's in type and pixel size.
        georeferenced: whether the scene must have a position on the globe.

    Raises:
        UserError: its bands, pixel type or pixel size are not those of the training images, or it
            has no position but needs one.
    """
    if ColorInterp.palette in file.colorinterp:
        raise UserError(f"{path}: {PALETTE}")

    bands = _bands(file, path, members[0])
    metres = pixel_size(file)
    for member in _of_each_origin(members):
        _check_types(file, path, member, bands)
        _check_resolution(metres, path, member)
    if georeferenced and not metres:
        raise UserError(
            f"{path}: has no known position on the globe, which polygons need; leave them out"
        )

    alpha = alpha_band(file)
    if alpha and alpha not in bands and holds_data(file, alpha):
        log.warning(
            "%s: band %d is marked as transparency, but holds data; it hides no pixel", path, alpha
        )

    pixels = members[0].origin.pixels.model_copy(update={"bands": bands})
    return AcceptedScene(file, path, pixels, hides(file, bands))


def _of_each_origin(members: Sequence[Segmenter]) -> list[Segmenter]:
    """The first model of each kind of training images: one of all seeds and folds of a dataset."""
    distinct: list[Segmenter] = []
    for member in members:
        if member.origin not in [known.origin for known in distinct]:
            distinct.append(member)
    return distinct


def _bands(file: rasterio.DatasetReader, path: str | Path, segmenter: Segmenter) -> list[int]:
    """The bands that the model sees, counted from 1; an alpha band is one only if it is needed."""
    colours = [band for band in file.indexes if file.colorinterp[band - 1] != ColorInterp.alpha]
    trained_on = segmenter.origin.pixels.bands
    if trained_on:
        bands = trained_on
    elif len(colours) == segmenter.bands:
        bands = colours
    else:
        bands = list(file.indexes)

    if len(bands) != segmenter.bands or max(bands) > file.count:
        wanted = counted(segmenter.bands, "band")
        if trained_on:
            wanted = f"the bands {', '.join(map(str, bands))}"
        raise UserError(
            f"{path}: {counted(len(colours), 'band')}, but the model was trained on {wanted}; "
            f"choose a scene with the same bands in the same order (gdal_translate -b selects them)"
        )
    return bands


def _check_types(
    file: rasterio.DatasetReader, path: str | Path, segmenter: Segmenter, bands: list[int]
) -> None:
    known = segmenter.origin.dtypes
    unknown = sorted({file.dtypes[band - 1] for band in bands} - set(known))
    if unknown:
        raise UserError(
            f"{path}: {unknown[0]} pixels, but the model was trained on {'/'.join(known)}; convert "
            f"its values to the range of the training images (gdal_translate -ot … -scale …)"
        )


def _check_resolution(metres: float | None, path: str | Path, segmenter: Segmenter) -> None:
    """Refuse pixels of another size than those of the training images, where both are known."""
    if segmenter.origin.metres is None:
        return

    smallest, largest = segmenter.origin.metres
    known = f"{smallest:.3g} m"
    if f"{largest:.3g} m" != known:
        known = f"{smallest:.3g} to {largest:.3g} m"
    if not metres:
        log.warning("%s: has no known pixel size; the model was trained on %s", path, known)
    elif not smallest / COARSER <= metres <= largest * COARSER:
        raise UserError(
            f"{path}: pixels of {metres:.3g} m, but the model was trained on {known}; resample "
            f"it (--resample model), or train on images like it"
        )
