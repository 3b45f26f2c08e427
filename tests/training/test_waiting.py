"""No step waits for a device that works through a queue: shown on a CPU that is treated as one."""

from contextlib import ExitStack

import numpy as np
import pandas as pd
import pytest
import torch
from benchmarks.rows.operations import Operations, asking
from lightning.pytorch.callbacks import Callback
from torch.utils._python_dispatch import _disable_current_modes

from satseg import devices
from satseg.config.models import PythonSpec
from satseg.config.reading import load
from satseg.config.recipes import Augmentation
from satseg.data import augmentation
from satseg.data.augmentation import augment, draw_changes
from satseg.data.exchange import palette
from satseg.data.loader import loader
from satseg.data.store import Tiles
from satseg.evaluation.counting import evaluate_tiles
from satseg.jobs.slices import TrainSlice
from satseg.models.segmenter import Segmenter
from satseg.training import cell
from small import unet

# What reads a value back, has an output whose size depends on values, or indexes or fills with
# numbers of the host, which are sent and waited for.
WAITING = {
    "_local_scalar_dense", "nonzero", "nonzero_numpy", "masked_select", "bincount", "equal",
    "is_nonzero", "_unique2", "unique_dim", "unique_consecutive", "index", "index_put",
    "index_put_", "_index_put_impl_", "lift_fresh", "repeat_interleave",
}  # fmt: skip
UNET = unet(4, 4, 8, 8, bottleneck=8, dropout=0.2)
ALL = {"hue": 0.2, "brightness": 0.2, "contrast": 0.2, "hflip": True, "vflip": True}
MORE = {
    "rot90": True, "scale": 0.3, "saturation": 0.3, "gamma": 0.2, "season": 1.0, "exchange": 1.0,
}  # fmt: skip


class NoWaiting(Operations):
    """Fails where the host would wait."""

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        name = operation.overloadpacket.__name__
        assert name not in WAITING, f"{operation} would wait for the device"
        return super().__torch_dispatch__(operation, types, arguments, options)


class Steps(Callback):
    """Has Lightning take its steps in that mode."""

    def __init__(self):
        self.taken = {"train": 0, "val": 0}
        self.stack = ExitStack()

    def enter(self):
        self.mode = NoWaiting()
        self.stack.enter_context(self.mode)

    def leave(self, subset):
        self.stack.close()
        assert len(self.mode.names) > 50
        self.taken[subset] += 1

    def on_train_batch_start(self, *_):
        self.enter()

    def on_train_batch_end(self, *_):
        self.leave("train")

    def on_validation_batch_start(self, *_):
        self.enter()

    def on_validation_batch_end(self, *_):
        self.leave("val")


def on_the_host(work):
    """The same work, outside any mode: it has nothing to do with the device, or does not wait."""

    def run(*arguments):
        with _disable_current_modes():
            return work(*arguments)

    return run


@pytest.fixture(autouse=True)
def queued(monkeypatch):
    """A CPU that is taken for a GPU."""
    for module in asking():
        monkeypatch.setattr(f"{module}.queues", lambda at: True)
    for room in ("devices", "data.augmentation"):
        monkeypatch.setattr(f"satseg.{room}.send", on_the_host(devices.send))
    yield
    devices._sent.cache_clear()


def job(model=UNET, counted=(0, 1, 2), **training) -> TrainSlice:
    recipe = {"loss": {"name": "jdt"}, "epochs": 1, "batch_size": 4, "precision": "32"} | training
    return TrainSlice(
        cell={"dataset": "small", "model": "m", "recipe": "r", "seed": 0},
        model=model,
        training=recipe,
        classes=["ground", "water", "road"],
        counted=list(counted),
    )


RECIPES = [
    {"loss": {"name": "cross_entropy"}},
    {"loss": {"name": "cross_entropy", "class_weights": "inverse"}, "optimizer": {"name": "sgd"}},
    {"loss": {"name": "jdt", "miou_i": 0.5, "miou_c": 0.5, "class_weights": "inverse_root"}},
    {"augmentation": ALL | {"everywhere": True}, "scaling": "imagenet", "counted": [0, 2]},
    {"augmentation": {"hflip": True}, "optimizer": {"name": "adamw"}, "accumulate": 2},
    {"ema": 0.9, "precision": "bf16", "augmentation": {"contrast": 0.2}},
    {
        "augmentation": ALL | MORE,
        "loss": {"name": "jdt", "cross_entropy": 0.5, "class_weights": "inverse"},
        "optimizer": {"name": "adam", "encoder_lr": 0.1},
        "auxiliary": 0.4,
    },
]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: ",".join(recipe))
def test_no_step_waits(data, tmp_path, monkeypatch, recipe):
    check_steps(job(**recipe), data, tmp_path / "cell", monkeypatch)


OWN = """
from torch import nn

def own(num_classes, in_channels):
    layers = nn.Conv2d(in_channels, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, num_classes, 1)
    return nn.Sequential(*layers)
"""


