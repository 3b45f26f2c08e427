"""Tunings as jobs: what their stages see of the configuration, and which files they consist of."""

from itertools import product
from pathlib import Path
from typing import Any

from satseg.config.root import Config
from satseg.config.tuned import takes_whole
from satseg.config.tunings import Range, Trial, Tuning, trial_of
from satseg.jobs.arguments import Slice
from satseg.jobs.cells import Cell
from satseg.paths import TUNING_FILES, Paths

PATHS = Paths()


class DrawSlice(Slice):
    """For `draw`."""

    trial: int
    seed: int
    sampler: str
    space: dict[str, Range | list[Any]]
    whole: list[str]
    """Keys that take whole numbers only."""
    rivals: list[Cell]
    """TPE alone: the earlier trials at the first rung."""
    weights: str
    """Which epoch's value counts: of the `best` by the recipe, or of the `final` one."""


class RungSlice(Slice):
    """For `rung`."""

    cells: list[Cell]
    """A cell per trial, in the order of `trials`."""
    trials: list[int]
    keep: float
    weights: str


class TuneSlice(Slice):
    """For `tune`."""

    name: str
    tuning: Tuning
    whole: list[str]
    """Keys that take whole numbers only."""
    cells: list[Cell]
    """Those of the trials below the last rung, of which checkpoints are left."""
    recipe: dict[str, Any]
    """The recipe before the values are found: whatever differs from the defaults."""


def draw_slice(config: Config, name: str, number: int) -> DrawSlice:
    """What decides a trial's settings, apart from other trials' results."""
    tuning = config.tunings[name]
    rivals = range(1, number) if tuning.sampler == "tpe" else []
    return DrawSlice(
        trial=number,
        seed=tuning.seed,
        sampler=tuning.sampler,
        space=tuning.space,
        whole=_whole(tuning),
        rivals=[trial_cell(config, Trial(name, rival, 1)) for rival in rivals],
        weights=config.recipes[name].evaluate.weights,
    )


def rung_slice(config: Config, name: str, rung: int, numbers: list[int]) -> RungSlice:
    """What decides which trials go on from a rung, apart from their results."""
    tuning = config.tunings[name]
    is_last = rung == len(tuning.rungs)
    return RungSlice(
        cells=[trial_cell(config, Trial(name, number, rung)) for number in numbers],
        trials=numbers,
        keep=0 if is_last else tuning.keep,
        weights=config.recipes[name].evaluate.weights,
    )


def tune_slice(config: Config, name: str) -> TuneSlice:
    """What decides a tuned recipe, apart from the trials."""
    recipe = config.recipes[name].model_dump(exclude_defaults=True)
    tuning = config.tunings[name]
    below = [
        Trial(name, *trial) for trial in product(tuning.trial_numbers, tuning.rung_numbers[:-1])
    ]
    cells = [trial_cell(config, trial) for trial in below]
    return TuneSlice(name=name, tuning=tuning, whole=_whole(tuning), cells=cells, recipe=recipe)


def _whole(tuning: Tuning) -> list[str]:
    return [key for key in tuning.space if takes_whole(key)]


# --- cells and files ------------------------------------------------------------------------------


def trial_cell(config: Config, trial: Trial) -> Cell:
    """The cell of a trial at a rung."""
    tuning = config.tunings[trial.tuning]
    names = {"dataset": tuning.dataset, "model": tuning.model, "recipe": trial.recipe}
    return Cell(**names, seed=tuning.seed)


def recipe_pattern(config: Config) -> str:
    """What a recipe's name is in a path: one of the configuration, or of a tuning's trial."""
    numbers = r"\.trial[1-9]\d*\.rung[1-9]\d*"
    return "|".join([*config.recipes, *(name + numbers for name in config.tunings)])


def run_files(config: Config, name: str, rung: int, numbers: list[int]) -> list[Path]:
    """The results of these trials at a rung."""
    folders = [PATHS.run(trial_cell(config, Trial(name, number, rung)).path) for number in numbers]
    return [folder / file for folder in folders for file in ("history.csv", "run.json")]


def earlier_draws(config: Config, name: str, number: int) -> list[Path]:
    """The settings drawn before a trial's, if it depends on them."""
    if config.tunings[name].sampler == "qmc" or number == 1:
        return []
    return [PATHS.drawn(name, number - 1)]


def settings_files(config: Config, recipe: str) -> list[Path]:
    """The file of the values that a trial's or a tuned recipe takes; none for any other."""
    trial = trial_of(recipe)
    if trial:
        return [PATHS.drawn(trial.tuning, trial.number)]
    return [PATHS.tuning(recipe) / "settings.yaml"] if recipe in config.tunings else []


def shorter_runs(config: Config, recipe: str) -> list[Path]:
    """The folder of the run that a trial goes on from: its own at the rung below, if any."""
    trial = trial_of(recipe)
    if trial is None or trial.rung == 1:
        return []
    below = trial._replace(rung=trial.rung - 1)
    return [PATHS.run(trial_cell(config, below).path)]


def train_options(config: Config, recipe: str) -> list[str | Path]:
    """What `train` is given beside its slice to train a trial's or a tuned recipe."""
    options: list[str | Path] = []
    for file in settings_files(config, recipe):
        options += ["--settings", file]
    for folder in shorter_runs(config, recipe):
        options += ["--shorter", folder]
    if trial_of(recipe):
        options += ["--may-diverge", "1"]
    return options


def study_files(config: Config, study: str) -> list[Path]:
    """What a study shows of the tunings that its recipes come from."""
    names = [recipe for recipe in config.study[study].recipes if recipe in config.tunings]
    files = ("trials.csv", "importance.csv")
    return [PATHS.tuning(name) / file for name in names for file in files]


def rung_files(config: Config, name: str) -> list[Path]:
    """The table of each rung."""
    return [PATHS.rung(name, rung) for rung in config.tunings[name].rung_numbers]


def drawn_files(config: Config, name: str) -> list[Path]:
    """The settings of each trial."""
    return [PATHS.drawn(name, number) for number in config.tunings[name].trial_numbers]


def result_files(name: str) -> list[Path]:
    """What a tuning ends with."""
    return [PATHS.tuning(name) / file for file in TUNING_FILES]
