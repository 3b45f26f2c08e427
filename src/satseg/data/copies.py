"""A copy of the tile store on this machine's own disk."""

import atexit
import os
import re
import shutil
import tempfile
from pathlib import Path

from satseg.files import remove, room
from satseg.processes import OWNER, Owner, this_process
from satseg.progress import log


def local_copy(folder: str | Path) -> Path:
    """Copy a folder's files to a temporary folder (below `$TMPDIR`) that is removed when this
    process ends, or by the next copy if it is killed; returns the copy."""
    _sweep_copies(Path(tempfile.gettempdir()))
    copy = Path(tempfile.mkdtemp(prefix=f"satseg-{this_process()}-"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    with room(copy):
        for file in Path(folder).iterdir():
            if file.is_file() and not file.name.startswith("."):
                shutil.copyfile(file, copy / file.name)
    log.info("%s has been copied to %s", folder, copy)
    return copy


def _sweep_copies(folder: Path) -> None:
    """Remove the copies of this user's processes that have been killed."""
    name = re.compile(rf"satseg-({OWNER})-\w+")
    for leftover in folder.iterdir():
        match = name.fullmatch(leftover.name)
        if match and Owner.named(match[1]).has_ended and leftover.lstat().st_uid == os.getuid():
            remove(leftover)
