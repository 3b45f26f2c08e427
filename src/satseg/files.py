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
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from satseg.errors import UserError
from satseg.processes import OWNER, Owner, this_process

FULL = 2**20  # bytes: with fewer left, a write that fails is taken to have run out of space
LONG = 150  # bytes: names from here on have no room for an addition
DAY = 86400  # seconds
TEMPORARY = re.compile(rf"\..+\.({OWNER})\.(tmp|old)(\..+)?")


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it if the block succeeds, remove it if it fails.

    The content is on the disk before it takes its name: a power cut leaves the old file or the new.

    Raises:
        UserError: the disk is full.
    """
    with together(path) as (temporary,):
        yield temporary


@contextmanager
def together(*paths: str | Path) -> Iterator[list[Path]]:
    """`atomic` for several files: all take their names, or none does.

    Old files give up theirs first: however the process ends, old and new never stand side by side.

    Raises:
        UserError: the disk is full.
    """
    files = [Path(path) for path in paths]
    with ExitStack() as stack:
        temporaries = [stack.enter_context(_temporary(path)) for path in files]
        yield temporaries

        for temporary, path in zip(temporaries, files, strict=True):
            flush(temporary)
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        named = zip(temporaries, files, strict=True)
        _rename({temporary: path for temporary, path in named if temporary != path})
        for folder in {path.parent for path in files}:
            flush(folder)


def _rename(files: dict[Path, Path]) -> None:
    """Give temporary files their names, or leave everything as it was."""
    if len(files) < 2:
        for temporary, path in files.items():
            temporary.replace(path)
        return

    old = {}
    new = []
    try:
        for path in files.values():
            if os.path.lexists(path):
                kept = temporary_name(path, "old")
                path.rename(kept)
                old[path] = kept
        for temporary, path in files.items():
            temporary.rename(path)
            new.append(path)
    except BaseException:
        for path in new:
            path.unlink()
        for path, kept in old.items():
            kept.rename(path)
        raise
    for kept in old.values():
        kept.unlink()


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, which is removed if it still exists in the end."""
    if TEMPORARY.fullmatch(path.name):
        # The block that made it sees to it; one of its own would be left by a killed process.
        yield path
        return

    temporary = temporary_name(path)
    try:
        with new_folders(path.parent), room(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            sweep(path)
            try:
                yield temporary
            finally:
                with suppress(OSError):
                    temporary.unlink()
    except OSError as error:
        if error.filename and Path(error.filename) == temporary:
            error.filename = str(path)
        raise


@contextmanager
def new_folders(folder: Path) -> Iterator[None]:
    """A block that may create a folder and those around it; new ones left empty are removed."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        yield
    finally:
        with suppress(OSError):
            for place in missing:
                place.rmdir()


@contextmanager
def scratch_folder(path: str | Path) -> Iterator[Path]:
    """A folder beside `path` that exists as long as the block, and no longer than the next run."""
    sweep(path)
    folder = temporary_name(Path(path))
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def temporary_name(path: Path, kind: str = "tmp") -> Path:
    """What only this process, of all on any machine, may write beside `path`: hidden."""
    # The suffix stays last: several writers choose the format by it.
    return path.with_name(f".{_label(path)}.{this_process()}.{kind}{path.suffix}")


def _label(path: Path) -> str:
    """The name without its suffix, or its digest if it is too long for an addition."""
    encoded = os.fsencode(path.stem)
    return path.stem if len(encoded) < LONG else hashlib.sha256(encoded).hexdigest()


def sweep(path: str | Path, sole: bool = False) -> None:
    """Remove what killed processes left beside or below `path` while they were writing it.

    Args:
        path: a file or folder.
        sole: whether no other process can be writing it: then what another machine, or this one
            before its last start, has not changed for a day is removed too.
    """
    path = Path(path)
    label = re.escape(_label(path))
    beside = re.compile(rf"\.{label}\.({OWNER})\.(tmp|old){re.escape(path.suffix)}")
    for folder, name in ((path.parent, beside), (path, TEMPORARY)):
        if folder == path and not (sole and path.is_dir()):
            continue
        for leftover in folder.iterdir():
            match = name.fullmatch(leftover.name)
            if match and _is_left(leftover, Owner.named(match[1]), sole):
                remove(leftover)


def _is_left(leftover: Path, owner: Owner, sole: bool) -> bool:
    """Whether the process that wrote a file has ended."""
    if owner.is_visible or not sole:
        return owner.has_ended
    with suppress(FileNotFoundError):
        return time.time() - leftover.lstat().st_mtime > DAY
    return False


def remove(path: Path) -> None:
    """Remove a file, a link or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


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
        if not str(path.relative_to(root)).isprintable():
            _check_name(path)
        if path.is_symlink() and not path.exists():
            raise UserError(f"{path}: a broken link; remove it, or put the file there")
        if not path.is_file():
            raise UserError(
                f"{path}: neither a file nor a folder; remove it, or put the file there"
            )
    return sorted(files)


def _check_name(path: Path) -> None:
    """Refuse a name that tables and lists cannot hold."""
    try:
        path.name.encode()
        str(path.parent).encode()
    except UnicodeEncodeError:
        raise UserError(f"{str(path)!a}: its name is not UTF-8; rename it") from None


def local_copy(folder: str | Path) -> Path:
    """Copy a folder's files to one below `$TMPDIR`, which goes with this process or by the next."""
    _sweep_copies(Path(tempfile.gettempdir()))
    copy = Path(tempfile.mkdtemp(prefix=f"satseg-{this_process()}-"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    with room(copy):
        for file in Path(folder).iterdir():
            if file.is_file() and not file.name.startswith("."):
                shutil.copyfile(file, copy / file.name)
    logging.getLogger("satseg").info("%s has been copied to %s", folder, copy)
    return copy


def _sweep_copies(folder: Path) -> None:
    """Remove the copies of this user's processes that have been killed."""
    name = re.compile(rf"satseg-({OWNER})-\w+")
    for leftover in folder.iterdir():
        match = name.fullmatch(leftover.name)
        if match and Owner.named(match[1]).has_ended and leftover.lstat().st_uid == os.getuid():
            remove(leftover)
