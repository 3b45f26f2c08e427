"""What claims are tested with, and what comes of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from satseg.study.comparison import Comparison

PROFILED = ("train_step_ms", "latency_ms")


HOLDS, FAILS, UNKNOWN = "holds", "does not hold", "cannot tell"


RESULTS = "results"


class Untold(Exception):
    """Why a claim cannot be tested in some place."""


class Statistic(NamedTuple):
    """A number a verdict rests on; what does not apply is NaN."""

    name: str
    value: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan


@dataclass(frozen=True)
class Evidence:
    """What there is to test claims with, under one recipe on one dataset."""

    comparison: Comparison
    profiles: dict[str, dict]
    """Profile of each model on the dataset."""
    epochs: dict[str, np.ndarray]
    """Seconds of every epoch of every training of each model, float64 [epochs]."""
    devices: dict[str, set[str]]
    """Where the trainings of each model ran, in words."""
    pixels: dict[str, int]
    """Training pixels of each class."""

    @cached_property
    def models(self) -> list[str]:
        """The models, in the order of the study."""
        return [result.model for result in self.comparison.results]


class Finding(NamedTuple):
    """A claim tested in one place by one figure."""

    claim: str
    source: str
    """`RESULTS`, or the title of a published table."""
    dataset: str
    recipe: str
    by: str
    statistics: list[Statistic]
    verdict: str
    why: str
