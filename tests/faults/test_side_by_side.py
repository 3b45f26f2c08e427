"""Stages left behind, stages side by side, and what belongs to the user."""

import json
import shutil
import signal
import subprocess
import sys
import zipfile
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from faults.conftest import contents
from satseg.config.reading import load
from satseg.data.splits import draw_split
from satseg.data.store import open_tiles
from satseg.data.tiling import build_tiles
from satseg.errors import UserError
from satseg.files import write_json
from satseg.jobs import targets
from satseg.jobs.slices import DownloadSlice, SplitSlice
from satseg.jobs.writing import file, folder, sole_writer
from web import source

BEHIND = "Left behind and side by side"
OWN = "What belongs to you"
STAGES = ("download", "tile", "split", "train", "evaluate", "profile", "speed", "predict", "tables")
STAGES += ("figures", "report", "export")

# Snakemake in a nutshell: it starts its jobs, tells their numbers, and waits.
START = """
import os, subprocess, sys, time
from satseg.processes import STARTER, this_process
os.environ[STARTER] = str(this_process())
for stage in sys.argv[1:]:
    wait = f"import satseg.stages, time; print(flush=True); time.sleep(60); import satseg.stages.{stage}"
    child = subprocess.Popen([sys.executable, "-c", wait], stdout=subprocess.PIPE)
    child.stdout.readline()
    print(child.pid, flush=True)
time.sleep(60)
"""


def test_snakemake_is_killed_alone(fault):
    command = [sys.executable, "-c", START, *STAGES]
    snakemake = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    jobs = [psutil.Process(int(snakemake.stdout.readline())) for _ in STAGES]
    snakemake.send_signal(signal.SIGKILL)
    snakemake.wait()
    gone, alive = psutil.wait_procs(jobs, timeout=20)
    assert (len(gone), alive) == (len(STAGES), [])
    fault(
        BEHIND,
        "Snakemake killed by SIGKILL, its jobs not",
        f"each of the {len(STAGES)} stages ends with it, from its first moment; a run saves first",
    )


@pytest.fixture
def store(scene_folder, tile_slice, tmp_path):
    """A tile store and what it is made of."""
    write_json(tmp_path / "raw/manifest.json", {"root": str(scene_folder), "files": []})
    build_tiles(tile_slice, scene_folder, tmp_path / "tiles")
    return tmp_path / "tiles"


def hold(output, ready, over):
    with sole_writer(output):
        ready.set()
        over.wait(60)


@pytest.fixture
def writing():
    """Have another process write an output."""
    context = get_context("fork")
    started = []

    def start(output):
        ready = context.Event()
        process = context.Process(target=hold, args=(output, ready, context.Event()))
        process.start()
        assert ready.wait(60)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.join()


def test_two_writers_of_one_output(
    store, tile_slice, scene_folder, writing, refused, command, fault, tmp_path
):
    given = DownloadSlice(dataset="mine", path=str(scene_folder), source=None)
    split = SplitSlice(split={"unit": "tile", "train": 0.5, "val": 0.5})
    stages = {
        "download": (given, folder(tmp_path / "raw"), {"out": tmp_path / "raw"}),
        "tile": (tile_slice, folder(store), {"raw": tmp_path / "raw", "out": store}),
        "split": (split, file(tmp_path / "s.csv"), {"tiles": store, "out": tmp_path / "s.csv"}),
    }
    for stage, (job, output, paths) in stages.items():
        other = writing(output)
        message = refused(stage, job, **paths)
        assert message.endswith(" is writing it; wait for it, or stop it first")
        assert f"{output.path}: process {other.pid} on " in message
        other.kill()
        other.join()
        assert command(stage, job, **paths) == ""
        fault(
            BEHIND,
            f"two processes that {stage} into one place",
            f"{output.path}: process 1234 on node7, since 2026-01-01T12:00:00+00:00, is writing "
            "it; wait for it, or stop it first",
        )


@pytest.mark.parametrize(
    "name", ["masks.npy", "tiles.csv", "agreement.csv", "origin.json", "digests.json"]
)
def test_a_folder_in_the_way_of_one_output(store, tile_slice, refused, fault, tmp_path, name):
    (store / name).unlink()
    (store / name).mkdir()
    smaller = tile_slice.model_copy(update={"tile_size": 16})
    message = refused("tile", smaller, raw=tmp_path / "raw", out=store)
    assert message.startswith(f"{store / name}: is a directory; a file is expected there")
    fault(BEHIND, f"a folder in the way of {name}", f"{message}; the other files stay old")


