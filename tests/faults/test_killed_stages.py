"""Every stage but training, which test_training_faults.py kills: killed at random moments, its next
run gives what an undisturbed one gives, to the byte."""

import signal
import time

import numpy as np
import pytest

from faults.conftest import contents
from faults.forks import Forks
from satseg.config.splits import Split
from satseg.data.splits import draw_split
from satseg.data.store import open_tiles
from satseg.data.tiling import build_tiles
from satseg.files import write_json
from satseg.jobs.slices import (
    DownloadSlice,
    EvaluateSlice,
    PredictSlice,
    ProfileSlice,
    SplitSlice,
)
from satseg.models import build_model
from satseg.models.segmenter import save_weights
from small import unet
from study_tree import study_slice, write_tree

SEED = 14
# Run in a stage first: in place of what is measured, the same numbers every time; no ONNX, which
# takes seconds.
BEFORE = {
    "profile": """
import satseg.profiling as profiling
profiling.measure = lambda nets, **_: ([{"latency_ms": 1.0}] * len(nets), {"rounds": 2})
profiling.peak_memory_mb = lambda *_: 1.0
""",
    "export": """
import satseg.prediction.bundle as bundle
bundle.find_spec = lambda name: None
""",
}
KILLS = 20
FEW = 2  # without --record


@pytest.fixture(scope="module")
def forks(tmp_path_factory):
    server = Forks(tmp_path_factory.mktemp("said"))
    job = SplitSlice(split={"unit": "tile", "train": 0.5, "val": 0.5})
    assert server.start("split", job).wait()  # it lacks its paths; the server has loaded all by now
    yield server
    server.close()


@pytest.fixture(scope="module")
def inputs(scene_folder, tile_slice, tmp_path_factory):
    """What the stages read: scenes, tiles, a split, weights, a study."""
    from satseg.config.models import UNetSpec

    folder = tmp_path_factory.mktemp("inputs")
    write_json(folder / "manifest.json", {"root": str(scene_folder), "files": []})
    build_tiles(tile_slice, scene_folder, folder)
    split = draw_split(open_tiles(folder).table, Split(unit="tile", train=0.6, val=0.4))
    split.to_csv(folder / "split.csv", index=False)

    model = UNetSpec.model_validate(unet(4, bottleneck=4))
    meta = {"classes": tile_slice.classes, "counted": [0, 1, 2], "padded_tiles": True}
    meta |= {
        "dataset": "small",
        "batch_size": 2,
        "scaling": "unit",
        "precision": "32",
        "tile_size": 32,
    }
    (folder / "run").mkdir()
    save_weights(folder / "run/best.pt", build_model(model, 3), model, 3, **meta)
    return folder


def stages(inputs, out, scene_folder, tile_slice):
    """How each stage is started, with its outputs in `out`."""
    demo = {"kind": "demo", "scenes": 3, "size": 128}
    study = study_slice(models=["alpha", "beta"], figures=["classes", "losses"])
    tiles = {"tiles": inputs}
    split = {"split": inputs / "split.csv"}
    run = out / "run"
    run.mkdir(parents=True)
    (run / "best.pt").hardlink_to(inputs / "run/best.pt")
    data, results = write_tree(out / "study", study)
    folders = {"data": data, "results": results}
    model = {"dataset": "small", "model_name": "m", "model": unet(4, bottleneck=4), "classes": 3}
    profile = ProfileSlice(**model, bands=3, tile_size=32, printed_classes=[])
    scene = min(scene_folder.glob("images/*"))
    polygons = ("-o", str(out / "map.tif"), "--polygons", str(out / "map.geojson"))
    return {
        "download": (
            DownloadSlice(dataset="made", path=None, source=demo),
            (),
            {"out": out / "raw"},
        ),
        "tile": (tile_slice, (), {"raw": inputs, "out": out / "tiles"}),
        "split": (
            SplitSlice(split={"unit": "tile", "train": 0.5, "val": 0.5}),
            (),
            tiles | {"out": out / "split.csv"},
        ),
        "evaluate": (EvaluateSlice(evaluate={"subset": "val"}), (), tiles | split | {"run": run}),
        "predict": (PredictSlice(colors={}), (str(scene), *polygons[:2]), {"run": run}),
        "profile": (profile, (), tiles | {"out": out / "profile.json"}),
        "export": (None, ("--bundle",), tiles | {"run": run, "out": out / "model"}),
        "tables": (study, (), folders),
        "figures": (study, (), folders),
        "report": (study, (), folders),
    }


STAGES = (
    "download",
    "tile",
    "split",
    "evaluate",
    "predict",
    "profile",
    "export",
    "tables",
    "figures",
    "report",
)


@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_random_moments(
    forks, inputs, scene_folder, tile_slice, fault, request, tmp_path, stage
):
    def start(out):
        started = stages(inputs, out, scene_folder, tile_slice)
        if stage == "report":  # it reads the tables
            job, _, paths = started["tables"]
            assert forks.start("tables", job, **paths).wait() == 0
        job, flags, paths = started[stage]
        return lambda: forks.start(stage, job, *flags, before=BEFORE.get(stage, ""), **paths)

    undisturbed = start(tmp_path / "out")
    began = time.monotonic()
    child = undisturbed()
    assert child.wait() == 0, child.said()
    seconds = time.monotonic() - began
    whole = contents(tmp_path / "out")

    (tmp_path / "out").rename(tmp_path / "whole")
    kills = KILLS if request.config.getoption("--record", False) else FEW
    rng = np.random.default_rng([SEED, STAGES.index(stage)])
    again = start(tmp_path / "out")
    hit = 0
    for moment in rng.uniform(0, seconds, kills):
        child = again()
        time.sleep(moment)
        child.send(signal.SIGKILL)
        hit += child.wait() == -signal.SIGKILL
    child = again()
    assert child.wait() == 0, child.said()
    assert contents(tmp_path / "out") == whole
    assert hit or kills == FEW
    fault(
        "Killed",
        f"{stage}, at {KILLS} random moments",
        "the next run gives what an undisturbed one gives, to the byte, and leaves nothing else",
    )
