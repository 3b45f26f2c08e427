"""What a study's files say."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from satseg.data.labels import pixels_column
from satseg.errors import UserError
from satseg.figures.cost import COSTS
from satseg.figures.histories import METRICS
from satseg.figures.style import model_colors
from satseg.jobs.slices import Cell, StudySlice
from satseg.readers import present, read_array, read_csv

BROKEN = (ValueError, EOFError, BadZipFile)  # what numpy raises for a file it cannot read


@dataclass(frozen=True, eq=False)
class Files:
    """The files of a study, read when they are asked for."""

    spec: StudySlice
    data: Path
    results: Path

    def tiles(self, dataset: str) -> pd.DataFrame:
        """tiles.csv."""
        pixels = [pixels_column(c.name) for c in self.spec.datasets[dataset].classes]
        return read_csv(
            self.data / "tiles" / dataset / "tiles.csv", ["tile", "scene", "whole", *pixels]
        )

    def pixels(self, dataset: str, name: str) -> np.ndarray:
        """`images.npy` or `masks.npy`, memory-mapped."""
        return read_array(self.data / "tiles" / dataset / name)

    def subsets(self, dataset: str, split: str) -> pd.DataFrame:
        """A split."""
        return read_csv(self.data / "splits" / dataset / f"{split}.csv", ["tile", "subset"])

    def history(self, cell: Cell) -> pd.DataFrame:
        """history.csv of a cell."""
        kinds = ["loss", *METRICS]
        columns = ["epoch", *(f"{subset}_{kind}" for subset in ("train", "val") for kind in kinds)]
        path = self.results / "runs" / cell.path / "history.csv"
        history = read_csv(path, columns)
        if history.empty:
            raise UserError(f"{path}: no epoch in it; delete the file and train again")
        return history

    def panels(self, cell: Cell) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tiles [K], predictions [K, H, W], and the class that makes a tile hard, or "" [K], of a
        cell."""
        path = present(self.results / "runs" / cell.path / "panels.npz")
        try:
            with np.load(path) as arrays:
                return arrays["tiles"], arrays["predictions"], arrays["hard"]
        except (KeyError, *BROKEN):
            raise UserError(f"{path}: no panels in it; delete it and evaluate again") from None

    @cached_property
    def scores(self) -> pd.DataFrame:
        """tables/scores.csv."""
        columns = ["dataset", "model", "recipe", "seed", "metric", "class", "value", "low", "high"]
        return read_csv(self.results / self.spec.name / "tables" / "scores.csv", columns)

    @cached_property
    def models(self) -> pd.DataFrame:
        """tables/models.csv."""
        columns = ["dataset", "model", "parameters", *COSTS]
        return read_csv(self.results / self.spec.name / "tables" / "models.csv", columns)

    @property
    def colors(self) -> dict[str, str]:
        """Colour of each model and of the baseline."""
        return model_colors(self.spec.study.models)

    def grid(self) -> list[tuple[str, str, str]]:
        """Every dataset and recipe, and how figures call the two together."""
        study = self.spec.study
        several = len(study.recipes) > 1
        return [
            (d, r, self.spec.datasets[d].title + (f" · {r}" if several else ""))
            for d in study.datasets
            for r in study.recipes
        ]

    def cells(self, dataset: str, recipe: str) -> list[Cell]:
        """Every cell of a dataset and recipe."""
        return [c for c in self.spec.cells if (c.dataset, c.recipe) == (dataset, recipe)]

    def counted(self, dataset: str, recipe: str) -> list[int]:
        """Class indices that count."""
        return self.spec.counted(self.cells(dataset, recipe)[0])

    def judged(self, dataset: str, recipe: str) -> pd.DataFrame:
        """Rows of scores.csv; every model must have some."""
        rows = self.scores[(self.scores["dataset"] == dataset) & (self.scores["recipe"] == recipe)]
        lacking = [model for model in self.colors if model not in set(rows["model"])]
        if lacking:
            path = self.results / self.spec.name / "tables" / "scores.csv"
            what = f"{lacking[0]!r} on {dataset!r} by {recipe!r}"
            raise UserError(f"{path}: no score of {what}; build the tables again")
        return rows