def test_killed_between_two_names(store, tile_slice, fault, tmp_path):
    """Old and new files never stand side by side."""
    smaller = tile_slice.model_copy(update={"tile_size": 16})
    old = contents(store)
    build_tiles(
        smaller, json.loads((tmp_path / "raw/manifest.json").read_text())["root"], tmp_path / "new"
    )
    new = contents(tmp_path / "new")
    code = """
import os, runpy, signal, sys
from pathlib import Path
left = int(sys.argv.pop(1))
def rename(self, target, real=Path.rename):
    global left
    left -= 1
    os.kill(os.getpid(), signal.SIGKILL) if left < 0 else real(self, target)
Path.rename = rename
sys.argv[0] = "tile"
runpy.run_module("satseg.stages.tile", run_name="__main__")
"""
    for renamed in (0, 3, 5, 8):
        shutil.rmtree(store)
        shutil.copytree(tmp_path / "new", store, dirs_exist_ok=True)
        for name, content in old.items():
            (store / name).write_bytes(content)
        command = [sys.executable, "-c", code, str(renamed), "--slice", smaller.model_dump_json()]
        done = subprocess.run([*command, "--raw", tmp_path / "raw", "--out", store], check=False)
        assert done.returncode == -signal.SIGKILL
        named = {name: text for name, text in contents(store).items() if not name.startswith(".")}
        assert named.items() <= old.items() or named.items() <= new.items()
    done = subprocess.run(
        [*command[:3], "99", *command[4:], "--raw", tmp_path / "raw", "--out", store]
    )
    assert (done.returncode, contents(store)) == (0, new)
    fault(
        BEHIND,
        "killed while several files take their names",
        "some are missing, and none is old beside a new one; the next run makes and removes the rest",
    )


# --- downloads ------------------------------------------------------------------------------------


def test_killed_right_after_unpacking(server, archive, command, fault, monkeypatch, tmp_path):
    job = DownloadSlice(dataset="mine", path=None, source=source(server, archive.content))
    out = tmp_path / "raw"

    def killed(*_):
        raise KeyboardInterrupt

    for moment in ("satseg.data.raw.sha256", "satseg.data.raw.write_json", "satseg.files.flush"):
        with monkeypatch.context() as patched:
            patched.setattr(moment, killed)
            with pytest.raises(KeyboardInterrupt):
                command("download", job, out=out)
        assert not (out / "manifest.json").exists()
    assert command("download", job, out=out) == ""
    assert server.asked == [("/data/a.zip", None)]
    assert sorted(path.name for path in out.iterdir()) == [
        ".scenes.json",
        "manifest.json",
        "manifest.made.json",
        "scenes",
    ]
    fault(
        BEHIND,
        "a download stopped after its last byte: hashing, moving, listing the files",
        "the archive is still there: the next run fetches nothing",
    )


def test_scenes_on_another_disk(server, archive, command, refused, small_disk, fault, tmp_path):
    """A link to it stays one, whatever is downloaded."""
    disk = small_disk(2**22)
    (disk / "place").mkdir()
    (tmp_path / "raw").mkdir()
    scenes = tmp_path / "raw/scenes"
    scenes.symlink_to(disk / "place")
    job = DownloadSlice(dataset="mine", path=None, source=source(server, archive.content))
    for _ in range(2):
        assert command("download", job, out=tmp_path / "raw") == ""
        assert scenes.is_symlink()
        assert contents(disk) == {"place/set/images/1.png": archive.picture}
    fault(BEHIND, "`scenes` is a link to a larger disk", "it stays one, and the scenes lie there")

    (disk / "place/mine.txt").write_text("mine")
    message = refused("download", job, out=tmp_path / "raw")
    assert message == (
        f"datasets.mine: {scenes}/mine.txt: not from a download, which would replace it; move it "
        "elsewhere"
    )
    fault(OWN, "a file of yours on the disk that `scenes` links to", message)

    shutil.rmtree(disk / "place")
    message = refused("download", job, out=tmp_path / "raw")
    assert message.endswith("which is no folder; create it, or mount its disk")
    fault(
        BEHIND, "`scenes` is a link to a disk that is not there", message.replace(str(disk), "disk")
    )


def write_mine(folder: Path) -> None:
    """Scenes of the user's own, in a folder, and zipped."""
    (folder / "images").mkdir(parents=True)
    (folder / "images/a.tif").write_bytes(b"mine")
    with zipfile.ZipFile(folder / "mine.zip", "w") as archive:
        archive.writestr("images/a.tif", b"mine")


