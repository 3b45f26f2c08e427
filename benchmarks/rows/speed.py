"""The papers' speeds on this device: each model's epoch, step, latency, throughput and memory."""

import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.imagery import write_store
from benchmarks.row import circumstances, peak_memory_mb
from benchmarks.rows.plain_loop import cell_job
from benchmarks.rows.training import STUDY
from satseg import devices
from satseg.config.reading import load
from satseg.data.normalise import to_unit
from satseg.data.store import open_tiles
from satseg.losses import build_loss
from satseg.models import build_model
from satseg.models.segmenter import autocast
from satseg.profiling import repeated
from satseg.statistics.correlation import spearman
from satseg.study.speed import printed_seconds
from satseg.training.cell import train

CELL = {"dataset": "landcoverai", "recipe": "faster_unet"}
CLASSES = 5
FULL = {"size": 512, "drawn": 1024}
QUICK = {"tiles": 8, "size": 64, "drawn": 128, "batch": 4, "batches": (1, 2)}
# On a GPU of 24 GB or more as the papers trained; a CPU would need hours, and more memory than it
# has.
BY_DEVICE = {
    "cuda": {"tiles": 1024, "batch": 8, "batches": (1, 8, 32)},
    "cpu": {"tiles": 8, "batch": 2, "batches": (1, 2)},
}


def measure(folder: Path, quick: bool) -> dict:
    """Measure the models one after the other, a process each."""
    sizes = QUICK if quick else FULL | BY_DEVICE[devices.device().type]
    write_store(folder, sizes["tiles"], sizes["size"], CLASSES, sizes["drawn"])
    models = {}
    for model in STUDY.models:
        with ProcessPoolExecutor(1, get_context("spawn")) as alone:
            models[model] = alone.submit(speeds, folder, model, sizes).result()
    epoch_seconds = {model: speed["epoch_seconds"] for model, speed in models.items()}

    return {
        "row": "speed",
        "what": "the models' speed",
        "precision": devices.resolve_precision("auto"),
        "sizes": sizes,
        "models": models,
        "published": published(epoch_seconds),
        "facts": epoch_seconds,
    } | circumstances()


def published(epochs: dict[str, float]) -> dict[str, dict]:
    """The paper's epoch times of the same models, table by table, and their rank correlation with
    ours."""
    tables = {}
    for table in load().papers[STUDY.paper].tables:
        printed = printed_seconds(table, epochs)
        if len(printed) < 2:  # no order to compare with
            continue
        both = [model for model in epochs if model in printed]
        rho = spearman([epochs[model] for model in both], [printed[model] for model in both]).rho
        tables[table.title] = {
            "device": table.device,
            "epoch_seconds": printed,
            "rho": round(rho, 2),
        }
    return tables


def speeds(folder: Path, model: str, sizes: dict) -> dict:
    """One model's speeds, in the precision that satseg trains in on this device.

    Returns:
        epoch_seconds, of training and validation; train_step_ms, of forward, loss, backward and
        Adam on a batch; train_memory_mb, peak memory up to then; forward_ms and tiles_per_second,
        by batch size.
    """
    devices.keep_memory()
    store = open_tiles(folder / "tiles")
    split = pd.read_csv(folder / "split.csv")
    job = cell_job(CELL | {"model": model}, 0, 2, CLASSES, sizes["batch"])
    train(job, store, split, folder / "run", "benchmark", devices.loader_workers())
    epochs = pd.read_csv(folder / "run" / "history.csv")["epoch_seconds"]
    shutil.rmtree(folder / "run")

    at = devices.device()
    precision = devices.resolve_precision("auto")
    torch.manual_seed(0)
    net = build_model(job.model, CLASSES, 3).to(at, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters())
    loss_of = build_loss(job.training.loss, None)
    masks = torch.from_numpy(store.masks[: sizes["batch"]].copy()).long().to(at)
    images = _images(store.images, sizes["batch"], at)

    def step() -> None:
        with autocast(at, precision):
            logits = net(images)
        optimizer.zero_grad()
        loss_of(logits.float(), masks).backward()
        optimizer.step()

    speed = {"epoch_seconds": float(epochs.min()), "train_step_ms": _median_ms(step)}
    memory = devices.peak_memory_mb() if at.type == "cuda" else peak_memory_mb()
    speed["train_memory_mb"] = round(memory)

    net.eval()
    speed |= {"forward_ms": {}, "tiles_per_second": {}}
    for batch in sizes["batches"]:
        images = _images(store.images, batch, at)

        def forward(images: torch.Tensor = images) -> None:
            with torch.inference_mode(), autocast(at, precision):
                net(images)

        milliseconds = _median_ms(forward)
        speed["forward_ms"][str(batch)] = milliseconds
        speed["tiles_per_second"][str(batch)] = round(1000 * batch / milliseconds, 2)
    return speed


def _images(stored: np.ndarray, batch: int, at: torch.device) -> torch.Tensor:
    """A batch of tiles on the device, float [B, C, H, W]; tiles repeat if there are too few."""
    numbers = np.arange(batch) % len(stored)
    return to_unit(torch.from_numpy(stored[numbers]).permute(0, 3, 1, 2).to(at))


def _median_ms(work: Callable[[], None]) -> float:
    """Median time of a call, ms."""
    return round(float(np.median(repeated(work))), 3)
