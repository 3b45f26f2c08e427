"""Times of a study's models, measured in turns."""

import json

from satseg.config.reading import load
from satseg.jobs.slices import speed_slice
from satseg.stages import speed

NAMES = ("unet_tiny", "unet_shallow")


def measured(tmp_path, monkeypatch, bands: int) -> tuple[dict, list]:
    """The file of two models with as many bands, and what was timed in turns."""
    timed = []

    def measure(nets, longest):
        timed.extend(nets)
        times = [{"latency_ms": float(i), "train_step_ms": 10.0 * i} for i in range(len(nets))]
        return times, {"rounds": 2, "load": [0.25, 1 / 3], "reference_ms": 1.0}

    monkeypatch.setattr(speed, "measure", measure)
    config = load()
    job = speed_slice(config, "demo", "demo")
    models = {name: config.models[name] for name in NAMES}
    job = job.model_copy(update={"models": models, "bands": bands})
    speed.run(job, str(tmp_path / "tiles"), str(tmp_path / "speed.json"))
    return json.loads((tmp_path / "speed.json").read_text()), timed


def test_all_models_take_turns_with_both_inputs(tmp_path, monkeypatch):
    written, timed = measured(tmp_path, monkeypatch, bands=3)
    assert [shape for _, shape in timed] == [(3, 512, 512), (3, 128, 128)] * 2
    assert timed[0][0] is timed[1][0] and timed[2][0] is timed[3][0]
    assert list(written["models"]) == list(NAMES)
    assert written["models"]["unet_shallow"] == {
        "latency_ms": 2.0, "train_step_ms": 20.0,
        "trained": {"latency_ms": 3.0, "train_step_ms": 30.0},
    }  # fmt: skip
    assert (written["rounds"], written["load"]) == (2, [0.25, 0.333])
    assert written["tile"] == [3, 128, 128]


def test_a_tile_has_the_bands_that_are_trained(tmp_path, monkeypatch):
    _, timed = measured(tmp_path, monkeypatch, bands=4)
    assert [shape[0] for _, shape in timed] == [3, 4, 3, 4]
    parameters = [sum(p.numel() for p in net.parameters()) for net, _ in timed]
    assert parameters[1] == parameters[0] + 3 * 3 * 16
