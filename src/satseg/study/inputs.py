"""What a study's files say."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from satseg.config.datasets import LandClass
from satseg.config.recipes import Recipe
from satseg.data.labels import pixels_column
from satseg.errors import UserError
from satseg.figures.cost import COSTS
from satseg.jobs.slices import Cell, StudySlice
from satseg.measures import CURVES
from satseg.paths import Paths
from satseg.readers import read_array, read_arrays, read_counts, read_csv, read_json

PROFILE_COSTS = [
    "memory_mb",
    "activations_mb",
    "gflops",
    "latency_ms",
    "peak_memory_mb",
]
TRAINED_COSTS = ["gflops", "latency_ms", "train_step_ms", "peak_memory_mb"]
"""What a profile says of one tile, beside what it says of a published input."""
PROFILE = [
    "classes",
    "parameters",
    *PROFILE_COSTS,
    "train_step_ms",
    "train_step_p95_ms",
    "latency_p95_ms",
    "trained",
    "load",
    "reference_ms",
    "latency_low_ms",
    "latency_high_ms",
    "train_step_low_ms",
    "train_step_high_ms",
    "sizes",
    "device",
    "input",
]
TILES = ["tile", "scene", "group", "whole"]
AUDIT = ["pool", "subset", "tiles", "scene_shared", "group_shared"]
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
        return read_csv(self.paths.tiles_table(dataset_name), [*TILES, *pixels])

    def array(self, dataset_name: str, file_name: str) -> np.ndarray:
        """`images.npy` or `masks.npy`, memory-mapped."""
        return read_array(self.paths.tiles(dataset_name) / file_name)

    def split_path(self, dataset_name: str, split_name: str) -> Path:
        """Where a split lies."""
        return self.paths.split(dataset_name, split_name)

    def split(self, dataset_name: str, split_name: str) -> pd.DataFrame:
        """A split: tile, subset."""
        return read_csv(self.split_path(dataset_name, split_name), ["tile", "subset"])

    def audit(self, dataset_name: str, recipe: Recipe) -> tuple[Path, pd.DataFrame]:
        """The leakage audit of a recipe's split over the tiles that the recipe uses, and its
        file."""
        path = self.split_path(dataset_name, recipe.split).with_suffix(".leakage.csv")
        rows = read_csv(path, AUDIT)
        pool = "all" if recipe.padded_tiles else "whole"
        return path, rows[rows["pool"] == pool]

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
        return history

    def model_histories(
        self, dataset_name: str, model_name: str, recipe_name: str
    ) -> list[pd.DataFrame]:
        """The histories of a model on a dataset under a recipe, a frame per seed."""
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

    def device(self, cell: Cell) -> dict:
        """The device that a cell was trained on."""
        return read_json(self.run_folder(cell) / "run.json", ["device"])["device"]

    @cached_property
    def profiles(self) -> dict[tuple[str, str], dict]:
        """(dataset, model) → profile."""
        return {
            (dataset, model): read_json(self.paths.profile(dataset, model), PROFILE)
            for dataset in self.job.datasets
            for model in self.job.models
        }

    def panels(self, cell: Cell) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """panels.npz of a cell: tiles [K], predictions [K, H, W], and the class that makes a tile
        hard, or "" [K]."""
        path = self.run_folder(cell) / "panels.npz"
        tiles, predictions, hard = read_arrays(path, ["tiles", "predictions", "hard"])
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
