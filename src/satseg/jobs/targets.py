"""Which files a study consists of, and which a rule takes of each cell, model or dataset."""

from collections.abc import Iterable
from pathlib import Path

from satseg.config.root import Config
from satseg.jobs.slices import cells, prediction_scenes
from satseg.paths import Paths

PATHS = Paths()  # Snakemake runs in the folder of `data/` and `results/`

CELL_FILES = [
    "history.csv",
    "best.pt",
    "final.pt",
    "run.json",
    "counts.csv",
    "panels.npz",
]


def run_files(config: Config, study: str, names: Iterable[str]) -> list[Path]:
    """These files of every cell of a study."""
    runs = [PATHS.run(cell.path) for cell in cells(config.study[study])]
    return [run / name for run in runs for name in names]


def profile_files(config: Config, study: str) -> list[Path]:
    """The profile of every model of a study on each of its datasets."""
    grid = config.study[study]
    return [PATHS.profile(dataset, model) for dataset in grid.datasets for model in grid.models]


def manifest_files(config: Config, study: str) -> list[Path]:
    """The manifest of every dataset of a study."""
    return [PATHS.manifest(dataset) for dataset in config.study[study].datasets]


def tile_files(config: Config, study: str, names: Iterable[str]) -> list[Path]:
    """These files of every tile store of a study."""
    stores = [PATHS.tiles(dataset) for dataset in config.study[study].datasets]
    return [store / name for store in stores for name in names]


def split_files(config: Config, study: str) -> list[Path]:
    """The split of every recipe of a study on each of its datasets, and the split's audit."""
    grid = config.study[study]
    splits = sorted({config.recipes[recipe].split for recipe in grid.recipes})
    pairs = [(dataset, split) for dataset in grid.datasets for split in splits]
    return [file(*pair) for pair in pairs for file in (PATHS.split, PATHS.leakage)]


def map_files(config: Config) -> list[Path]:
    """The map of every scene that the configuration wants predicted.

    Raises:
        UserError: a prediction matches no scene, or two of the same name.
    """
    return [
        PATHS.prediction(prediction, scene)
        for prediction in config.predictions
        for scene in prediction_scenes(config, prediction)
    ]


def recipe_split(config: Config, dataset: str, recipe: str) -> Path:
    """The split of a dataset that a recipe trains and evaluates on."""
    return PATHS.split(dataset, config.recipes[recipe].split)
