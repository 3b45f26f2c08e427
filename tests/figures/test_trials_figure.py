"""The figure of a tuning's trials."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from satseg.config.tunings import Tuning
from satseg.figures.trials import TunedTrials, trials_figure

SPACE = {
    "optimizer.lr": {"low": 0.0005, "high": 0.005, "log": True},
    "optimizer.weight_decay": {"low": 0.0001, "high": 0.01, "log": True},
    "loss.name": ["jdt", "cross_entropy"],
}


def tuned(trials: int = 9) -> TunedTrials:
    """Trials of two rungs, of which the last wins."""
    given = {"dataset": "d", "model": "m", "recipe": "r", "space": SPACE, "rungs": [1, 3]}
    rows = pd.DataFrame(
        {
            "trial": range(1, trials + 1),
            "rung": 1,
            "epochs": 1,
            "optimizer.lr": np.geomspace(0.0005, 0.005, trials),
            "optimizer.weight_decay": np.geomspace(0.0001, 0.01, trials),
            "loss.name": ["jdt", "cross_entropy", "jdt"] * (trials // 3),
            "value": np.linspace(0.2, 0.4, trials),
            "kept": [0] * (trials - 1) + [1],
        }
    )
    last = rows.tail(1).assign(rung=2, epochs=3, value=0.52)
    importance = pd.DataFrame({"key": list(SPACE), "importance": [0.65, 0.3, 0.05]})
    tuning = Tuning.model_validate(given | {"trials": trials})
    return TunedTrials("found", tuning, pd.concat([rows, last]), importance)


@pytest.fixture(scope="module")
def drawn():
    figure = trials_figure([tuned()])
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    return figure


def test_logarithmic_keys_have_plain_ticks_that_stand_apart(drawn):
    for axes, expected in zip(
        drawn.subfigs[0].axes[1:3],
        (["0.001", "0.003"], ["0.0001", "0.001", "0.01"]),
        strict=True,
    ):
        assert axes.get_xscale() == "log"
        left, right = axes.get_xlim()
        shown = [
            label for label in axes.get_xticklabels() if left <= label.get_position()[0] <= right
        ]
        assert [label.get_text() for label in shown] == expected
        boxes = [label.get_window_extent() for label in shown]
        for one, following in pairwise(boxes):
            assert one.x1 < following.x0
        assert not axes.get_xticklabels(minor=True)


def test_every_trial_is_drawn_and_the_best_is_named(drawn):
    part = drawn.subfigs[0]
    assert part.get_suptitle() == (
        "found: best trial 9 of 9, validation mIoUᴰ 0.520 after 3 epochs"
    )
    over_epochs, *keys = part.axes
    assert [line.get_xdata().tolist() for line in over_epochs.lines] == [[1]] * 8 + [[1, 3]]
    for axes, (key, share) in zip(keys, zip(SPACE, (65, 30, 5), strict=True), strict=False):
        assert axes.get_xlabel() == f"{key} ({share} %)"
        assert len(axes.collections[0].get_offsets()) == 9


def test_a_study_without_tunings_says_so():
    [text] = trials_figure([]).texts
    assert text.get_text() == "No recipe of this study is tuned."
