"""The trials of a tuning that are there to train, before all of its rungs are decided."""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from satseg.config.root import Config
from satseg.config.tunings import Trial, trial_of
from satseg.jobs.cells import Cell
from satseg.paths import Paths
from satseg.search.halving import kept_of, number_kept


def expected_trials(config: Config, name: str, paths: Paths) -> list[Trial]:
    """Every trial at every rung, by rung and then by number. Of a rung that is not decided, the
    first so many stand for those that will go on; fewer do if trials diverge.

    Args:
        config: the configuration.
        name: of the tuning.
        paths: where the project's files lie.
    """
    tuning = config.tunings[name]
    numbers = tuning.trial_numbers
    trials = []
    for rung in tuning.rung_numbers:
        trials += [Trial(name, number, rung) for number in numbers]
        table = paths.rung(name, rung)
        if table.exists():
            numbers = kept_of(table)
        else:
            numbers = numbers[: number_kept(len(numbers), tuning.keep)]
    return trials


def tuning_files(config: Config, cells: Iterable[Cell], paths: Paths) -> dict[str, list[Path]]:
    """Rule → the file that each of its jobs writes, of the tunings that find the recipes of these
    cells; nothing without any."""
    recipes = dict.fromkeys(cell.recipe for cell in cells)
    tunings = {name: config.tunings[name] for name in recipes if name in config.tunings}
    files: dict[str, list[Path]] = {}
    for name, tuning in tunings.items():
        own = {
            "draw": [paths.drawn(name, number) for number in tuning.trial_numbers],
            "rung": [paths.rung(name, rung) for rung in tuning.rung_numbers],
            "tune": [paths.tuning(name) / "recipe.yaml"],
        }
        files = {rule: files.get(rule, []) + own[rule] for rule in own}
    return files


def epochs_of(config: Config, recipe: str) -> int:
    """Epochs that a cell of this recipe trains at most; of a trial, those after the rung below."""
    trial = trial_of(recipe)
    if trial is None:
        return config.recipes[recipe].epochs
    rungs = config.tunings[trial.tuning].rungs
    steps = [above - below for below, above in pairwise([0, *rungs])]
    return steps[trial.rung - 1]
