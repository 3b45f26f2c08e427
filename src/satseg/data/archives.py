"""Unpacking archives that somebody else made."""

import lzma
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from satseg.errors import UserError
from satseg.files import room

# An archive is refused that unpacks to more than both, or to more than MOST: images are packed
# already, and what is made to fill a disk is a thousand times its size and more.
FAIR, RATIO = 2**30, 100  # bytes, and times its own size
MOST = 500 * 2**30  # bytes
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError)
ELSEWHERE = "unpack it yourself and set the dataset's `path` to its folder"


def unpack(archive: str | Path, folder: str | Path) -> None:
    """Unpack a zip into `folder`; archives inside it stay as they are.

    Raises:
        UserError: not a zip, damaged, encrypted, or an entry that would leave the folder, is no
            ordinary file, takes another's place, or is far too large; or the disk is full.
    """
    archive, folder = Path(archive), Path(folder)
    try:
        with zipfile.ZipFile(archive) as opened, room(folder):
            entries = opened.infolist()
            _check(archive, entries)
            opened.extractall(folder)
    except (*DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # bzip2 has no error of its own for damage
            raise
        what = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{archive}: not a whole zip archive ({what}); get it again, or set `path` to a folder"
        ) from None
    except NotImplementedError:
        raise UserError(f"{archive}: packed in a way that is not known here; {ELSEWHERE}") from None


def _check(archive: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Raise unless every entry may be unpacked."""
    no = f"not unpacked: get another archive, or {ELSEWHERE}"
    files: set[PurePosixPath] = set()
    folders: set[PurePosixPath] = set()
    for entry in entries:
        said, name = (
            f"{archive}: entry {entry.filename!r}",
            PurePosixPath(entry.filename.replace("\\", "/")),
        )
        if not name.parts or name.is_absolute() or ".." in name.parts or ":" in name.parts[0]:
            raise UserError(f"{said} leads outside the archive; {no}")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind == stat.S_IFLNK:
            raise UserError(f"{said} is a link; {no}")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UserError(f"{said} is a device or a pipe; {no}")
        if entry.flag_bits & 1:
            raise UserError(f"{said} is encrypted; {ELSEWHERE}")
        if name in files or (not entry.is_dir() and name in folders) or files & set(name.parents):
            raise UserError(f"{said} takes the place of another one; {no}")
        folders |= {name, *name.parents} if entry.is_dir() else set(name.parents)
        if not entry.is_dir():
            files.add(name)
    size, packed = sum(entry.file_size for entry in entries), archive.stat().st_size
    limit = min(MOST, max(FAIR, RATIO * packed))
    if size > limit:
        raise UserError(
            f"{archive}: its {packed / 1e6:.3g} MB would unpack to {size / 1e9:.3g} GB; more than {limit / 1e9:.3g} GB "
            f"is not believed; if it is right, {ELSEWHERE}"
        )