def test_no_step_of_a_model_from_a_file_waits(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(OWN)
    own = PythonSpec(family="python", file="own.py", name="own")
    check_steps(job(own), data, tmp_path / "cell", monkeypatch)


def check_steps(run: TrainSlice, data, folder, monkeypatch):
    """Train with every step in that mode."""
    steps = Steps()
    build = cell.build_trainer

    def trainer(settings, precision, callbacks, folder):
        return build(settings, precision, [*callbacks, steps], folder)

    monkeypatch.setattr(cell, "build_trainer", trainer)
    try:
        result = cell.train(run, *data, folder, "x")
    finally:
        steps.stack.close()
    # A shuffled batch of one tile is left out.
    expected = {
        "train": (result["tiles"]["train"] + 2) // 4,
        "val": (result["tiles"]["val"] + 3) // 4,
    }
    assert steps.taken == expected and min(expected.values()) > 0


FAMILIES = [
    "unet_tiny", "unet_skinny_sdi", "unet_swift", "unetplusplus_scratch", "deeplabv3plus_scratch", "linknet_resnet18",
    "unet_resnet18", "pan_resnet18", "upernet_mobilenetv4",
]  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_no_model_waits(name):
    net = cell.build_model(load().models[name], 3, 3).to(memory_format=torch.channels_last)
    images = torch.rand(2, 3, 128, 128)
    with NoWaiting():
        net(images).sum().backward()
        net.eval()(images)


def test_every_kind_of_model_is_among_them():
    models = load().models
    kinds = {(model.family, getattr(model, "architecture", "")) for model in models.values()}
    assert kinds == {
        (models[name].family, getattr(models[name], "architecture", "")) for name in FAMILIES
    }


@pytest.mark.parametrize("changes", [None, Augmentation(**ALL)], ids=["plain", "augmented"])
def test_evaluation_does_not_wait(data, monkeypatch, changes):
    store, _ = data
    classes = ["ground", "water", "road"]
    net = cell.build_model(job().model, 3, 3).eval()
    segmenter = Segmenter(net, classes, [0, 2], True, 4, "imagenet", "32")
    tiles = np.arange(6)
    read = on_the_host(lambda *arguments: list(loader(*arguments)))
    monkeypatch.setattr("satseg.evaluation.counting.loader", read)
    with NoWaiting() as mode:
        counts = evaluate_tiles(segmenter, store, tiles, changes)
    assert len(mode.names) > 50
    labelled = np.isin(store.masks[tiles], [0, 2]).sum((1, 2))
    assert counts.sum(-1).tolist() == [[pixels, pixels] for pixels in labelled]


@pytest.mark.parametrize("tiles", [2, 16])
@pytest.mark.parametrize("bands", [3, 4])
def test_a_batch_is_augmented_at_once(monkeypatch, tiles, bands):
    """At most 40 operations whatever the batch, and what tile by tile comes to."""
    rng = np.random.default_rng(tiles)
    images = torch.from_numpy(rng.integers(0, 256, (tiles, bands, 24, 16), np.uint8))
    images[0] = images[0, :1]  # grey
    images[1] = (images[1] > 128) * 255  # plain colours, on the edge between two hues
    masks = torch.from_numpy(rng.integers(0, 5, (tiles, 24, 16), np.uint8))
    images[1, :, 16:] = 0  # padding
    masks[1, 16:] = 255
    numbers = torch.arange(tiles)

    for hue in (0.1, 0.5):
        settings = Augmentation(**ALL | {"hue": hue})
        augment(images, masks, numbers, settings, seed=1, epoch=2)  # constants are sent once
        with NoWaiting() as mode:
            changed, labels = augment(images, masks, numbers, settings, seed=1, epoch=2)
        assert len(mode.names) < 40  # and the changes are sent
        with monkeypatch.context() as patched:
            patched.setattr(augmentation, "queues", lambda at: False)
            expected, same = augment(images, masks, numbers, settings, seed=1, epoch=2)
        torch.testing.assert_close(changed, expected, atol=2e-6, rtol=0)
        assert torch.equal(labels, same)

    turned = [draw_changes(settings, 1, 2, tile).hue for tile in range(tiles)]
    assert tiles == 2 or (min(turned) < -1 / 6 and max(turned) > 1 / 6)


@pytest.mark.parametrize("tiles", [2, 16])
def test_further_changes_are_made_at_once(monkeypatch, tiles):
    """So, too, with every change there is: a fixed number of operations for any batch."""
    rng = np.random.default_rng(tiles)
    images = torch.from_numpy(rng.integers(0, 256, (tiles, 3, 24, 24), np.uint8))
    masks = torch.from_numpy(rng.integers(0, 5, (tiles, 24, 24), np.uint8))
    images[1, :, 16:] = 0  # padding
    masks[1, 16:] = 255
    numbers = torch.arange(tiles)
    stored = images.permute(0, 2, 3, 1).numpy()
    table = pd.DataFrame({"tile": range(tiles), "scene": [f"s{i % 2}" for i in range(tiles)]})
    colours = palette(Tiles(stored, masks.numpy(), table, None), numbers.numpy())
    settings = Augmentation(probability=0.9, **ALL | MORE)
    arguments = (images, masks, numbers, settings, 1, 2, colours)

    augment(*arguments)  # constants are sent once
    with NoWaiting() as mode:
        changed, labels = augment(*arguments)
    assert len(mode.names) < 110
    with monkeypatch.context() as patched:
        patched.setattr(augmentation, "queues", lambda at: False)
        expected, same = augment(*arguments)
    torch.testing.assert_close(changed, expected, atol=1e-5, rtol=0)
    assert torch.equal(labels, same)


def test_constants_are_sent_once():
    at = torch.device("cpu")
    first = devices.constant((1, 2), at, torch.float32)
    assert devices.constant((1, 2), at, torch.float32) is first
    assert first.tolist() == [1, 2] and not first.is_inference()
