"""Train one cell of the grid: one dataset × model × recipe × seed."""

import json
import logging
import os
import shutil
import time
from pathlib import Path

import pandas as pd

from satseg.config.checks import check_bands
from satseg.data.store import Tiles, open_tiles
from satseg.devices import describe_device, device, keep_memory
from satseg.distributed import check_devices, following, rank
from satseg.files import local_copy, sha256, write_json
from satseg.jobs.dependencies import digest, model_code, weights_files
from satseg.jobs.gpus import take_gpu
from satseg.jobs.program import stage
from satseg.jobs.slices import TrainSlice
from satseg.models import check_tiles
from satseg.progress import log
from satseg.provenance import code_state, data_digest, lock_digest, versions
from satseg.readers import read_split
from satseg.training.cell import train
from satseg.training.lock import sole_writer
from satseg.training.subsets import labelled_tiles


def run(
    spec: TrainSlice,
    raw: str,
    tiles: str,
    split: str,
    out: str,
    workers: int | None = None,
    local_tiles: bool = False,
    time_budget: float | None = None,
    checkpoint_minutes: float = 10,
    with_parent: bool = False,
) -> None:
    """Write `history.csv`, `best.pt`, `final.pt` and `run.json` of the cell into `out`.

    Told to stop, by a signal, its time budget or its parent's end, it saves its state and ends with
    exit status 75.
    """
    deadline = None if time_budget is None else time.monotonic() + 60 * time_budget
    parent = os.getppid() if with_parent else None
    devices, follower = spec.training.devices, rank(spec.training.devices) > 0
    if follower:
        log.setLevel(logging.ERROR)
    take_gpu(number=devices)
    check_devices(devices, f"recipes.{spec.cell.recipe}.devices")
    keep_memory()
    workers = (4 if device().type == "cuda" else 0) if workers is None else workers
    store = open_tiles(local_copy(tiles) if local_tiles else tiles)
    division = read_split(split, store.table)
    _check(spec, store, division)
    data = {
        "manifest_sha256": data_digest(Path(raw, "manifest.json")),
        "split_sha256": sha256(split),
    }
    state, mark, checkpoints = code_state(), identity(spec, tiles, split), Path(out, "checkpoints")
    if follower:
        with following():
            train(spec, store, division, out, mark, workers, checkpoint_minutes, deadline, parent)
        return
    with sole_writer(checkpoints, parent):
        result = train(
            spec, store, division, out, mark, workers, checkpoint_minutes, deadline, parent
        )
        write_json(
            Path(out, "run.json"),
            {
                "cell": spec.cell.model_dump(),
                "slice": json.loads(spec.model_dump_json()),
                "code": state,
                "data": data,
                "lock_sha256": lock_digest(),
                "device": describe_device(),
                "versions": versions(),
                "seeds": {"training": spec.cell.seed},
                "workers": workers,
                **result,
            },
        )
        # Kept until everything else is written: a training cut off before would go on from there.
        shutil.rmtree(checkpoints, ignore_errors=True)


def _check(spec: TrainSlice, store: Tiles, division: pd.DataFrame) -> None:
    """Refuse before anything is written what would fail later."""
    _, size, _, bands = store.images.shape
    check_bands(spec.training, bands, f"recipes.{spec.cell.recipe}", spec.cell.dataset)
    train_tiles = len(labelled_tiles(spec, store, division, "train"))
    labelled_tiles(spec, store, division, "val")
    # On a CPU, batches are normalised over each process's share.
    share = spec.training.batch_size // (1 if device().type == "cuda" else spec.training.devices)
    smallest = min(2, share, spec.training.epoch_tiles or 2, train_tiles)
    check_tiles(spec.cell.model, spec.model, len(spec.classes), bands, size, smallest)


def identity(spec: TrainSlice, tiles: str | Path, split: str | Path) -> str:
    """Digest of everything the result depends on: what the rule compares to decide whether to train
    again."""
    data = [
        *(Path(tiles, name) for name in ("digests.json", "origin.json", "tiles.csv")),
        Path(split),
    ]
    sources = [*model_code("train", spec.model), *weights_files(spec.model)]
    return digest([*data, *sources], spec.model_dump_json())


if __name__ == "__main__":
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
        workers={"type": int, "help": "loader processes (default: 4 with a GPU, else none)"},
        local_tiles={
            "type": int,
            "choices": (0, 1),
            "help": "1: copy the tiles to $TMPDIR first (default: 0)",
        },
        time_budget={
            "type": float,
            "metavar": "MINUTES",
            "help": "then save and stop with exit status 75; the same command goes on (default: no limit)",
        },
        checkpoint_minutes={
            "type": float,
            "default": 10,
            "metavar": "MINUTES",
            "help": "least time between two checkpoints within an epoch (default: 10); each epoch ends with one",
        },
        with_parent={
            "type": int,
            "choices": (0, 1),
            "help": "1: save and stop, too, when the process that started this one has ended (default: 0)",
        },
    )
