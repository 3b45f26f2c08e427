"""Where weights come from: a weights file, a trained cell's folder, or a bundle."""

import io
import json
import zlib
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from zipfile import BadZipFile, ZipFile

from satseg.errors import UserError, is_innocent
from satseg.readers import read_json

WEIGHTS = "weights.pt"
ABOUT = "bundle.json"
CALIBRATION = "calibration.json"
FORMAT = 1

MOST_PACKED = 10  # bytes of weights or text that a packed one can hold
SMALL = 2**20  # bytes: of less than this, it is not asked
DAMAGED = (BadZipFile, zlib.error, KeyError, OSError, EOFError, NotImplementedError, RuntimeError)


class Source(NamedTuple):
    """Weights, and what is known about them beside what they hold."""

    name: Path
    """What messages call the weights."""
    weights: Path | BinaryIO
    """The file, or its content in memory if it lies in an archive."""
    about: dict[str, Any]
    """A bundle's `bundle.json`; of a cell its `temperature`; of a single file nothing."""


def find_weights(path: str | Path, epoch: str = "best") -> Source:
    """The weights at a path.

    Args:
        path: a weights file, the folder of a trained cell, or a bundle: a zip archive or a folder.
        epoch: of a cell, `best` or `final`; a bundle holds one.

    Raises:
        UserError: there is no such archive, or an archive or a folder that calls itself a bundle is
            none, or is damaged.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".zip" and not path.is_dir():
        if not path.exists():
            raise UserError(f"{path}: no such bundle; correct the path")
        return _unpacked(path)
    if suffix == ".pt" and not path.is_dir():
        return Source(path, path, {})
    if is_bundle(path):
        about = _about(path, (path / ABOUT).read_bytes())
        return Source(path / WEIGHTS, path / WEIGHTS, about)
    weights = path / f"{epoch}.pt"
    return Source(weights, weights, {"temperature": fitted_temperature(path, epoch)})


def fitted_temperature(run: Path, epoch: str) -> float:
    """The temperature of a trained cell; one if it was not calibrated, or with other weights.

    Raises:
        UserError: its file is damaged.
    """
    path = run / CALIBRATION
    if not path.is_file():
        return 1.0
    fitted = read_json(path, {"temperature": float, "weights": str})
    return fitted["temperature"] if fitted["weights"] == epoch else 1.0


def is_bundle(path: str | Path) -> bool:
    """Whether a folder calls itself a bundle."""
    return Path(path, ABOUT).is_file()


def _unpacked(path: Path) -> Source:
    """Only two files are read, by their names: nothing is unpacked onto the disk."""
    try:
        with ZipFile(path) as archive:
            about = _content(archive, ABOUT)
            weights = io.BytesIO(_content(archive, WEIGHTS))
    except DAMAGED as error:
        if is_innocent(error):
            raise
        raise UserError(
            f"{path}: not a bundle of satseg, or damaged; export it again with --bundle"
        ) from None
    return Source(path, weights, _about(path, about))


def _content(archive: ZipFile, name: str) -> bytes:
    """The content of an entry, unless it would unpack to far more than such content does."""
    entry = archive.getinfo(name)
    if entry.file_size > MOST_PACKED * max(entry.compress_size, SMALL):
        raise BadZipFile(name)
    return archive.read(entry)


def _about(path: Path, content: bytes) -> dict[str, Any]:
    try:
        about = json.loads(content)
        known = about["format"] == FORMAT
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise UserError(
            f"{path}: its {ABOUT} is damaged, or of another version of satseg; export it again "
            f"with --bundle"
        )
    return about
