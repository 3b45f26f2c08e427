"""How the cost of each stage grows: time and memory against scenes, tiles, models and loader
processes."""

import json
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import projects
from benchmarks.evaluation import make_model
from benchmarks.imagery import tile_spec, write_scenes
from benchmarks.pairs import Row, Run, alternate, circumstances, once
from benchmarks.reading import PAPER
from satseg.config.reading import load
from satseg.data.augmentation import augment
from satseg.data.labels import counted_classes
from satseg.data.loader import TileDataset, loader
from satseg.data.store import open_tiles
from satseg.data.tiling import build_tiles
from satseg.devices import keep_memory
from satseg.evaluation.judging import judge
from satseg.jobs import slices
from satseg.models.segmenter import load_weights
from satseg.training.cell import train

TINY = {"dataset": "landcoverai", "model": "unet_tiny", "recipe": "faster_unet"}


def tile_scenes(folder: Path, count: int, **_: object) -> Run:
    """Tiling so many scenes."""

    def run(_: int) -> dict:
        out = folder / f"tiles{count}"
        shutil.rmtree(out, ignore_errors=True)
        build_tiles(tile_spec(512, 6), folder / f"scenes{count}" / "scenes", out)
        return {}

    return run


def make_scenes(folder: Path, counts: list[int], side: int, drawn: int, **_: object) -> None:
    """So many scenes, in a folder per count."""
    for count in counts:
        write_scenes(folder / f"scenes{count}", count, side, side, drawn)


def make_tiles(folder: Path, counts: list[int], size: int, drawn: int, **_: object) -> None:
    """A store of the most tiles."""
    make_model(folder, max(counts), size, drawn, "unet_tiny")


def read_tiles(folder: Path, count: int, **_: object) -> Run:
    """Reading and augmenting so many tiles."""
    return _reading(folder, count, 0)


def read_with_workers(folder: Path, count: int, tiles: int, **_: object) -> Run:
    """Reading and augmenting with so many loader processes."""
    return _reading(folder, tiles, count)


def _reading(folder: Path, tiles: int, workers: int) -> Run:
    keep_memory()
    batches = loader(TileDataset(open_tiles(folder / "tiles"), np.arange(tiles)), 8, workers)

    def run(_: int) -> dict:
        for images, masks, numbers in batches:
            augment(images, masks, numbers, PAPER, 0, 0)
        return {}

    return run


def judge_tiles(folder: Path, count: int, **_: object) -> Run:
    """Judging so many tiles."""
    keep_memory()
    segmenter, store = load_weights(folder / "weights.pt"), open_tiles(folder / "tiles")

    def run(_: int) -> dict:
        judge(segmenter, store, np.arange(count), None)
        return {}

    return run


def train_tiles(folder: Path, count: int, **_: object) -> Run:
    """An epoch on so many tiles, validated on the same eight."""
    keep_memory()
    store = open_tiles(folder / "tiles")
    subset = np.where(np.arange(len(store.images)) < count, "train", "none")
    subset[:8] = "val"
    split = pd.DataFrame(
        {"tile": np.arange(len(subset)), "scene": store.table["scene"], "subset": subset}
    )
    found = slices.train_slice(load(), **TINY, seed=0)
    classes = counted_classes(store.table)
    training = found.training.model_copy(update={"epochs": 1})
    spec = found.model_copy(
        update={"training": training, "classes": classes, "counted": list(range(len(classes)))}
    )  # fmt: skip

    def run(_: int) -> dict:
        out = folder / f"run{count}"
        shutil.rmtree(out, ignore_errors=True)
        train(spec, store, split, out, "benchmark")
        return {"seconds": float(pd.read_csv(out / "history.csv")["epoch_seconds"].sum())}

    return run


def make_study(folder: Path, counts: list[int], **_: object) -> None:
    """A small study, built once, and copies of it that claim more models."""
    projects.copy(folder / "one", small=True, epochs=1)
    projects.snakemake(folder / "one", "demo")
    for count in counts:
        shutil.copytree(folder / "one", folder / f"models{count}", symlinks=True)
        _add_models(folder / f"models{count}", count)
        stage_of_models(folder, count, "tables")(0)


def _add_models(project: Path, count: int) -> None:
    """Give the project's only model so many names, with all its results."""
    config = project / "config"
    models = json.dumps({"models": dict.fromkeys([f"m{i}" for i in range(count)], projects.MODEL)})
    (config / "models.yaml").write_text(models)
    study = {"datasets": ["demo"], "models": [f"m{i}" for i in range(count)], "recipes": ["demo"]}
    (config / "studies" / "demo.yaml").write_text(json.dumps(study))
    runs, profiles = (
        project / "results" / "runs" / "demo",
        project / "results" / "profiles" / "demo",
    )
    for i in range(count):
        shutil.copytree(runs / "unet_tiny", runs / f"m{i}")
        shutil.copy(profiles / "unet_tiny.json", profiles / f"m{i}.json")


