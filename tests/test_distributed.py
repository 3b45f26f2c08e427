"""Two processes on the CPU that train one model: the numbers of one, none twice, and nothing lost
when stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel

from satseg.config.recipes import Loss, Recipe, Training
from satseg.config.splits import Split
from satseg.data.loader import TileDataset, loader
from satseg.data.splits import draw_split
from satseg.data.store import open_tiles
from satseg.data.tiling import build_tiles
from satseg.files import write_json
from satseg.jobs.slices import TrainSlice
from satseg.losses import build_loss

LOSSES = [
    {"name": "cross_entropy"},
    {"name": "jdt"},
    {"name": "jdt", "miou_d": 0, "miou_i": 1},
    {"name": "jdt", "miou_d": 0, "miou_c": 1},
    {
        "name": "jdt",
        "miou_d": 0.5,
        "miou_i": 0.25,
        "miou_c": 0.25,
        "alpha": 0.3,
        "beta": 0.7,
        "gamma": 0.75,
    },
]
WEIGHTS = [None, torch.tensor([0.5, 1.0, 1.5])]


def batch(case):
    """Images float64 [5, 2, 6, 6] and labels; what the second process has: little, nothing
    labelled, or all."""
    random = torch.Generator().manual_seed(3)
    images = torch.randn(5, 2, 6, 6, generator=random, dtype=torch.float64)
    target = torch.randint(0, 3, (5, 6, 6), generator=random)
    target[torch.rand(target.shape, generator=random) < 0.3] = 255
    target[1][target[1] == 2] = 0
    if case == "unlabelled":
        target[4:] = 255
    if case == "nothing":
        target[:] = 255
    return images, target, {"little": 4, "unlabelled": 4, "nothing": 4, "most": 1}[case]


CASES = ["little", "unlabelled", "nothing", "most"]


def loss_and_gradients(wrap, share) -> list[torch.Tensor]:
    results = []
    for spec in LOSSES:
        for weights in WEIGHTS:
            for case in CASES:
                images, target, cut = batch(case)
                torch.manual_seed(1)
                model = wrap(torch.nn.Conv2d(2, 3, 3, padding=1).double())
                loss = build_loss(Loss(**spec), weights).double()
                chosen = share(cut)
                value = loss(model(images[chosen]), target[chosen])
                value.backward()
                results.append(
                    torch.cat(
                        [value.detach()[None], *(p.grad.flatten() for p in model.parameters())]
                    )
                )
    return results


def one_of_two(rank, folder):
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meet",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=60),
    )
    share = (lambda cut: slice(cut)) if rank == 0 else (lambda cut: slice(cut, None))
    torch.save(loss_and_gradients(DistributedDataParallel, share), folder / f"{rank}.pt")
    dist.destroy_process_group()


def test_every_loss_and_its_gradients_are_those_of_the_whole_batch(tmp_path):
    mp.spawn(one_of_two, (tmp_path,), nprocs=2)
    whole = loss_and_gradients(lambda model: model, lambda cut: slice(None))
    assert len(whole) == len(LOSSES) * len(WEIGHTS) * len(CASES)
    assert sum(bool(result.any()) for result in whole) == len(whole) * 3 // 4  # all but "nothing"
    for rank in (0, 1):
        for ours, expected in zip(torch.load(tmp_path / f"{rank}.pt"), whole, strict=True):
            torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-14)


# --- a whole training -----------------------------------------------------------------------------

UNET = {
    "family": "unet",
    "widths": [8, 16],
    "convs": [1, 1],
    "bottleneck": {"width": 16, "convs": 1},
    "decoder_convs": [1, 1],
    "batch_norm": False,
}
RECIPE = {
    "loss": {"name": "jdt", "miou_d": 0.5, "miou_i": 0.25, "miou_c": 0.25},
    "optimizer": {"name": "sgd", "lr": 0.5},
    "scheduler": {"name": "plateau", "patience": 0, "factor": 0.7},
    "augmentation": {"hflip": True, "vflip": True, "hue": 0.1, "brightness": 0.2, "contrast": 0.2},
    "epochs": 4,
    "epoch_tiles": 14,
    "batch_size": 4,
    "accumulate": 2,
    "precision": "32",
}
TOLERANCE = 1e-4  # relative, of losses and weights after four epochs in 32 bits


def cell(devices, model=UNET, **training) -> TrainSlice:
    return TrainSlice(
        cell={"dataset": "small", "model": "m", "recipe": "r", "seed": 0},
        model=model,
        training=RECIPE | {"devices": devices} | training,
        classes=["ground", "water", "road"],
        counted=[0, 1, 2],
    )


@pytest.fixture(scope="module")
def data(scene_folder, tile_slice, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_json(folder / "manifest.json", {"files": []})
    build_tiles(tile_slice, scene_folder, folder)
    split = draw_split(open_tiles(folder).table, Split(unit="tile", train=0.6, val=0.4))
    # The last batch of the validation has one tile: for one process of two there is none.
    val = split.index[split["subset"] == "val"]
    split = split.drop(val[: (len(val) - 1) % 4])
    assert (split["subset"] == "val").sum() % 4 == 1
    split.to_csv(folder / "split.csv", index=False)
    return {"raw": folder, "tiles": folder, "split": folder / "split.csv"}


def start(job, data, out, *options) -> subprocess.Popen:
    flags = []
    for name, path in (data | {"out": out}).items():
        flags += [f"--{name}", str(path)]
    command = [
        sys.executable,
        "-m",
        "satseg.stages.train",
        "--slice",
        job.model_dump_json(),
        *flags,
        *options,
    ]
    out.mkdir(exist_ok=True)
    with (out / "log").open("a") as log:
        return subprocess.Popen(
            command, stdout=log, stderr=log, env=os.environ | {"CUDA_VISIBLE_DEVICES": ""}
        )


def finish(job, data, out, *options):
    assert start(job, data, out, *options).wait(300) == 0, (out / "log").read_text()
    return out


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory):
    return finish(cell(1), data, tmp_path_factory.mktemp("alone"))


@pytest.fixture(scope="module")
def together(data, tmp_path_factory):
    return finish(cell(2), data, tmp_path_factory.mktemp("together"))


def weights(out, name="final.pt"):
    return torch.load(out / name, weights_only=True)["state_dict"]


def history(out):
    return pd.read_csv(out / "history.csv").drop(columns="epoch_seconds")


def test_two_processes_give_the_numbers_of_one(alone, together):
    one = history(alone)
    two = history(together)
    assert (
        one["train_loss"].iloc[-1] < one["train_loss"].iloc[0] and one["train_loss"].nunique() == 4
    )
    pd.testing.assert_frame_equal(one, two, check_exact=False, rtol=TOLERANCE, atol=0)
    for name in ("best.pt", "final.pt"):
        torch.testing.assert_close(
            weights(together, name), weights(alone, name), rtol=TOLERANCE, atol=1e-6
        )
    runs = [json.loads((out / "run.json").read_text()) for out in (alone, together)]
    assert [run["slice"]["training"]["devices"] for run in runs] == [1, 2]
    for key in ("tiles", "epochs", "best_epoch", "parameters"):
        assert runs[0][key] == runs[1][key]
    assert sorted(path.name for path in together.iterdir()) == sorted(
        path.name for path in alone.iterdir()
    )


def test_one_process_speaks_for_all(alone, together):
    def epochs(folder):
        lines = (folder / "log").read_text().splitlines()
        messages = [line.split(" ", 1)[1].split(";")[0] for line in lines]
        return [message for message in messages if message.startswith("epoch ")]

    assert epochs(together) == epochs(alone)


@pytest.mark.parametrize(("size", "world"), [(4, 2), (6, 3), (8, 4), (8, 8)])
def test_no_tile_is_drawn_twice_and_none_left_out(data, size, world):
    store = open_tiles(data["tiles"])
    tiles = np.arange(len(store.table))[: size + 2 if world > 2 else size + 1]
    dataset = TileDataset(store, tiles)
    whole = list(loader(dataset, size, seed=5, count=None))
    shares = [list(loader(dataset, size, seed=5, rank=rank, world=world)) for rank in range(world)]
    assert {len(share) for share in shares} == {len(whole)}
    for number, (_, _, expected) in enumerate(whole):
        drawn = torch.cat([share[number][2] for share in shares])
        assert sorted(drawn.tolist()) == sorted(expected.tolist())
        for images, masks, numbers in (share[number] for share in shares):
            assert len(images) == len(masks) == max(1, len(numbers))
            assert len(numbers) or (masks == 255).all()


# --- stopped --------------------------------------------------------------------------------------

EVERY_STEP = ("--checkpoint-minutes", "0")


def followers(process):
    return [
        child
        for child in psutil.Process(process.pid).children()
        if "satseg.stages.train" in child.cmdline()
    ]


def begun(process, out):
    """Wait until it is at work, and has saved what it did; its follower."""
    while not (out / "checkpoints/last.ckpt").exists():
        assert process.poll() is None, (out / "log").read_text()
        time.sleep(0.01)
    (follower,) = followers(process)
    return follower


@pytest.fixture(scope="module")
def slow(data, tmp_path_factory):
    """Long enough to be met at work: its recipe, with dropout and batch normalisation, and what it
    comes to."""
    job = cell(
        2,
        UNET | {"batch_norm": True, "dropout": 0.2},
        epochs=12,
        optimizer={"name": "adamw", "lr": 0.01},
    )
    return job, finish(job, data, tmp_path_factory.mktemp("slow"))


@pytest.mark.parametrize(
    ("whom", "number", "status"),
    [
        ("leader", signal.SIGTERM, 75),
        ("follower", signal.SIGTERM, 75),
        ("leader", signal.SIGKILL, -9),
        ("follower", signal.SIGKILL, None),
    ],
)
def test_stopped_together_and_gone_on_with_bit_for_bit(data, slow, tmp_path, whom, number, status):
    job, whole = slow
    out = tmp_path / "cut"
    process = start(job, data, out, *EVERY_STEP)
    follower = begun(process, out)
    os.kill(process.pid if whom == "leader" else follower.pid, number)
    ended = process.wait(120)
    assert ended == status if status else ended != 0
    psutil.wait_procs([follower], 60)
    assert not follower.is_running()
    assert not (out / "final.pt").exists()
    if status == 75:
        last = (out / "log").read_text().splitlines()[-1]
        assert "SIGTERM: stopped" in last and last.endswith("run the same command again to resume")
    finish(job, data, out)
    assert json.loads((out / "run.json").read_text())["resumed_at"]
    pd.testing.assert_frame_equal(history(out), history(whole), check_exact=True)
    for name in ("best.pt", "final.pt"):
        ours = weights(out, name)
        expected = weights(whole, name)
        assert ours.keys() == expected.keys() and all(
            torch.equal(ours[key], expected[key]) for key in expected
        )
    assert not (out / "checkpoints").exists()


def test_an_error_of_all_is_told_once(data, tmp_path):
    process = start(cell(2, optimizer={"name": "sgd", "lr": 1e30}), data, tmp_path / "cell")
    assert process.wait(120) == 1
    lines = (tmp_path / "cell/log").read_text().splitlines()
    assert [line for line in lines if line.startswith("error: recipes.r: ")] == lines[-1:]
    assert not any("Traceback" in line for line in lines)


# --- asked for ------------------------------------------------------------------------------------


def test_a_batch_must_be_shared_evenly():
    with pytest.raises(
        ValueError,
        match="batch_size: 4 tiles cannot be shared evenly by devices: 3; use a multiple of 3",
    ):
        Training(**RECIPE | {"devices": 3})
    assert Recipe(**RECIPE, split="s").devices == 1
