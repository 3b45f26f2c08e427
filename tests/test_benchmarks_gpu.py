"""The prepared command for a GPU: that it runs, and that no result is lost or made twice."""

import json
import os
import re
import subprocess
import sys
import time

import pytest
import yaml
from benchmarks.gpu import study
from benchmarks.gpu.steps import Step, Unfinished, take

from satseg.config.reading import ROOT, load_with
from satseg.jobs import slices
from satseg.paths import Paths
from satseg.stages import download, split, tile

QUICK = [sys.executable, "-m", "benchmarks", "gpu", "--quick", "--minutes", "600"]


def states(out):
    return {path.stem: json.loads(path.read_text())["state"] for path in out.glob("*.json")}


def test_everything_runs_on_a_cpu_too(tmp_path):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [*QUICK, "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    records = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    assert done.returncode == 0, [record.get("error") for record in records] + [done.stderr[-2000:]]

    assert set(states(tmp_path).values()) == {"done"}
    parts = [name.split("_")[0] for name in states(tmp_path)]
    assert {part: parts.count(part) for part in set(parts)} == {
        "correct": 8,
        "speed": 4,
        "run": 1,
    }
    model = json.loads((tmp_path / "speed_unet_tiny.json").read_text())
    assert min(model["epoch_seconds"], model["plain_seconds"], model["alone_seconds"]) > 0
    cell = tmp_path / "results/runs/demo/unet_tiny/demo/seed0"
    written = {path.name for path in cell.iterdir()}
    assert {"history.csv", "counts.csv", "run.json", "panels.npz", "best.pt"} <= written


def test_the_study_is_planned_seed_by_seed_small_models_first(tmp_path):
    names = [step.name for step in study.steps(tmp_path, tmp_path, False)]
    assert len(names) == 30 and len(set(names)) == 30
    assert names[0].endswith("_seed0") and names[-1].endswith("_seed2")
    assert names[:2] == ["run_lab_unet_seed0", "run_unet_swift_scratch_seed0"]
    assert study.steps(tmp_path, None, False) == []


BARE = """
import sys
from pathlib import Path

import lightning.pytorch  # takes SciPy where it is installed

missing = {"kaggle", "optuna", "pooch", "scipy", "snakemake"}
for name in [*missing, *sys.modules]:
    if name.split(".")[0] in missing:
        sys.modules[name] = None

from benchmarks.gpu import study
from satseg.config.reading import load_with
from satseg.jobs.slices import Cell
from satseg.paths import Paths

config = load_with(sys.argv[1:])
cell = Cell(dataset="small", model="unet_tiny", recipe="demo", seed=0)
print(study.run(config, Paths(Path("data"), Path("results")), cell, 600)["run"]["epochs"])
"""


def test_a_run_needs_nothing_that_the_machine_lacks(tmp_path, scene_folder, tile_slice):
    entry = {
        "title": "Small",
        "licence": "CC0",
        "path": str(scene_folder),
        "layout": tile_slice.layout.model_dump(exclude_unset=True),
        "classes": [
            {"name": name, "color": f"#0000{20 * number:02X}"}
            for number, name in enumerate(tile_slice.classes, 1)
        ],
        "tile_size": 32,
    }
    recipe = {"epochs": 1, "scheduler": None, "monitor": "val_loss"}
    config = {"datasets": {"small": entry}, "recipes": {"demo": recipe}}
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(config))
    # The split takes SciPy, which travels no more than the tiles do: it is made before.
    made = tmp_path / "made"
    split_file = Paths(tmp_path / "data", tmp_path / "results").split("small", "groups_test")
    split_file.parent.mkdir(parents=True)
    known = load_with([str(tmp_path / "my.yaml")])
    download.run(slices.download_slice(known, "small"), str(made / "raw"))
    tile.run(slices.tile_slice(known, "small"), str(made / "raw"), str(made / "tiles"))
    split.run(slices.split_slice(known, "groups_test"), str(made / "tiles"), str(split_file))

    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    command = [sys.executable, "-c", BARE, "my.yaml"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "1"
    assert (tmp_path / "results/runs/small/unet_tiny/demo/seed0/counts.csv").exists()


def test_the_wheels_that_travel_fit_each_other():
    page = (ROOT / "benchmarks/gpu/README.md").read_text()
    lock = (ROOT / "requirements.lock").read_text()
    for wheel in ("pydantic", "pydantic-core"):
        (locked,) = re.findall(rf"^{wheel}==(\S+)", lock, re.MULTILINE)
        assert f"{wheel}=={locked}" in page


def test_a_second_call_takes_what_is_left(tmp_path):
    calls = []

    def step(name, work, weight=1.0):
        return Step(name, lambda seconds: calls.append(name) or work(seconds), weight)

    def broken(seconds):
        raise RuntimeError("no such thing")

    def half(seconds):
        if calls.count("half") == 1:
            raise Unfinished
        return {"whole": True}

    steps = [
        step("good", lambda seconds: {"found": 1}),
        step("broken", broken),
        step("half", half),
        step("endless", lambda seconds: time.sleep(60)),
    ]
    assert not take(steps, tmp_path, 1.0)
    assert states(tmp_path) == {
        "good": "done",
        "broken": "failed",
        "half": "unfinished",
        "endless": "out of time",
    }
    assert "no such thing" in json.loads((tmp_path / "broken.json").read_text())["error"]
    calls.clear()
    calls.append("half")
    assert not take(steps[:3], tmp_path, 5.0)
    assert calls == ["half", "broken", "half"]
    assert states(tmp_path)["half"] == "done"


def test_no_step_begins_when_the_time_is_up(tmp_path, capsys):
    assert not take([Step("late", pytest.fail, 1)], tmp_path, 0)
    assert states(tmp_path) == {}
    assert "left: late" in capsys.readouterr().out