@pytest.mark.parametrize("inside", ["", "scenes", "scenes/images", ".downloads"])
@pytest.mark.parametrize("way", ["folder", "link", "above"])
def test_a_path_around_the_folder_of_the_scenes(command, fault, tmp_path, inside, way):
    raw = tmp_path / "data/raw/mine"
    write_mine(raw / "scenes")
    if inside == ".downloads":
        write_mine(raw / inside)
    path = raw / inside
    if way == "link":
        path = tmp_path / "link"
        path.symlink_to(raw / inside)
    if way == "above":
        path = tmp_path / "data"
    before = contents(tmp_path)
    kept = {p: p.read_bytes() for p in raw.rglob("*") if p.is_file()}
    job = DownloadSlice(dataset="mine", path=str(path), source=None)
    for _ in range(2):
        assert command("download", job, out=raw) == ""
        after = contents(tmp_path)
        assert after.pop("data/raw/mine/manifest.json")
        assert after == before
        assert {p: p.read_bytes() for p in kept} == kept
    listed = {entry["path"] for entry in json.loads((raw / "manifest.json").read_text())["files"]}
    assert any(name.endswith("a.tif") for name in listed)
    assert not any("manifest.json" in name or name.startswith(".") for name in listed)
    if way != "above" or not inside:
        where = "`data`" if way == "above" else f"`data/raw/mine/{inside}`"
        fault(
            OWN,
            f"`path` is {where}{', by a link' * (way == 'link')}",
            "read where it lies; nothing is changed",
        )


def test_a_zip_among_the_scenes(command, refused, fault, tmp_path):
    raw = tmp_path / "data/raw/mine"
    write_mine(raw / "scenes")
    job = DownloadSlice(dataset="mine", path=str(raw / "scenes/mine.zip"), source=None)
    message = refused("download", job, out=raw)
    assert message == (
        f"datasets.mine: {raw}/scenes/mine.zip: not from a download, which would replace it; move "
        "it elsewhere"
    )
    fault(OWN, "`path` is a zip among the scenes", message)
    shutil.move(raw / "scenes/mine.zip", raw)
    job = job.model_copy(update={"path": str(raw / "mine.zip")})
    for _ in range(2):
        assert command("download", job, out=raw) == ""
        assert (raw / "mine.zip").exists()
        assert (raw / "scenes/images/a.tif").read_bytes() == b"mine"
    fault(OWN, "`path` is a zip in the dataset's folder", "unpacked beside it, and stays")


@pytest.mark.parametrize("change", ["edited", "added", "linked"])
def test_a_change_to_downloaded_scenes(server, archive, command, refused, fault, tmp_path, change):
    """Whatever a download did not put there is the user's."""
    job = DownloadSlice(dataset="mine", path=None, source=source(server, archive.content))
    raw = tmp_path / "raw"
    assert command("download", job, out=raw) == ""
    picture = raw / "scenes/set/images/1.png"
    changed = picture if change == "edited" else picture.with_name("mine.png")
    if change == "linked":
        changed.symlink_to(picture)
    else:
        changed.write_bytes(b"mine")
    (raw / "manifest.json").unlink()  # as Snakemake does before a job
    message = refused("download", job, out=raw)
    assert message.startswith(f"datasets.mine: {changed}: ")
    assert (
        message.endswith("not from a download, which would replace it; move it elsewhere")
        or change == "linked"
    )
    fault(OWN, f"downloads again over a scene that you {change}", message)
    changed.unlink()
    assert command("download", job, out=raw) == ""
    assert picture.read_bytes() == archive.picture


# --- outputs that are inputs ----------------------------------------------------------------------


def test_an_output_that_is_an_input(store, tile_slice, refused, fault, tmp_path):
    table = open_tiles(store).table
    split = SplitSlice(split={"unit": "tile", "train": 0.5, "val": 0.5})
    draw_split(table, split.split).to_csv(tmp_path / "split.csv", index=False)
    slice_file = tmp_path / "split.json"
    slice_file.write_text(split.model_dump_json())
    (tmp_path / "linked.csv").symlink_to(store / "tiles.csv")
    for job, name in (
        (split, "tiles/tiles.csv"),
        (split, "linked.csv"),
        (slice_file, "split.json"),
    ):
        message = refused("split", job, tiles=store, out=tmp_path / name)
        assert message.startswith(f"{tmp_path / name}: would be written over ")
        fault(OWN, f"`--out` of a split is {name}", message)
    message = refused("tile", tile_slice, raw=tmp_path / "raw", out=tmp_path / "raw")
    assert "would be written over" in message
    fault(OWN, "`--out` of tiling is the raw folder", message)


def test_scenes_that_are_maps(fault, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "results/predictions/harbour/a.tif"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    prediction = load().predictions | {"harbour": SimpleNamespace(scenes="results/**/*.tif")}
    config = load().model_copy(update={"predictions": prediction})
    with pytest.raises(UserError) as caught:
        targets.prediction_scenes(config, "harbour")
    assert str(caught.value) == (
        "predictions.harbour.scenes: results/predictions/harbour/a.tif is where its own map would "
        "be written; correct the pattern, or move the scene"
    )
    fault(OWN, "`scenes` of a prediction are where its maps go", str(caught.value))
