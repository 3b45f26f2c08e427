"""Count a trained model's right and wrong pixels, tile by tile and class by class."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from satseg.cli import log, stage
from satseg.data.loader import TileDataset, loader, subset_tiles
from satseg.data.tiles import Tiles, open_tiles
from satseg.devices import device
from satseg.files import atomic
from satseg.inference import Segmenter, load_weights, positions, predict
from satseg.metrics import epoch_metrics, tile_counts
from satseg.slices import EvaluateSlice

PANELS = 6


def run(spec: EvaluateSlice, tiles: str, split: str, run: str) -> None:
    """Write `counts.csv` and `panels.npz` into the folder `run` of a trained cell."""
    segmenter = load_weights(Path(run, f"{spec.evaluate.weights}.pt"), device())
    store = open_tiles(tiles)
    chosen = subset_tiles(store, pd.read_csv(split), spec.evaluate.subset, segmenter.padded_tiles)
    shown = panel_tiles(store, chosen, segmenter)
    counts, panels = judge(segmenter, store, chosen, shown)
    names = [segmenter.classes[i] for i in segmenter.counted]
    table = pd.DataFrame(counts.reshape(-1, 4), columns=["tp", "fp", "fn", "tn"])
    table.insert(0, "tile", np.repeat(chosen, len(names)))
    table.insert(1, "scene", np.repeat(store.table.loc[chosen, "scene"].to_numpy(), len(names)))
    table.insert(2, "class", np.tile(names, len(chosen)))
    with atomic(Path(run, "counts.csv")) as temporary:
        table.to_csv(temporary, index=False)
    with atomic(Path(run, "panels.npz")) as temporary:
        np.savez_compressed(temporary, tiles=shown, predictions=panels)
    result = epoch_metrics(counts.sum(0))
    log.info(
        "%s, %d %s tiles: mIoU %.3f, pixel accuracy %.3f",
        run, len(chosen), spec.evaluate.subset, result["jaccard"], result["pixel_accuracy"],
    )  # fmt: skip


def judge(segmenter: Segmenter, store: Tiles, chosen: np.ndarray, shown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts int64 [N, C, 4] of the chosen tiles, and predictions (class index) uint8 [K, H, W] of the shown ones."""
    counts, panels = [], {}
    for images, masks, numbers in loader(TileDataset(store, chosen), segmenter.batch_size):
        images, masks = images.to(device(), non_blocking=True), masks.to(device(), non_blocking=True)
        prediction = predict(segmenter, images)
        target = positions(masks, segmenter.counted)
        counts.append(tile_counts(prediction, target, len(segmenter.counted)).cpu())
        for i in torch.isin(numbers, torch.from_numpy(shown)).nonzero().flatten().tolist():
            panels[int(numbers[i])] = np.array(segmenter.counted, np.uint8)[prediction[i].cpu().numpy()]
    return torch.cat(counts).numpy(), np.stack([panels[tile] for tile in shown])


def panel_tiles(store: Tiles, chosen: np.ndarray, segmenter: Segmenter) -> np.ndarray:
    """The tiles to show: whole ones with the most even mix of classes, one a scene; the same for every model."""
    rows = store.table.loc[chosen]
    pixels = rows[[f"pixels_{segmenter.classes[i]}" for i in segmenter.counted]].to_numpy(float)
    shares = pixels / np.maximum(pixels.sum(1, keepdims=True), 1)
    mix = -(shares * np.log(np.maximum(shares, 1e-12))).sum(1)
    order = rows.assign(mix=mix).sort_values(["whole", "mix", "tile"], ascending=[False, False, True])
    return np.sort(order.drop_duplicates("scene")["tile"].to_numpy()[:PANELS])


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
