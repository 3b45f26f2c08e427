"""Sizes and operations against published figures and closed forms."""

import json
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from satseg.config.reading import load
from satseg.jobs.slices import profile_slice
from satseg.measures import SIZES
from satseg.models import build_model
from satseg.profiling import (
    _in_rounds,
    activation_elements,
    activation_levels,
    gflops,
    layer_summary,
    peak_memory_mb,
    repeated,
)
from satseg.stages.profile import run, sizes
from satseg.study.claims.rankings import fewest_apart

MEMORY_MB = {
    "unet_base": {5: 3966, 8: 3972},
    "unet_short": {5: 5842, 8: 5848},
    "unet_skinny": {5: 1292.25, 8: 1298.25},
    "unet_less_conv": {5: 2444.25, 8: 2450.25},
    "unetplusplus": {5: 3333, 8: 3357},
    "deeplabv3plus": {5: 872.63, 8: 891.01},
}


@pytest.mark.parametrize("name", MEMORY_MB)
def test_published_memory_to_the_digit(name):
    for classes, expected in MEMORY_MB[name].items():
        with torch.device("meta"):
            published, _ = activation_elements(build_model(name, classes))
        assert round(2 * 4 * published / 2**20, 2) == expected


def test_published_sizes_to_the_digit():
    config = load()
    found = {}
    for paper in config.papers.values():
        for table, model in product(paper.tables, paper.own(config.models)):
            for column, value, classes in table.row(model):
                if column.metric in SIZES:
                    if (model, classes) not in found:
                        found[model, classes] = sizes(config.models[model], classes)
                    assert found[model, classes][column.metric] == value, (table.title, model)
    assert {classes for _, classes in found} == {5, 8}


def test_the_study_of_costs_tells_memory_from_operations():
    """The paper's six models rank alike by the two; these ten do not."""
    config = load()
    study = config.study["faster_unet_costs"]
    costs = []
    for name in study.models:
        net = build_model(config.models[name], 6).to("meta")
        published, _ = activation_elements(net)
        costs.append((published, gflops(net)))
    memory, operations = np.argsort(np.argsort(costs, axis=0), axis=0).T
    assert (memory != operations).sum() >= fewest_apart(2)
    assert (np.argsort(costs[:6], axis=0).T[0] == np.argsort(costs[:6], axis=0).T[1]).all()


class Pair(nn.Module):
    """Two convolutions in a sequence, inside a container, in the root."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Module()
        self.inner.layers = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 2, 1, stride=2)
        )
        self.inner.forward = lambda x: self.inner.layers(x)

    def forward(self, x):
        return self.inner(x)


def test_counts_by_hand():
    model = Pair().to("meta")
    leaves = 4 * 8 * 8 + 2 * 4 * 4
    assert activation_elements(model, (3, 8, 8)) == (leaves + 2 * 4 * 4, leaves)
    # Once as large as the input, once half as large: its levels.
    assert activation_levels(model, (3, 8, 8)) == {8: 4 * 8 * 8, 4: 2 * 4 * 4}
    multiply_adds = 8 * 8 * 4 * 3 * 9 + 4 * 4 * 2 * 4
    assert gflops(model, (3, 8, 8)) == pytest.approx(2 * multiply_adds / 1e9)


def test_levels_are_all_of_the_activations():
    """The two finest of the skinny U-Net hold 76 % of them."""
    net = build_model("unet_skinny", 5).to("meta")
    levels = activation_levels(net)
    assert list(levels) == [512, 256, 128, 64, 32, 16, 8]
    assert sum(levels.values()) == activation_elements(net)[1]
    assert (levels[512] + levels[256]) / sum(levels.values()) == pytest.approx(0.76, abs=0.005)


def test_summary_counts_the_same_parameters():
    model = build_model("lab_unet", 6)
    assert "1,941,190" in layer_summary(model.to("meta"))


LOADED = []


def with_a_large_library() -> nn.Module:
    """A small model, for which something large is loaded first."""
    if not LOADED:
        LOADED.append(b"x" * 2**28)
    return nn.Conv2d(3, 6, 1)


def test_what_is_loaded_to_build_a_model_is_no_part_of_it():
    assert peak_memory_mb(with_a_large_library, (3, 64, 64)) < 200


def test_a_profile(tmp_path):
    spec = profile_slice(load(), "demo", "unet_tiny").model_copy(update={"printed_classes": [9]})
    run(spec, str(tmp_path / "tiles"), str(tmp_path / "p.json"))
    profile = json.loads((tmp_path / "p.json").read_text())
    model = build_model("unet_tiny", 6)
    assert profile["parameters"] == sum(p.numel() for p in model.parameters())
    assert profile["classes"] == 6 and profile["input"] == [3, 512, 512]
    assert profile["sizes"]["6"] == {name: profile[name] for name in SIZES}
    # Each class more costs a filter and a bias of the head, and its output, there and back.
    assert profile["sizes"]["9"]["parameters"] == profile["parameters"] + 3 * (16 + 1)
    assert profile["sizes"]["9"]["memory_mb"] == profile["memory_mb"] + 3 * 2 * 4 * 512**2 / 2**20
    assert 0 < profile["latency_ms"] <= profile["latency_p95_ms"]
    assert 0 < profile["train_step_ms"] <= profile["train_step_p95_ms"]
    # At least the input, the output and the two largest feature maps, 16 channels each, are alive
    # at once.
    assert profile["peak_memory_mb"] > 4 * 512**2 * (3 + 6 + 2 * 16) / 2**20
    assert sum(profile["levels"].values()) == pytest.approx(profile["activations_mb"], abs=0.05)
    assert profile["trained"]["input"] == [3, 128, 128]
    assert profile["trained"]["parameters"] == profile["parameters"]
    assert profile["trained"]["gflops"] == pytest.approx(profile["gflops"] / 16, abs=1e-3)
    for times in (profile, profile["trained"]):
        for name in ("latency", "train_step"):
            assert 0 < times[f"{name}_low_ms"] <= times[f"{name}_ms"] <= times[f"{name}_high_ms"]
    assert profile["rounds"] == len(profile["load"]) == len(profile["others"]) == 1
    assert all(0 <= share <= 1 for share in profile["others"])
    assert 0 < profile["reference_low_ms"] <= profile["reference_ms"]
    assert profile["device"]["kind"] == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_profile_is_of_the_bands_that_are_trained(tmp_path):
    """A fourth band adds 3×3 weights to each of the first layer's 16 channels, and their work."""
    spec = profile_slice(load(), "demo", "unet_tiny").model_copy(update={"bands": 4})
    run(spec, str(tmp_path / "tiles"), str(tmp_path / "p.json"))
    profile = json.loads((tmp_path / "p.json").read_text())
    trained = profile["trained"]
    assert trained["input"] == [4, 128, 128]
    assert trained["parameters"] == profile["parameters"] + 3 * 3 * 16
    added = 2 * 3 * 3 * 16 * 128**2 / 1e9
    assert trained["gflops"] == pytest.approx(profile["gflops"] / 16 + added, abs=2e-3)


