"""The frame of every stage: arguments, logging, and errors as one line."""

import argparse
import errno
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from tqdm import tqdm

from satseg.config import Strict
from satseg.errors import UserError
from satseg.slices import parse

log = logging.getLogger("satseg")
LOG_EVERY = 20.0  # seconds between lines about the progress, where there is no terminal for a bar
Item = TypeVar("Item")

# What to do about what the system refuses.
WAY = "see to that and run the same command again"
WAYS = {
    errno.ENOENT: "check the path, or run the stage that writes it",
    errno.EACCES: "change the permissions, or use another folder",
    errno.EPERM: "change the permissions, or use another folder",
    errno.EROFS: "use a folder that can be written to",
    errno.EEXIST: "it is in the way; remove it, or use another path",
    errno.ENOTDIR: "a part of the path is a file; remove it, or use another path",
    errno.EISDIR: "a file is expected there; remove the folder, or use another path",
    errno.ENOSPC: "free some space and run the same command again",
    errno.EDQUOT: "free some space and run the same command again",
}


def stage(
    name: str, about: str, slice_kind: type[Strict], run: Callable, paths: dict[str, str], **options: dict
) -> None:
    """Parse the command line and call `run(slice, **paths, **options)`.

    Args:
        name: the stage, as in `python -m satseg.stages.<name>`.
        about: what `--help` says it does.
        slice_kind: class of the configuration slice it takes.
        run: the work; `UserError` and `OSError` from it end in one line and exit status 1.
        paths: required file arguments and their help; `--tiles-dir` reaches `run` as `tiles_dir`.
        options: optional arguments, as keywords of `add_argument`.
    """
    parser = argparse.ArgumentParser(prog=f"python -m satseg.stages.{name}", description=about)
    parser.add_argument(
        "--slice",
        required=True,
        help=f"the configuration it needs: JSON, or a file of it ({slice_kind.__name__})",
    )
    for flag, text in paths.items():
        parser.add_argument(f"--{flag}", required=True, help=text)
    for flag, keywords in options.items():
        parser.add_argument(f"--{flag.replace('_', '-')}", **keywords)
    arguments = vars(parser.parse_args())
    guarded(name, lambda: run(parse(slice_kind, arguments.pop("slice")), **arguments))


def guarded(name: str, work: Callable[[], None]) -> None:
    """Do the work of a program: its log goes to stderr, `UserError` and `OSError` end in one line and status 1."""
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    log.setLevel(logging.INFO)
    try:
        work()
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {trouble(error, name)}")


def trouble(error: OSError, name: str) -> str:
    """One line for what the system refused: the file (or `name`, where it says none), what, and what to do."""
    what = " ".join((error.strerror or str(error) or type(error).__name__).split())
    return f"{error.filename or name}: {what[0].lower()}{what[1:]}; {WAYS.get(error.errno, WAY)}"


def watched(items: Iterable[Item], total: int, what: str, unit: str) -> Iterator[Item]:
    """Pass `total` items on, with a bar in a terminal and a line every `LOG_EVERY` seconds elsewhere.

    Args:
        what: the work, as `tiling`.
        unit: its items, as `tiles`.
    """
    pace = Pace(what, total, unit)
    with tqdm(items, desc=what, total=total, unit=unit, disable=None) as bar:
        for done, item in enumerate(bar):
            pace.at(done)
            yield item


class Pace:
    """Says how far some work is and how long it still takes, every `LOG_EVERY` seconds where there is no terminal.

    Args:
        what: the work, as `tiling`.
        total: how much there is; None where that is not known.
        unit: of what, as `tiles`.
        done: how much of it was there before.
    """

    def __init__(self, what: str, total: float | None, unit: str, done: float = 0):
        self.what, self.total, self.unit, self.first = what, total, unit, done
        self.began = self.due = time.monotonic()

    def at(self, done: float) -> None:
        """Take note of how much is done."""
        now = time.monotonic()
        if done > self.first and now >= self.due + LOG_EVERY and not sys.stderr.isatty():
            self.due = now
            if self.total is None:
                log.info("%s: %.0f %s of an unknown number", self.what, done, self.unit)
                return
            left = (now - self.began) / (done - self.first) * (self.total - done)
            log.info("%s: %.0f of %.0f %s; about %s left", self.what, done, self.total, self.unit, duration(left))


def duration(seconds: float) -> str:
    """A time to wait, such as `40 s`, `12 min`, `3.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def counted(number: int, noun: str) -> str:
    """A number of things, such as `1 pixel` and `1,024 pixels`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def columns(rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """A table for the terminal, heading first; the first `texts` columns are text, the others numbers."""
    rows = [list(row) for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    places = [str.ljust if i < texts else str.rjust for i in range(len(widths))]
    lines = ("  ".join(put(cell, n) for put, cell, n in zip(places, row, widths, strict=True)) for row in rows)
    return "\n".join(f"  {line}".rstrip() for line in lines)
