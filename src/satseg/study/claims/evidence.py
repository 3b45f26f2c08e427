"""What claims are tested with, and what comes of it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from satseg.config.recipes import Recipe
from satseg.metrics.baseline import subset_pixels
from satseg.study.claims.exclusive import shared_by
from satseg.study.comparison import Comparison
from satseg.study.inputs import StudyInputs

LEVEL = 0.05
"""Of a test: how often it may confirm a claim that there is nothing to."""
OPPOSITE = 0.025
"""How often it may refute one in one place, so that it does so over several in no more than 5 %."""
PROFILED = ("train_step_ms", "latency_ms")
"""The times that a profile measures; an epoch's time is that of the runs."""
HOLDS = "holds"
FAILS = "does not hold"
UNKNOWN = "cannot tell"
PRINTED = "so printed"
"""Of figures that come without an interval: they say so, and nothing says how sure they are."""
NOT_PRINTED = "not so printed"
UNTESTED = "not tested"
RESULTS = "results"
"""The source of a finding on our own results."""


class Untestable(Exception):
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
    """Everything claims are tested with, under one recipe on one dataset."""

    comparison: Comparison
    profiles: dict[str, dict]
    """Profile of each model on the dataset."""
    epochs: dict[str, np.ndarray]
    """Seconds of every epoch of every run of each model, float64 [epochs]."""
    devices: dict[str, set[str]]
    """Where the runs of each model were made, in words."""
    pixels: dict[str, int]
    """Training pixels of each class."""
    val_pixels: dict[str, int] = field(default_factory=dict)
    """Validation pixels of each class."""
    histories: dict[str, list[pd.DataFrame]] = field(default_factory=dict)
    """history.csv of every run of each model; each fold of a seed is a run."""
    steps: dict[str, list[int]] = field(default_factory=dict)
    """Optimizer steps of each of these runs, if all recorded how many tiles they trained on."""
    memory: dict[str, list[float]] = field(default_factory=dict)
    """Peak memory of every run of each model that recorded it, MB."""
    recipe: Recipe | None = None
    """The recipe they were trained by."""
    shared: str = ""
    """Why the times of the runs say nothing; empty if each had the machine to itself."""

    @cached_property
    def models(self) -> list[str]:
        """The models, in the order of the study."""
        return [result.model for result in self.comparison.results]

    def seeds(self, model: str) -> int:
        """How many times a model was trained; the folds of a seed are one training of it."""
        return len(self.histories[model]) // max(self.comparison.folds, 1)


class Finding(NamedTuple):
    """A claim tested in one place by one quantity."""

    claim: str
    source: str
    """`RESULTS`, or the title of a published table."""
    dataset: str
    recipe: str
    by: str
    """The measure it is tested by."""
    statistics: list[Statistic]
    verdict: str
    why: str


def gather_evidence(inputs: StudyInputs, comparison: Comparison) -> Evidence:
    """What claims are tested with, beside the scores of a comparison."""
    models = list(inputs.job.models)
    recipe = inputs.job.recipes[comparison.recipe]

    epochs = {}
    histories = {}
    for model in models:
        own = inputs.model_histories(comparison.dataset, model, comparison.recipe)
        histories[model] = own
        epochs[model] = np.concatenate([history["epoch_seconds"] for history in own])

    pixels = {}
    for subset in ("train", "val"):
        of_folds = Counter()
        for fold in inputs.folds(comparison.recipe):
            of_folds += Counter(
                subset_pixels(
                    inputs.tiles[comparison.dataset],
                    inputs.split(comparison.dataset, comparison.recipe, fold),
                    comparison.classes,
                    subset,
                    recipe.padded_tiles,
                )
            )
        pixels[subset] = {name: of_folds[name] for name in comparison.classes}

    devices: dict[str, set[str]] = {model: set() for model in models}
    memory: dict[str, list[float]] = {model: [] for model in models}
    tiles: dict[str, list[int]] = {model: [] for model in models}
    runs = []
    for cell in inputs.cells(comparison.dataset, comparison.recipe):
        run = inputs.run(cell)
        runs.append(run)
        devices[cell.model].add(device_with_threads(run["device"]))
        if "peak_memory_mb" in run:
            memory[cell.model].append(float(run["peak_memory_mb"]))
        if "tiles" in run:
            tiles[cell.model].append(int(run["tiles"]["train"]))

    return Evidence(
        comparison=comparison,
        profiles={model: inputs.profiles[comparison.dataset, model] for model in models},
        epochs=epochs,
        devices=devices,
        pixels=pixels["train"],
        val_pixels=pixels["val"],
        histories=histories,
        steps={
            model: _steps(histories[model], tiles[model], recipe)
            for model in models
            if len(tiles[model]) == len(histories[model])
        },
        memory=memory,
        recipe=recipe,
        shared=shared_by(runs),
    )


def _steps(histories: list[pd.DataFrame], tiles: list[int], recipe: Recipe) -> list[int]:
    """Optimizer steps of each run, from its epochs and training tiles."""
    steps = []
    for history, number in zip(histories, tiles, strict=True):
        of_epoch = min(number, recipe.epoch_tiles or number)
        steps.append(len(history) * math.ceil(of_epoch / recipe.logical_batch_size))
    return steps


def device_name(device: dict) -> str:
    """A device in words."""
    return device.get("name") or device["kind"]


def device_with_threads(device: dict) -> str:
    """A device in words; for a CPU with the number of threads, which is part of its speed."""
    name = device_name(device)
    return f"{name}, {device.get('threads')} threads" if device["kind"] == "cpu" else name
