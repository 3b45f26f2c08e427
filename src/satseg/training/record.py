"""What identifies a run, and what `run.json` records about it."""

import json
from pathlib import Path

from satseg.devices import describe_device
from satseg.files import sha256
from satseg.jobs.dependencies import digest, model_code, weights_files
from satseg.jobs.slices import TrainSlice
from satseg.provenance import code_state, data_digest, lock_digest, versions

STORE_FILES = ("digests.json", "origin.json", "tiles.csv")  # they identify a tile store


def identity(
    job: TrainSlice, tiles: str | Path, split: str | Path, teacher: str | Path | None = None
) -> str:
    """Digest of everything an epoch's result depends on: what a run compares to decide whether to
    resume from a checkpoint. What its recipe is called and after which epoch it stops is no part of
    it, so that a run can go on where a shorter one of the same settings ended.

    Args:
        job: the cell.
        tiles: folder of the tile store.
        split: the split's CSV file.
        teacher: weights it learns from, if any.
    """
    data = [*(Path(tiles, name) for name in STORE_FILES), Path(split)]
    if teacher:
        data.append(Path(teacher))
    if job.training.init_from:
        data.append(Path(job.training.init_from))
    sources = [*model_code("train", job.model), *weights_files(job.model)]
    anyone = job.cell.model_copy(update={"recipe": ""})
    endless = job.training.model_copy(update={"stop_after": None})
    alike = job.model_copy(update={"cell": anyone, "training": endless})
    return digest([*data, *sources], alike.model_dump_json())


def origins(raw: str | Path, split: str | Path) -> dict:
    """The state of code and data that a run starts from.

    Args:
        raw: folder with the dataset's manifest.json.
        split: the split's CSV file.
    """
    return {
        "code": code_state(),
        "data": {
            "manifest_sha256": data_digest(Path(raw, "manifest.json")),
            "split_sha256": sha256(split),
        },
    }


def run_record(job: TrainSlice, origins: dict, workers: int, result: dict) -> dict:
    """The content of `run.json`.

    Args:
        job: the cell.
        origins: as of `origins`, taken before training.
        workers: loader processes.
        result: what `train` returned.
    """
    return {
        "cell": job.cell.model_dump(),
        "slice": json.loads(job.model_dump_json()),
        **origins,
        "lock_sha256": lock_digest(),
        "device": describe_device(),
        "versions": versions(),
        "seeds": {"training": job.cell.seed},
        "workers": workers,
        **result,
    }
