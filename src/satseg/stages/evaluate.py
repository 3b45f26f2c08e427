"""Count a trained model's right and wrong pixels, tile by tile and class by class."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from satseg.cli import log, stage, watched
from satseg.config import Augmentation
from satseg.counts import epoch_metrics, tile_counts
from satseg.data.augmentation import augment
from satseg.data.loader import TileDataset, loader, subset_tiles
from satseg.data.store import Tiles, open_tiles
from satseg.devices import device, keep_memory
from satseg.errors import UserError
from satseg.files import together
from satseg.inference import Segmenter, load_weights, positions, predict
from satseg.outputs import read_split
from satseg.slices import EvaluateSlice
from satseg.slots import take_gpu

PANELS, HARD = 6, 2


def run(spec: EvaluateSlice, tiles: str, split: str, run: str) -> None:
    """Write `counts.csv` and `panels.npz` into the folder `run` of a trained cell."""
    take_gpu()
    keep_memory()
    segmenter = load_weights(Path(run, f"{spec.evaluate.weights}.pt"), device())
    store = open_tiles(tiles)
    check_fit(segmenter, store, Path(run, f"{spec.evaluate.weights}.pt"))
    chosen = subset_tiles(store, read_split(split, store.table), spec.evaluate.subset, segmenter.padded_tiles)
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


def check_fit(segmenter: Segmenter, store: Tiles, weights: Path) -> None:
    """Refuse weights that were trained on other tiles than these.

    Raises:
        UserError: bands or classes differ.
    """
    bands = store.images.shape[-1]
    if segmenter.bands != bands:
        raise UserError(f"{weights}: trained on {segmenter.bands} bands, the tiles have {bands}; train the cell again")
    unknown = [name for name in segmenter.classes if f"pixels_{name}" not in store.table]
    if unknown:
        raise UserError(f"{weights}: knows class {unknown[0]!r}, the tiles do not; train the cell again")


def judge(segmenter: Segmenter, store: Tiles, chosen: np.ndarray, changes: Augmentation | None) -> np.ndarray:
    """Counts int64 [N, C, 4] of the chosen tiles, after random changes of them where the recipe makes any."""
    counts = []
    batches = loader(TileDataset(store, chosen), segmenter.batch_size)
    for images, masks, numbers in watched(batches, len(batches), "evaluating", "batches"):
        images, masks = images.to(device(), non_blocking=True), masks.to(device(), non_blocking=True)
        if changes:
            # One draw for every model and seed: they are judged on the same pixels.
            images, masks = augment(images, masks, numbers, changes, seed=0, epoch=0)
        target = positions(masks, segmenter.counted)
        counts.append(tile_counts(predict(segmenter, images), target, len(segmenter.counted)).cpu())
    return torch.cat(counts).numpy()


def predicted(segmenter: Segmenter, store: Tiles, shown: np.ndarray) -> np.ndarray:
    """Class index of every pixel of the shown tiles, as they are: uint8 [K, H, W]."""
    counted = np.array(segmenter.counted, np.uint8)
    batches = loader(TileDataset(store, shown), segmenter.batch_size)
    return np.concatenate([counted[predict(segmenter, images.to(device())).cpu().numpy()] for images, _, _ in batches])


def panel_tiles(store: Tiles, chosen: np.ndarray, counted: list[int], names: list[str]) -> tuple[np.ndarray, list[str]]:
    """The tiles to show, the same for every model: some of mixed content, one a scene, and some that are hard.

    Returns:
        tile numbers [K], rising, and for each the class that makes it hard, or an empty text.
    """
    rows = store.table.loc[chosen]
    pixels = rows[[f"pixels_{name}" for name in names]].to_numpy(float)
    shares = pixels / np.maximum(pixels.sum(1, keepdims=True), 1)
    mix = -(shares * np.log(np.maximum(shares, 1e-12))).sum(1)
    order = rows.assign(mix=mix).sort_values(["whole", "mix", "tile"], ascending=[False, False, True])
    hard: dict[str, int] = {}
    for tile, name in odd_tiles(store, chosen, counted, names):
        if len(hard) < HARD and name not in hard and tile not in hard.values():
            hard[name] = tile
    picks = {tile: name for name, tile in hard.items()}
    mixed = order[~order["tile"].isin(list(picks))].drop_duplicates("scene")["tile"]
    picks |= {int(tile): "" for tile in mixed[: PANELS - len(picks)]}
    shown = sorted(picks)
    return np.array(shown), [picks[tile] for tile in shown]


def odd_tiles(store: Tiles, chosen: np.ndarray, counted: list[int], names: list[str]) -> list[tuple[int, str]]:
    """Tiles where a class looks least as it usually does, such as roads in shadow: (tile, class), oddest first.

    A class's look in a tile is its mean colour there; how odd it is, the distance from the mean over the
    chosen tiles in standard deviations. Only tiles count where the class covers at least 1 %.
    """
    looks = np.full((len(chosen), len(counted), store.images.shape[-1]), np.nan)
    for i, tile in enumerate(chosen):
        # A quarter of the pixels tells a mean colour well enough.
        image, mask = store.images[tile][::2, ::2].astype(np.float32), store.masks[tile][::2, ::2]
        for c, index in enumerate(counted):
            here = mask == index
            if here.mean() >= 0.01:
                looks[i, c] = image[here].mean(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a class that occurs nowhere has no mean
        spread = np.nanstd(looks, 0)
        away = (looks - np.nanmean(looks, 0)) / np.where(spread > 0, spread, np.nan)
    odd = np.nan_to_num(np.sqrt((away**2).mean(-1)))
    order = np.dstack(np.unravel_index(np.argsort(-odd, axis=None, kind="stable"), odd.shape))[0]
    return [(int(chosen[i]), names[c]) for i, c in order if odd[i, c] > 0]


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
