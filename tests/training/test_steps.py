"""What an optimizer step is made of: accumulated batches, and classes that training never shows."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import cross_entropy

from satseg.config.recipes import Training
from satseg.jobs.slices import TrainSlice
from satseg.models.segmenter import load_weights
from satseg.training.cell import train
from satseg.training.optimizer import step_share
from small import unet

CLASSES = ["ground", "water", "road"]


def job(**training) -> TrainSlice:
    recipe = {"loss": {"name": "cross_entropy"}, "precision": "32"} | training
    return TrainSlice(
        cell={"dataset": "small", "model": "m", "recipe": "r", "seed": 0},
        model=unet(8, 16, bottleneck=16, batch_norm=False),
        training=recipe,
        classes=CLASSES,
        counted=[0, 1, 2],
    )


def labelled_everywhere(store):
    """The same tiles with a label on every pixel: the mean loss of a batch is a mean over tiles."""
    masks = np.where(store.masks == 255, 0, store.masks).astype(np.uint8)
    table = store.table.copy()
    for index, name in enumerate(CLASSES):
        table[f"pixels_{name}"] = (masks == index).sum((1, 2))
    return store._replace(masks=masks, table=table)


@pytest.mark.parametrize("count", [8, 11])
def test_accumulated_batches_make_the_step_of_one_large_batch(data, tmp_path, count):
    """Steps of 9 tiles, in batches of 3; the last step of an epoch has fewer, the last batch too."""
    store = labelled_everywhere(data[0])
    common = {"epochs": 2, "epoch_tiles": count, "optimizer": {"name": "sgd", "lr": 0.1}}
    large = job(batch_size=9, accumulate=1, **common)
    small = job(batch_size=3, accumulate=3, **common)
    weights = []
    for name, each in (("large", large), ("small", small)):
        train(each, store, data[1], tmp_path / name, "x")
        content = torch.load(tmp_path / name / "final.pt", weights_only=True)
        weights.append(content["state_dict"])
    for key, value in weights[0].items():
        torch.testing.assert_close(weights[1][key], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("tiles", [1, 5, 12, 23, 24, 25, 31])
def test_shares_of_a_step_are_those_of_its_tiles(tiles):
    settings = Training.model_validate(
        {"loss": {"name": "jdt"}, "epochs": 1, "batch_size": 4, "accumulate": 3}
    )
    for first in range(0, tiles, 12):
        of_step = min(12, tiles - first)
        shares = []
        for index in range(first // 4, -(-(first + of_step) // 4)):
            # Lightning divides by `accumulate`.
            shares.append(step_share(settings, index, tiles) / 3)
            assert shares[-1] * of_step == pytest.approx(min(4, tiles - 4 * index))
        assert sum(shares) == pytest.approx(1)
        if of_step == 12:
            assert shares == [1 / 3] * 3


def test_a_class_that_training_lacks_leaves_the_others_learnable(data, tmp_path):
    """Two classes told apart by brightness, and a third that no pixel holds: with the weight of a
    single pixel it would leave the others next to none."""
    store = data[0]
    bright = np.asarray(store.images).mean(-1) > 127
    images = np.where(bright, 230, 20).astype(np.uint8)[..., None].repeat(3, -1)
    masks = bright.astype(np.uint8)
    table = store.table.copy()
    for index, name in enumerate(CLASSES):
        table[f"pixels_{name}"] = (masks == index).sum((1, 2))
    store = store._replace(images=images, masks=masks, table=table)
    settings = {"loss": {"name": "jdt", "class_weights": "inverse"}, "epochs": 6, "batch_size": 4}
    train(job(optimizer={"lr": 0.01}, **settings), store, data[1], tmp_path, "x")
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["val_pixel_accuracy"].iloc[-1] > 0.95


@pytest.mark.parametrize("full", [True, False])
def test_validation_may_be_in_32_bit_whatever_the_training(data, tmp_path, full):
    """The last epoch's validation loss, computed again from the final weights in 32-bit."""
    store, split = data
    trained = job(epochs=1, batch_size=4, precision="bf16", full_precision_evaluation=full)
    train(trained, store, split, tmp_path, "x")
    segmenter = load_weights(tmp_path / "final.pt")
    assert segmenter.precision == ("32" if full else "bf16")

    tiles = split["tile"][split["subset"] == "val"].to_numpy()
    images = torch.from_numpy(store.images[tiles]).permute(0, 3, 1, 2) / 255
    target = torch.from_numpy(store.masks[tiles]).long()
    with torch.inference_mode():
        logits = segmenter.model.float()(images)
    losses = []
    sizes = []
    for first in range(0, len(tiles), 4):
        part = slice(first, first + 4)
        losses.append(cross_entropy(logits[part], target[part], ignore_index=255).item())
        sizes.append(len(target[part]))
    expected = np.average(losses, weights=sizes)
    found = pd.read_csv(tmp_path / "history.csv")["val_loss"].iloc[-1]
    assert (abs(found - expected) < 1e-6 * expected) == full
