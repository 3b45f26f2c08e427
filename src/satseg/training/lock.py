"""One run at a time writes into a cell."""

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import psutil

from satseg.errors import UserError
from satseg.progress import log

PATIENCE = 600  # seconds to wait for a run that is about to end
UNNAMED_PATIENCE = 5  # seconds to wait for one that has not yet written who it is
PAUSE = 0.2  # seconds between two tries
AGAIN = "run the same command again to resume"


class Stopped(SystemExit):
    """A run that was asked to stop has saved its state: exit status 75, the system's for "try
    again"."""

    def __init__(self, reason: str):
        super().__init__(os.EX_TEMPFAIL)
        log.warning("%s; %s", reason, AGAIN)


@contextmanager
def sole_writer(folder: Path, parent: int | None = None) -> Iterator[None]:
    """A block in which no other process, on this machine or another, may train in this folder.

    The kernel takes the lock back when its holder ends, however it ends.

    Args:
        folder: where the checkpoint lies.
        parent: process whose end will stop this run; None for none.

    Raises:
        UserError: another process trains there, and is not about to end.
    """
    lock = _lock(folder / "lock")
    try:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        holder = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "since": since,
            "parent": parent,
        }
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps(holder).encode(), 0)
        yield
    finally:
        with suppress(OSError):
            (folder / "lock").unlink()
            folder.rmdir()  # unless there is a checkpoint
        os.close(lock)


def _lock(path: Path) -> int:
    """Lock the file, once no other process holds it: its descriptor."""
    for turn in count():
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            # Not `flock`: the loader's processes would inherit it, and they outlive their parent
            # for seconds.
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The previous holder removes the file as it ends: a lock on a file without a name
            # keeps nobody out.
            if path.exists() and os.path.samestat(os.fstat(lock), path.stat()):
                return lock
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            _wait_for(_holder(lock), path.parent.parent, turn * PAUSE)
        os.close(lock)


def _holder(lock: int) -> dict:
    """What the holder of the lock wrote about itself; empty if it has not yet."""
    try:
        return json.loads(os.pread(lock, 1000, 0))
    except ValueError:
        return {}


def _wait_for(holder: dict, cell: Path, waited: float) -> None:
    """Wait a moment for a run that stops at its next step because its parent has ended; refuse to
    wait for any other."""
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
        raise UserError(f"{cell}: {who} is training this cell; wait for it, or stop it first")
    if left_behind and not waited:
        log.info(
            "%s: %s has lost its parent process and is about to stop; waiting for it", cell, who
        )
    time.sleep(PAUSE)
