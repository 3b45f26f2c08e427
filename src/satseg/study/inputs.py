"""What a study's files say."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from satseg.config.datasets import LandClass
from satseg.config.splits import fold_numbers
from satseg.data import agreement, leakage
from satseg.data.labels import pixels_column
from satseg.data.store import read_table
from satseg.errors import UserError
from satseg.figures.cost import COSTS
from satseg.jobs.cells import Cell
from satseg.jobs.slices import StudySlice
from satseg.measures import CURVES
from satseg.metrics.confusion import BINS, COLUMNS, confusion_table
from satseg.paths import Paths
from satseg.provenance import read_run
from satseg.readers import read_array, read_arrays, read_counts, read_csv, read_json, read_split

PROFILE_COSTS = [
    "memory_mb",
    "activations_mb",
    "gflops",
    "latency_ms",
    "peak_memory_mb",
]
TRAINED_COSTS = ["gflops", "latency_ms", "train_step_ms", "peak_memory_mb"]
"""What a profile says of one tile, beside what it says of a published input."""
DEVICE = {"kind": str, "name": (str, None)}
PROFILE = {
    **dict.fromkeys(PROFILE_COSTS, float),
    "classes": int,
    "parameters": int,
    "train_step_ms": float,
    "train_step_p95_ms": float,
    "latency_p95_ms": float,
    "trained": dict.fromkeys(TRAINED_COSTS, float),
    "load": [(float, None)],
    "reference_ms": float,
    "latency_low_ms": float,
    "latency_high_ms": float,
    "train_step_low_ms": float,
    "train_step_high_ms": float,
    "sizes": {...: {"parameters": int, "memory_mb": float}},
    "device": DEVICE,
    "input": [int],
    "levels": {...: float},
}
TIMES = {
    f"{name}_{end}": float
    for name in ("latency", "train_step")
    for end in ("ms", "p95_ms", "low_ms", "high_ms")
}
SPEED = {
    "models": {...: {**TIMES, "trained": TIMES}},
    "rounds": int,
    "load": [(float, None)],
    "reference_ms": float,
    "device": DEVICE,
}
TILES = ["tile", "scene", "group", "whole", "footprint"]
SCORES = ["dataset", "model", "recipe", "seed", "metric", "class", "value"]
SUMMARY = ["dataset", "model", "recipe", "metric", "class", "value", "low", "high"]
DIFFERENCES = ["dataset", "recipe", "metric", "first", "second", "low", "high"]


class Place(NamedTuple):
    """A dataset and recipe of a study."""

    dataset: str
    recipe: str
    title: str
    """What figures call the two together."""


@dataclass(frozen=True, eq=False)
class StudyInputs:
    """The files of a study, read when they are asked for.

    Every method raises a `UserError` that names the file if it is missing or does not hold what it
    should.
    """

    job: StudySlice
    data: Path
    """Folder of the tiles and splits."""
    results: Path
    """Folder of the runs and profiles, and of the study's own tables and figures."""

    @cached_property
    def paths(self) -> Paths:
        """Where the files lie."""
        return Paths(self.data, self.results)

    @property
    def tables(self) -> Path:
        """Folder of the study's tables."""
        return self.paths.tables(self.job.name)

    @property
    def figures(self) -> Path:
        """Folder of the study's figures."""
        return self.paths.figures(self.job.name)

    def run_folder(self, cell: Cell) -> Path:
        """Folder of a run."""
        return self.paths.run(cell.path)

    # --- the grid ---------------------------------------------------------------------------------

    def places(self) -> list[Place]:
        """Every dataset and recipe, in the study's order."""
        study = self.job.study
        several = len(study.recipes) > 1
        places = []
        for dataset_name in study.datasets:
            title = self.job.datasets[dataset_name].title
            for recipe_name in study.recipes:
                full_title = f"{title} · {recipe_name}" if several else title
                places.append(Place(dataset_name, recipe_name, full_title))
        return places

    def cells(self, dataset_name: str, recipe_name: str) -> list[Cell]:
        """Every cell of a dataset and recipe."""
        place = (dataset_name, recipe_name)
        return [cell for cell in self.job.cells if (cell.dataset, cell.recipe) == place]

    def counted_classes(self, dataset_name: str, recipe_name: str) -> list[LandClass]:
        """The classes that count, in the dataset's order."""
        classes = self.job.datasets[dataset_name].classes
        return [classes[i] for i in self.counted(dataset_name, recipe_name)]

    def counted(self, dataset_name: str, recipe_name: str) -> list[int]:
        """Indices of the classes that count."""
        return self.job.counted(self.cells(dataset_name, recipe_name)[0])

    # --- tiles and splits -------------------------------------------------------------------------

    @cached_property
    def tiles(self) -> dict[str, pd.DataFrame]:
        """tiles.csv of every dataset."""
        return {name: self._tile_table(name) for name in self.job.datasets}

    def _tile_table(self, dataset_name: str) -> pd.DataFrame:
        pixels = [pixels_column(c.name) for c in self.job.datasets[dataset_name].classes]
        return read_table(self.paths.tiles(dataset_name), [*TILES, *pixels])

    def agreement(self, dataset_name: str) -> pd.DataFrame:
        """agreement.csv of a dataset."""
        return read_csv(self.paths.agreement(dataset_name), agreement.COLUMNS)

    def array(self, dataset_name: str, file_name: str) -> np.ndarray:
        """`images.npy` or `masks.npy`, memory-mapped."""
        path = self.paths.tiles(dataset_name) / file_name
        array = read_array(path)
        if array.dtype != np.uint8 or array.ndim not in (3, 4):
            raise UserError(f"{path}: {array.dtype} {list(array.shape)}, not tiles; tile again")
        return array

    def folds(self, recipe_name: str) -> list[int | None]:
        """The folds of a recipe, from 1; None alone if it has none."""
        return fold_numbers(self.job.folds.get(recipe_name))

    def split_path(self, dataset_name: str, recipe_name: str, fold: int | None) -> Path:
        """Where the split of a recipe, or a fold of it, lies."""
        return self.paths.split(dataset_name, self.job.recipes[recipe_name].split, fold)

    def split(self, dataset_name: str, recipe_name: str, fold: int | None) -> pd.DataFrame:
        """The split of a recipe, or a fold of it: tile, subset."""
        path = self.split_path(dataset_name, recipe_name, fold)
        return read_split(path, self.tiles[dataset_name])

    def audit(
        self, dataset_name: str, recipe_name: str, fold: int | None
    ) -> tuple[Path, pd.DataFrame]:
        """The leakage audit of a recipe's split, or of a fold of it, over the tiles that the recipe
        uses, and its file."""
        recipe = self.job.recipes[recipe_name]
        path = self.paths.leakage(dataset_name, recipe.split, fold)
        split = self.split(dataset_name, recipe_name, fold)
        pool = "all" if recipe.padded_tiles else "whole"
        return path, leakage.read_audit(path, self.tiles[dataset_name], split, pool)

    # --- runs and profiles ------------------------------------------------------------------------

    @cached_property
    def histories(self) -> dict[Cell, pd.DataFrame]:
        """history.csv of every cell."""
        return {cell: self._history(cell) for cell in self.job.cells}

    def _history(self, cell: Cell) -> pd.DataFrame:
        metrics = ["loss", *CURVES]
        train = [f"train_{metric}" for metric in metrics]
        val = [f"val_{metric}" for metric in metrics]
        path = self.run_folder(cell) / "history.csv"
        history = read_csv(path, ["epoch", "epoch_seconds", *train, *val])
        if history.empty:
            raise UserError(f"{path}: it has no epoch; delete the file and train again")
        if not np.array_equal(history["epoch"], np.arange(1, len(history) + 1)):
            raise UserError(f"{path}: its epochs are not 1, 2, 3 …; train the cell again")
        return history

    def model_histories(
        self, dataset_name: str, model_name: str, recipe_name: str
    ) -> list[pd.DataFrame]:
        """The histories of a model on a dataset under a recipe, a frame per run."""
        wanted = (dataset_name, model_name, recipe_name)
        return [
            history
            for cell, history in self.histories.items()
            if (cell.dataset, cell.model, cell.recipe) == wanted
        ]

    def counts(self, cell: Cell) -> pd.DataFrame:
        """counts.csv of a cell."""
        classes = self.counted_classes(cell.dataset, cell.recipe)
        return read_counts(self.run_folder(cell) / "counts.csv", [c.name for c in classes])

    def confusion(self, cell: Cell) -> np.ndarray:
        """confusion.csv of a cell: pixels [BINS, C, C] by brightness, truth and prediction."""
        path = self.run_folder(cell) / "confusion.csv"
        names = [c.name for c in self.counted_classes(cell.dataset, cell.recipe)]
        expected = confusion_table(np.zeros((BINS, len(names), len(names)), np.int64), names)
        keys = COLUMNS[:3]
        rows = read_csv(path, COLUMNS)
        found = expected[keys].merge(rows, on=keys, how="left")["pixels"]
        if len(rows) != len(expected) or len(found) != len(expected) or found.isna().any():
            raise UserError(
                f"{path}: {len(rows)} rows, not one per brightness, truth and prediction of "
                f"{', '.join(names)}; delete the file and evaluate again"
            )
        return found.to_numpy(np.int64).reshape(BINS, len(names), len(names))

    def run(self, cell: Cell) -> dict:
        """run.json of a cell: the device that it was trained on, and what else it recorded."""
        return read_run(self.run_folder(cell), cell, {"device": DEVICE})

    @cached_property
    def profiles(self) -> dict[tuple[str, str], dict]:
        """(dataset, model) → profile, with the times that were measured in turns with the study's
        other models."""
        profiles = {
            (dataset, model): read_json(self.paths.profile(dataset, model), PROFILE)
            for dataset in self.job.datasets
            for model in self.job.models
        }
        for dataset in self.job.datasets:
            path = self.paths.speed(self.job.name, dataset)
            speed = read_json(path, SPEED)
            shared = {key: speed[key] for key in ("rounds", "load", "reference_ms", "device")}
            for model in self.job.models:
                if model not in speed["models"]:
                    raise UserError(f"{path}: it has no {model}; delete the file and measure again")
                times = speed["models"][model]
                profile = profiles[dataset, model]
                trained = profile["trained"] | times["trained"]
                profiles[dataset, model] = profile | times | shared | {"trained": trained}
        return profiles

    def panels(self, cell: Cell) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """panels.npz of a cell: tiles [K], predictions [K, H, W], and the class that makes a tile
        hard, or "" [K]."""
        path = self.run_folder(cell) / "panels.npz"
        tiles, predictions, hard = read_arrays(path, ["tiles", "predictions", "hard"])
        kinds = (tiles.dtype.kind, predictions.dtype.kind, hard.dtype.kind)
        fit = tiles.ndim == 1 and predictions.ndim == 3 and hard.shape == tiles.shape
        if not fit or kinds not in (("i", "u", "U"), ("u", "u", "U")) or (tiles < 0).any():
            raise UserError(f"{path}: not tiles and their predictions; evaluate again")
        return tiles, predictions, hard

    # --- the study's own tables -------------------------------------------------------------------

    @cached_property
    def scores(self) -> pd.DataFrame:
        """tables/scores.csv."""
        return read_csv(self.tables / "scores.csv", SCORES)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """tables/summary.csv."""
        return read_csv(self.tables / "summary.csv", SUMMARY)

    @cached_property
    def differences(self) -> pd.DataFrame:
        """tables/differences.csv."""
        return read_csv(self.tables / "differences.csv", DIFFERENCES)

    @cached_property
    def models(self) -> pd.DataFrame:
        """tables/models.csv."""
        columns = ["dataset", "model", "recipe", "parameters", *COSTS]
        return read_csv(self.tables / "models.csv", columns)
