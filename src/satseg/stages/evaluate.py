"""Count a trained model's right and wrong pixels, tile by tile and class by class."""

from pathlib import Path

import numpy as np
import pandas as pd

from satseg.data.loader import subset_tiles
from satseg.data.store import open_tiles
from satseg.devices import device, keep_memory
from satseg.evaluation.judging import check_fit, judge, predicted
from satseg.evaluation.panels import panel_tiles
from satseg.files import together
from satseg.jobs.gpus import take_gpu
from satseg.jobs.program import stage
from satseg.jobs.slices import EvaluateSlice
from satseg.metrics.counts import epoch_metrics
from satseg.models.segmenter import load_weights
from satseg.progress import log
from satseg.readers import read_split


def run(spec: EvaluateSlice, tiles: str, split: str, run: str) -> None:
    """Write `counts.csv` and `panels.npz` into the folder `run` of a trained cell."""
    take_gpu()
    keep_memory()
    segmenter = load_weights(Path(run, f"{spec.evaluate.weights}.pt"), device())
    store = open_tiles(tiles)
    check_fit(segmenter, store, Path(run, f"{spec.evaluate.weights}.pt"))
    chosen = subset_tiles(
        store, read_split(split, store.table), spec.evaluate.subset, segmenter.padded_tiles
    )
    names = [segmenter.classes[i] for i in segmenter.counted]
    shown, hard = panel_tiles(store, chosen, segmenter.counted, names)
    counts = judge(segmenter, store, chosen, spec.augmentation)
    table = pd.DataFrame(counts.reshape(-1, 4), columns=["tp", "fp", "fn", "tn"])
    table.insert(0, "tile", np.repeat(chosen, len(names)))
    table.insert(1, "scene", np.repeat(store.table.loc[chosen, "scene"].to_numpy(), len(names)))
    table.insert(2, "class", np.tile(names, len(chosen)))
    panels = predicted(segmenter, store, shown)
    with together(Path(run, "counts.csv"), Path(run, "panels.npz")) as (counted, drawn):
        table.to_csv(counted, index=False)
        np.savez_compressed(drawn, tiles=shown, predictions=panels, hard=np.array(hard, np.str_))
    result = epoch_metrics(counts.sum(0))
    log.info(
        "%s, %d %s tiles: mIoU %.3f, pixel accuracy %.3f",
        run, len(chosen), spec.evaluate.subset, result["jaccard"], result["pixel_accuracy"],
    )  # fmt: skip


if __name__ == "__main__":
    stage(
        "evaluate",
        __doc__,
        EvaluateSlice,
        run,
        {
            "tiles": "folder of the tile store",
            "split": "the split's CSV file",
            "run": "folder of the trained cell",
        },
    )