def stage_of_models(folder: Path, count: int, stage: str, **_: object) -> Run:
    """`tables` or `figures` of a study of so many models, as a process."""
    project = folder / f"models{count}"
    spec = slices.study_slice(load(project / "config"), "demo").model_dump_json()
    command = [
        "python",
        "-m",
        f"satseg.stages.{stage}",
        "--slice",
        spec,
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
    """Projects whose study has so many models and counts as built."""
    for count in counts:
        project = folder / f"plan{count}"
        projects.copy(project, small=True)
        models = [f"m{i}" for i in range(count)]
        (project / "config" / "models.yaml").write_text(
            json.dumps({"models": dict.fromkeys(models, projects.MODEL)})
        )
        study = {"datasets": ["demo"], "models": models, "recipes": ["demo"]}
        (project / "config" / "studies" / "demo.yaml").write_text(json.dumps(study))
        projects.pretend(project, "demo")


def plan(folder: Path, count: int, **_: object) -> Run:
    """Snakemake with nothing to do."""

    def run(_: int) -> dict:
        assert "Nothing to be done" in projects.snakemake(folder / f"plan{count}", "demo")
        return {}

    return run


def _series(
    name: str, of: str, side: Callable, make: Callable, counts: list[int], few: list[int], **options
) -> dict:
    return {
        "name": name,
        "of": of,
        "side": side,
        "make": make,
        "counts": counts,
        "few": few,
    } | options


IMAGES = {"sizes": {"size": 256, "drawn": 1024}, "quick": {"size": 32, "drawn": 128}}
SERIES = [
    _series(
        "tile", "scenes", tile_scenes, make_scenes, [1, 2, 4, 8], [1, 2], memory=True,
        sizes={"side": 3000, "drawn": 1024}, quick={"side": 100, "drawn": 128},
    ),
    _series("read and augment", "tiles", read_tiles, make_tiles, [64, 128, 256, 512], [8, 16], memory=True, **IMAGES),
    _series(
        "read and augment, processes", "loader processes", read_with_workers, make_tiles, [0, 1, 2], [0],
        sizes={"size": 256, "drawn": 1024, "tiles": 256, "counts": [256]},
        quick={"size": 32, "drawn": 128, "tiles": 8, "counts": [8]},
    ),
    _series("train, an epoch", "tiles", train_tiles, make_tiles, [32, 64, 128, 256], [16, 24], memory=True, **IMAGES),
    _series("evaluate", "tiles", judge_tiles, make_tiles, [32, 64, 128, 256], [8, 16], memory=True, **IMAGES),
    _series("tables", "models", partial(stage_of_models, stage="tables"), make_study, [1, 2, 4, 8, 16], [1, 2]),
    _series("figures", "models", partial(stage_of_models, stage="figures"), make_study, [1, 2, 4, 8, 16], [1, 2]),
    _series("plan", "models", plan, make_plans, [1, 4, 16, 64], [1, 2]),
]  # fmt: skip


def measure(folder: Path, quick: bool, chosen: Sequence[dict] = SERIES) -> dict:
    """Seconds and peak memory of each stage for growing counts, and the exponents."""
    series = {}
    for one in chosen:
        counts = one["few"] if quick else one["counts"]
        sizes = {"counts": counts} | one.get("sizes", {}) | (one.get("quick", {}) if quick else {})
        place = folder / one["name"].replace(" ", "_").replace(",", "")
        place.mkdir(parents=True)
        one["make"](place, **sizes)
        row = Row(
            name=one["name"], what="", against="", make=one["make"], sizes=sizes, quick={}, repeats=1 if quick else 3,
            warmups=0 if quick else 1, threads=2,
            sides={str(count): partial(one["side"], count=count) for count in counts},
        )  # fmt: skip
        turns, _, peaks = (once if quick else alternate)(row, place, sizes)
        seconds = [float(np.median([wall for wall, _ in spent])) for spent in turns.values()]
        series[one["name"]] = {
            "of": one["of"],
            "counts": counts,
            "seconds": [float(f"{s:.4g}") for s in seconds],
        }
        if one.get("memory"):
            series[one["name"]]["peak_memory_mb"] = [round(peak) for peak in peaks.values()]
        series[one["name"]] |= fit(counts, seconds) if min(counts) else {}
        shutil.rmtree(place)
        print(one["name"], series[one["name"]], flush=True)
    return {
        "row": "growth",
        "what": "how cost grows",
        "against": "",
        "series": series,
        "facts": {},
    } | circumstances()


def fit(counts: list[int], seconds: list[float]) -> dict:
    """Exponent of a power law (the slope in logarithms), and fixed and further seconds of a
    straight line."""
    exponent = np.polyfit(np.log(counts), np.log(seconds), 1)[0]
    each, fixed = np.polyfit(counts, seconds, 1).tolist()
    return {
        "exponent": round(float(exponent), 2),
        "fixed_seconds": round(fixed, 3),
        "each_seconds": round(each, 5),
    }
