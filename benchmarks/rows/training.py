"""A training epoch: data, forward, loss, backward, step, metrics, and the validation after it."""

import shutil
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader

from benchmarks.imagery import write_pngs, write_store
from benchmarks.row import Row, Run
from benchmarks.rows.reading import Pictures
from satseg.config.reading import ROOT, load
from satseg.data.normalise import normalise, to_unit
from satseg.data.store import open_tiles
from satseg.devices import device, keep_memory, resolve_precision
from satseg.jobs import slices
from satseg.losses import build_loss
from satseg.models import build_model
from satseg.models.segmenter import autocast
from satseg.models.unet import Dropout
from satseg.training.cell import train

# The second report's six models, those with an encoder without its pretrained weights.
STUDY = load(ROOT / "config").study["faster_unet_demo"]


def make(folder: Path, tiles: int, size: int, drawn: int, classes: int, **_: object) -> None:
    """Tiles in both forms."""
    write_pngs(folder, write_store(folder, tiles, size, classes, drawn))


def spec(
    cell: dict, seed: int, epochs: int, classes: int, batch: int | None = None
) -> slices.TrainSlice:
    """The slice of a configured cell, on the made tiles, for so many epochs."""
    found = slices.train_slice(load(), cell["dataset"], cell["model"], cell["recipe"], seed)
    changes = {"epochs": epochs, "early_stopping": None} | ({"batch_size": batch} if batch else {})
    return found.model_copy(
        update={
            "training": found.training.model_copy(update=changes),
            "classes": [f"class{i}" for i in range(classes)],
            "counted": list(range(classes)),
        }
    )


def satseg(
    folder: Path, cell: dict, epochs: int, classes: int, batch: int | None, **_: object
) -> Run:
    """`satseg.training.train`, at the precision it picks here; its epochs as it times them."""
    keep_memory()
    store, split = open_tiles(folder / "tiles"), pd.read_csv(folder / "split.csv")

    def run(turn: int) -> dict:
        shutil.rmtree(folder / "run", ignore_errors=True)
        result = train(
            spec(cell, max(turn, 0), epochs, classes, batch),
            store,
            split,
            folder / "run",
            "benchmark",
        )
        history = pd.read_csv(folder / "run" / "history.csv")
        losses = history[["train_loss", "val_loss"]].to_dict("list")
        return {
            "precision": result["precision"],
            "seconds": history["epoch_seconds"].median(),
        } | losses

    return run


def plain(
    folder: Path, cell: dict, epochs: int, classes: int, batch: int | None, **_: object
) -> Run:
    """The reports' loop: PNG by Pillow, metrics of every batch on the host, a checkpoint an epoch.

    In fp32; on a GPU with fp16 autocast.
    """
    at, half = device(), device().type == "cuda"
    split = pd.read_csv(folder / "split.csv")
    tiles = {
        subset: split.loc[split["subset"] == subset, "tile"].to_numpy()
        for subset in ("train", "val")
    }

    def run(turn: int) -> dict:
        settings = spec(cell, max(turn, 0), epochs, classes, batch)
        training = settings.training
        torch.manual_seed(max(turn, 0))
        model = with_plain_dropout(build_model(settings.model, classes, 3, pretrained=True)).to(at)
        scaler = torch.amp.GradScaler(at.type, enabled=half)
        sets = {s: Pictures(folder, chosen, None) for s, chosen in tiles.items()}
        sets["train"].settings = training.augmentation
        loss_of = build_loss(training.loss, None)
        optimizer = torch.optim.Adam(
            model.parameters(),
            lr=training.optimizer.lr,
            weight_decay=training.optimizer.weight_decay,
        )
        losses, seconds = {"train_loss": [], "val_loss": []}, []
        for epoch in range(epochs):
            began = time.perf_counter()
            sets["train"].epoch = epoch
            for subset in ("train", "val"):
                model.train(subset == "train")
                total, rows = 0.0, []
                for images, masks in DataLoader(
                    sets[subset], training.batch_size, shuffle=subset == "train"
                ):
                    images, masks = images.to(at), masks.to(at)
                    with torch.set_grad_enabled(subset == "train"):
                        with autocast(at, "fp16" if half else "32"):
                            logits = model(images)
                        loss = loss_of(logits.float(), masks)
                    if subset == "train":
                        optimizer.zero_grad()
                        scaler.scale(loss).backward()
                        scaler.step(optimizer)
                        scaler.update()
                    total += loss.item() * len(images)
                    rows.append(
                        _batch_metrics(logits.argmax(1).cpu().numpy(), masks.cpu().numpy(), classes)
                    )
                losses[f"{subset}_loss"].append(total / len(sets[subset]))
                np.mean(rows, axis=0)
            seconds.append(time.perf_counter() - began)
            torch.save(model.state_dict(), folder / "plain.pt")
        return losses | {"seconds": float(np.median(seconds))}

    return run


