"""Runs that are killed, asked to stop, or cannot continue: nothing is lost, and the results are those
of an uninterrupted run."""

import json
import os
import pickle
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from PIL import Image

from conftest import write_raster
from faults.forks import Child, Forks
from satseg.config.reading import ROOT
from satseg.config.splits import Split
from satseg.data.splits import draw_split
from satseg.data.store import open_tiles
from satseg.data.tiling import build_tiles
from satseg.files import write_json
from satseg.jobs.slices import TrainSlice
from satseg.training.cell import FILES
from small import flatten, unet
from workflow import tiny_study

UNET = unet(8, 16, bottleneck=16, dropout=0.2)
# All that could go wrong when a run resumes: 5 batches in 3 steps, and 4 of validation, per epoch.
RECIPE = {
    "loss": {"name": "cross_entropy"},
    "optimizer": {"name": "adamw", "lr": 0.03},
    "scheduler": {"name": "plateau", "patience": 0, "factor": 0.7},
    "augmentation": {"hflip": True, "vflip": True, "hue": 0.1, "brightness": 0.2, "contrast": 0.2},
    "early_stopping": 6,
    "epochs": 4,
    "epoch_tiles": 14,
    "batch_size": 3,
    "accumulate": 2,
    "precision": "32",
}
EVERY_STEP = ("--checkpoint-minutes", "0")
KILLS = 24
SEED = 20


def cell(seed=0, model=UNET, **training) -> TrainSlice:
    return TrainSlice(
        cell={"dataset": "small", "model": "m", "recipe": "r", "seed": seed},
        model=model,
        training=RECIPE | training,
        classes=["ground", "water", "road"],
        counted=[0, 1, 2],
    )


