"""Unpacking archives that somebody else made."""

import stat
import zipfile
from pathlib import Path, PurePosixPath

from satseg.errors import UserError

MOST_BYTES = 500 * 2**30


def unpack(archive: str | Path, folder: str | Path) -> None:
    """Unpack a zip into `folder`.

    Raises:
        UserError: not a zip, damaged, or an entry that would leave the folder, is a link, or is far too large.
    """
    archive, folder = Path(archive), Path(folder)
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = opened.infolist()
            for entry in entries:
                name = PurePosixPath(entry.filename.replace("\\", "/"))
                if name.is_absolute() or ".." in name.parts or ":" in name.parts[0]:
                    raise UserError(f"{archive}: entry {entry.filename!r} leads outside the archive; not unpacked")
                if stat.S_ISLNK(entry.external_attr >> 16):
                    raise UserError(f"{archive}: entry {entry.filename!r} is a link; not unpacked")
            if sum(e.file_size for e in entries) > MOST_BYTES:
                raise UserError(f"{archive}: would unpack to more than {MOST_BYTES >> 30} GiB; not unpacked")
            opened.extractall(folder)
    except zipfile.BadZipFile:
        raise UserError(f"{archive}: not a whole zip archive; get it again") from None
