"""How a row of history.csv is averaged, against arithmetic on each batch."""

import numpy as np
import pytest
import torch
from torch import nn

from satseg.jobs.slices import TrainSlice
from satseg.training.task import Task
from small import unet

UNET = unet(4, bottleneck=4)
# tp, fp, fn, tn of two classes in two batches: of 3 tiles (30 pixels) and of 1 tile (10 pixels).
COUNTS = [[[18, 4, 2, 6], [6, 2, 4, 18]], [[5, 5, 0, 0], [0, 0, 5, 5]]]
LOSSES = [0.4, 2.0]
TILES = [3, 1]


def result(**means) -> dict[str, float]:
    """Figures of an epoch that recorded these two batches."""
    job = TrainSlice(
        cell={"dataset": "d", "model": "m", "recipe": "r", "seed": 0},
        model=UNET,
        training={
            "loss": {"name": "cross_entropy"},
            "epochs": 1,
            "batch_size": 3,
            "means": means,
        },
        classes=["a", "b"],
        counted=[0, 1],
    )
    task = Task(job, nn.Identity(), nn.Identity())
    for counts, loss, tiles in zip(COUNTS, LOSSES, TILES, strict=True):
        task._record("train", torch.tensor(counts), torch.tensor([loss, float(tiles)]))
    return task.epoch_result("train")


def test_over_tiles_every_tile_counts_the_same():
    figures = result()
    assert figures["loss"] == pytest.approx((3 * 0.4 + 2.0) / 4)
    assert figures["pixel_accuracy"] == pytest.approx((18 + 6 + 5) / 40)
    assert figures["jaccard"] == pytest.approx((23 / 34 + 6 / 17) / 2)


def test_over_batches_every_batch_counts_the_same():
    figures = result(train="batches")
    assert figures["loss"] == pytest.approx((0.4 + 2.0) / 2)
    assert figures["pixel_accuracy"] == pytest.approx((24 / 30 + 5 / 10) / 2)
    assert figures["jaccard"] == pytest.approx(((18 / 24 + 6 / 12) / 2 + (5 / 10 + 0) / 2) / 2)


def test_with_one_label_a_pixel_micro_averages_are_the_accuracy():
    figures = result(train="batches", classes="micro")
    accuracies = np.array([24 / 30, 5 / 10])
    for name in ("dice", "precision", "recall", "pixel_accuracy"):
        assert figures[name] == pytest.approx(accuracies.mean())
    assert figures["jaccard"] == pytest.approx((accuracies / (2 - accuracies)).mean())
