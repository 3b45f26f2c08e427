"""The trials that a tuning will train, against a count by hand."""

import pytest

from satseg.config.reading import load
from satseg.paths import Paths
from satseg.search.expected import epochs_of, expected_trials

TUNING = {
    "dataset": "demo",
    "model": "unet_tiny",
    "recipe": "demo",
    "space": {"optimizer.lr": {"low": 0.001, "high": 0.01}},
    "trials": 12,
    "rungs": [5, 15, 45],
}


@pytest.fixture(scope="module")
def config():
    return load(overrides={"tunings": {"found": TUNING}})


def test_a_third_goes_on_from_each_rung(config, tmp_path):
    trials = expected_trials(config, "found", Paths(results=tmp_path))
    at = {rung: [t.number for t in trials if t.rung == rung] for rung in (1, 2, 3)}
    assert at == {1: list(range(1, 13)), 2: [1, 2, 3, 4], 3: [1]}


def test_a_rung_that_is_decided_says_who_goes_on(config, tmp_path):
    paths = Paths(results=tmp_path)
    paths.tuning("found").mkdir(parents=True)
    rows = [f"{number},5,0.5,{int(number in (2, 7, 11))}" for number in range(1, 13)]
    paths.rung("found", 1).write_text("\n".join(["trial,epochs,value,kept", *rows]))
    trials = expected_trials(config, "found", paths)
    assert [t.number for t in trials if t.rung == 2] == [2, 7, 11]
    assert [t.number for t in trials if t.rung == 3] == [2]


def test_a_rung_adds_its_own_epochs(config):
    epochs = [epochs_of(config, f"found.trial3.rung{rung}") for rung in (1, 2, 3)]
    assert epochs == [5, 10, 30]
    assert epochs_of(config, "found") == 45
