"""Whether a GPU gives what a CPU gives, and gives it again."""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio
import torch
from torch import nn

from benchmarks.gpu.scenery import draw
from benchmarks.gpu.steps import Step
from benchmarks.imagery import write_scenes, write_store
from benchmarks.rows.plain_loop import cell_job
from satseg.data.store import open_tiles
from satseg.devices import describe_device, device
from satseg.errors import UserError
from satseg.evaluation.counting import evaluate_tiles
from satseg.jobs.slices import TrainSlice
from satseg.models.segmenter import load_weights
from satseg.prediction import predict_scene
from satseg.training.cell import train
from satseg.training.limits import TIME_IS_UP, Limits, Stopped

# One of each kind of model, without pretrained weights, which would have to be fetched.
FAMILIES = ("unet_tiny", "linknet_resnet18", "unetplusplus_scratch", "deeplabv3plus_scratch")
CLASSES = 5
TILES = 8
DRAWN = 256
SAME_LOSS = 1e-3  # relative
SAME_PIXELS = 0.01  # share of the pixels that may be counted otherwise
TIE = 2  # steps of a stored probability: so close that rounding decides


class StopsInside(Limits):
    """Limits that stop a run after its second batch, which is within its first epoch."""

    batches = 2

    def reason_to_stop(self) -> str:
        """Whether that batch is done."""
        StopsInside.batches -= 1
        return "" if StopsInside.batches > 0 else TIME_IS_UP


def steps(folder: Path) -> list[Step]:
    """The checks, in order.

    Args:
        folder: for what they write.
    """
    draw(folder, DRAWN)
    write_store(folder, TILES, 64, CLASSES, DRAWN)
    checks = [
        Step(f"correct_{model}", partial(same_as_cpu, folder, model), 2) for model in FAMILIES
    ]
    return [
        *checks,
        Step("correct_resume", partial(resumes_exactly, folder), 1.5),
        Step("correct_fp16", partial(scales_losses, folder), 1),
        Step("correct_memory", partial(explains_lack_of_memory, folder), 1),
        Step("correct_predict", partial(same_map, folder), 2),
    ]


def _job(model: str, **training: object) -> TrainSlice:
    job = cell_job({"dataset": "landcoverai", "model": model, "recipe": "faster_unet"}, 0, 1, 5, 2)
    # Plain steps of SGD do not blow up rounding as the first ones of Adam do.
    changes = {"optimizer": {"name": "sgd", "lr": 0.01}, "scheduler": None, "precision": "32"}
    settings = job.training.model_dump() | changes | training
    return job.model_copy(update={"training": type(job.training).model_validate(settings)})


def _train(folder: Path, out: Path, job: TrainSlice, **options: object) -> dict:
    split = pd.read_csv(folder / "split.csv")
    return train(job, open_tiles(folder / "tiles"), split, out, "benchmark", **options)


@contextmanager
def _comparable() -> Iterator[None]:
    """A block without dropout, which devices draw differently, and without rounding to 19 bits."""
    dropout = nn.Dropout.forward
    tf32 = torch.backends.cudnn.allow_tf32
    nn.Dropout.forward = lambda self, values: values
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        nn.Dropout.forward = dropout
        torch.backends.cudnn.allow_tf32 = tf32


def epoch(folder: Path, out: Path, model: str) -> dict:
    """An epoch, and an evaluation of all tiles: the losses, and counts int64 [N, C, 4]."""
    job = _job(model)
    job = job.model_copy(update={"model": job.model.model_copy(update={"dropout": 0.0})})
    with _comparable():
        result = _train(folder, out, job)
        segmenter = load_weights(out / "final.pt", device())
        counts = evaluate_tiles(segmenter, open_tiles(folder / "tiles"), np.arange(TILES))
    history = pd.read_csv(out / "history.csv").iloc[-1]
    losses = [history["train_loss"], history["val_loss"]]
    return {"losses": losses, "counts": counts, "memory": result["peak_memory_mb"]}


