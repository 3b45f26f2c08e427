"""The stages whose growth is measured, each at a given count of what it works on."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import projects
from benchmarks.imagery import tile_job, write_scenes
from benchmarks.row import Run
from benchmarks.rows.evaluation import make_model
from benchmarks.rows.reading import PAPER
from satseg.config.reading import load
from satseg.data.augmentation import augment
from satseg.data.loader import TileDataset, loader
from satseg.data.store import open_tiles
from satseg.data.tiling import build_tiles
from satseg.devices import keep_memory
from satseg.evaluation.counting import evaluate_tiles
from satseg.files import write_json
from satseg.jobs import slices
from satseg.models.segmenter import load_weights
from satseg.training.cell import train

TINY = ("landcoverai", "unet_tiny", "faster_unet")  # dataset, model, recipe


def tile_scenes(folder: Path, count: int, **_: object) -> Run:
    """Tile that many scenes."""

    def run(_: int) -> dict:
        out = folder / f"tiles{count}"
        shutil.rmtree(out, ignore_errors=True)
        build_tiles(tile_job(512, 6), folder / f"scenes{count}" / "scenes", out)
        return {}

    return run


def make_scenes(folder: Path, counts: list[int], side: int, drawn: int, **_: object) -> None:
    """That many scenes, in a folder per count."""
    for count in counts:
        write_scenes(folder / f"scenes{count}", count, side, side, drawn)


def make_tiles(folder: Path, counts: list[int], size: int, drawn: int, **_: object) -> None:
    """A store of the largest number of tiles."""
    make_model(folder, max(counts), size, drawn, "unet_tiny")


def read_tiles(folder: Path, count: int, **_: object) -> Run:
    """Read and augment that many tiles."""
    return _reading(folder, count, 0)


def read_with_workers(folder: Path, count: int, tiles: int, **_: object) -> Run:
    """Read and augment with that many loader processes."""
    return _reading(folder, tiles, count)


def _reading(folder: Path, tiles: int, workers: int) -> Run:
    keep_memory()
    batches = loader(TileDataset(open_tiles(folder / "tiles"), np.arange(tiles)), 8, workers)

    def run(_: int) -> dict:
        for images, masks, numbers in batches:
            augment(images, masks, numbers, PAPER, 0, 0)
        return {}

    return run


def evaluate_stored(folder: Path, count: int, **_: object) -> Run:
    """Evaluate that many tiles."""
    keep_memory()
    segmenter = load_weights(folder / "weights.pt")
    store = open_tiles(folder / "tiles")

    def run(_: int) -> dict:
        evaluate_tiles(segmenter, store, np.arange(count), None)
        return {}

    return run


def train_tiles(folder: Path, count: int, **_: object) -> Run:
    """Train an epoch on that many tiles, validated on the same eight."""
    keep_memory()
    store = open_tiles(folder / "tiles")
    subset = np.where(np.arange(len(store.images)) < count, "train", "none")
    subset[:8] = "val"
    split = pd.DataFrame(
        {"tile": np.arange(len(subset)), "scene": store.table["scene"], "subset": subset}
    )

    configured = slices.train_slice(load(), *TINY, seed=0)
    classes = [name.removeprefix("pixels_") for name in store.table if name.startswith("pixels_")]
    job = configured.model_copy(
        update={
            "training": configured.training.model_copy(update={"epochs": 1}),
            "classes": classes,
            "counted": list(range(len(classes))),
        }
    )

    def run(_: int) -> dict:
        out = folder / f"run{count}"
        shutil.rmtree(out, ignore_errors=True)
        train(job, store, split, out, "benchmark")
        return {"seconds": float(pd.read_csv(out / "history.csv")["epoch_seconds"].sum())}

    return run


def make_study(folder: Path, counts: list[int], **_: object) -> None:
    """A small study, built once, and copies of it that list more models."""
    projects.copy(folder / "one", small=True, epochs=1)
    projects.snakemake(folder / "one", "demo")
    for count in counts:
        shutil.copytree(folder / "one", folder / f"models{count}", symlinks=True)
        _add_models(folder / f"models{count}", count)
        stage_of_models(folder, count, "tables")(0)


def _add_models(project: Path, count: int) -> None:
    """Give the project's only model that many names, each with all its results."""
    names = _list_models(project, count)
    runs = project / "results" / "runs" / "demo"
    profiles = project / "results" / "profiles" / "demo"
    for name in names:
        shutil.copytree(runs / "unet_tiny", runs / name)
        shutil.copy(profiles / "unet_tiny.json", profiles / f"{name}.json")
    path = project / "results" / "demo" / "speed" / "demo.json"
    speed = json.loads(path.read_text(encoding="utf-8"))
    speed["models"] |= dict.fromkeys(names, speed["models"]["unet_tiny"])
    write_json(path, speed)


def _list_models(project: Path, count: int) -> list[str]:
    """Configure the project's study with that many models; their names."""
    names = [f"m{i}" for i in range(count)]
    config = project / "config"
    models = {"models": dict.fromkeys(names, projects.MODEL)}
    (config / "models.yaml").write_text(json.dumps(models))
    study = {"datasets": ["demo"], "models": names, "recipes": ["demo"]}
    (config / "studies" / "demo.yaml").write_text(json.dumps(study))
    return names


def stage_of_models(folder: Path, count: int, stage: str, **_: object) -> Run:
    """`tables` or `figures` of a study of that many models, as a process."""
    project = folder / f"models{count}"
    job = slices.study_slice(load(project / "config"), "demo").model_dump_json()
    command = [
        "python",
        "-m",
        f"satseg.stages.{stage}",
        "--slice",
        job,
        "--data",
        "data",
        "--results",
        "results",
    ]

    def run(_: int) -> dict:
        projects.run(project, *command)
        return {}

    return run


def make_plans(folder: Path, counts: list[int], **_: object) -> None:
    """Projects whose study has that many models and counts as built."""
    for count in counts:
        project = folder / f"plan{count}"
        projects.copy(project, small=True)
        _list_models(project, count)
        projects.pretend(project, "demo")


def plan(folder: Path, count: int, **_: object) -> Run:
    """Run Snakemake with nothing to do."""

    def run(_: int) -> dict:
        assert "Nothing to be done" in projects.snakemake(folder / f"plan{count}", "demo")
        return {}

    return run
