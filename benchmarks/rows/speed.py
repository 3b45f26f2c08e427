"""The papers' speeds on the device at hand: each model's epoch, step, latency, throughput and
memory."""

import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.imagery import write_store
from benchmarks.row import circumstances, peak_memory_mb
from benchmarks.rows.training import STUDY, spec
from satseg import devices
from satseg.config.reading import load
from satseg.data.normalise import to_unit
from satseg.data.store import open_tiles
from satseg.losses import build_loss
from satseg.models import build_model
from satseg.models.segmenter import autocast
from satseg.profiling import repeated
from satseg.study.claims.correlation import spearman
from satseg.study.speed import printed_seconds
from satseg.training.cell import train

CELL = {"dataset": "landcoverai", "recipe": "faster_unet"}
CLASSES = 5
FULL = {"size": 512, "drawn": 1024}
QUICK = {"tiles": 8, "size": 64, "drawn": 128, "batch": 4, "batches": (1, 2)}
# As the papers trained, on a GPU of 24 GB or more; a CPU would take hours and more memory than it
# has.
BY_DEVICE = {
    "cuda": {"tiles": 1024, "batch": 8, "batches": (1, 8, 32)},
    "cpu": {"tiles": 8, "batch": 2, "batches": (1, 2)},
}


def measure(folder: Path, quick: bool) -> dict:
    """Measure the models one after the other, a process each; what the row's JSON file holds."""
    at = devices.device()
    sizes = QUICK if quick else FULL | BY_DEVICE[at.type]
    write_store(folder, sizes["tiles"], sizes["size"], CLASSES, sizes["drawn"])
    models = {}
    for model in STUDY.models:
        with ProcessPoolExecutor(1, get_context("spawn")) as alone:
            models[model] = alone.submit(speeds, folder, model, sizes).result()
    return {
        "row": "speed",
        "what": "the models' speed",
        "precision": devices.resolve_precision("auto"),
        "sizes": sizes,
        "models": models,
        "published": published({model: found["epoch_seconds"] for model, found in models.items()}),
        "facts": {model: found["epoch_seconds"] for model, found in models.items()},
    } | circumstances()


def published(epochs: dict[str, float]) -> dict[str, dict]:
    """The paper's epoch times of the same models, table by table, and their rank correlation with
    ours."""
    found = {}
    for table in load().papers[STUDY.paper].tables:
        if table.column("epoch_seconds"):
            theirs = printed_seconds(table, epochs)
            both = [model for model in epochs if model in theirs]
            rho = spearman([epochs[m] for m in both], [theirs[m] for m in both])
            found[table.title] = {
                "device": table.device,
                "epoch_seconds": theirs,
                "rho": round(rho, 2),
            }
    return found


def speeds(folder: Path, model: str, sizes: dict) -> dict:
    """One model's, in the precision that satseg trains in here.

    Returns:
        epoch_seconds of training and validation; train_step_ms, forward, loss, backward and Adam of
        a batch, and train_memory_mb, the most memory held until then; forward_ms and
        tiles_per_second by batch size.
    """
    devices.keep_memory()
    store, split = open_tiles(folder / "tiles"), pd.read_csv(folder / "split.csv")
    settings = spec(CELL | {"model": model}, 0, 2, CLASSES, sizes["batch"])
    train(settings, store, split, folder / "run", "benchmark")
    epochs = pd.read_csv(folder / "run" / "history.csv")["epoch_seconds"]
    shutil.rmtree(folder / "run")
    at, precision = devices.device(), devices.resolve_precision("auto")
    torch.manual_seed(0)
    network = build_model(settings.model, CLASSES, 3).to(at, memory_format=torch.channels_last)
    optimizer, loss_of = (
        torch.optim.Adam(network.parameters()),
        build_loss(settings.training.loss, None),
    )
    masks = torch.from_numpy(store.masks[: sizes["batch"]].copy()).long().to(at)
    images = _images(store.images, sizes["batch"], at)

    def step() -> None:
        with autocast(at, precision):
            logits = network(images)
        optimizer.zero_grad()
        loss_of(logits.float(), masks).backward()
        optimizer.step()

    found = {"epoch_seconds": float(epochs.min()), "train_step_ms": _median(step)}
    found["train_memory_mb"] = round(
        devices.peak_memory_mb() if at.type == "cuda" else peak_memory_mb()
    )
    network.eval()
    found |= {"forward_ms": {}, "tiles_per_second": {}}
    for batch in sizes["batches"]:
        images = _images(store.images, batch, at)

        def forward(images: torch.Tensor = images) -> None:
            with torch.inference_mode(), autocast(at, precision):
                network(images)

        spent = _median(forward)
        found["forward_ms"][str(batch)] = spent
        found["tiles_per_second"][str(batch)] = round(1000 * batch / spent, 2)
    return found


def _images(stored: np.ndarray, batch: int, at: torch.device) -> torch.Tensor:
    """A batch of tiles on the device, float [B, C, H, W]; they repeat where there are fewer."""
    chosen = np.arange(batch) % len(stored)
    return to_unit(torch.from_numpy(stored[chosen]).permute(0, 3, 1, 2).to(at))


def _median(work) -> float:
    return round(float(np.median(repeated(work, "passes"))), 3)
