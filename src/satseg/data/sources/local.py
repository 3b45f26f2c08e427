"""A folder or zip that the user already has."""

from pathlib import Path

from satseg.data.archives import unpack
from satseg.errors import UserError


def locate(path: str, folder: Path) -> Path:
    """The folder with the scenes: `path` itself, or `folder` with the zip unpacked into it.

    Args:
        path: the user's folder or zip.
        folder: an empty folder to unpack into.

    Raises:
        UserError: `path` is neither a folder nor a zip.
    """
    given = Path(path).expanduser()
    if given.is_dir():
        return given.resolve()
    if given.is_file():
        unpack(given, folder)
        return folder
    raise UserError(f"path: {path}: no such folder or zip (relative paths start at {Path.cwd()})")
