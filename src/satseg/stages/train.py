"""Train one cell of the grid: one dataset × model × recipe × seed."""

import logging
import shutil
import signal
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from satseg.data.copies import local_copy
from satseg.data.store import open_tiles
from satseg.devices import loader_workers
from satseg.distributed import check_devices, following, rank
from satseg.jobs.program import stage
from satseg.jobs.resources import claim_device
from satseg.jobs.slices import TrainSlice
from satseg.jobs.writing import Output, cell
from satseg.processes import end_with_starter
from satseg.progress import log
from satseg.readers import read_json, read_split
from satseg.records import is_copy
from satseg.training.cell import FILES, train
from satseg.training.limits import Limits
from satseg.training.loggers import KINDS
from satseg.training.record import identity, origins, run_record
from satseg.training.settings import with_settings
from satseg.training.subsets import check_trainable
from satseg.training.trainer import last_epoch


def run(
    job: TrainSlice,
    raw: str,
    tiles: str,
    split: str,
    out: str,
    workers: int | None = None,
    local_tiles: bool = False,
    teacher: str | None = None,
    settings: str | None = None,
    shorter: str | None = None,
    logger: str = "csv",
    may_diverge: bool = False,
    **limits: float | None,
) -> list[Path]:
    """Write `history.csv`, `best.pt`, `final.pt` and `run.json` of the cell into `out`.

    A run that stops before its recipe's last epoch keeps its state, for a longer one to go on from.
    One that may diverge and does ends there; `run.json` then says how, under `diverged`.
    Asked to stop, by a signal or by its `limits` (those of `Limits.from_now`), it saves its state
    and ends with exit status 75.
    """
    limits = Limits.from_now(**limits)
    job = with_settings(job, settings)
    devices = job.training.devices
    follows = rank(devices) > 0
    if follows:
        log.setLevel(logging.ERROR)
    claim_device(devices)
    check_devices(devices, f"recipes.{job.cell.recipe}.devices")
    if workers is None:
        workers = loader_workers()

    store = open_tiles(tiles)
    if local_tiles:
        copy = local_copy(tiles)
        is_copy(copy)
        store = open_tiles(copy)
    subsets = read_split(split, store.table)
    check_trainable(job, store, subsets)
    record = partial(run_record, job, origins(raw, split), workers)
    mark = identity(job, tiles, split, teacher)
    with following() if follows else nullcontext():
        train(
            job,
            store,
            subsets,
            out,
            mark,
            workers,
            limits,
            teacher,
            shorter,
            logger,
            bool(may_diverge),
            record,
        )
    return [] if follows else [Path(out, name) for name in FILES]


def writes(job: TrainSlice, out: str, **_: object) -> list[Output]:
    """The cell, unless this process follows another that writes it."""
    return [] if rank(job.training.devices) else [cell(out)]


def tidy(job: TrainSlice, out: str, settings: str | None = None, **_: object) -> None:
    """Remove the checkpoints, from which a run that is interrupted before this resumes, unless a
    longer run may go on from them."""
    training = with_settings(job, settings).training
    has_diverged = "diverged" in read_json(Path(out, "run.json"), {})
    goes_on = last_epoch(training) < training.epochs and not has_diverged
    if not goes_on and not rank(training.devices):
        shutil.rmtree(Path(out, "checkpoints"), ignore_errors=True)


if __name__ == "__main__":
    # It saves its state first.
    end_with_starter(signal.SIGTERM)
    stage(
        "train",
        __doc__,
        TrainSlice,
        run,
        {
            "raw": "folder with manifest.json",
            "tiles": "folder of the tile store",
            "split": "the split's CSV file",
            "out": "folder of the cell",
        },
        writes,
        tidy,
        workers={"type": int, "help": "loader processes (default: up to 4 with a GPU, else none)"},
        local_tiles={
            "type": int,
            "choices": (0, 1),
            "help": "1: copy the tiles to $TMPDIR first (default: 0)",
        },
        teacher={"help": "weights of the cell that the recipe's `teacher` names"},
        settings={"help": "YAML file of values that a tuning drew, by their keys in the recipe"},
        shorter={
            "metavar": "CELL",
            "help": "folder of a run of the same settings that stopped earlier, to go on from",
        },
        may_diverge={
            "type": int,
            "choices": (0, 1),
            "help": "1: a loss that is not finite ends the run, and does not fail it (default: 0)",
        },
        logger={
            "choices": KINDS,
            "default": "csv",
            "help": "where the rows of history.csv go too (default: csv, nowhere else)",
        },
        time_budget={
            "type": float,
            "metavar": "MINUTES",
            "help": "then save and stop with exit status 75; the same command resumes "
            "(default: no limit)",
        },
        checkpoint_minutes={
            "type": float,
            "default": 10,
            "metavar": "MINUTES",
            "help": "least time between two checkpoints within an epoch (default: 10); "
            "each epoch ends with one",
        },
        with_parent={
            "type": int,
            "choices": (0, 1),
            "help": "1: also save and stop when the process that started this one has ended "
            "(default: 0)",
        },
    )
