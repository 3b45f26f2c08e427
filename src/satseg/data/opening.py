"""How an image, a mask or a scene is opened, and what of it is never opened."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from satseg.data.layout import Scene
from satseg.data.vectors import rasterised
from satseg.errors import UserError, out_of_memory

# The kinds of files that hold their pixels themselves, as GDAL calls them.
DRIVERS = (
    "GTiff", "COG", "PNG", "JPEG", "JP2OpenJPEG", "BMP", "GIF", "WEBP", "PNM", "HFA", "ENVI",
)  # fmt: skip
SIDECARS = (".ovr", ".OVR", ".msk", ".MSK")  # what GDAL opens with an image, whatever it is
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
HEAD = 1024  # bytes: where GDAL looks for what a file is
SPACE = b"\xef\xbb\xbf \t\r\n"  # and a mark of UTF-8
UNREADABLE = "not a readable image; replace the file"
DESCRIPTION = (
    "describes an image that lies elsewhere (such as VRT or WMS), and holds none; replace it by "
    "the image"
)


def open_image(path: Path) -> rasterio.DatasetReader:
    """Open an image or a mask of a dataset, which may come from a stranger.

    It must hold its pixels itself: a description of another image, such as a VRT or a WMS, would
    read any file of this machine, or ask any address.

    Raises:
        UserError: it is not readable, or describes another image.
    """
    for sidecar in (path.with_name(path.name + ending) for ending in SIDECARS):
        if sidecar.is_file():
            if not _start(sidecar).startswith(TIFF):
                raise UserError(f"{sidecar}: {DESCRIPTION}")
            open_image(sidecar).close()  # it may have such files beside it, too

    image = _opened(path, DRIVERS)
    if image is None:
        if path.is_file() and _start(path).lstrip(SPACE).startswith((b"<", b"{")):
            raise UserError(f"{path}: {DESCRIPTION}")
        raise UserError(f"{path}: {UNREADABLE}")
    if image.tags(ns="OVERVIEWS").get("OVERVIEW_FILE"):
        image.close()
        raise UserError(f"{path}: names a file of overviews to read instead; remove its .aux.xml")
    return image


def open_mask(scene: Scene) -> rasterio.DatasetReader:
    """Open the mask of a scene; polygons become an image in memory, on the grid of the scene's.

    Raises:
        UserError: it is not readable.
    """
    if scene.labels is None:
        return open_image(scene.mask)
    with open_image(scene.image) as image:
        return rasterised(scene, image)


def open_scene(path: str | Path) -> rasterio.DatasetReader:
    """Open what the user names: an image of any kind, a description of one, or an address.

    Raises:
        UserError: it is not a readable image.
        OSError: the system does not let it be read.
    """
    scene = _opened(path, [None])
    if scene is None:
        is_file = "://" in str(path) or str(path).startswith("/vsi") or Path(path).exists()
        raise UserError(f"{path}: {UNREADABLE if is_file else 'no such file; correct the path'}")
    return scene


@contextmanager
def pixels_of(path: str | Path, where: str = "") -> Iterator[None]:
    """A block that reads pixels of an opened file.

    Args:
        path: the file, for the message.
        where: which part of it is read, such as ` near row 0`.

    Raises:
        UserError: it is damaged.
        MemoryError: there is not enough of it.
    """
    try:
        with rasterio.Env():  # GDAL reports errors per thread
            yield
    except RasterioError as error:
        if out_of_memory(error):
            raise MemoryError from None
        raise UserError(f"{path}: damaged{where}; replace the file") from None


def _opened(path: str | Path, drivers: Sequence[str | None]) -> rasterio.DatasetReader | None:
    """The file as the first of these drivers reads it; None stands for any."""
    for driver in drivers:
        # Whether an image needs a place is up to what is done with it.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            try:
                return rasterio.open(path, driver=driver)
            except RasterioError as error:
                if out_of_memory(error):
                    raise MemoryError from None
    # GDAL does not tell a file that may not be read from one that is not an image.
    with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError), Path(path).open("rb"):
        pass
    return None


def _start(file: Path) -> bytes:
    with file.open("rb") as content:
        return content.read(HEAD)