@pytest.fixture(scope="module")
def forks(tmp_path_factory):
    server = Forks(tmp_path_factory.mktemp("said"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def data(scene_folder, tile_slice, tmp_path_factory):
    """Where the stage finds its inputs."""
    folder = tmp_path_factory.mktemp("data")
    write_json(folder / "manifest.json", {"files": []})
    build_tiles(tile_slice, scene_folder, folder)
    split = draw_split(open_tiles(folder).table, Split(unit="tile", train=0.6, val=0.4))
    split.to_csv(folder / "split.csv", index=False)
    return {"raw": folder, "tiles": folder, "split": folder / "split.csv"}


@pytest.fixture(scope="module")
def whole(forks, data, tmp_path_factory):
    """The folder of a cell that was trained without interruption, and without checkpoints within
    its epochs."""
    done = {}

    def get(job: TrainSlice):
        key = job.model_dump_json()
        if key not in done:
            done[key] = tmp_path_factory.mktemp("whole")
            child = forks.start("train", job, **data, out=done[key])
            assert child.wait() == 0, child.said()
        return done[key]

    return get


def difference(ours, whole) -> float:
    """The largest difference of any weight; all else, history and counts of epochs, must be the
    same."""
    largest = 0.0
    tensors = 0
    for name in ("best.pt", "final.pt"):
        actual = dict(flatten(torch.load(ours / name, weights_only=True)))
        expected = dict(flatten(torch.load(whole / name, weights_only=True)))
        assert actual.keys() == expected.keys()
        for key, value in expected.items():
            if isinstance(value, torch.Tensor):
                largest = max(largest, float((actual[key].double() - value.double()).abs().max()))
                tensors += 1
                assert torch.equal(actual[key], value), (name, key)
            else:
                assert actual[key] == value, (name, key)
    assert tensors > 30
    histories = [
        pd.read_csv(place / "history.csv").drop(columns="epoch_seconds") for place in (ours, whole)
    ]
    pd.testing.assert_frame_equal(*histories, check_exact=True)
    runs = [json.loads((place / "run.json").read_text()) for place in (ours, whole)]
    for key in ("cell", "slice", "epochs", "best_epoch", "parameters", "tiles", "seeds"):
        assert runs[0][key] == runs[1][key]
    assert not (ours / "checkpoints").exists()
    return largest


def resumed_at(folder) -> list[int]:
    return json.loads((folder / "run.json").read_text())["resumed_at"]


def last_line(child: Child) -> str:
    """What a stage ended with, which is no traceback; no library has warned of anything."""
    assert "Traceback" not in child.said()
    assert "Warning" not in child.said()
    return child.said().strip().splitlines()[-1]


def complaint(child: Child) -> str:
    """The one line of a stage that has failed."""
    assert child.wait() == 1, child.said()
    line = last_line(child)
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


def until(happened, child: Child) -> bool:
    """Wait until it has happened; False if the child has ended before."""
    deadline = time.monotonic() + 120
    while not happened():
        if child.ended():
            return False
        assert time.monotonic() < deadline, child.said()
        time.sleep(0.0005)
    return True


# --- killed ---------------------------------------------------------------------------------------

# In the middle of a write that no signal from outside would hit for sure: half of the file is
# there; all of it is, under its temporary name.
HALF = """
import os, signal, torch
def half(content, file, save=torch.save):
    save(content, file)
    file.flush()
    os.truncate(file.name, os.path.getsize(file.name) // 2)
    os.kill(os.getpid(), signal.SIGKILL)
torch.save = half
"""
UNNAMED = """
import os, pathlib, signal
pathlib.Path.replace = lambda self, target: os.kill(os.getpid(), signal.SIGKILL)
"""
WAYS = ["any moment"] * 3 + ["after a step"] * 8 + ["SIGTERM after a step"] * 5 + ["writing"] * 5
WAYS += ["half written", "half written", "not yet named"]


def unnamed(folder: Path, child: Child) -> bool:
    """Whether a checkpoint that this run writes has no name yet."""
    return any(folder.glob(f"checkpoints/.last.*-{child.pid}.tmp.ckpt"))


def end(way: str, child: Child, folder, rng: np.random.Generator) -> None:
    """Kill a run, or ask it to stop, in one of these ways."""
    checkpoint = folder / "checkpoints/last.ckpt"
    written = set()

    def steps() -> int:
        if checkpoint.exists():
            written.add(checkpoint.stat().st_mtime_ns)
        return len(written)

    if way == "any moment":
        time.sleep(rng.uniform(0, 0.8))
    elif way.endswith("after a step"):
        # One is there from before.
        wanted = rng.integers(1, 4)
        until(lambda: steps() > wanted, child)
        time.sleep(rng.uniform(0, 0.03))
    elif way == "writing":
        until(lambda: unnamed(folder, child), child)
    if way != "half written" and way != "not yet named":
        child.send(signal.SIGTERM if way.startswith("SIGTERM") else signal.SIGKILL)
    child.wait()


def test_killed_at_random_moments(forks, data, whole, tmp_path, fault):
    """Every kill leaves a checkpoint that can be read; what ends at last is what an uninterrupted
    training gives."""
    rng = np.random.default_rng(SEED)
    survived = Counter()
    seed = 0
    ways = list(rng.permutation(WAYS))
    largest = []
    resumed = []
    writing = 0
    assert len(ways) == KILLS >= 20
    while True:
        way = ways.pop() if ways else ""
        folder = tmp_path / f"{seed}"
        before = {"half written": HALF, "not yet named": UNNAMED}.get(way, "")
        job = cell(seed, epochs=10)
        child = forks.start("train", job, *EVERY_STEP, before=before, **data, out=folder)
        if way:
            end(way, child, folder, rng)
        if child.wait() == 0:
            # On to another seed, if it was over before its time.
            largest.append(difference(folder, whole(job)))
            resumed += resumed_at(folder)
            seed += 1
            ways += [way] if way else []
            if not ways:
                break
            continue
        survived[way] += 1
        writing += unnamed(folder, child)
        if child.wait() == os.EX_TEMPFAIL:
            assert "SIGTERM: stopped" in last_line(child)
        else:
            assert child.wait() in (-signal.SIGKILL, -signal.SIGTERM), child.said()
        if (folder / "checkpoints/last.ckpt").exists():
            torch.load(folder / "checkpoints/last.ckpt", weights_only=True)
    history = pd.read_csv(whole(cell(0, epochs=10)) / "history.csv")
    assert history["lr"].nunique() > 1  # the plateau has had something to say
    assert survived == Counter(WAYS)
    assert len(resumed) >= 10
    kills = survived.total()
    terminated = survived["SIGTERM after a step"]
    assert writing >= 3
    figure = (
        f"{kills} kills survived, {terminated} by SIGTERM, the others by SIGKILL, {writing} of these while a checkpoint was "
        f"written; largest difference of any weight to an uninterrupted training: {max(largest):g}; the same history"
    )
    print(f"\n{figure}")
    fault("Training", f"Killed at {KILLS} random moments", figure)


def test_stopped_after_every_single_step(forks, data, whole, tmp_path, fault):
    """A budget of no time: each start takes one step of training or of validation."""
    job = cell(epochs=2)
    lines = []
    while (
        child := forks.start("train", job, "--time-budget", "0", **data, out=tmp_path / "cell")
    ).wait():
        assert child.wait() == os.EX_TEMPFAIL, child.said()
        lines.append(last_line(child).split(" ", 1)[1])
        assert len(lines) < 50
    message = "time budget used up: stopped {}; run the same command again to resume"
    places = [f"in epoch 1, after batch {batch} of 5" for batch in (2, 4, 5)]
    places += ["in epoch 1, while validating"] * 4
    places += ["after epoch 1 of 2"]
    places += [f"in epoch 2, after batch {batch} of 5" for batch in (2, 4, 5)]
    places += ["in epoch 2, while validating"] * 4
    assert lines == [message.format(place) for place in places]
    assert difference(tmp_path / "cell", whole(job)) == 0
    # A run that resumes after the last validation batch still has an epoch to end.
    assert resumed_at(tmp_path / "cell") == [1] * 7 + [2] * 8
    fault(
        "Training",
        "Time budget used up, after every single step",
        f"exit status {os.EX_TEMPFAIL}: {lines[0]}",
    )


@pytest.mark.parametrize(
    ("number", "step", "where"),
    [
        ("SIGTERM", "training_step", "in epoch 2, after batch 2 of 5"),
        ("SIGINT", "training_step", "in epoch 2, after batch 2 of 5"),
        ("SIGTERM", "validation_step", "in epoch 2, while validating"),
    ],
)
def test_asked_to_stop(forks, data, whole, tmp_path, fault, number, step, where):
    before = f"""
import os, signal
from satseg.training.task import Task
def signalled(self, batch, index, step=Task.{step}):
    if (self.current_epoch, index) == (1, 0):
        os.kill(os.getpid(), signal.{number})
    return step(self, batch, index)
Task.{step} = signalled
"""
    child = forks.start("train", cell(), before=before, **data, out=tmp_path / "cell")
    assert child.wait() == os.EX_TEMPFAIL, child.said()
    line = last_line(child).split(" ", 1)[1]
    assert line == f"{number}: stopped {where}; run the same command again to resume"
    child = forks.start("train", cell(), **data, out=tmp_path / "cell")
    assert child.wait() == 0
    assert (
        f"resuming in epoch 2, after batch {2 if step == 'training_step' else 5}\n" in child.said()
    )
    assert difference(tmp_path / "cell", whole(cell())) == 0
    assert resumed_at(tmp_path / "cell") == [2]
    fault(
        "Training",
        f"{number} in a {step.replace('_', ' ')}",
        f"exit status {os.EX_TEMPFAIL}: {line}",
    )


def test_resuming_while_validating_warns_of_nothing(forks, data, whole, tmp_path):
    """No step is left to take in the epoch that it resumes; the schedule takes its own."""
    job = cell(scheduler={"name": "cosine"}, epochs=2)
    again = []
    for _ in range(3):
        again.append(forks.start("train", job, "--time-budget", "0", **data, out=tmp_path / "cell"))
        assert again[-1].wait() == os.EX_TEMPFAIL
    assert "stopped in epoch 1, after batch 5 of 5" in last_line(again[-1])
    child = forks.start("train", job, **data, out=tmp_path / "cell")
    assert child.wait() == 0
    assert "Warning" not in child.said()
    assert difference(tmp_path / "cell", whole(job)) == 0


def test_resuming_with_another_number_of_threads(forks, data, tmp_path, fault):
    """It is trained to its end, but says that it is not what it would have been."""
    job = cell(epochs=2)
    start = forks.start("train", job, "--time-budget", "0", **data, out=tmp_path / "cell")
    assert start.wait() == os.EX_TEMPFAIL
    before = "import torch; torch.set_num_threads(2)"
    child = forks.start("train", job, before=before, **data, out=tmp_path / "cell")
    assert child.wait() == 0
    (line,) = [line[9:] for line in child.said().splitlines() if "thread" in line]
    assert line.startswith("resuming with 2 CPU threads, before it were 1: ")
    made = json.loads((tmp_path / "cell/run.json").read_text())
    assert made["threads"] == [1, 2] and made["device"]["threads"] == 2
    fault("Training", "Resumed with another number of cores", line)


def test_killed_when_early_stopping_has_ended_it(forks, data, whole, tmp_path, fault):
    """Only the results are missing then; no further epoch is trained."""
    job = cell(
        model=UNET | {"batch_norm": False},
        optimizer={"lr": 1e-12},
        monitor="val_jaccard",
        early_stopping=2,
    )
    assert len(pd.read_csv(whole(job) / "history.csv")) == 3
    before = "import os, satseg.training.cell\nsatseg.training.cell.save_weights = lambda *a, **k: os.kill(os.getpid(), 9)"
    child = forks.start("train", job, before=before, **data, out=tmp_path / "cell")
    assert child.wait() == -signal.SIGKILL
    child = forks.start("train", job, **data, out=tmp_path / "cell")
    assert child.wait() == 0
    assert "epoch" not in child.said()
    assert difference(tmp_path / "cell", whole(job)) == 0
    assert resumed_at(tmp_path / "cell") == []
    fault(
        "Training",
        "Killed between its last epoch and its results",
        "the results are written, nothing is trained",
    )


KILLED_MOVING = """
import os, pathlib, signal
moves = {moves}
def counted(self, target, rename=pathlib.Path.rename):
    global moves
    moves -= 1
    if moves < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
pathlib.Path.rename = counted
"""
KILLED_BEFORE_RECORD = """
import os, signal
from satseg.jobs import program
program.write_record = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_while_the_results_take_their_names(forks, data, whole, tmp_path, fault):
    """After any number of the eight moves: four old files give up their names, four new ones take
    them."""
    folder = tmp_path / "cell"
    old = {name: Path(whole(cell(seed=1)), name).read_bytes() for name in FILES}
    for moves in (0, 2, 4, 6, 7):
        folder.mkdir(exist_ok=True)
        for name, content in old.items():
            (folder / name).write_bytes(content)
        child = forks.start(
            "train", cell(), before=KILLED_MOVING.format(moves=moves), **data, out=folder
        )
        assert child.wait() == -signal.SIGKILL
        there = [name for name in FILES if (folder / name).exists()]
        are_old = {(folder / name).read_bytes() == old[name] for name in there}
        assert len(there) == abs(4 - moves) and len(are_old) <= 1

    child = forks.start("train", cell(), before=KILLED_BEFORE_RECORD, **data, out=folder)
    assert child.wait() == -signal.SIGKILL
    child = forks.start("train", cell(), **data, out=folder)
    assert child.wait() == 0
    assert "epoch" not in child.said()  # all was trained by the first of them
    assert {path.name for path in folder.iterdir()} == {*FILES, "run.made.json"}
    assert difference(folder, whole(cell())) == 0
    fault(
        "Training",
        "Killed while its results take their names, or before their record is written",
        "old files or new ones, never some of each; the next run writes all, and trains nothing",
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_read_for_the_right_epoch(forks, data, whole, tmp_path, workers):
    """They start reading before Lightning tells the sampler its epoch."""
    stop = "import os, signal\nfrom satseg.training.history import History\nstart = History.on_train_epoch_start\n"
    stop += "def signalled(self, trainer, task):\n    start(self, trainer, task)\n"
    stop += "    if trainer.current_epoch == 2:\n        os.kill(os.getpid(), signal.SIGTERM)\n"
    stop += "History.on_train_epoch_start = signalled"
    flags = ("--workers", str(workers))
    assert (
        forks.start("train", cell(), *flags, before=stop, **data, out=tmp_path).wait()
        == os.EX_TEMPFAIL
    )
    child = forks.start("train", cell(), *flags, **data, out=tmp_path)
    assert child.wait() == 0
    assert "resuming in epoch 3, after batch 2\n" in child.said()
    assert difference(tmp_path, whole(cell())) == 0


# --- what must not be resumed ---------------------------------------------------------------------


@pytest.fixture
def cut_off(forks, data, tmp_path):
    """The folder of a run that was stopped after its first step."""
    child = forks.start("train", cell(), "--time-budget", "0", **data, out=tmp_path / "cell")
    assert child.wait() == os.EX_TEMPFAIL
    return tmp_path / "cell"


def test_another_slice_starts_from_scratch(forks, data, whole, cut_off, fault):
    changed = cell(optimizer={"name": "adamw", "lr": 0.01})
    child = forks.start("train", changed, **data, out=cut_off)
    assert child.wait() == 0
    assert "belongs to an earlier state of this cell; starting from scratch" in child.said()
    assert "resuming" not in child.said()
    assert difference(cut_off, whole(changed)) == 0
    fault(
        "Training",
        "Checkpoint of a recipe that has changed since",
        "not used: the run starts from scratch",
    )


def changed_split(data, folder, *_) -> dict:
    split = pd.read_csv(data["split"])
    split.loc[split.index[split["subset"] == "val"][0], "subset"] = "train"
    split.to_csv(folder / "split.csv", index=False)
    return data | {"split": folder / "split.csv"}


def changed_tiles(data, folder, scene_folder, tile_slice) -> dict:
    """Built again from scenes of which one has another brightness; the split stays."""
    scenes = folder / "scenes"
    shutil.copytree(scene_folder, scenes)
    image = min(scenes.glob("images/*"))
    write_raster(image, 255 - np.array(Image.open(image)).transpose(2, 0, 1))
    build_tiles(tile_slice, scenes, folder)
    return data | {"tiles": folder}


@pytest.mark.parametrize(
    ("what", "change"),
    [("a split that has changed", changed_split), ("tiles that have changed", changed_tiles)],
)
def test_other_data_start_from_scratch(
    forks, data, scene_folder, tile_slice, cut_off, tmp_path, fault, what, change
):
    (tmp_path / "changed").mkdir()
    changed = change(data, tmp_path / "changed", scene_folder, tile_slice)
    child = forks.start("train", cell(), **changed, out=cut_off)
    fresh = forks.start("train", cell(), **changed, out=tmp_path / "fresh")
    assert child.wait() == fresh.wait() == 0
    assert "starting from scratch" in child.said()
    assert difference(cut_off, tmp_path / "fresh") == 0
    fault("Training", f"Checkpoint of {what} since", "not used: the run starts from scratch")


def test_other_code_starts_from_scratch(data, whole, tmp_path, fault):
    """An edit of a file that training imports; one of a file that it does not import changes
    nothing."""
    package = tmp_path / "src/satseg"
    shutil.copytree(ROOT / "src/satseg", package, ignore=shutil.ignore_patterns("__pycache__"))
    places = []
    for name, path in (data | {"out": tmp_path / "cell"}).items():
        places += [f"--{name}", path]

    def train(*flags: str) -> subprocess.CompletedProcess:
        command = [
            sys.executable,
            "-m",
            "satseg.stages.train",
            "--slice",
            cell().model_dump_json(),
            *places,
            *flags,
        ]
        environment = os.environ | {"PYTHONPATH": str(package.parent)}
        options = {"cwd": tmp_path, "capture_output": True, "text": True}
        return subprocess.run(command, env=environment, **options)

    def edit(name: str) -> None:
        with (package / name).open("a") as file:
            file.write("# edited\n")

    assert train("--time-budget", "0").returncode == os.EX_TEMPFAIL
    edit("figures/style.py")
    again = train("--time-budget", "0")
    assert again.returncode == os.EX_TEMPFAIL
    assert "resuming in epoch 1, after batch 2\n" in again.stderr
    edit("losses.py")
    fresh = train()
    assert fresh.returncode == 0, fresh.stderr
    assert "belongs to an earlier state of this cell; starting from scratch" in fresh.stderr
    assert "resuming" not in fresh.stderr
    assert difference(tmp_path / "cell", whole(cell())) == 0
    assert resumed_at(tmp_path / "cell") == []
    fault(
        "Training",
        "Checkpoint of code that has changed since",
        "not used: the run starts from scratch",
    )


class Harm:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mknod, (self.path,)


@pytest.mark.parametrize("what", ["cut in half", "empty", "code", "code in an archive"])
def test_a_bad_checkpoint_is_refused(forks, data, cut_off, tmp_path, fault, what):
    checkpoint = cut_off / "checkpoints/last.ckpt"
    harm = Harm(str(tmp_path / "harm"))
    if what.startswith("code"):
        with checkpoint.open("wb") as file:
            (pickle.dump if what == "code" else torch.save)({"identity": harm}, file)
    else:
        os.truncate(checkpoint, checkpoint.stat().st_size // 2 if what == "cut in half" else 0)
    left = checkpoint.read_bytes()
    line = complaint(forks.start("train", cell(), **data, out=cut_off))
    assert line == f"{checkpoint}: damaged, or not a checkpoint; delete it to train from scratch"
    assert checkpoint.read_bytes() == left
    assert not (tmp_path / "harm").exists()
    fault("Training", f"Checkpoint: {what}", line)


def test_a_checkpoint_that_was_changed_is_refused(forks, data, cut_off, fault):
    """torch reads it without a word: the change may be one bit of one weight."""
    checkpoint = cut_off / "checkpoints/last.ckpt"
    content = torch.load(checkpoint, weights_only=True)
    weights = next(w for w in content["state_dict"].values() if w.dtype == torch.float32)
    bits = weights.view(torch.int32)
    bits[(0,) * bits.dim()] ^= 1
    torch.save(content, checkpoint)
    left = checkpoint.read_bytes()
    line = complaint(forks.start("train", cell(), **data, out=cut_off))
    assert line == f"{checkpoint}: damaged, or not a checkpoint; delete it to train from scratch"
    assert checkpoint.read_bytes() == left
    fault("Training", "Checkpoint: one bit of a weight", line)


# --- two writers ----------------------------------------------------------------------------------


def test_two_runs_of_one_cell(forks, data, whole, tmp_path, fault):
    """The second stops and says who holds the cell; the first is not disturbed, and its death frees
    the cell."""
    first = forks.start("train", cell(), *EVERY_STEP, **data, out=tmp_path / "cell")
    assert until((tmp_path / "cell/checkpoints/last.ckpt").exists, first)
    first.send(signal.SIGSTOP)
    line = complaint(forks.start("train", cell(), **data, out=tmp_path / "cell"))
    holder = f"{tmp_path}/cell: process {first.pid} on {socket.gethostname()}, since 20"
    assert line.startswith(holder)
    assert line.endswith("is training this cell; wait for it, or stop it first")
    since = re.sub(
        r"process \d+ on \S+, since \S+",
        "process 1234 on node7, since 2026-01-01T12:00:00+00:00",
        line,
    )
    fault("Training", "Second training of the same cell", since)
    first.send(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    second = forks.start(
        "train", cell(), *EVERY_STEP, "--workers", "1", **data, out=tmp_path / "cell"
    )
    assert until(lambda: "epoch 2/" in second.said(), second)
    second.send(signal.SIGKILL)
    # At once, though the loader's process may outlive its parent.
    assert second.wait() == -signal.SIGKILL
    third = forks.start("train", cell(), **data, out=tmp_path / "cell")
    assert third.wait() == 0, third.said()
    assert difference(tmp_path / "cell", whole(cell())) == 0


# --- what a recipe is to blame for ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "lr", "value"),
    [("cross_entropy", 1e25, "nan"), ("jdt", 1e25, "nan"), ("cross_entropy", 3.5e3, "inf")],
)
def test_a_loss_that_is_not_finite(forks, data, tmp_path, fault, loss, lr, value):
    """The last good checkpoint stays, and a sound recipe trains in the same place."""
    model = UNET | {"batch_norm": False}
    job = cell(model=model, loss={"name": loss}, optimizer={"lr": lr}, accumulate=1)
    line = complaint(forks.start("train", job, *EVERY_STEP, **data, out=tmp_path / "cell"))
    checkpoint = tmp_path / "cell/checkpoints/last.ckpt"
    assert line == (
        f"recipes.r: in epoch 1, batch 2, the loss is {value} ({checkpoint} keeps the state before); "
        f"lower optimizer.lr, or choose another loss or precision: 32"
    )
    content = torch.load(checkpoint, weights_only=True)
    weights = content["state_dict"].values()
    assert all(torch.isfinite(values).all() for values in weights)
    assert content["global_step"] == 1
    assert not (tmp_path / "cell/lock").exists()
    sound = cell(model=model, loss={"name": loss}, accumulate=1, epochs=1)
    assert forks.start("train", sound, **data, out=tmp_path / "cell").wait() == 0
    fault("Training", f"Learning rate {'far ' * (value == 'nan')}too high, loss {loss}", line)


def test_out_of_memory(forks, data, tmp_path, fault):
    """A limit on the address space: the real allocator fails."""
    wide = {"widths": [256, 256], "bottleneck": {"width": 256, "convs": 1}}
    job = cell(model=UNET | wide, epoch_tiles=None, batch_size=15, accumulate=2)
    line = complaint(forks.start("train", job, memory=250 * 2**20, **data, out=tmp_path / "cell"))
    assert line == (
        "recipes.r.batch_size: 15 tiles do not fit into memory; batch_size: 5 with accumulate: 6 takes "
        "steps of 30 tiles too, though batch normalisation and jdt see 5 at a time"
    )
    assert not (tmp_path / "cell/checkpoints/last.ckpt").exists()
    fault("Training", "Batch larger than the memory", line)


# --- what the data are to blame for ---------------------------------------------------------------

DEEP = UNET | {"widths": [4] * 5, "convs": [1] * 5, "decoder_convs": [1] * 5}


def test_a_last_batch_of_one(forks, data, tmp_path, fault):
    """The bottleneck of five levels is one pixel of a tile of 32²: batch normalisation needs two
    tiles."""
    assert (
        forks.start(
            "train", cell(model=DEEP, epoch_tiles=5, batch_size=4), **data, out=tmp_path
        ).wait()
        == 0
    )
    history = pd.read_csv(tmp_path / "history.csv")
    assert np.isfinite(history.to_numpy()).all()
    fault(
        "Training",
        "Last batch of one tile, batch normalisation over one pixel",
        "that tile waits for another epoch",
    )


@pytest.mark.parametrize("training", [{"batch_size": 1}, {"epoch_tiles": 1}])
def test_batches_of_one(forks, data, tmp_path, fault, training):
    line = complaint(
        forks.start("train", cell(model=DEEP, **training), **data, out=tmp_path / "cell")
    )
    assert line.startswith(
        "models.m: does not take 1 tile of 3 bands and 32² pixels (Expected more than 1 value"
    )
    assert not (tmp_path / "cell").exists()
    [(key, value)] = training.items()
    fault("Training", f"Batch normalisation over one pixel, {key}: {value}", line)


@pytest.mark.parametrize("subset", ["train", "val"])
def test_a_subset_without_tiles(forks, data, tmp_path, fault, subset):
    split = pd.read_csv(data["split"])
    split["subset"] = split["subset"].replace(subset, "test")
    split.to_csv(tmp_path / "split.csv", index=False)
    changed = data | {"split": tmp_path / "split.csv"}
    line = complaint(forks.start("train", cell(), **changed, out=tmp_path / "cell"))
    assert line == f"no tile is left in subset '{subset}'; use another split, or padded_tiles: true"
    assert not (tmp_path / "cell").exists()
    fault("Training", f"No tile in subset {subset}", line)


def unlabel(data, folder, tiles) -> dict:
    """A copy of the data where these tiles have no label."""
    shutil.copytree(data["tiles"], folder)
    masks = np.load(folder / "masks.npy")
    table = pd.read_csv(folder / "tiles.csv")
    masks[tiles] = 255
    table.loc[tiles, [name for name in table if name.startswith("pixels_")]] = 0
    np.save(folder / "masks.npy", masks)
    table.to_csv(folder / "tiles.csv", index=False)
    return {"raw": folder, "tiles": folder, "split": folder / "split.csv"}


@pytest.mark.parametrize("loss", ["cross_entropy", "jdt"])
def test_batches_without_a_label(forks, data, tmp_path, fault, loss):
    split = pd.read_csv(data["split"])
    tiles = {
        subset: split["tile"][split["subset"] == subset].to_numpy() for subset in ("train", "val")
    }
    bare = unlabel(data, tmp_path / "data", np.concatenate([tiles["train"][1:], tiles["val"][:-1]]))
    job = cell(loss={"name": loss, "class_weights": "inverse"}, epoch_tiles=None, epochs=2)
    child = forks.start("train", job, **bare, out=tmp_path / "cell")
    assert child.wait() == 0, child.said()
    history = pd.read_csv(tmp_path / "cell/history.csv")
    assert np.isfinite(history.to_numpy()).all()
    assert (history["train_loss"] > 0).all()
    fault(
        "Training",
        f"Batches without a single label, loss {loss}",
        "they add nothing to loss and counts",
    )


@pytest.mark.parametrize("subset", ["train", "val"])
def test_a_subset_without_a_label(forks, data, tmp_path, fault, subset):
    split = pd.read_csv(data["split"])
    bare = unlabel(data, tmp_path / "data", split["tile"][split["subset"] == subset].to_numpy())
    line = complaint(forks.start("train", cell(), **bare, out=tmp_path / "cell"))
    assert (
        line
        == f"no pixel of subset '{subset}' is labelled ground, water, road; use another split, or label more"
    )
    assert not (tmp_path / "cell").exists()
    fault("Training", f"No label in subset {subset}", line)


# --- secrets --------------------------------------------------------------------------------------


def test_the_kaggle_key_is_in_no_file_of_a_training(forks, data, tmp_path, fault):
    """`run.json` says much of where it was made; none of it is a secret of its surroundings."""
    secrets = {
        "KAGGLE_USERNAME": "someone",
        "KAGGLE_KEY": "0123456789abcdef",
        "KAGGLE_API_TOKEN": "KGAT_fedcba98",
    }
    before = f"import os; os.environ.update({secrets})"
    child = forks.start(
        "train", cell(epochs=1), "--time-budget", "0", before=before, **data, out=tmp_path
    )
    assert child.wait() == os.EX_TEMPFAIL
    checkpoint = (tmp_path / "checkpoints/last.ckpt").read_bytes()
    child = forks.start("train", cell(epochs=1), before=before, **data, out=tmp_path)
    assert child.wait() == 0
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {"run.json", "history.csv", "best.pt"} <= written.keys()
    for content in (checkpoint, child.said().encode(), *written.values()):
        assert not any(secret.encode() in content for secret in secrets.values())
    fault("Kaggle", "the key, in the environment of a run", "in no log, not in run.json, no file")


# --- Snakemake killed -----------------------------------------------------------------------------


def unlocked(command: str) -> str:
    """What the README has done before the same command is given again."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first = re.search(r"^(snakemake --unlock) && satseg run", text, re.MULTILINE)[1]
    return f"{first} && {command}"


def test_snakemake_killed(tmp_path, fault):
    """Once it alone, so that the training is left behind, and once with the training; the same
    command recovers."""
    folder = tmp_path / "project"
    target = f"{tiny_study.CELL}/history.csv"
    tiny_study.copy_code(folder)
    demo = tiny_study.datasets()["demo"] | {
        "source": {"kind": "demo", "scenes": 6, "size": 128},
        "tile_size": 64,
    }
    recipe = tiny_study.CONFIG["recipes.yaml"]["recipes"]["quick"] | {"epochs": 60}
    changes = {
        "datasets.yaml": {"datasets": {"demo": demo}},
        "recipes.yaml": {"recipes": {"quick": recipe}},
    }
    tiny_study.write(folder, tiny_study.CONFIG | changes)
    said = folder / "said.txt"
    log = folder / "logs/train/demo/mini/quick/seed0.log"

    def run(command: str) -> subprocess.Popen:
        environment = tiny_study.environment(folder)
        environment["PATH"] = f"{Path(sys.prefix, 'bin')}:{environment['PATH']}"
        log.unlink(missing_ok=True)  # what it says is of this run
        with said.open("w") as file:
            return subprocess.Popen(
                command,
                shell=True,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )

    def logged() -> str:
        return log.read_text() if log.exists() else ""

    def wait(shell: subprocess.Popen, happened) -> None:
        deadline = time.monotonic() + 240
        while not happened():
            assert shell.poll() is None and time.monotonic() < deadline, said.read_text() + logged()
            time.sleep(0.02)

    def held(shell: subprocess.Popen) -> psutil.Process:
        """Its training, stopped after three of its epochs: it cannot end before it is looked at."""
        found = []
        below = psutil.Process(shell.pid).children
        wait(
            shell, lambda: found or found.extend(c for c in below(recursive=True) if is_training(c))
        )
        training = found[0]
        wait(shell, lambda: logged().count(": loss ") >= 3)
        training.suspend()
        return training

    def kill(shell: subprocess.Popen, keep: psutil.Process | None = None) -> None:
        """All of it at once, from the top: none of it can tell that another has ended."""
        for process in [
            psutil.Process(shell.pid),
            *psutil.Process(shell.pid).children(recursive=True),
        ]:
            if process != keep:
                process.kill()
        shell.wait()

    command = f"snakemake --cores 1 {target}"
    first = run(command)
    left_behind = held(first)
    try:
        kill(first, keep=left_behind)
        second = run(unlocked(command))
        wait(second, lambda: f"process {left_behind.pid} on" in logged())
        assert "has lost its parent process and is about to stop; waiting for it" in logged()
    finally:
        left_behind.resume()
    held(second)
    kill(second)
    assert (folder / tiny_study.CELL / "checkpoints/last.ckpt").exists()
    last = run(unlocked(command))
    assert last.wait(timeout=240) == 0, said.read_text()
    cut = folder / tiny_study.CELL
    whole = folder / "whole"
    cut.rename(folder / "cut")
    assert run(f"snakemake --cores 1 {target}").wait(timeout=240) == 0, said.read_text()
    cut.rename(whole)
    assert difference(folder / "cut", whole) == 0
    assert len(resumed_at(folder / "cut")) == 2
    assert resumed_at(whole) == []
    fault(
        "Training",
        "Snakemake killed, first alone, then with the training it ran",
        # Fmt: skip
        f"`{unlocked('snakemake --cores 1 <study>')}` resumes; the weights are those of an uninterrupted run",
    )


def is_training(process: psutil.Process) -> bool:
    try:
        return "satseg.stages.train" in process.cmdline()
    except psutil.Error:  # it has just ended
        return False
