"""Unpacking archives that somebody else made."""

import lzma
import os
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from satseg.errors import UserError
from satseg.files import room

# An archive may unpack to FAIR bytes or to RATIO times its own size, whichever is more, but never
# to more than MOST: images are already compressed, while archives made to fill a disk unpack to a
# thousand times their size and more.
FAIR = 2**30  # bytes
RATIO = 100
MOST = 500 * 2**30  # bytes
MANY = 2_000_000  # entries
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError)
ELSEWHERE = "unpack it yourself and set the dataset's `path` to its folder"
REFUSED = f"not unpacked: get another archive, or {ELSEWHERE}"


def unpack(archive: str | Path, folder: str | Path) -> None:
    """Unpack a zip into `folder`; archives inside it stay packed.

    Raises:
        UserError: it is not a zip, damaged or encrypted; an entry would leave the folder, is not an
            ordinary file or overwrites another; it unpacks to far too much; or the disk is full.
    """
    archive = Path(archive)
    folder = Path(folder)
    try:
        with zipfile.ZipFile(archive) as opened, room(folder):
            entries = opened.infolist()
            _check_entries(archive, entries)
            _check_size(archive, entries)
            for entry in entries:  # some programs on Windows write its separator
                entry.filename = entry.filename.replace("\\", "/")
            entries = _new_entries(archive, entries, folder)
            opened.extractall(folder, entries)
    except (*DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # bzip2 reports damage as a bare OSError
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{archive}: not a complete zip archive ({reason}); get it again, or set `path` to a "
            f"folder"
        ) from None
    except UnicodeError:
        raise UserError(
            f"{archive}: an entry's name is not the UTF-8 that it claims to be; {ELSEWHERE}"
        ) from None
    except NotImplementedError:
        raise UserError(
            f"{archive}: its compression method is not supported; {ELSEWHERE}"
        ) from None


def _check_entries(archive: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Raise unless every entry may be unpacked."""
    if len(entries) > MANY:
        raise UserError(
            f"{archive}: {len(entries):,} entries, over the limit of {MANY:,}; if it is genuine, "
            f"{ELSEWHERE}"
        )
    files: set[PurePosixPath] = set()
    folders: set[PurePosixPath] = set()

    for entry in entries:
        where = f"{archive}: entry {entry.filename!r}"
        name = PurePosixPath(entry.filename.replace("\\", "/"))
        if not name.parts or name.is_absolute() or ".." in name.parts or ":" in name.parts[0]:
            raise UserError(f"{where} leads outside the archive; {REFUSED}")

        file_type = stat.S_IFMT(entry.external_attr >> 16)
        if file_type == stat.S_IFLNK:
            raise UserError(f"{where} is a link; {REFUSED}")
        if file_type not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UserError(f"{where} is a device or a pipe; {REFUSED}")

        if entry.flag_bits & 1:
            raise UserError(f"{where} is encrypted; {ELSEWHERE}")

        if name in files or (not entry.is_dir() and name in folders) or files & set(name.parents):
            raise UserError(f"{where} would overwrite another one; {REFUSED}")
        folders |= set(name.parents)
        if entry.is_dir():
            folders.add(name)
        else:
            files.add(name)


def _new_entries(
    archive: Path, entries: list[zipfile.ZipInfo], folder: Path
) -> list[zipfile.ZipInfo]:
    """The entries that no other archive has put into the folder already.

    Raises:
        UserError: another one has put something else in an entry's place.
    """
    new = []
    for entry in entries:
        place = folder / entry.filename
        if not os.path.lexists(place):
            new.append(entry)
        elif entry.is_dir() != place.is_dir() or not (entry.is_dir() or _is_content(place, entry)):
            raise UserError(
                f"{archive}: entry {entry.filename!r} is in another archive too, with other "
                f"content; {REFUSED}"
            )
    return new


def _is_content(place: Path, entry: zipfile.ZipInfo) -> bool:
    """Whether a file has an entry's content, as far as the archive tells."""
    if place.stat().st_size != entry.file_size:
        return False
    checksum = 0
    with place.open("rb") as file:
        while chunk := file.read(2**20):
            checksum = zlib.crc32(chunk, checksum)
    return checksum == entry.CRC


def _check_size(archive: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Raise if the entries unpack to more than such an archive should hold."""
    unpacked = sum(entry.file_size for entry in entries)
    packed = archive.stat().st_size
    limit = min(MOST, max(FAIR, RATIO * packed))
    if unpacked > limit:
        raise UserError(
            f"{archive}: its {packed / 1e6:.3g} MB would unpack to {unpacked / 1e9:.3g} GB, over "
            f"the limit of {limit / 1e9:.3g} GB for an archive of this size; if it is genuine, "
            f"{ELSEWHERE}"
        )
