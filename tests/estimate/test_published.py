"""Hours from the published profiles of another machine."""

import pytest

from satseg.config.models import PythonSpec
from satseg.config.reading import load
from satseg.estimate import published
from satseg.estimate.expect import Estimate
from satseg.estimate.published import PublishedTimes
from satseg.estimate.words import report
from satseg.files import write_json


@pytest.fixture
def times(tmp_path, monkeypatch) -> PublishedTimes:
    """Two published models, one of them twice; this machine takes three times as long, and another
    model has 30 × 10⁹ operations."""
    config = load()
    entries = {
        "one/profiles/x/fast": ("unet_skinny", 100.0, 50.0),
        "one/profiles/x/slow": ("unet_base", 900.0, 300.0),
        "two/profiles/y/slow": ("unet_base", 1100.0, 300.0),
    }
    for path, (name, step, gflops) in entries.items():
        profile = {
            "device": {"kind": "cpu", "name": "Old CPU"},
            "spec": config.models[name].model_dump(),
            "dataset": "x",
            "model": name,
            "train_step_ms": step,
            "parameters": 1000,
            "gflops": gflops,
        }
        write_json(tmp_path / f"{path}.json", profile)

    monkeypatch.setattr(published, "training_step_ms", lambda model: 300.0)
    monkeypatch.setattr(published, "model_gflops", lambda model: 30.0)
    return PublishedTimes(tmp_path)


def test_a_published_model_is_scaled(times):
    models = load().models
    assert [profile.name for profile in times.profiles] == ["unet_skinny", "unet_base"]
    assert times.scale == 3.0
    assert times.step_ms(models["unet_skinny"]) == 300.0
    assert times.step_ms(models["unet_base"]) == 3000.0  # 1000 is the median of its profiles


def test_any_other_goes_by_its_operations(times):
    each = (100 / 50 + 1000 / 300) / 2
    assert times.step_ms(load().models["unet_tiny"]) == pytest.approx(3 * each * 30)


def test_own_code_is_unknown(times):
    assert times.step_ms(PythonSpec(family="python", file="a.py", name="Net")) is None


def test_nothing_published_is_nothing_known(tmp_path):
    assert PublishedTimes(tmp_path).step_ms(load().models["unet_tiny"]) is None


def test_the_estimate_says_so(times, tmp_path):
    config = load()
    folders = (tmp_path / "data", tmp_path / "results")
    estimate = Estimate(config, ["demo"], *folders, times)
    cell = next(cell for cell in estimate.cells if cell.model == "unet_tiny")
    # As in test_estimate: steps of an epoch, each of a sixteenth of the profile's pixels.
    steps = round(0.6 * 192) + round(0.2 * 192) / 3
    each = (100 / 50 + 1000 / 300) / 2
    expected = steps * 3 * each * 30 / 1e3 / 16
    assert estimate.times(cell).epoch_seconds == pytest.approx(expected)
    text = report(estimate)
    assert "Times by published profiles are those of another machine" in text
    assert (
        "unet_skinny takes 300 ms a training step here and 100 ms on the published Old CPU" in text
    )
    assert "unknown" not in text and "Not yet profiled on this device: unet_tiny" in text


def test_the_real_profiles_are_read():
    names = [profile.name for profile in PublishedTimes().profiles]
    assert {"unet_skinny", "unet_base"} <= set(names)
