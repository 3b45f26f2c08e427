"""What an estimate is made of."""

from pathlib import Path
from typing import NamedTuple

from satseg.jobs.cells import Cell


class TileFacts(NamedTuple):
    """The tiles of a dataset."""

    count: int
    bands: int
    on_disk: bool
    """Whether they exist; otherwise `count` follows from the publishers' figures."""


class Times(NamedTuple):
    """How long a run takes."""

    cell: Cell
    tiles: int | None
    """Training tiles per epoch; None if the dataset's size is not known."""
    epochs: int
    """At most."""
    epoch_seconds: float | None
    """None if nothing has been measured."""
    source: str
    """Where that comes from; if nothing has been measured here, why not."""
    target: Path | None = None
    """The file that has to be built to find out, or to know better; None if nothing is missing."""
