"""A training loop as the reports have it, for comparison, and the job that both sides train."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader

from benchmarks.row import Run
from benchmarks.rows.reading import Pictures
from satseg.config.reading import load
from satseg.devices import device
from satseg.jobs import slices
from satseg.losses import build_loss
from satseg.models import build_model
from satseg.models.segmenter import autocast
from satseg.models.unet import Dropout


def cell_job(
    cell: dict, seed: int, epochs: int, classes: int, batch: int | None = None
) -> slices.TrainSlice:
    """The job of a configured cell, on the made tiles, for that many epochs."""
    job = slices.train_slice(load(), cell["dataset"], cell["model"], cell["recipe"], seed)
    changes = {"epochs": epochs, "early_stopping": None}
    if batch:
        changes["batch_size"] = batch
    return job.model_copy(
        update={
            "training": job.training.model_copy(update=changes),
            "classes": [f"class{i}" for i in range(classes)],
            "counted": list(range(classes)),
        }
    )


def plain(
    folder: Path, cell: dict, epochs: int, classes: int, batch: int | None, **_: object
) -> Run:
    """The reports' loop: PNG by Pillow, metrics of every batch on the host, a checkpoint an epoch.

    In fp32; on a GPU with fp16 autocast.
    """
    at = device()
    half = at.type == "cuda"
    split = pd.read_csv(folder / "split.csv")
    tiles = {
        subset: split.loc[split["subset"] == subset, "tile"].to_numpy()
        for subset in ("train", "val")
    }

    def run(turn: int) -> dict:
        seed = max(turn, 0)
        job = cell_job(cell, seed, epochs, classes, batch)
        training = job.training
        torch.manual_seed(seed)
        net = with_plain_dropout(build_model(job.model, classes, 3, pretrained=True)).to(at)
        loss_of = build_loss(training.loss, None)
        optimizer = torch.optim.Adam(
            net.parameters(),
            lr=training.optimizer.lr,
            weight_decay=training.optimizer.weight_decay,
        )
        scaler = torch.amp.GradScaler(at.type, enabled=half)

        pictures = {subset: Pictures(folder, numbers, None) for subset, numbers in tiles.items()}
        pictures["train"].settings = training.augmentation

        losses = {"train_loss": [], "val_loss": []}
        seconds = []
        for epoch in range(epochs):
            began = time.perf_counter()
            pictures["train"].epoch = epoch
            for subset in ("train", "val"):
                trains = subset == "train"
                net.train(trains)
                total = 0.0
                batch_metrics = []
                for images, masks in DataLoader(
                    pictures[subset], training.batch_size, shuffle=trains
                ):
                    images = images.to(at)
                    masks = masks.to(at)
                    with torch.set_grad_enabled(trains):
                        with autocast(at, "fp16" if half else "32"):
                            logits = net(images)
                        loss = loss_of(logits.float(), masks)

                    if trains:
                        optimizer.zero_grad()
                        scaler.scale(loss).backward()
                        scaler.step(optimizer)
                        scaler.update()

                    total += loss.item() * len(images)
                    prediction = logits.argmax(1).cpu().numpy()
                    batch_metrics.append(_batch_metrics(prediction, masks.cpu().numpy(), classes))

                losses[f"{subset}_loss"].append(total / len(pictures[subset]))
                np.mean(batch_metrics, axis=0)
            seconds.append(time.perf_counter() - began)
            torch.save(net.state_dict(), folder / "plain.pt")
        return losses | {"seconds": float(np.median(seconds))}

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
        predicted = prediction == index
        actual = target == index
        both = np.logical_and(predicted, actual).sum()
        either = np.logical_or(predicted, actual).sum()
        jaccard = both / max(either, 1)
        dice = 2 * both / max(predicted.sum() + actual.sum(), 1)
        precision = both / max(predicted.sum(), 1)
        recall = both / max(actual.sum(), 1)
        scores.append([jaccard, dice, precision, recall])
    return [*np.mean(scores, axis=0), (prediction == target).mean()]
