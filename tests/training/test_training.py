"""Training tiny cells on the CPU: results that agree with evaluation, repeat, and survive an
interruption."""

import io
import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from satseg.config.splits import Split
from satseg.data.splits import draw_split
from satseg.data.store import open_tiles
from satseg.data.tiling import build_tiles
from satseg.jobs.slices import EvaluateSlice, TrainSlice
from satseg.metrics.counts import epoch_metrics
from satseg.models.segmenter import load_weights
from satseg.stages import evaluate
from satseg.training.cell import train
from satseg.training.history import COLUMNS
from satseg.training.limits import Limits
from satseg.training.task import Task
from small import unet

UNET = unet(8, 16, bottleneck=16, dropout=0.2)


def cell(seed=0, counted=(0, 1, 2), model=UNET, **training) -> TrainSlice:
    recipe = {
        "loss": {"name": "cross_entropy"},
        "epochs": 3,
        "batch_size": 4,
        "precision": "32",
    } | training
    return TrainSlice(
        cell={"dataset": "small", "model": "m", "recipe": "r", "seed": seed},
        model=model,
        training=recipe,
        classes=["ground", "water", "road"],
        counted=list(counted),
    )


@pytest.fixture(scope="module")
def data(scene_folder, tile_slice, tmp_path_factory):
    """Folder of a tile store, the store, its split and the split's file."""
    folder = tmp_path_factory.mktemp("store")
    build_tiles(tile_slice, scene_folder, folder)
    store = open_tiles(folder)
    split = draw_split(store.table, Split(unit="tile", train=0.6, val=0.4))
    split.to_csv(folder / "split.csv", index=False)
    return folder, store, split


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("cell")
    result = train(cell(), data[1], data[2], out, "x")
    return out, result, pd.read_csv(out / "history.csv")


def same_weights(a, b) -> bool:
    left = torch.load(a, weights_only=True)["state_dict"]
    right = torch.load(b, weights_only=True)["state_dict"]
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def test_history(trained):
    _, result, history = trained
    assert list(history.columns) == COLUMNS
    assert history["epoch"].tolist() == [1, 2, 3] and result["epochs"] == 3
    assert history.notna().all(axis=None)
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]
    assert result["best_epoch"] == history["val_loss"].argmin() + 1
    assert result["precision"] == "32" and result["resumed_at"] == []
    assert 0 <= result["shared"]["cpu_others"] <= 1


