"""Train one cell of the grid: one dataset × model × recipe × seed."""

import json
import shutil
from pathlib import Path

import pandas as pd

from satseg.cli import stage
from satseg.data.tiles import open_tiles
from satseg.devices import describe_device, device
from satseg.files import sha256, write_json
from satseg.provenance import code_state, data_digest, lock_digest, versions
from satseg.slices import TrainSlice
from satseg.sources import code
from satseg.training import digest, train


def run(spec: TrainSlice, raw: str, tiles: str, split: str, out: str, workers: int | None) -> None:
    """Write `history.csv`, `best.pt`, `final.pt` and `run.json` of the cell into `out`."""
    workers = (4 if device().type == "cuda" else 0) if workers is None else workers
    data = {"manifest_sha256": data_digest(Path(raw, "manifest.json")), "split_sha256": sha256(split)}
    sources = [sha256(path) for path in code("train", f"satseg.models.{spec.model.family}")]
    identity = digest(spec.model_dump_json(), *data.values(), *sources)
    state = code_state()
    result = train(spec, open_tiles(tiles), pd.read_csv(split), out, identity, workers)
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
    shutil.rmtree(Path(out, "checkpoints"), ignore_errors=True)


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
    )
