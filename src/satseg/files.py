"""Writing files whole or not at all, and naming them by content."""

import atexit
import errno
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from satseg.errors import UserError

FULL = 2**20  # bytes: with fewer left, what fails while it writes failed for want of space


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it when the block ends well, remove it when it
    does not.

    The content is on the disk before it takes its name: a power cut leaves the old file or the new
        one.

    Raises:
        UserError: the disk is full.
    """
    path = Path(path)
    # The suffix stays last: several writers choose the format by it.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    new = not path.parent.exists()
    try:
        with room(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            _sweep(path)
            yield temporary
            flush(temporary)
            temporary.replace(path)
            flush(path.parent)
    except OSError as error:
        if error.filename and Path(error.filename) == temporary:
            error.filename = str(path)
        raise
    finally:
        with suppress(OSError):
            temporary.unlink()
        if new:
            with suppress(OSError):
                path.parent.rmdir()  # where nothing came of it


def _sweep(path: Path) -> None:
    """Remove what processes that were killed while they wrote `path` left beside it."""
    start, end = f".{path.stem}.", f".tmp{path.suffix}"
    for left in path.parent.iterdir():
        pid = left.name.removeprefix(start).removesuffix(end)
        if (
            pid.isdecimal()
            and left.name == f"{start}{pid}{end}"
            and not psutil.pid_exists(int(pid))
        ):
            left.unlink(missing_ok=True)


@contextmanager
def together(*paths: str | Path) -> Iterator[list[Path]]:
    """`atomic` for several files: none of them takes its name before all are written."""
    with ExitStack() as stack:
        yield [stack.enter_context(atomic(path)) for path in paths]


@contextmanager
def room(folder: str | Path) -> Iterator[None]:
    """A block that writes into `folder`.

    Raises:
        UserError: its disk is full, in whatever way the library that writes says so.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        if not _is_full(error, Path(folder)):
            raise
        raise UserError(
            f"{folder}: no space left on its disk; free some and run the same command again"
        ) from error


def _is_full(error: OSError | RuntimeError, folder: Path) -> bool:
    number = getattr(error, "errno", None)
    if number is not None:
        return number in (errno.ENOSPC, errno.EDQUOT)
    # torch and GDAL have errors of their own, in which the system's number is lost.
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free < FULL


def flush(path: str | Path) -> None:
    """Wait until a file's content, or a folder's names, are on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def write_json(path: str | Path, value: Any) -> None:
    """Write indented JSON, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(
            json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )


def sha256(path: str | Path) -> str:
    """Hex digest of a file's content."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_below(root: str | Path) -> list[Path]:
    """Every file below a folder, in order; links are followed, but into no folder twice.

    Raises:
        UserError: there is no such folder, it cannot be read to the end, or holds something that is
            no file.
    """
    if not Path(root).is_dir():
        raise UserError(f"{root}: no such folder; check `path`, or get the data again")

    def stop(error: OSError):
        raise error

    found, seen = [], set()
    for folder, below, names in os.walk(root, followlinks=True, onerror=stop):
        seen.add(os.path.realpath(folder))
        below[:] = [name for name in below if os.path.realpath(Path(folder, name)) not in seen]
        found += (Path(folder, name) for name in names)
    strange = next((path for path in found if not path.is_file()), None)
    if strange:
        what = "a link to nothing" if strange.is_symlink() else "neither a file nor a folder"
        raise UserError(f"{strange}: {what}; remove it, or put the file there")
    return sorted(found)


def local_copy(folder: str | Path) -> Path:
    """Copy a folder's files below the temporary folder (`$TMPDIR`), until this process ends;
    returns the copy."""
    copy = Path(tempfile.mkdtemp(prefix="satseg-"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    with room(copy):
        for file in Path(folder).iterdir():
            shutil.copyfile(file, copy / file.name)
    logging.getLogger("satseg").info("%s is copied to %s", folder, copy)
    return copy