def test_a_log_tells_how_far_an_epoch_is(data, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("satseg.progress.LOG_EVERY", 0.0)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with caplog.at_level("INFO", logger="satseg"):
        result = train(cell(epochs=2, batch_size=2), data[1], data[2], tmp_path / "run", "x")
    lines = [record.getMessage().partition("; about")[0] for record in caplog.records]
    # No training batch holds a single tile.
    batches = {"train": result["tiles"]["train"] // 2, "val": -(-result["tiles"]["val"] // 2)}
    assert min(batches.values()) > 1
    expected = []
    for epoch in (1, 2):
        # None after a first batch: there is no pace yet.
        expected += [
            f"epoch {epoch}/2: {k} of {batches['train']} batches"
            for k in range(2, batches["train"] + 1)
        ]
        expected += [
            f"epoch {epoch}/2, validation: {k} of {batches['val']} batches"
            for k in range(2, batches["val"] + 1)
        ]
    assert [line for line in lines if "batches" in line] == expected


@pytest.mark.parametrize("weights", ["best", "final"])
def test_training_and_evaluation_give_the_same_numbers(data, trained, weights, tmp_path):
    folder, store, split = data
    out, result, history = trained
    for name in ("best.pt", "final.pt"):
        (tmp_path / name).write_bytes((out / name).read_bytes())
    job = EvaluateSlice(evaluate={"subset": "val", "weights": weights})
    evaluate.run(job, str(folder), str(folder / "split.csv"), str(tmp_path))
    counts = pd.read_csv(tmp_path / "counts.csv")
    assert list(counts.columns) == ["tile", "scene", "class", "tp", "fp", "fn", "tn"]
    tiles = split["tile"][split["subset"] == "val"]
    assert sorted(set(counts["tile"])) == sorted(tiles)
    totals = (
        counts.groupby("class", sort=False)[["tp", "fp", "fn", "tn"]]
        .sum()
        .loc[["ground", "water", "road"]]
    )
    found = epoch_metrics(totals.to_numpy())
    row = history.iloc[(result["best_epoch"] if weights == "best" else 3) - 1]
    for name, value in found.items():
        assert value == pytest.approx(row[f"val_{name}"], rel=1e-9)
    labelled = (store.masks[tiles.to_numpy()] != 255).sum()
    assert totals.sum(axis=1).tolist() == [labelled] * 3
    panels = np.load(tmp_path / "panels.npz")
    assert set(panels["tiles"]) <= set(tiles)
    for tile, prediction in zip(panels["tiles"], panels["predictions"], strict=True):
        mask = store.masks[tile]
        row = counts[(counts["tile"] == tile) & (counts["class"] == "water")].iloc[0]
        assert row["tp"] == ((prediction == 1) & (mask == 1)).sum()
        assert row["fp"] == ((prediction == 1) & (mask != 1) & (mask != 255)).sum()


def test_the_same_seed_gives_the_same_weights(data, trained, tmp_path):
    train(cell(), data[1], data[2], tmp_path / "a", "x")
    train(cell(seed=1), data[1], data[2], tmp_path / "b", "x")
    assert same_weights(trained[0] / "final.pt", tmp_path / "a/final.pt")
    assert not same_weights(trained[0] / "final.pt", tmp_path / "b/final.pt")


class Interrupt(Exception):
    """Stands for whatever ends a run early."""


@pytest.mark.parametrize(
    ("scheduler", "at", "minutes"),
    [
        ({"name": "plateau", "patience": 0, "factor": 0.5}, 0, 10),  # at the start of an epoch
        (
            {"name": "plateau", "patience": 0, "factor": 0.5},
            3,
            0,
        ),  # within one, while gradients wait for their step
        ({"name": "cosine", "warmup": 1}, 2, 10),  # within one: back to its start
        ({"name": "cosine", "warmup": 1}, 2, 0),
    ],
)
def test_an_interrupted_training_ends_bit_identical(
    data, tmp_path, monkeypatch, scheduler, at, minutes
):
    """Lightning itself would lose a plateau's step of the epoch that a checkpoint ends."""
    job = cell(
        scheduler=scheduler,
        augmentation={"hflip": True, "hue": 0.1, "brightness": 0.2},
        optimizer={
            "name": "adamw",
            "lr": 1.0,
        },  # so large that one class wins and the plateau comes
        monitor="val_jaccard",
        epochs=5,
        early_stopping=5,
        accumulate=2,
    )
    train(job, data[1], data[2], tmp_path / "whole", "x")

    original = Task.training_step

    def interrupt(self, batch, index):
        if (self.current_epoch, index) == (2, at):
            raise Interrupt
        return original(self, batch, index)

    monkeypatch.setattr(Task, "training_step", interrupt)
    with pytest.raises(Interrupt):
        train(
            job, data[1], data[2], tmp_path / "cut", "x", limits=Limits(checkpoint_minutes=minutes)
        )
    monkeypatch.undo()
    assert not (tmp_path / "cut/final.pt").exists()
    result = train(job, data[1], data[2], tmp_path / "cut", "x")
    assert result["resumed_at"] == [3]
    for name in ("best.pt", "final.pt"):
        assert same_weights(tmp_path / "whole" / name, tmp_path / "cut" / name)
    whole = pd.read_csv(tmp_path / "whole/history.csv").drop(columns="epoch_seconds")
    cut = pd.read_csv(tmp_path / "cut/history.csv").drop(columns="epoch_seconds")
    pd.testing.assert_frame_equal(whole, cut, check_exact=True)
    assert scheduler["name"] != "plateau" or whole["lr"].nunique() > 1


def test_nothing_is_trained_where_only_results_are_missing(data, tmp_path, monkeypatch):
    result = train(cell(epochs=1), data[1], data[2], tmp_path, "x")
    expected = {name: (tmp_path / name).read_bytes() for name in ("best.pt", "final.pt")}
    for name in expected:
        (tmp_path / name).unlink()
    monkeypatch.setattr(Task, "training_step", lambda *_: pytest.fail("it trains"))
    again = train(cell(epochs=1), data[1], data[2], tmp_path, "x")
    assert expected == {name: (tmp_path / name).read_bytes() for name in expected}
    assert again["epochs"] == result["epochs"] == 1 and again["resumed_at"] == []


def test_a_stale_checkpoint_is_not_resumed(data, tmp_path):
    train(cell(epochs=1), data[1], data[2], tmp_path, "before")
    assert (tmp_path / "checkpoints/last.ckpt").exists()
    result = train(cell(epochs=1), data[1], data[2], tmp_path, "after")
    assert result["resumed_at"] == []


def test_early_stopping_and_plateau(data, tmp_path):
    # Too small a rate to move a single pixel, and no running averages: no epoch is better than the
    # first.
    job = cell(
        model=UNET | {"batch_norm": False},
        epochs=12,
        early_stopping=3,
        monitor="val_jaccard",
        optimizer={"lr": 1e-7},
        scheduler={"name": "plateau", "patience": 1, "factor": 0.5},
    )
    result = train(job, data[1], data[2], tmp_path, "x")
    history = pd.read_csv(tmp_path / "history.csv")
    assert result["epochs"] == len(history) == 4 and result["best_epoch"] == 1
    np.testing.assert_allclose(history["lr"], [1e-7, 1e-7, 1e-7, 5e-8])


def test_cosine_schedule_warms_up_and_ends_low(data, tmp_path):
    job = cell(epochs=5, optimizer={"lr": 0.01}, scheduler={"name": "cosine", "warmup": 1})
    train(job, data[1], data[2], tmp_path, "x")
    expected = [0.005] + [0.01 * (1 + np.cos(np.pi * k / 4)) / 2 for k in range(4)]
    np.testing.assert_allclose(pd.read_csv(tmp_path / "history.csv")["lr"], expected)


def test_ignored_classes_are_neither_learnt_nor_evaluated(data, tmp_path):
    folder, store, split = data
    train(cell(counted=(0, 2)), store, split, tmp_path, "x")
    job = EvaluateSlice(evaluate={"subset": "val"})
    evaluate.run(job, str(folder), str(folder / "split.csv"), str(tmp_path))
    counts = pd.read_csv(tmp_path / "counts.csv")
    assert set(counts["class"]) == {"ground", "road"}
    tiles = split["tile"][split["subset"] == "val"].to_numpy()
    evaluated = np.isin(store.masks[tiles], (0, 2)).sum()
    assert counts[counts["class"] == "road"][["tp", "fp", "fn", "tn"]].sum().sum() == evaluated
    assert set(np.unique(np.load(tmp_path / "panels.npz")["predictions"])) <= {0, 2}


@pytest.mark.parametrize("name", ["jdt", "cross_entropy"])
def test_bf16_and_weighted_losses_train(data, tmp_path, name):
    job = cell(
        precision="bf16", loss={"name": name, "class_weights": "inverse_root"}, scaling="imagenet"
    )
    result = train(job, data[1], data[2], tmp_path, "x")
    history = pd.read_csv(tmp_path / "history.csv")
    assert result["precision"] == "bf16"
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]


def test_weights_rebuild_the_model(trained, data):
    segmenter = load_weights(trained[0] / "best.pt")
    assert segmenter.classes == ["ground", "water", "road"] and segmenter.counted == [0, 1, 2]
    content = torch.load(trained[0] / "best.pt", weights_only=True)
    assert content["spec"] == json.loads(cell().model.model_dump_json())
    assert not segmenter.model.training
