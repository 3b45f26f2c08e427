"""How fast a GPU trains and predicts, beside the plain loop, computing alone and the papers."""

import shutil
from functools import partial
from pathlib import Path

import pandas as pd

from benchmarks.gpu.scenery import draw
from benchmarks.gpu.steps import Step
from benchmarks.imagery import write_pngs, write_store
from benchmarks.row import circumstances
from benchmarks.rows import speed, training
from benchmarks.rows.plain_loop import cell_job, plain
from satseg import devices
from satseg.data import augmentation
from satseg.data.store import open_tiles
from satseg.training.cell import train

CLASSES = 5
FULL = {"tiles": 256, "size": 512, "drawn": 1024, "batch": 8, "batches": (1, 8, 32)}
QUICK = {"tiles": 8, "size": 64, "drawn": 128, "batch": 4, "batches": (1, 2)}
MODELS = training.STUDY.models
VARIED = ("unet_skinny", "deeplabv3plus_scratch")
VARIANTS = ("as it is", "deterministic off", "compiled", "tile by tile")


def steps(folder: Path, quick: bool) -> list[Step]:
    """A step per model, then one per model and variant.

    Args:
        folder: for what they read and write.
        quick: small sizes and one small model.
    """
    sizes = QUICK if quick else FULL
    models = ["unet_tiny"] if quick else MODELS
    varied = ["unet_tiny"] if quick else VARIED
    # Compiling takes longer than everything else that is quick.
    variants = [name for name in VARIANTS if not quick or name != "compiled"]
    draw(folder, sizes["drawn"])
    write_pngs(folder, write_store(folder, sizes["tiles"], sizes["size"], CLASSES, sizes["drawn"]))

    taken = [Step(f"speed_{model}", partial(of_model, folder, model, sizes), 4) for model in models]
    for model in varied:
        for variant in variants:
            name = f"speed_{model}_{variant.replace(' ', '_')}"
            taken.append(Step(name, partial(of_variant, folder, model, variant, sizes), 1.5))
    return taken


def of_model(folder: Path, model: str, sizes: dict, seconds: float) -> dict:
    """One model's speeds; epochs beside those of the plain loop and of computing alone."""
    found = speed.speeds(folder, model, sizes)
    cell = speed.CELL | {"model": model}
    options = {"cell": cell, "epochs": 1, "classes": CLASSES, "batch": sizes["batch"]}

    alone = training.compute_alone(folder, **options)
    alone(0)  # warms up
    found["alone_seconds"] = _seconds(alone)
    found["plain_seconds"] = plain(folder, **options)(0)["seconds"]
    found["times_the_plain_loop"] = round(found["plain_seconds"] / found["epoch_seconds"], 2)
    found["times_alone"] = round(found["epoch_seconds"] / found["alone_seconds"], 2)
    found["published"] = speed.published({model: found["epoch_seconds"]}) if model in MODELS else {}
    return {"model": model, "sizes": sizes} | found | circumstances()


def _seconds(run) -> float:
    began = pd.Timestamp.now()
    run(0)
    return (pd.Timestamp.now() - began).total_seconds()


def of_variant(folder: Path, model: str, variant: str, sizes: dict, seconds: float) -> dict:
    """Seconds of a model's epochs with one thing switched."""
    job = cell_job(speed.CELL | {"model": model}, 0, 3, CLASSES, sizes["batch"])
    keys = {"deterministic off": {"deterministic": False}, "compiled": {"compile": True}}
    settings = job.training.model_copy(update=keys.get(variant, {}))
    job = job.model_copy(update={"training": settings})

    batched = augmentation.queues
    if variant == "tile by tile":
        augmentation.queues = lambda at: False
    try:
        out = folder / "variant"
        split = pd.read_csv(folder / "split.csv")
        shutil.rmtree(out, ignore_errors=True)
        workers = devices.loader_workers()
        train(job, open_tiles(folder / "tiles"), split, out, "benchmark", workers)
    finally:
        augmentation.queues = batched
    epochs = pd.read_csv(out / "history.csv")["epoch_seconds"].tolist()
    return {"model": model, "variant": variant, "epoch_seconds": epochs, "sizes": sizes}
