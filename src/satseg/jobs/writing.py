"""One process at a time writes an output, and none writes over what it reads."""

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import NamedTuple

import psutil

from satseg.errors import UserError
from satseg.files import new_folders, sweep
from satseg.progress import log

PATIENCE = 600  # seconds to wait for a process that is about to end
UNNAMED_PATIENCE = 5  # seconds to wait for one that has not yet written who it is
PAUSE = 0.2  # seconds between two tries

# What stages read of the folders they are given.
READ = (
    "manifest.json",
    "images.npy",
    "masks.npy",
    "tiles.csv",
    "agreement.csv",
    "origin.json",
    "digests.json",
    "best.pt",
    "final.pt",
    "run.json",
)


class Output(NamedTuple):
    """What one process at a time may write."""

    path: Path
    """The file or folder."""
    lock: Path
    """The file to lock."""
    work: str = "writing it"
    """What its writer is doing."""


def file(path: str | Path) -> Output:
    """A file as output; it is locked by one beside it."""
    real = Path(os.path.realpath(path))
    return Output(Path(path), real.with_name(f".{real.name[:200]}.lock"))


def folder(path: str | Path) -> Output:
    """A folder as output; it is locked by a file in it."""
    return Output(Path(path), Path(os.path.realpath(path), ".lock"))


def cell(path: str | Path) -> Output:
    """The folder of a cell as output of its training."""
    return Output(Path(path), Path(path, "checkpoints", "lock"), "training this cell")


@contextmanager
def sole_writer(*outputs: Output, parent: int | None = None) -> Iterator[None]:
    """A block in which no other process, on this machine or another, may write these outputs.

    What killed processes left beside them is removed. The kernel takes the locks back when their
    holder ends, however it ends.

    Args:
        outputs: what is written.
        parent: process whose end will stop this one; None for none.

    Raises:
        UserError: another process writes one of them, and is not about to end.
    """
    with ExitStack() as stack:
        # Always in the same order: two processes with several outputs do not wait for each other.
        for output in sorted(set(outputs)):
            stack.enter_context(_locked(output, parent))
            sweep(output.path, sole=True)
        yield


@contextmanager
def _locked(output: Output, parent: int | None) -> Iterator[None]:
    with new_folders(output.lock.parent):
        try:
            lock = _lock(output)
        except OSError as error:
            given = {os.path.realpath(path): path for path in (output.path.parent, output.path)}
            given[str(output.lock)] = output.path
            error.filename = str(given.get(str(error.filename), error.filename))
            raise
        try:
            holder = {
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "since": datetime.now(UTC).isoformat(timespec="seconds"),
                "parent": parent,
            }
            os.ftruncate(lock, 0)
            os.pwrite(lock, json.dumps(holder).encode(), 0)
            yield
        finally:
            with suppress(OSError):
                output.lock.unlink()
            os.close(lock)


def _lock(output: Output) -> int:
    """Lock the file, once no other process holds it: its descriptor."""
    for turn in count():
        output.lock.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        lock = os.open(output.lock, flags, 0o666)
        try:
            # Not `flock`: the loader's processes would inherit it, and they outlive their parent
            # for seconds.
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The previous holder removes the file as it ends: a lock on a file without a name
            # keeps nobody out.
            if output.lock.exists() and os.path.samestat(os.fstat(lock), output.lock.stat()):
                return lock
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            _wait_for(_holder(lock), output, turn * PAUSE)
        os.close(lock)


def _holder(lock: int) -> dict:
    """What the holder of the lock wrote about itself; empty if it has not yet."""
    try:
        holder = json.loads(os.pread(lock, 1000, 0))
    except ValueError:
        return {}
    is_whole = isinstance(holder, dict) and {"host", "pid", "since"} <= holder.keys()
    return holder if is_whole else {}


def _wait_for(holder: dict, output: Output, waited: float) -> None:
    """Wait a moment for a process that stops because its parent has ended; refuse to wait for any
    other."""
    who = "another process"
    patience = UNNAMED_PATIENCE
    if holder:
        who = "process {pid} on {host}, since {since},".format(**holder)
        patience = 0

    here = holder.get("host") == socket.gethostname()
    parent = holder.get("parent")
    left_behind = here and parent is not None and not psutil.pid_exists(parent)
    if left_behind:
        patience = PATIENCE

    if waited >= patience:
        raise UserError(f"{output.path}: {who} is {output.work}; wait for it, or stop it first")
    if left_behind and not waited:
        log.info(
            "%s: %s has lost its parent process and is about to stop; waiting for it",
            output.path,
            who,
        )
    time.sleep(PAUSE)


def refuse_inputs(outputs: Iterable[str | Path], inputs: Iterable[str | Path]) -> None:
    """Refuse outputs that are inputs too, by whatever name or link.

    Args:
        outputs: files to write.
        inputs: files that are read, and folders that files are read from.

    Raises:
        UserError: an output is an input.
    """
    read = []
    for given in map(Path, inputs):
        read += [given, *(given / name for name in READ)] if given.is_dir() else [given]

    for output in map(Path, outputs):
        for given in read:
            same = os.path.realpath(output) == os.path.realpath(given)
            if same or (output.exists() and given.exists() and output.samefile(given)):
                raise UserError(
                    f"{output}: would be written over {given}, which is read; choose another name"
                )
