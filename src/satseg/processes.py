"""Which process a file belongs to, and how a process ends with the one that started it."""

import ctypes
import os
import re
import signal
import socket
import threading
import time
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, Self

import psutil

STARTER = "SATSEG_STARTER"  # of the environment: the Snakemake process that runs the jobs
PR_SET_PDEATHSIG = 1  # of Linux: the signal to get when the parent ends
PAUSE = 0.2  # seconds between two looks at another process
OWNER = r"([0-9a-f]{8})-([0-9a-f]{8})-(\d+)"

# Other process → the signal this one gets when that has ended.
_watched: dict[int, int] = {}


class Owner(NamedTuple):
    """A process, named so that no other machine, container or start of this machine has another of
    the same name."""

    host: str
    boot: str
    pid: int

    def __str__(self) -> str:
        return f"{self.host}-{self.boot}-{self.pid}"

    @classmethod
    def named(cls, text: str) -> Self | None:
        """The owner of this name; None if it is none."""
        match = re.fullmatch(OWNER, text)
        return cls(match[1], match[2], int(match[3])) if match else None

    @property
    def is_visible(self) -> bool:
        """Whether this process would see it, if it ran."""
        return (self.host, self.boot) == _machine()

    @property
    def has_ended(self) -> bool:
        """Whether it has ended for certain: it ran where this process would see it."""
        return self.is_visible and not psutil.pid_exists(self.pid)


def this_process() -> Owner:
    """The owner of what this process writes."""
    return Owner(*_machine(), os.getpid())


@cache
def _machine() -> tuple[str, str]:
    """This host, and its current start; a container that numbers its processes by itself counts as
    a start of its own."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        boot += str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:  # not Linux
        boot = str(round(psutil.boot_time(), -2))
    return _short(socket.gethostname()), _short(boot)


def _short(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:8]


def starter() -> Owner | None:
    """The Snakemake process that runs this as a job; None if it was started otherwise."""
    return Owner.named(os.environ.get(STARTER, ""))


def end_with_starter(number: int = signal.SIGKILL) -> None:
    """Have this process end when Snakemake does, however Snakemake ends; do nothing if Snakemake
    did not start it.

    Args:
        number: the signal it gets then.

    Raises:
        SystemExit: Snakemake has ended already.
    """
    snakemake = starter()
    if snakemake is None:
        return
    if not snakemake.is_visible:  # this is a container
        end_with_parent(number)
        return

    parents = [parent.pid for parent in psutil.Process().parents()]
    if snakemake.pid not in parents:
        raise SystemExit("error: the Snakemake that started this has ended")
    if parents[0] == snakemake.pid:
        end_with_parent(number, snakemake.pid)
    else:  # a shell in between
        _watch(snakemake.pid, number)


def end_with_parent(number: int = signal.SIGKILL, parent: int | None = None) -> None:
    """Have this process get a signal when its parent ends, however that ends.

    Args:
        number: the signal.
        parent: the parent, if it is known; it may have ended already.
    """
    parent = parent or os.getppid()
    try:
        failed = ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
    except (AttributeError, OSError, TypeError):  # not Linux
        failed = True
    if failed:
        _watch(parent, number)
    elif os.getppid() != parent:  # it has ended meanwhile
        os.kill(os.getpid(), number)


def _watch(pid: int, number: int) -> None:
    """Send this process a signal once another has ended; the last signal asked for counts."""
    is_watched = pid in _watched
    _watched[pid] = number
    if not is_watched:
        threading.Thread(target=_look_after, args=(pid,), daemon=True).start()


def _look_after(pid: int) -> None:
    while _runs(pid):
        time.sleep(PAUSE)
    os.kill(os.getpid(), _watched[pid])


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
