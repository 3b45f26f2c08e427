"""Whether bf16 changes findings: the demo's model trained in both precisions from the same
seeds."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import projects
from benchmarks.pairs import circumstances
from satseg.config.reading import load
from satseg.data.store import open_tiles
from satseg.devices import keep_memory
from satseg.jobs import slices
from satseg.metrics.scores import resampled
from satseg.stages import evaluate
from satseg.training.cell import train

MODEL, RECIPE, DATASET = "unet_tiny", "demo", "demo"
METRIC = "miou_d", "all"


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
    seeds = [0] if quick else [0, 1, 2]
    counts = {"32": [], "bf16": []}
    seconds = {"32": [], "bf16": []}
    for seed in seeds:
        for precision in counts:
            spec = slices.train_slice(config, DATASET, MODEL, RECIPE, seed)
            changes = {"precision": precision} | ({"epochs": 1} if quick else {})
            spec = spec.model_copy(update={"training": spec.training.model_copy(update=changes)})
            out = folder / f"{precision}-{seed}"
            result = train(spec, open_tiles(tiles), pd.read_csv(project / split), out, "benchmark")
            assert result["precision"] == precision
            seconds[precision].append(result["wall_seconds"])
            evaluate.run(
                slices.evaluate_slice(config, RECIPE), str(tiles), str(project / split), str(out)
            )
            counts[precision].append(pd.read_csv(out / "counts.csv"))
            shutil.rmtree(out)
    facts = compare(counts["bf16"], counts["32"])
    return {
        "row": "precision",
        "what": f"{MODEL}, recipe {RECIPE}, trained in bf16",
        "against": "32 bits, the same seeds",
        "seeds": seeds,
        "wall_seconds": seconds,
        "facts": facts,
        "notes": "Difference of the mean mIoU^D over seeds; scenes (where few, tiles) and seeds are drawn with "
        "replacement, the same for both precisions.",
    } | circumstances()


def compare(ours: list[pd.DataFrame], theirs: list[pd.DataFrame]) -> dict:
    """mIoU^D of two sets of trainings judged on the same tiles, and of each pair the difference,
    with an interval."""
    first, second = (resampled(frames)[METRIC] for frames in (ours, theirs))
    low, high = np.percentile(first.draws - second.draws, [2.5, 97.5])
    return {
        "miou_d": {"bf16": first.each.round(4).tolist(), "32": second.each.round(4).tolist()},
        "difference": round(float(first.each.mean() - second.each.mean()), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
    }