def compute_alone(
    folder: Path, cell: dict, epochs: int, classes: int, batch: int | None, **_: object
) -> Run:
    """An epoch's passes and steps, as satseg computes them, on one batch that is on the device
    already."""
    keep_memory()
    at, settings = device(), spec(cell, 0, epochs, classes, batch)
    training = settings.training
    store, subsets = (
        open_tiles(folder / "tiles"),
        pd.read_csv(folder / "split.csv")["subset"].value_counts(),
    )
    images = torch.from_numpy(store.images[: training.batch_size].copy()).permute(0, 3, 1, 2).to(at)
    images = normalise(to_unit(images), training.scaling)
    masks = torch.from_numpy(store.masks[: training.batch_size].copy()).long().to(at)
    torch.manual_seed(0)
    model = build_model(settings.model, classes, 3).to(at, memory_format=torch.channels_last)
    loss_of, precision = build_loss(training.loss, None), resolve_precision(training.precision)
    optimizer = torch.optim.Adam(model.parameters(), lr=training.optimizer.lr)

    def run(_: int) -> dict:
        for subset in ("train", "val"):
            model.train(subset == "train")
            for _ in range(-(-int(subsets[subset]) // training.batch_size)):
                with torch.set_grad_enabled(subset == "train"):
                    with autocast(at, precision):
                        logits = model(images)
                    loss = loss_of(logits.float(), masks)
                if subset == "train":
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
        return {"last_loss": float(loss)}

    return run


def with_plain_dropout(model: nn.Module) -> nn.Module:
    """PyTorch's own dropout in place of satseg's."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, Dropout):
                setattr(module, name, nn.Dropout(child.p))
    return model


def _batch_metrics(prediction: np.ndarray, target: np.ndarray, classes: int) -> list[float]:
    """Jaccard index, Dice coefficient, precision and recall (means over classes) and pixel accuracy
    of a batch."""
    scores = []
    for index in range(classes):
        said, is_so = prediction == index, target == index
        both, either = np.logical_and(said, is_so).sum(), np.logical_or(said, is_so).sum()
        sums = said.sum(), is_so.sum()
        parts = (either, 1), (sum(sums), 2), (sums[0], 1), (sums[1], 1)
        scores.append([times * both / max(under, 1) for under, times in parts])
    return [*np.mean(scores, axis=0), (prediction == target).mean()]


def same_curve(results: dict[str, list[dict]]) -> dict:
    """The loss curves of the same seeds, their difference and how far seeds lie apart."""
    facts = {"precision": results["satseg"][0]["precision"]}
    for name in ("train_loss", "val_loss"):
        ours, theirs = (
            np.array([run[name] for run in results[side]]) for side in ("satseg", "plain")
        )
        assert np.isfinite(ours).all() and np.isfinite(theirs).all()
        difference = ours - theirs
        facts[name] = {
            "satseg": ours.mean(0).round(4).tolist(),
            "plain": theirs.mean(0).round(4).tolist(),
            "mean_difference": difference.mean(0).round(4).tolist(),
        }
        if len(ours) > 1:
            spread = np.concatenate([ours - ours.mean(0), theirs - theirs.mean(0)])
            facts[name]["deviation_between_seeds"] = (
                np.sqrt((spread**2).sum(0) / (len(spread) - 2)).round(4).tolist()
            )
    return facts


def _row(model: str, **options: object) -> Row:
    return Row(
        name=f"epoch_{model}",
        what=f"a training epoch of {model}: data, forward, loss, backward, step, metrics, validation",
        against="the plain loop of the reports: Pillow, fp32, per-batch metrics on the host, no workers",
        sides={"satseg": satseg, "plain": plain},
        make=make, check=same_curve, at_least=2.5, threads=2, repeats=3, modules=("torchvision",),
        notes="Two threads; turn k trains with seed k on both sides.",
        **options,
    )  # fmt: skip


def _gpu_row(model: str) -> Row:
    return Row(
        name=f"epoch_gpu_{model}",
        what=f"a training epoch of {model} on a GPU: data, forward, loss, backward, step, metrics, validation",
        against="the plain loop with fp16 autocast: Pillow, per-batch metrics on the host, no workers",
        sides={"satseg": satseg, "plain": plain, "computing alone": compute_alone},
        make=make, check=same_curve, at_least=2.5, threads=1, repeats=3, modules=("torchvision",), gpu=True,
        memory=False,
        sizes={
            "cell": {"dataset": "landcoverai", "model": model, "recipe": "faster_unet"},
            "tiles": 1024, "size": 512, "drawn": 1024, "classes": 5, "epochs": 2, "batch": None,
        },
        quick={"tiles": 8, "size": 64, "drawn": 128, "epochs": 1, "batch": 4},
        notes="The loader keeps up where computing alone takes 0.9 of the epoch or more; turn k trains with seed k.",
    )  # fmt: skip


ROWS = [
    _row(
        "lab_unet",
        sizes={
            "cell": {"dataset": "dubai", "model": "lab_unet", "recipe": "lab_report"},
            "tiles": 128, "size": 256, "drawn": 1024, "classes": 6, "epochs": 2, "batch": None,
        },
        quick={"tiles": 16, "size": 32, "drawn": 128, "epochs": 1, "batch": 7},
    ),
    _row(
        "unet_skinny",
        sizes={
            "cell": {"dataset": "landcoverai", "model": "unet_skinny", "recipe": "faster_unet"},
            "tiles": 24, "size": 512, "drawn": 1024, "classes": 5, "epochs": 1, "batch": None,
        },
        quick={"tiles": 8, "size": 64, "drawn": 128, "batch": 4},
    ),
    *(_gpu_row(model) for model in STUDY.models),
]  # fmt: skip
