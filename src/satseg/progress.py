"""What a program reports while it works: its log, and its progress."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

from satseg.text import duration

log = logging.getLogger("satseg")

FILE = "progress.json"  # how far a training run is, beside its checkpoint
LOG_EVERY = 20.0  # seconds between lines about the progress, if there is no terminal for a bar

Item = TypeVar("Item")


def watched(items: Iterable[Item], total: int, task: str, unit: str) -> Iterator[Item]:
    """Pass `total` items on, with a progress bar in a terminal and a line every `LOG_EVERY` seconds
    elsewhere.

    Args:
        items: what is worked on.
        total: number of items.
        task: the work, such as `tiling`.
        unit: what the items are, such as `tiles`.
    """
    pace = Pace(task, total, unit)
    with tqdm(items, desc=task, total=total, unit=unit, disable=None) as bar:
        for done, item in enumerate(bar):
            pace.at(done)
            yield item


class Pace:
    """Logs how far some work is and how long it will still take, every `LOG_EVERY` seconds, if
    there is no terminal.

    Args:
        task: the work, such as `tiling`.
        total: how much there is to do; None if unknown.
        unit: its unit, such as `tiles`.
        done: how much was done before.
    """

    def __init__(self, task: str, total: float | None, unit: str, done: float = 0):
        self.task = task
        self.total = total
        self.unit = unit
        self.done_before = done
        self.started = time.monotonic()
        self.logged = self.started

    def at(self, done: float) -> None:
        """Take note of how much is done, what was done before included."""
        now = time.monotonic()
        too_soon = now < self.logged + LOG_EVERY
        if done <= self.done_before or too_soon or sys.stderr.isatty():
            return
        self.logged = now

        if self.total is None:
            log.info("%s: %.0f %s of an unknown total", self.task, done, self.unit)
            return

        seconds_each = (now - self.started) / (done - self.done_before)
        left = duration(seconds_each * (self.total - done))
        log.info("%s: %.0f of %.0f %s; about %s left", self.task, done, self.total, self.unit, left)