def timed(durations: list[float], monkeypatch) -> list[str]:
    """Let works take these milliseconds, one after another, and a round four seconds: the names of
    the works that were called."""
    turns = []
    left = iter(durations)
    clock = iter(range(0, 400, 4))

    def repeated(work, seconds, fewest, warm):
        turns.append(work())
        return [next(left)]

    monkeypatch.setattr("satseg.profiling.repeated", repeated)
    monkeypatch.setattr("satseg.profiling.time.perf_counter", lambda: next(clock))
    return turns


WORKS = {"a": lambda: "a", "b": lambda: "b"}


def test_rounds_that_agree_are_not_repeated(monkeypatch):
    turns = timed([1.0, 2.0, 1.05, 2.0], monkeypatch)
    rounds, machine = _in_rounds(WORKS)
    assert turns == ["a", "b"] * 2
    assert rounds == {"a": [[1.0], [1.05]], "b": [[2.0], [2.0]]}
    assert len(machine["load"]) == len(machine["others"]) == 2


def test_rounds_are_repeated_until_two_agree(monkeypatch):
    timed([1.0, 1.0, 1.5, 1.0, 1.2, 1.0, 1.25, 1.0], monkeypatch)
    rounds, machine = _in_rounds(WORKS, longest=99)
    assert len(machine["load"]) == 4  # by then 1.2 and 1.25
    assert rounds["a"] == [[1.0], [1.5], [1.2], [1.25]]


def test_rounds_that_never_agree_end(monkeypatch):
    timed([1.0, 1.0, 1.5, 1.0, 2.0, 1.0, 3.0, 1.0, 4.0, 1.0, 5.0, 1.0], monkeypatch)
    rounds, _ = _in_rounds(WORKS, longest=99)
    assert len(rounds["a"]) == 6


def test_measuring_ends_in_time(monkeypatch):
    timed([1.0, 1.0, 1.5, 1.0] * 3, monkeypatch)
    _, machine = _in_rounds(WORKS, longest=10)
    assert len(machine["load"]) == 3  # after the third, twelve seconds have passed


def test_a_model_that_is_compared_with_none_takes_one_round(monkeypatch):
    turns = timed([1.0, 2.0], monkeypatch)
    rounds, _ = _in_rounds(WORKS, most_rounds=1)
    assert turns == ["a", "b"] and rounds == {"a": [[1.0]], "b": [[2.0]]}


def test_a_work_is_warmed_up_unless_it_is_warm():
    calls = []
    assert len(repeated(lambda: calls.append(1), 0, fewest=2)) == 2 and len(calls) == 3
    assert len(repeated(lambda: calls.append(1), 0, fewest=2, warm=True)) == 2 and len(calls) == 5
