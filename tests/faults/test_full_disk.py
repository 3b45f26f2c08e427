"""A disk that fills up: one line, nothing half-written, and the same command succeeds once there is
space."""

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import rasterio
import torch

from conftest import write_raster
from faults.conftest import contents, resize
from satseg.data.splits import draw_split
from satseg.data.store import open_tiles
from satseg.data.tiling import build_tiles
from satseg.errors import UserError
from satseg.files import write_json
from satseg.jobs.slices import DownloadSlice, SplitSlice, TrainSlice
from satseg.models import build_model
from satseg.models.segmenter import load_weights, save_weights
from satseg.paths import FIGURES, TABLES
from satseg.prediction import predict_scene
from scenery import COLORS, noise, segmenter, write_scene
from small import unet
from study_tree import study_slice, write_tree
from web import source

AREA = "A disk that fills up"
PAGE = 4096  # bytes: the unit that a disk in memory is made of
UNET = unet(8, bottleneck=8)


def no_space(message: str) -> bool:
    return message.endswith("no space left on its disk; free some and run the same command again")


@pytest.fixture
def raw(scene_folder, tmp_path):
    write_json(tmp_path / "raw/manifest.json", {"root": str(scene_folder), "files": []})
    return tmp_path / "raw"


def test_tiling(raw, scene_folder, tile_slice, command, refused, small_disk, fault, tmp_path):
    """At every size of disk: the whole store, or nothing."""
    build_tiles(tile_slice, scene_folder, tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    disk = small_disk(PAGE)
    fits = []
    message = ""
    for pages in [*range(1, 60, 6), 60, 100]:
        shutil.rmtree(disk / "tiles", ignore_errors=True)
        resize(disk, pages * PAGE)
        line = command("tile", tile_slice, raw=raw, out=disk / "tiles")
        fits.append(not line)
        if line:
            message = line
            assert no_space(line) and contents(disk) == {}
        else:
            assert contents(disk / "tiles") == whole
    assert fits == sorted(fits) and not fits[0] and fits[-1]
    # A store that exists stays while it cannot be replaced.
    pages = sum(-(-path.stat().st_size // PAGE) for path in (disk / "tiles").iterdir())
    resize(disk, (pages + 1) * PAGE)
    assert no_space(refused("tile", tile_slice, raw=raw, out=disk / "tiles"))
    fault(AREA, "while tiling", message.removeprefix("error: "))


def test_generated_scenes(command, small_disk, fault):
    job = DownloadSlice(
        dataset="made", path=None, source={"kind": "demo", "scenes": 3, "size": 128}
    )
    disk = small_disk(PAGE)
    message = ""
    for pages in (3, 12, 30, 100):
        shutil.rmtree(disk / "raw", ignore_errors=True)
        resize(disk, pages * PAGE)
        line = command("download", job, out=disk / "raw")
        if line:
            message = line
            assert no_space(line) and contents(disk) == {}
    assert not line and message
    for path in disk.glob("raw/scenes/*/*.tif"):
        with rasterio.open(path) as file:
            assert file.read().any()  # to the last block
    fault(AREA, "while scenes are generated", message.removeprefix("error: "))


def test_a_download(server, archive, command, refused, small_disk, fault):
    disk = small_disk(50 * PAGE)
    job = DownloadSlice(dataset="mine", path=None, source=source(server, archive.content))
    message = refused("download", job, out=disk / "raw")
    assert no_space(message)
    fault(
        AREA,
        "while downloading",
        f"{message}; what has arrived is kept, and the next run resumes there",
    )
    # Space for the archive, but not for what is in it.
    resize(disk, 120 * PAGE)
    server.asked = []
    unpacking = refused("download", job, out=disk / "raw")
    assert no_space(unpacking)
    fault(AREA, "while unpacking", f"{unpacking}; the archive is kept")
    ((_, asked),) = server.asked
    assert int(asked[6:-1]) > 0
    resize(disk, 300 * PAGE)
    server.asked = []
    assert command("download", job, out=disk / "raw") == ""
    assert server.asked == []
    assert (disk / "raw/scenes/set/images/1.png").read_bytes() == archive.picture


def test_a_split(scene_folder, tile_slice, command, refused, small_disk, fault, tmp_path):
    build_tiles(tile_slice, scene_folder, tmp_path / "tiles")
    job = SplitSlice(split={"unit": "tile", "train": 0.5, "val": 0.5})
    disk = small_disk(PAGE)  # for one of its two files
    message = refused("split", job, tiles=tmp_path / "tiles", out=disk / "split.csv")
    assert no_space(message)
    resize(disk, 4 * PAGE)
    assert command("split", job, tiles=tmp_path / "tiles", out=disk / "split.csv") == ""
    assert contents(disk).keys() == {"split.csv", "split.leakage.csv"}
    fault(AREA, "while splitting", message)


def test_a_map(small_disk, fault, tmp_path):
    """At every size of disk, also where only what GDAL writes as it closes the file is too much:
    the whole new map, or the old one."""
    scene = write_scene(tmp_path / "scene.tif", noise(300, 500))
    model = segmenter()
    predict_scene(model, scene, tmp_path / "whole.tif", colors=COLORS)
    with rasterio.open(tmp_path / "whole.tif") as file:
        whole = file.read()

    disk = small_disk(400 * PAGE)
    path = disk / "map.tif"
    size = sum(file.stat().st_size for file in (tmp_path / "whole.tif", scene)) // PAGE
    refused_at = []
    for pages in range(4, size, max(1, size // 25)):
        resize(disk, 400 * PAGE)
        path.write_bytes(b"the old map")
        resize(disk, (pages + 1) * PAGE)
        try:
            predict_scene(model, scene, path, colors=COLORS)
        except (UserError, OSError) as error:
            refused_at.append(str(error))
            assert contents(disk) == {"map.tif": b"the old map"}
        else:
            with rasterio.open(path) as file:
                assert np.array_equal(file.read(), whole)
            path.unlink()
    assert refused_at
    assert all("\n" not in message for message in refused_at)
    fault(AREA, "while a map is written, and as GDAL closes it", refused_at[-1])


def same_weights(model, other):
    theirs = other.state_dict()
    return all(torch.equal(values, theirs[name]) for name, values in model.state_dict().items())


def test_weights(command, small_disk, fault, tmp_path):
    """torch has errors of its own for a full disk: at the start, in the middle and at the end of a
    file."""
    from satseg.config.models import UNetSpec
    from satseg.errors import UserError

    job = UNetSpec.model_validate(UNET | {"widths": [32]})
    meta = {"classes": ["a", "b"], "counted": [0, 1], "padded_tiles": True, "batch_size": 1}
    meta |= {"scaling": "unit", "precision": "32"}
    models = [build_model(job, 2, 3) for _ in range(2)]
    disk = small_disk(1000 * PAGE)
    path = disk / "best.pt"
    save_weights(path, models[0], job, 3, **meta)
    size = -(-path.stat().st_size // PAGE)
    for more in range(0, size, max(1, size // 12)):
        resize(disk, (size + more) * PAGE)
        with pytest.raises(UserError) as caught:
            save_weights(path, models[1], job, 3, **meta)
        assert no_space(str(caught.value)) and [p.name for p in disk.iterdir()] == ["best.pt"]
    assert same_weights(load_weights(path).model, models[0])
    resize(disk, 3 * size * PAGE)
    save_weights(path, models[1], job, 3, **meta)
    assert same_weights(load_weights(path).model, models[1])
    fault(
        AREA, "while weights are written, at any byte", f"{caught.value}; the previous weights stay"
    )


def test_a_checkpoint(scene_folder, tile_slice, command, refused, small_disk, fault, tmp_path):
    """Space for one checkpoint, but not for the next beside it: the first stays, and training resumes
    from it."""
    build_tiles(tile_slice, scene_folder, tmp_path / "tiles")
    write_json(tmp_path / "raw/manifest.json", {"root": str(scene_folder), "files": []})
    split = SplitSlice(split={"unit": "tile", "train": 0.6, "val": 0.4}).split
    draw_split(open_tiles(tmp_path / "tiles").table, split).to_csv(
        tmp_path / "split.csv", index=False
    )
    job = TrainSlice(
        cell={"dataset": "small", "model": "m", "recipe": "r", "seed": 0},
        model=UNET,
        training={
            "loss": {"name": "cross_entropy"},
            "epochs": 3,
            "batch_size": 4,
            "precision": "32",
        },
        classes=["ground", "water", "road"],
        counted=[0, 1, 2],
    )
    inputs = {"raw": tmp_path / "raw", "tiles": tmp_path / "tiles", "split": tmp_path / "split.csv"}
    assert command("train", job, **inputs, out=tmp_path / "whole") == ""
    disk = small_disk(PAGE)
    message = command("train", job, **inputs, out=disk / "cell").removeprefix("error: ")
    assert no_space(message)
    assert not list(disk.rglob("*.ckpt")) and not list(disk.rglob("*.tmp*"))
    fault(AREA, "at the first checkpoint of a run", message)
    for power in range(12):  # until the first checkpoint fits, and no two of them
        resize(disk, int(8 * 1.5**power) * PAGE)
        message = command("train", job, **inputs, out=disk / "cell").removeprefix("error: ")
        checkpoints = list(disk.rglob("*.ckpt"))
        if checkpoints:
            break
    assert no_space(message) and not list(disk.rglob("*.tmp*"))
    kept = torch.load(checkpoints[0], weights_only=True)
    assert kept["epoch"] < 3
    resize(disk, 2**24)
    assert command("train", job, **inputs, out=disk / "cell") == ""
    for name in ("best.pt", "final.pt"):
        ours, whole = (
            torch.load(place / name, weights_only=True)
            for place in (disk / "cell", tmp_path / "whole")
        )
        for key, value in whole["state_dict"].items():
            assert torch.equal(ours["state_dict"][key], value)
    fault(
        AREA,
        "at a later checkpoint",
        f"{message}; the previous one stays, and the run ends with the same weights",
    )


@pytest.fixture
def study(tmp_path, small_disk):
    """A study whose results, except its runs, lie on a small disk: slice, folders, and that disk."""
    job = study_slice(models=["alpha", "beta"], figures=["classes", "losses"])
    data, results = write_tree(tmp_path, job)
    disk = small_disk(PAGE)
    (tmp_path / "results/mine").rename(tmp_path / "made")
    shutil.copytree(tmp_path / "made/speed", disk / "speed")
    (tmp_path / "results/mine").symlink_to(disk)
    return job, {"data": data, "results": results}, disk


def test_tables_figures_and_the_report(study, command, refused, fault, tmp_path):
    job, folders, disk = study
    enough = 400  # pages
    for stage, little, written in (
        ("tables", 6, {f"{name}.md" for name in TABLES}),
        ("figures", 12, {f"{name}.{FIGURES[name]}" for name in job.study.figures}),
        ("report", 20, {"report.html"}),
    ):
        used = sum(-(-len(content) // PAGE) for content in contents(disk).values())
        resize(disk, (used + little) * PAGE)
        message = refused(stage, job, **folders)
        assert no_space(message)
        resize(disk, (used + enough) * PAGE)
        before = contents(disk)
        assert command(stage, job, **folders) == ""
        after = contents(disk)
        assert {path: after[path] for path in before} == before
        assert written <= {path.split("/")[-1] for path in after.keys() - before.keys()}
        fault(
            AREA,
            f"while {stage} are written" if stage != "report" else "while the report is written",
            message,
        )


# --- killed, not full -----------------------------------------------------------------------------


def test_tiling_that_was_killed(tile_slice, command, fault, tmp_path):
    """What a killed process leaves is not an output, and the next run removes it."""
    side = 2000
    noise = np.random.default_rng(0).integers(0, 255, (3, side, side), dtype=np.uint8)
    write_raster(tmp_path / "raw/scenes/images/a.tif", noise)
    write_raster(tmp_path / "raw/scenes/masks/a.tif", np.zeros((1, side, side), np.uint8))
    write_json(tmp_path / "raw/manifest.json", {"root": "scenes", "files": []})
    job = tile_slice.model_copy(update={"tile_size": 256})
    out = tmp_path / "tiles"
    arguments = ["--slice", job.model_dump_json(), "--raw", tmp_path / "raw", "--out", out]
    killed = subprocess.Popen(
        [sys.executable, "-m", "satseg.stages.tile", *arguments], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not any(path.stat().st_size for path in out.glob(".images.*.npy")):
        assert killed.poll() is None and time.monotonic() < deadline
        time.sleep(0.001)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    left = {path.name for path in out.iterdir()}
    assert left and all(name.startswith(".") for name in left)
    assert command("tile", job, raw=tmp_path / "raw", out=out) == ""
    assert not left & {path.name for path in out.iterdir()}
    store = open_tiles(out)
    np.testing.assert_array_equal(store.images[0], noise[:, :256, :256].transpose(1, 2, 0))
    fault(
        "Killed",
        "tiling, by SIGKILL",
        "no file under its final name; the next run removes what was left and starts again",
    )
