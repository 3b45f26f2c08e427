"""Which files a study consists of, and which a rule takes of each cell, model or dataset."""

import re
from collections.abc import Iterable
from itertools import product
from pathlib import Path

from satseg.config.names import nearest_name
from satseg.config.root import Config
from satseg.errors import UserError
from satseg.jobs.cells import Cell, cells, member_cells, start_cell, teacher_cell
from satseg.paths import Paths

PATHS = Paths()  # Snakemake runs in the folder of `data/` and `results/`

BRACES = re.compile(r"[{}]")

CELL_FILES = [
    "history.csv",
    "best.pt",
    "final.pt",
    "run.json",
    "counts.csv",
    "confusion.csv",
    "panels.npz",
]


CALIBRATION_FILES = ["calibration.json", "calibration.svg"]


FOLD = r"(?:/fold[1-9]\d*)?"  # what a fold is in a path; nothing where there are no folds


def fold_number(wildcard: str) -> int | None:
    """The fold that a rule's `{fold}` stands for; None if it is empty."""
    return int(wildcard.removeprefix("/fold")) if wildcard else None


def run_files(config: Config, study: str, names: Iterable[str]) -> list[Path]:
    """These files of every cell of a study."""
    runs = [PATHS.run(cell.path) for cell in cells(config.study[study], config.folds)]
    return [run / name for run in runs for name in names]


def profile_files(config: Config, study: str) -> list[Path]:
    """The profile of every model of a study on each of its datasets."""
    grid = config.study[study]
    return [PATHS.profile(dataset, model) for dataset in grid.datasets for model in grid.models]


def speed_files(config: Config, study: str) -> list[Path]:
    """How fast the models of a study are on each of its datasets."""
    return [PATHS.speed(study, dataset) for dataset in config.study[study].datasets]


def profiled_tiles(config: Config, dataset: str) -> list[Path]:
    """The tiles that a profile takes the number of bands from; none if the configuration says."""
    if config.datasets[dataset].known_bands is not None:
        return []
    return [PATHS.tiles(dataset) / name for name in ("images.npy", "masks.npy", "tiles.csv")]


def manifest_file(config: Config, dataset: str) -> Path:
    """The manifest of the files that a dataset consists of."""
    return PATHS.manifest(config.files_of(dataset))


def manifest_files(config: Config, study: str) -> list[Path]:
    """The manifest of every dataset of a study."""
    files = [manifest_file(config, dataset) for dataset in config.study[study].datasets]
    return list(dict.fromkeys(files))


def tile_files(config: Config, study: str, names: Iterable[str]) -> list[Path]:
    """These files of every tile store of a study."""
    stores = [PATHS.tiles(dataset) for dataset in config.study[study].datasets]
    return [store / name for store in stores for name in names]


def split_files(config: Config, study: str) -> list[Path]:
    """The split of every recipe of a study on each of its datasets, all folds of it, and the
    audits."""
    grid = config.study[study]
    files = []
    for dataset, split in product(
        grid.datasets, sorted({config.recipe(recipe).split for recipe in grid.recipes})
    ):
        for fold in config.splits[split].fold_numbers:
            files += [PATHS.split(dataset, split, fold), PATHS.leakage(dataset, split, fold)]
    return files


def prediction_scenes(config: Config, prediction: str) -> dict[str, Path]:
    """Scene → file, of every scene that a prediction's pattern matches; in names, `_` stands for
    braces, which Snakemake takes for wildcards.

    Raises:
        UserError: there is none, or two would have the same map.
    """
    pattern = config.predictions[prediction].scenes
    full = Path(pattern).expanduser()
    scenes: dict[str, Path] = {}
    for path in sorted(Path(full.anchor).glob(str(full.relative_to(full.anchor)))):
        name = BRACES.sub("_", path.stem)
        if path.resolve() == PATHS.prediction(prediction, name).resolve():
            raise UserError(
                f"predictions.{prediction}.scenes: {path} is where its own map would be written; "
                f"correct the pattern, or move the scene"
            )
        other = scenes.setdefault(name, path)
        if other != path:
            raise UserError(
                f"predictions.{prediction}.scenes: {other} and {path} would have the same map; "
                f"give each folder or ending a prediction of its own"
            )

    if not scenes:
        raise UserError(
            f"predictions.{prediction}.scenes: {pattern}: no such file; correct the pattern"
        )
    return scenes


def as_input(path: Path) -> list[Path]:
    """The file as an input of a rule; none if braces in its name keep Snakemake from taking it."""
    return [] if BRACES.search(str(path)) else [path]


def prediction_weights(config: Config, prediction: str) -> Path:
    """The weights file a prediction is made with."""
    settings = config.predictions[prediction]
    cell = Cell(**settings.model_dump(include=set(Cell.model_fields)))
    return PATHS.run(cell.path) / f"{settings.weights}.pt"


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


def recipe_split(config: Config, dataset: str, recipe: str, fold: int | None = None) -> Path:
    """The split of a dataset that a recipe trains and evaluates on, in a fold if it has folds."""
    return PATHS.split(dataset, config.recipe(recipe).split, fold)


def misspelt(wanted: Iterable[str], known: Iterable[str]) -> str:
    """What is wrong with the studies and rules that a command asks for; empty if nothing shows.

    Args:
        wanted: its targets; files may be among them.
        known: names of the workflow's rules, studies included.
    """
    names = sorted(known)
    for word in wanted:
        if word in names or not re.fullmatch(r"\w+", word) or Path(word).exists():
            continue
        nearest = nearest_name(word, names)
        advice = f"did you mean {nearest!r}?" if nearest else f"there are {', '.join(names)}"
        return f"{word}: no such study or rule; {advice}"
    return ""


def teacher_weights(
    config: Config, dataset: str, recipe: str, fold: int | None = None
) -> list[Path]:
    """The weights file that cells of a recipe learn from, in the same fold, if any."""
    cell = teacher_cell(config, dataset, recipe, fold)
    if cell is None:
        return []
    return [PATHS.run(cell.path) / f"{config.recipe(recipe).teacher.weights}.pt"]


def start_weights(config: Config, recipe: str) -> list[Path]:
    """The weights that cells of a recipe start from, if any."""
    start = config.recipe(recipe).init_from
    return [Path(start)] if start else []


def foreign_start(config: Config, recipe: str) -> list[Path]:
    """The weights that cells of a recipe start from, if no cell of this project writes them."""
    return [] if start_cell(config, recipe) else start_weights(config, recipe)


def start_record(config: Config, recipe: str) -> list[Path]:
    """The record of the cell that these weights belong to, if it is one of this project."""
    cell = start_cell(config, recipe)
    return [PATHS.run(cell.path) / "run.json"] if cell else []


def member_weights(config: Config, cell: Cell) -> list[Path]:
    """The weights of the cells that vote with one when it is evaluated."""
    epoch = config.recipe(cell.recipe).evaluate.weights
    return [PATHS.run(member.path) / f"{epoch}.pt" for member in member_cells(config, cell)]


def calibration_files(config: Config, study: str) -> list[Path]:
    """Temperature and reliability diagram of every cell whose recipe wants them."""
    return [
        PATHS.run(cell.path) / name
        for cell in cells(config.study[study], config.folds)
        for name in CALIBRATION_FILES
        if config.recipe(cell.recipe).evaluate.calibrate
    ]
