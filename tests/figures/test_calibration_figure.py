"""The figure `calibration`: a panel per model, the error before and after its temperature."""

import json

import numpy as np
import pytest

from conftest import ROOT
from satseg.config.reading import load
from satseg.figures.calibration import Calibrated, calibration_figure
from satseg.jobs.slices import study_slice

RUN = "results/published/dubai_pocket/runs/dubai/unet_pocket/pocket/seed0/calibration.json"


def found(shift):
    """A run that is surer than right by so much, and no longer with its temperature."""
    bins = [
        {"pixels": 10 * (i > 4), "confidence": (i + 0.5) / 10, "right": (i + 0.5) / 10 - shift}
        for i in range(10)
    ]
    even = [own | {"right": own["confidence"]} for own in bins]
    return {
        "before": {"pixels": 50, "ece": shift, "bins": bins},
        "after": {"pixels": 50, "ece": 0.0, "bins": even},
    }


def test_a_panel_per_model_shows_each_run_before_and_after():
    models = [
        Calibrated("Here", "a", [found(0.2), found(0.1)]),
        Calibrated("Here", "b", [found(0.3)]),
        Calibrated("There", "a", [found(0.0)]),
    ]
    figure = calibration_figure(models, {"a": "#0072B2", "b": "#D55E00"})
    titles = [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes]
    assert titles == [
        "a\nerror 15.0 % → 0.0 %",
        "b\nerror 30.0 % → 0.0 %",
        "a\nerror 0.0 % → 0.0 %",
    ]
    first = figure.axes[0]
    assert len(first.collections) == 4  # two runs, before and after
    points = np.asarray(first.collections[0].get_offsets())
    assert points[:, 0] - points[:, 1] == pytest.approx(0.2)
    assert len(points) == 5  # bins without a pixel are no points
    assert [text.get_text() for text in first.get_xticklabels()] == ["0 %", "50 %", "100 %"]


def test_it_is_drawn_exactly_if_a_recipe_asks_for_it():
    config = load()
    assert study_slice(config, "dubai_pocket").figures[-1] == "calibration"
    assert "calibration" not in study_slice(config, "demo").figures


def test_what_is_published_can_be_drawn():
    found = json.loads((ROOT / RUN).read_text())
    (axes,) = calibration_figure([Calibrated("x", "m", [found])], {"m": "#0072B2"}).axes
    assert f"error {100 * found['before']['ece']:.1f} %" in axes.get_title(loc="left")
