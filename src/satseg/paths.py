"""Where every file of `data/` and `results/` lies: the one answer for rules, stages, estimate and
check."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

# The tables of a study that a person reads, in Markdown.
TABLES = ("scores", "per_class", "errors", "models", "splits", "published", "claims", "trials")

# The same tables as data, for the page.
PAGES = "pages.json"

# What a study may show, and the format each figure is drawn in: photographs as PNG, drawings as
# SVG.
FIGURES = {
    "samples": "png",
    "classes": "svg",
    "architecture": "svg",
    "metrics": "svg",
    "losses": "svg",
    "predictions": "png",
    "per_class": "svg",
    "confusion": "svg",
    "leakage": "svg",
    "cost": "svg",
    "augmentations": "png",
    "trials": "svg",
    "calibration": "svg",
}

# What it shows unless it says otherwise; the calibration, if a recipe asks for it.
UNUSUAL = ("augmentations", "trials", "calibration")
USUAL_FIGURES = [name for name in FIGURES if name not in UNUSUAL]

# What a tuning ends with, in its folder.
TUNING_FILES = ["recipe.yaml", "settings.yaml", "trials.csv", "importance.csv", "trials.svg"]

# The tiles of the figure `predictions` one by one, for the page.
PANELS = "panels.json"


# The weights of a cell.
WEIGHTS = re.compile(
    r"results/runs/(?P<dataset>\w+)/(?P<model>\w+)/(?P<recipe>\w+)/seed(?P<seed>\d+)"
    r"(?:/fold(?P<fold>[1-9]\d*))?/(?:best|final)\.pt"
)


def with_fold(name: str, fold: int | None) -> str:
    """Where what belongs to a fold lies: below what it is a fold of; the name alone without."""
    return name if fold is None else f"{name}/fold{fold}"


def cell_of(weights: str) -> dict[str, str] | None:
    """Dataset, model, recipe, seed and, if it has one, fold of the cell that a weights file belongs
    to; None if it is no cell's of this project."""
    found = WEIGHTS.fullmatch(weights.removeprefix("./"))
    if found is None:
        return None
    return {key: value for key, value in found.groupdict().items() if value is not None}


@dataclass(frozen=True)
class Paths:
    """The files of a project, below its two folders.

    Args:
        data: folder of scenes, tiles and splits.
        results: folder of runs, profiles, studies and predictions.
    """

    data: str | os.PathLike = "data"
    results: str | os.PathLike = "results"

    def manifest(self, dataset: str) -> Path:
        """The list of a dataset's files, and where they lie."""
        return Path(self.data, "raw", dataset, "manifest.json")

    def tiles(self, dataset: str) -> Path:
        """Folder of a tile store: `images.npy`, `masks.npy`, `tiles.csv` and their origin."""
        return Path(self.data, "tiles", dataset)

    def tiles_table(self, dataset: str) -> Path:
        """The table of a tile store, a row per tile."""
        return self.tiles(dataset) / "tiles.csv"

    def agreement(self, dataset: str) -> Path:
        """What two annotations of the same ground say, a row per two scenes and two classes."""
        return self.tiles(dataset) / "agreement.csv"

    def split(self, dataset: str, split: str, fold: int | None = None) -> Path:
        """The subset of each tile, in a fold if the split has folds."""
        return Path(self.data, "splits", dataset, f"{with_fold(split, fold)}.csv")

    def leakage(self, dataset: str, split: str, fold: int | None = None) -> Path:
        """The leakage audit of a split, or of one of its folds."""
        return Path(self.data, "splits", dataset, f"{with_fold(split, fold)}.leakage.csv")

    def run(self, cell: str | os.PathLike) -> Path:
        """Folder of a trained cell, by its `path`: weights, history, counts and provenance."""
        return Path(self.results, "runs", cell)

    def profile(self, dataset: str, model: str) -> Path:
        """What a model costs on a dataset."""
        return Path(self.results, "profiles", dataset, f"{model}.json")

    def speed(self, study: str, dataset: str) -> Path:
        """How fast a study's models are on a dataset, measured in turns."""
        return Path(self.results, study, "speed", f"{dataset}.json")

    def tables(self, study: str) -> Path:
        """Folder of a study's tables, as CSV and as Markdown."""
        return Path(self.results, study, "tables")

    def figures(self, study: str) -> Path:
        """Folder of a study's figures."""
        return Path(self.results, study, "figures")

    def figures_digest(self, study: str) -> Path:
        """The digest of each figure of a study."""
        return Path(self.results, study, "figures.json")

    def report(self, study: str) -> Path:
        """The page of a study."""
        return Path(self.results, study, "report.html")

    def tuning(self, name: str) -> Path:
        """Folder of a tuning: what was drawn, which trials went on, and the recipe found."""
        return Path(self.results, "tunings", name)

    def drawn(self, name: str, trial: int | str) -> Path:
        """The settings drawn for a trial."""
        return self.tuning(name) / "trials" / f"{trial}.yaml"

    def rung(self, name: str, rung: int | str) -> Path:
        """The values of a rung's trials, and which go on."""
        return self.tuning(name) / f"rung{rung}.csv"

    def prediction(self, prediction: str, scene: str) -> Path:
        """The class map of a scene."""
        return Path(self.results, "predictions", prediction, f"{scene}.tif")
