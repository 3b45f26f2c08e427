"""A training epoch: data, forward, loss, backward, step, metrics, and validation."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.imagery import write_pngs, write_store
from benchmarks.row import Row, Run
from benchmarks.rows.plain_loop import cell_job, plain
from satseg.config.reading import ROOT, load
from satseg.data.normalise import normalise, to_unit
from satseg.data.store import open_tiles
from satseg.devices import device, keep_memory, loader_workers, resolve_precision
from satseg.losses import build_loss
from satseg.models import build_model
from satseg.models.segmenter import autocast
from satseg.training.cell import train

# The second report's six models; those with an encoder start without its pretrained weights.
STUDY = load(ROOT / "config").study["faster_unet_demo"]


def make(folder: Path, tiles: int, size: int, drawn: int, classes: int, **_: object) -> None:
    """Tiles in both formats."""
    write_pngs(folder, write_store(folder, tiles, size, classes, drawn))


def satseg(
    folder: Path, cell: dict, epochs: int, classes: int, batch: int | None, **_: object
) -> Run:
    """`satseg.training.cell.train`, in the precision it picks on this device; it times its epochs
    itself."""
    keep_memory()
    store = open_tiles(folder / "tiles")
    split = pd.read_csv(folder / "split.csv")

    def run(turn: int) -> dict:
        shutil.rmtree(folder / "run", ignore_errors=True)
        job = cell_job(cell, max(turn, 0), epochs, classes, batch)
        result = train(job, store, split, folder / "run", "benchmark", loader_workers())
        history = pd.read_csv(folder / "run" / "history.csv")
        losses = history[["train_loss", "val_loss"]].to_dict("list")
        return {
            "precision": result["precision"],
            "seconds": history["epoch_seconds"].median(),
        } | losses

    return run


def compute_alone(
    folder: Path, cell: dict, epochs: int, classes: int, batch: int | None, **_: object
) -> Run:
    """An epoch's passes and steps, as satseg computes them, on one batch that is already on the
    device."""
    keep_memory()
    at = device()
    job = cell_job(cell, 0, epochs, classes, batch)
    training = job.training
    store = open_tiles(folder / "tiles")
    subsets = pd.read_csv(folder / "split.csv")["subset"].value_counts()

    images = torch.from_numpy(store.images[: training.batch_size].copy()).permute(0, 3, 1, 2).to(at)
    images = normalise(to_unit(images), training.scaling)
    masks = torch.from_numpy(store.masks[: training.batch_size].copy()).long().to(at)
    torch.manual_seed(0)
    net = build_model(job.model, classes, 3).to(at, memory_format=torch.channels_last)
    loss_of = build_loss(training.loss, None)
    precision = resolve_precision(training.precision)
    optimizer = torch.optim.Adam(net.parameters(), lr=training.optimizer.lr)

    def run(_: int) -> dict:
        for subset in ("train", "val"):
            net.train(subset == "train")
            for _ in range(-(-int(subsets[subset]) // training.batch_size)):
                with torch.set_grad_enabled(subset == "train"):
                    with autocast(at, precision):
                        logits = net(images)
                    loss = loss_of(logits.float(), masks)
                if subset == "train":
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
        return {"last_loss": float(loss)}

    return run


def same_curve(results: dict[str, list[dict]]) -> dict:
    """The loss curves of the same seeds, their difference, and the spread between seeds."""
    facts = {"precision": results["satseg"][0]["precision"]}
    for name in ("train_loss", "val_loss"):
        ours = np.array([run[name] for run in results["satseg"]])
        theirs = np.array([run[name] for run in results["plain"]])
        assert np.isfinite(ours).all() and np.isfinite(theirs).all()
        difference = ours - theirs
        facts[name] = {
            "satseg": ours.mean(0).round(4).tolist(),
            "plain": theirs.mean(0).round(4).tolist(),
            "mean_difference": difference.mean(0).round(4).tolist(),
        }
        if len(ours) > 1:
            spread = np.concatenate([ours - ours.mean(0), theirs - theirs.mean(0)])
            deviation = np.sqrt((spread**2).sum(0) / (len(spread) - 2))
            facts[name]["deviation_between_seeds"] = deviation.round(4).tolist()
    return facts


def _row(model: str, **options: object) -> Row:
    return Row(
        name=f"epoch_{model}",
        what=f"a training epoch of {model}: data, forward, loss, backward, step, metrics, "
        f"validation",
        against="the plain loop of the reports: Pillow, fp32, per-batch metrics on the host, no "
        "workers",
        sides={"satseg": satseg, "plain": plain},
        make=make,
        check=same_curve,
        at_least=2.5,
        threads=2,
        repeats=3,
        modules=("torchvision",),
        notes="Two threads; turn k trains with seed k on both sides.",
        **options,
    )


def _gpu_row(model: str) -> Row:
    return Row(
        name=f"epoch_gpu_{model}",
        what=f"a training epoch of {model} on a GPU: data, forward, loss, backward, step, "
        f"metrics, validation",
        against="the plain loop with fp16 autocast: Pillow, per-batch metrics on the host, no "
        "workers",
        sides={"satseg": satseg, "plain": plain, "computing alone": compute_alone},
        make=make,
        check=same_curve,
        at_least=2.5,
        threads=1,
        repeats=3,
        modules=("torchvision",),
        gpu=True,
        memory=False,
        sizes={
            "cell": {"dataset": "landcoverai", "model": model, "recipe": "faster_unet"},
            "tiles": 1024,
            "size": 512,
            "drawn": 1024,
            "classes": 5,
            "epochs": 2,
            "batch": None,
        },
        quick={"tiles": 8, "size": 64, "drawn": 128, "epochs": 1, "batch": 4},
        notes="The loader keeps up if computing alone takes at least 0.9 of the epoch; turn k "
        "trains with seed k.",
    )


ROWS = [
    _row(
        "lab_unet",
        sizes={
            "cell": {"dataset": "dubai", "model": "lab_unet", "recipe": "random"},
            "tiles": 128,
            "size": 256,
            "drawn": 1024,
            "classes": 6,
            "epochs": 2,
            "batch": None,
        },
        quick={"tiles": 16, "size": 32, "drawn": 128, "epochs": 1, "batch": 7},
    ),
    _row(
        "unet_skinny",
        sizes={
            "cell": {"dataset": "landcoverai", "model": "unet_skinny", "recipe": "faster_unet"},
            "tiles": 24,
            "size": 512,
            "drawn": 1024,
            "classes": 5,
            "epochs": 1,
            "batch": None,
        },
        quick={"tiles": 8, "size": 64, "drawn": 128, "batch": 4},
    ),
    *(_gpu_row(model) for model in STUDY.models),
]
