"""Writing files whole or not at all, and naming them by content."""

import atexit
import errno
import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from satseg.errors import UserError

FULL = 2**20  # bytes: with fewer left, a write that fails is taken to have run out of space


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it if the block succeeds, remove it if it fails.

    The content is on the disk before it takes its name: a power cut leaves the old file or the new
    one.

    Raises:
        UserError: the disk is full.
    """
    path = Path(path)
    # The suffix stays last: several writers choose the format by it.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    new_folder = not path.parent.exists()
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
        if new_folder:
            with suppress(OSError):
                path.parent.rmdir()  # if it is empty


def _sweep(path: Path) -> None:
    """Remove what killed processes left beside `path` while they were writing it."""
    name = re.compile(rf"\.{re.escape(path.stem)}\.(\d+)\.tmp{re.escape(path.suffix)}")
    for leftover in path.parent.iterdir():
        match = name.fullmatch(leftover.name)
        if match and not psutil.pid_exists(int(match[1])):
            leftover.unlink(missing_ok=True)


@contextmanager
def together(*paths: str | Path) -> Iterator[list[Path]]:
    """`atomic` for several files: none takes its name before all are written."""
    with ExitStack() as stack:
        yield [stack.enter_context(atomic(path)) for path in paths]


@contextmanager
def room(folder: str | Path) -> Iterator[None]:
    """A block that writes into `folder`.

    Raises:
        UserError: its disk is full, however the library that writes reports it.
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
    # torch and GDAL raise errors of their own, without the system's error number.
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free < FULL


def flush(path: str | Path) -> None:
    """Wait until a file's content, or a folder's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: str | Path, value: Any) -> None:
    """Write indented JSON, atomically."""
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256(path: str | Path) -> str:
    """Hex digest of a file's content."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_below(root: str | Path) -> list[Path]:
    """Every file below a folder, in order; links are followed, but no folder is entered twice.

    Raises:
        UserError: there is no such folder, it cannot be read completely, or it holds something that
            is not a file.
    """
    if not Path(root).is_dir():
        raise UserError(f"{root}: no such folder; check `path`, or get the data again")

    def stop(error: OSError):
        raise error

    files = []
    entered = set()
    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=stop):
        entered.add(os.path.realpath(folder))
        subfolders[:] = [
            name for name in subfolders if os.path.realpath(Path(folder, name)) not in entered
        ]
        files += [Path(folder, name) for name in names]

    for path in files:
        if path.is_symlink() and not path.exists():
            raise UserError(f"{path}: a broken link; remove it, or put the file there")
        if not path.is_file():
            raise UserError(
                f"{path}: neither a file nor a folder; remove it, or put the file there"
            )
    return sorted(files)


def local_copy(folder: str | Path) -> Path:
    """Copy a folder's files to a temporary folder (below `$TMPDIR`) that is removed when this
    process ends; returns the copy."""
    copy = Path(tempfile.mkdtemp(prefix="satseg-"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    with room(copy):
        for file in Path(folder).iterdir():
            shutil.copyfile(file, copy / file.name)
    logging.getLogger("satseg").info("%s has been copied to %s", folder, copy)
    return copy
