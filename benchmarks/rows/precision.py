"""Whether bf16 changes results: the demo's model trained in both precisions from the same seeds."""

import shutil
import sys
from collections.abc import Hashable, Mapping
from pathlib import Path

import pandas as pd

from benchmarks import projects
from benchmarks.row import circumstances
from satseg.config.reading import load
from satseg.data.store import open_tiles
from satseg.devices import keep_memory
from satseg.jobs import slices
from satseg.metrics.scores import jackknifed
from satseg.statistics.differences import differences
from satseg.training.cell import train

MODEL = "unet_tiny"
RECIPE = "demo"
DATASET = "demo"
METRIC = ("miou_d", "all")


def measure(folder: Path, quick: bool) -> dict:
    """mIoU^D of the test tiles in 32 bits and in bf16, and the difference with its 95 %
    interval."""
    keep_memory()
    project = folder / "project"
    projects.copy(project, small=quick)
    config = load(project / "config")
    split = f"data/splits/{DATASET}/{config.recipes[RECIPE].split}.csv"
    projects.snakemake(project, split)

    tiles = project / "data" / "tiles" / DATASET
    changes = {"epochs": 1} if quick else {}
    seeds = [0] if quick else [0, 1, 2]
    counts = {"32": [], "bf16": []}
    seconds = {"32": [], "bf16": []}
    for seed in seeds:
        for precision in counts:
            job = slices.train_slice(config, DATASET, MODEL, RECIPE, seed)
            training = job.training.model_copy(update={"precision": precision} | changes)
            job = job.model_copy(update={"training": training})
            run = folder / f"{precision}-{seed}"
            result = train(job, open_tiles(tiles), pd.read_csv(project / split), run, "benchmark")
            assert result["precision"] == precision
            seconds[precision].append(result["wall_seconds"])

            evaluate_job = slices.evaluate_slice(config, RECIPE).model_dump_json()
            projects.run(
                project,
                sys.executable,
                "-m",
                "satseg.stages.evaluate",
                "--slice",
                evaluate_job,
                "--tiles",
                str(tiles),
                "--split",
                split,
                "--run",
                str(run),
            )
            counts[precision].append(pd.read_csv(run / "counts.csv"))
            shutil.rmtree(run)

    table = pd.read_csv(tiles / "tiles.csv")
    groups = dict(zip(table["tile"], table["group"], strict=True))
    return {
        "row": "precision",
        "what": f"{MODEL}, recipe {RECIPE}, trained in bf16",
        "against": "32 bits, the same seeds",
        "seeds": seeds,
        "wall_seconds": seconds,
        "facts": compare(counts["bf16"], counts["32"], groups),
        "notes": "Difference in mean mIoU^D over seeds, with its interval for other ground and "
        "seeds, from groups of tiles that both precisions share.",
    } | circumstances()


def compare(
    ours: list[pd.DataFrame], theirs: list[pd.DataFrame], groups: Mapping[int, Hashable]
) -> dict:
    """mIoU^D of two sets of runs evaluated on the same tiles; the difference of their means and its
    interval, which is None for fewer than six groups of tiles."""
    sides = {"bf16": jackknifed(ours, groups)[METRIC], "32": jackknifed(theirs, groups)[METRIC]}
    (row,) = differences(sides)
    return {
        "miou_d": {name: side.values.round(4).tolist() for name, side in sides.items()},
        "difference": round(row.difference, 4),
        "low": round(row.low, 4) if row.known else None,
        "high": round(row.high, 4) if row.known else None,
    }
