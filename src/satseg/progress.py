"""What a program reports while it works: its log, and how far it is."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

from satseg.text import duration

log = logging.getLogger("satseg")


LOG_EVERY = 20.0  # seconds between lines about the progress, where there is no terminal for a bar


Item = TypeVar("Item")


def watched(items: Iterable[Item], total: int, what: str, unit: str) -> Iterator[Item]:
    """Pass `total` items on, with a bar in a terminal and a line every `LOG_EVERY` seconds
    elsewhere.

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
    """Says how far some work is and how long it still takes, every `LOG_EVERY` seconds where there
    is no terminal.

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
            log.info(
                "%s: %.0f of %.0f %s; about %s left",
                self.what,
                done,
                self.total,
                self.unit,
                duration(left),
            )
