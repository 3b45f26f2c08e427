"""A project with a tuning small enough to run here: three trials of a small model, one of which
diverges, the best for a second epoch."""

import shutil
from functools import cache
from pathlib import Path

from workflow import tiny_study

TRIALS = 3
TUNING = {
    "dataset": "demo",
    "model": "mini",
    "recipe": "quick",
    "space": {
        "optimizer.lr": [0.01, 0.003, 1.0e30],
        "augmentation.brightness": {"low": 0, "high": 0.3},
        "batch_size": {"low": 2, "high": 5},
    },
    "trials": TRIALS,
    "rungs": [1, 2],
    "seed": 1,
}
STUDY = {
    "datasets": ["demo"],
    "models": ["mini"],
    "recipes": ["tuned"],
    "figures": ["trials"],
}
RESULTS = "results/tunings/tuned"


def write_project(folder: Path) -> None:
    """The code, and a configuration with the tuning and a study of what it finds."""
    folder.mkdir()
    tiny_study.copy_code(folder)
    demo = tiny_study.datasets()["demo"] | {
        "source": {"kind": "demo", "scenes": tiny_study.SCENES, "size": tiny_study.SIZE},
        "tile_size": tiny_study.TILE,
    }
    files = {
        "datasets.yaml": {"datasets": {"demo": demo}},
        "tunings.yaml": {"tunings": {"tuned": TUNING}},
        "studies/shown.yaml": STUDY,
    }
    tiny_study.write(folder, tiny_study.CONFIG | files)


def copy_tiled(project: Path, folder: Path) -> None:
    """The project with its scenes, tiles and splits, before the tuning begins."""
    write_project(folder)
    shutil.copytree(project / "data", folder / "data")


@cache
def build(base: Path) -> Path:
    """The project below `base` with its tuning done, once however many modules ask."""
    folder = base / "tiny_tuning"
    write_project(folder)
    done = tiny_study.snakemake(folder, "tuned")
    logs = "\n".join(f"{p}:\n{p.read_text()}" for p in folder.glob("logs/**/*.log"))
    assert done.returncode == 0, done.stdout + logs
    return folder