@cache
def _process() -> ProcessPoolExecutor:
    """The one process that sees no GPU; starting it takes seconds."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    try:
        pool = ProcessPoolExecutor(1, get_context("spawn"))
        pool.submit(os.getpid).result()
        return pool
    finally:
        del os.environ["CUDA_VISIBLE_DEVICES"]
        if visible is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = visible


def on_cpu(work: partial) -> Any:
    """What it returns in a process that sees no GPU."""
    return _process().submit(work).result()


def same_as_cpu(folder: Path, model: str, seconds: float) -> dict:
    """One epoch and one evaluation, here and on a CPU."""
    ours = epoch(folder, folder / f"{model}_here", model)
    theirs = on_cpu(partial(epoch, folder, folder / f"{model}_cpu", model))
    differences = np.abs(np.divide(ours["losses"], theirs["losses"]) - 1)
    pixels = theirs["counts"][:, 0].sum()
    moved = np.abs(ours["counts"] - theirs["counts"]).sum() / (4 * pixels)
    found = {
        "device": describe_device(),
        "losses": ours["losses"],
        "losses_cpu": theirs["losses"],
        "loss_difference": float(differences.max()),
        "pixels_moved": float(moved),
        "peak_memory_mb": ours["memory"],
    }
    assert differences.max() < SAME_LOSS and moved < SAME_PIXELS, found
    return found


def resumes_exactly(folder: Path, seconds: float) -> dict:
    """A run that was stopped within an epoch ends with the weights of one that was not."""
    job = _job("unet_tiny", deterministic=True, optimizer={"name": "adam"}, ema=0.9)
    _train(folder, folder / "whole", job)
    StopsInside.batches = 2
    shutil.rmtree(folder / "cut", ignore_errors=True)
    try:
        _train(folder, folder / "cut", job, limits=StopsInside())
    except Stopped:
        pass
    else:
        raise AssertionError("the run did not stop")
    result = _train(folder, folder / "cut", job)
    whole, cut = (
        torch.load(folder / name / "final.pt", weights_only=True)["state_dict"]
        for name in ("whole", "cut")
    )
    different = [name for name in whole if not torch.equal(whole[name], cut[name])]
    assert result["resumed_at"] == [1] and not different, different
    return {"tensors": len(whole), "different": len(different)}


def scales_losses(folder: Path, seconds: float) -> dict:
    """An epoch in fp16, whose gradients are scaled."""
    result = _train(folder, folder / "fp16", _job("unet_tiny", precision="fp16"))
    losses = pd.read_csv(folder / "fp16" / "history.csv")["train_loss"].tolist()
    assert result["precision"] == ("fp16" if device().type == "cuda" else "32")
    assert np.isfinite(losses).all(), losses
    return {"precision": result["precision"], "train_loss": losses}


def explains_lack_of_memory(folder: Path, seconds: float) -> dict:
    """The one line a user sees if a batch does not fit; needs a GPU, whose memory can be cut."""
    if device().type != "cuda":
        return {"not_run": "no GPU available"}
    torch.cuda.empty_cache()
    free = 64 * 2**20
    whole = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + free) / whole)
    try:
        _train(folder, folder / "oom", _job("unetplusplus_scratch", batch_size=6))
    except UserError as error:
        assert "do not fit into memory" in str(error), error
        return {"line": str(error)}
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
    raise AssertionError("the batch fitted")


def _map(folder: Path, name: str) -> None:
    segmenter = load_weights(folder / "whole" / "final.pt", device())
    scene = folder / "scenes" / "images" / "000.tif"
    with _comparable():
        predict_scene(
            segmenter._replace(precision="32"),
            scene,
            folder / f"{name}.tif",
            probabilities=folder / f"{name}_probabilities.tif",
        )


def same_map(folder: Path, seconds: float) -> dict:
    """The class map of a scene, here and on a CPU: equal wherever rounding does not decide."""
    if not (folder / "whole" / "final.pt").exists():
        _train(folder, folder / "whole", _job("unet_tiny"))
    write_scenes(folder, 1, 300, 200, DRAWN)
    _map(folder, "here")
    on_cpu(partial(_map, folder, "cpu"))
    ours, theirs, shares = (
        _read(folder / f"{name}.tif") for name in ("here", "cpu", "cpu_probabilities")
    )
    different = (ours != theirs)[0]
    first, second = np.sort(shares.astype(int), axis=0)[[-1, -2]]
    largest = int((first - second)[different].max(initial=0))
    assert largest <= TIE, f"{different.sum()} pixels differ, by up to {largest} steps"
    return {"pixels": different.size, "different": int(different.sum()), "largest_gap": largest}


def _read(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read()
