"""Averaged weights, and the other keys that change how a step is computed."""

import pytest
import torch
from torch import nn

from satseg.jobs.slices import TrainSlice
from satseg.training.averaging import Average
from satseg.training.cell import train
from satseg.training.limits import Stopped
from satseg.training.trainer import build_trainer
from small import unet
from stopping import After

UNET = unet(4, 8, bottleneck=8, dropout=0.2)


def job(**training) -> TrainSlice:
    recipe = {
        "loss": {"name": "cross_entropy"},
        "epochs": 2,
        "batch_size": 4,
        "precision": "32",
    } | training
    return TrainSlice(
        cell={"dataset": "small", "model": "m", "recipe": "r", "seed": 0},
        model=UNET,
        training=recipe,
        classes=["ground", "water", "road"],
        counted=[0, 1, 2],
    )


def weights(folder, name="final.pt"):
    return torch.load(folder / name, weights_only=True)["state_dict"]


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_the_average_follows_each_step():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    average = Average(net, 0.5)
    expected = net[0].weight.detach().clone()
    for step in range(1, 13):
        with torch.no_grad():
            net[0].weight.add_(1)
        net(torch.rand(2, 1, 3, 3))
        average.follow(net)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * net[0].weight.detach()
        torch.testing.assert_close(average.model[0].weight.data, expected)
    assert decay == 0.5
    assert average.model[1].num_batches_tracked == 12
    assert not average.model[0].weight.requires_grad


def test_averaged_weights_are_validated_and_kept(data, tmp_path):
    train(job(), *data, tmp_path / "plain", "x")
    train(job(ema=0.7), *data, tmp_path / "averaged", "x")
    # As good as no average: the weights of the last step alone.
    train(job(ema=1e-9), *data, tmp_path / "last", "x")
    plain, averaged, last = (weights(tmp_path / name) for name in ("plain", "averaged", "last"))
    assert plain.keys() == averaged.keys()
    assert not same(plain, averaged)
    for name, values in plain.items():
        torch.testing.assert_close(last[name], values)


@pytest.mark.parametrize("looks", [2, 6, 9])
def test_a_run_with_averaged_weights_resumes_exactly(data, tmp_path, looks):
    """Stopped in the first epoch, while validating, and in the second epoch."""
    settings = job(ema=0.9, accumulate=2)
    train(settings, *data, tmp_path / "whole", "x")
    After.looks = looks
    with pytest.raises(Stopped):
        train(settings, *data, tmp_path / "cut", "x", limits=After())
    result = train(settings, *data, tmp_path / "cut", "x")
    assert result["resumed_at"]
    for name in ("best.pt", "final.pt"):
        assert same(weights(tmp_path / "whole", name), weights(tmp_path / "cut", name))


@pytest.mark.parametrize("deterministic", [True, False])
def test_cudnn_searches_only_if_it_may(tmp_path, deterministic):
    settings = job(deterministic=deterministic).training
    try:
        build_trainer(settings, "32", [], tmp_path)
        assert torch.are_deterministic_algorithms_enabled() is deterministic
        assert torch.backends.cudnn.benchmark is not deterministic
    finally:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.benchmark = False


def test_a_compiled_run_resumes_exactly(data, tmp_path, monkeypatch):
    """Traced as for any compiler; the graphs are run as they are, which takes seconds."""
    compiler = nn.Module.compile
    calls = []

    def traced(module, **options):
        calls.append(options)
        compiler(module, backend="eager", **options)

    monkeypatch.setattr(nn.Module, "compile", traced)
    settings = job(compile=True)
    train(settings, *data, tmp_path / "whole", "x")
    After.looks = 2
    with pytest.raises(Stopped):
        train(settings, *data, tmp_path / "cut", "x", limits=After())
    train(settings, *data, tmp_path / "cut", "x")
    assert calls == [{"dynamic": False}] * 3
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))

    train(job(), *data, tmp_path / "plain", "x")
    plain = weights(tmp_path / "plain")
    assert plain.keys() == weights(tmp_path / "whole").keys()
    for name, values in weights(tmp_path / "whole").items():
        torch.testing.assert_close(values, plain[name])
