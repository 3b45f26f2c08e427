"""How far the cells of a study are, from the files that their jobs write: nothing is run or locked,
so that any machine that sees the files may look."""

import csv
import json
import socket
import time
from contextlib import suppress
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import psutil

from satseg.commands.staleness import Staleness
from satseg.config.root import Config
from satseg.config.tunings import trial_of
from satseg.estimate.trials import epochs_of, expected_trials
from satseg.jobs.cells import Cell, cells
from satseg.jobs.running import FAILURE, SAVED
from satseg.jobs.tuned import trial_cell
from satseg.paths import Paths
from satseg.progress import FILE

LOGS = Path("logs")
TRAINED = ("history.csv", "best.pt", "final.pt", "run.json")
TUNED = ("settings.yaml", "recipe.yaml")
EVALUATED = ("counts.csv", "confusion.csv", "panels.npz")
RECENT = 3  # epochs whose mean says how long the next ones take
SILENT = 15 * 60  # seconds after which a sign of life is old
LOOKS = 5  # at a cell whose files vanish under one's eyes

WAITING = "waiting"
TRAINING = "training"
STOPPED = "stopped"
EVALUATING = "evaluating"
TRAINED_ONLY = "trained"
DONE = "done"
STALE = "stale"
FAILED = "failed"


class State(NamedTuple):
    """How far a cell is."""

    cell: Cell
    kind: str
    """Waiting, training, stopped, trained, evaluating, done, stale or failed."""
    epochs: int
    """That it trains for at most."""
    done: float = 0.0
    """Epochs that are done, the share of the running one included."""
    epoch_seconds: float | None = None
    """What an epoch takes, by the last few; None if none is done."""
    score: float | None = None
    """mIoU on the validation tiles: of the last epoch while it trains, then of the best."""
    best_epoch: int | None = None
    """The epoch that `score` belongs to, once the cell is trained."""
    note: str = ""
    """Why it is stale or failed, or what else there is to say."""
    may_stop_early: bool = False
    """Whether it may end before its last epoch."""
    begins: float = 0.0
    """Epochs that were done before it began: by a tuning's trial at the rung below."""

    @property
    def is_running(self) -> bool:
        """Whether a process works on it."""
        return self.kind in (TRAINING, EVALUATING)

    @property
    def is_trained(self) -> bool:
        """Whether no training is left to do."""
        return self.kind in (DONE, TRAINED_ONLY, EVALUATING)


def study_states(config: Config, study: str, paths: Paths = Paths()) -> list[State]:  # noqa: B008
    """The state of every cell of a study, in its order; before them, as long as a recipe is being
    tuned, that of the tuning's trials.

    Args:
        config: the configuration.
        study: name of the study; or of a tuning, for its trials alone.
        paths: where the project's files lie.
    """
    staleness = Staleness(config)
    if study in config.tunings:
        shown = []
        tunings = [study]
    else:
        shown = cells(config.study[study], config.folds)
        recipes = dict.fromkeys(cell.recipe for cell in reversed(shown))
        tunings = [
            name
            for name in recipes
            if name in config.tunings and not _all_there(paths.tuning(name), TUNED)
        ]
    for name in tunings:
        trials = expected_trials(config, name, paths)
        shown = [*(trial_cell(config, trial) for trial in trials), *shown]
    return [_steady_state(config, cell, paths, staleness) for cell in shown]


def _steady_state(config: Config, cell: Cell, paths: Paths, staleness: Staleness) -> State:
    """The state of a cell; looked at again if a file vanishes meanwhile, because a job replaces
    it."""
    for _ in range(LOOKS - 1):
        with suppress(FileNotFoundError):
            return cell_state(config, cell, paths, staleness)
    return cell_state(config, cell, paths, staleness)


def cell_state(config: Config, cell: Cell, paths: Paths, staleness: Staleness) -> State:
    """The state of one cell."""
    folder = paths.run(cell.path)
    recipe = config.recipe(cell.recipe)
    epochs = recipe.stop_after or recipe.epochs
    begins = float(epochs - epochs_of(config, cell.recipe))
    state = State(
        cell,
        WAITING,
        epochs,
        begins=begins,
        done=begins,
        may_stop_early=recipe.early_stopping is not None,
    )

    if _holder(folder / "checkpoints" / "lock"):
        return _in_training(state, folder)._replace(kind=TRAINING)
    if not _all_there(folder, TRAINED):
        return _unfinished(_in_training(state, folder), "train")

    state = _trained(state, folder)
    if _holder(folder / ".counts.csv.lock"):
        return state._replace(kind=EVALUATING)

    reason = staleness.of(cell, folder)
    if reason:
        return state._replace(kind=STALE, note=reason)
    if trial_of(cell.recipe) or _all_there(folder, EVALUATED):
        return state._replace(kind=DONE)
    return _unfinished(state._replace(kind=TRAINED_ONLY), "evaluate")


def _in_training(state: State, folder: Path) -> State:
    """What the run says of itself."""
    file = folder / "checkpoints" / FILE
    progress = _json(file)
    if not progress:
        return state

    try:
        seconds = [float(each) for each in progress["epoch_seconds"][-RECENT:]]
        scores = [float(each) for each in progress["val_jaccard"]]
        epochs = int(progress["epochs"])
        done = float(progress["done"] + progress["share"])
        silence = time.time() - file.stat().st_mtime
    except (KeyError, TypeError, ValueError, OverflowError):
        return state._replace(note=f"{file} is damaged")
    usual = max([SILENT, *(2 * each for each in seconds)])
    return state._replace(
        epochs=epochs,
        done=done,
        epoch_seconds=mean(seconds) if seconds else None,
        score=scores[-1] if scores else None,
        note=f"no sign of it for {silence / 60:.0f} minutes" if silence > usual else "",
    )


def _unfinished(state: State, rule: str) -> State:
    """A cell whose job does not run, and has not written all its files."""
    last = last_line(LOGS / rule / f"{state.cell.path}.log")
    if FAILURE.match(last):
        return state._replace(kind=FAILED, note=last)
    if rule == "train" and state.done > state.begins:
        note = "resumes from its checkpoint" if last.endswith(SAVED) else "ended without a word"
        return state._replace(kind=STOPPED, note=note)
    return state._replace(note="")


def _trained(state: State, folder: Path) -> State:
    """What the history of a finished run says."""
    rows = []
    try:
        with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        seconds = mean(float(row["epoch_seconds"]) for row in rows)
        best = int(_json(folder / "run.json")["best_epoch"])
        score = float(rows[best - 1]["val_jaccard"])
    except (csv.Error, KeyError, ValueError, IndexError, TypeError, OverflowError):
        return state._replace(done=float(len(rows)))
    return state._replace(
        done=float(len(rows)), epoch_seconds=seconds, score=score, best_epoch=best
    )


def _holder(lock: Path) -> dict:
    """Who holds a lock, as far as can be seen from here; empty if nobody does."""
    holder = _json(lock)
    here = holder.get("host") == socket.gethostname()
    pid = holder.get("pid")
    if here and not (isinstance(pid, int) and psutil.pid_exists(pid)):
        return {}  # it was killed, and left the file
    return holder


def _json(file: Path) -> dict:
    """The content of a file that may be missing, or about to be written."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _all_there(folder: Path, names: tuple[str, ...]) -> bool:
    return all((folder / name).is_file() for name in names)


def last_line(file: Path) -> str:
    """The last line of a log that is not empty; an empty text if there is no such file."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
