"""What a check of a dataset finds."""

from typing import NamedTuple

import pandas as pd

from satseg.data.layout import Problem

SHOWN = 5  # files named of those that share a problem, and colours of those that are no class


NARROW = 0.25  # share of what `scale` spans that a band should fill


class Findings(NamedTuple):
    """What a check found, in words."""

    text: str
    """Sections to read."""
    notes: list[str]
    """What is worth a look, but stops nothing."""
    problems: list[Problem]
    """What stops the pipeline."""


class Division(NamedTuple):
    """How one of the splits would divide the tiles."""

    name: str
    drawn: pd.DataFrame | None
    """tile, scene, subset."""
    audit: pd.DataFrame | None
    """What `leakage` says of it."""
    error: str
    used: bool
    """Whether a study with the dataset uses it."""
    official: bool
    """Whether it takes the publishers' own split."""
