"""When accuracy may be judged: enough seeds, and trainings that had ended by themselves."""

import numpy as np
import pandas as pd
import pytest

from satseg.config.reading import load
from satseg.study.claims.evidence import HOLDS, UNKNOWN, Evidence, Statistic
from satseg.study.claims.settled import has_settled, settled_only, unsettled
from satseg.study.comparison import Comparison

RECIPE = load().recipes["demo"].model_copy(update={"epochs": 20, "monitor": "val_loss"})


def history(losses) -> pd.DataFrame:
    values = np.asarray(losses, float)
    return pd.DataFrame({"val_loss": values, "val_jaccard": 1 - values})


def falling(epochs: int, flat: int = 0) -> pd.DataFrame:
    """Losses whose best epoch is followed by `flat` worse ones."""
    return history([*np.linspace(1, 0.1, epochs - flat), *[0.5] * flat])


def evidence(histories: dict, folds: int = 0, steps: dict | None = None) -> Evidence:
    comparison = Comparison("d", "D", "r", "test", [], [], None, "", 0, 0, 0, 0, folds=folds)
    return Evidence(
        comparison=comparison,
        profiles={},
        epochs={},
        devices={},
        pixels={},
        histories=histories,
        steps=steps or {},
        recipe=RECIPE,
    )


@pytest.mark.parametrize(
    ("found", "settled"),
    [
        (falling(20), False),
        (falling(20, flat=3), False),  # a fifth of 20 epochs are four
        (falling(20, flat=4), True),
        (falling(13), True),  # stopped before its last epoch
        (falling(13, flat=1), True),
    ],
)
def test_a_plateau_is_a_fifth_of_the_epochs(found, settled):
    assert has_settled(found, RECIPE) is settled
    by_metric = RECIPE.model_copy(update={"monitor": "val_jaccard"})
    assert has_settled(found, by_metric) is settled


def test_a_run_that_was_cut_off_did_not_stop_by_itself():
    cut = RECIPE.model_copy(update={"stop_after": 13})
    assert not has_settled(falling(13), cut)
    assert has_settled(falling(12), cut)


def test_of_few_epochs_three_must_bring_nothing():
    short = RECIPE.model_copy(update={"epochs": 5})
    assert not has_settled(falling(5, flat=2), short)
    assert has_settled(falling(5, flat=3), short)


@pytest.mark.parametrize(
    ("histories", "verdict", "said"),
    [
        ({"a": [falling(13)] * 3, "b": [falling(20, flat=4)] * 3}, HOLDS, ""),
        (
            {"a": [falling(13)] * 3, "b": [falling(13)] * 2},
            UNKNOWN,
            "b was trained with 2 seeds, fewer than 3",
        ),
        ({"a": [falling(13)]}, UNKNOWN, "a was trained with 1 seed, fewer than 3"),
        (
            {"a": [falling(13), falling(13), falling(20)]},
            UNKNOWN,
            "a was trained for 20 epochs and still improving",
        ),
    ],
)
def test_a_verdict_on_accuracy_needs_settled_runs(histories, verdict, said):
    statistics = [Statistic("x", 1.0)]
    found, ruled, why = settled_only((statistics, HOLDS, "1 is 1"), evidence(histories))
    assert (found, ruled) == (statistics, verdict)
    assert why == (f"1 is 1; {said}" if said else "1 is 1")


def test_the_folds_of_a_seed_are_one_training():
    histories = {"a": [falling(13)] * 5}
    assert unsettled(evidence(histories)) == ""
    said = unsettled(evidence(histories, folds=5))
    assert said == "a was trained with 1 seed, fewer than 3"
    assert unsettled(evidence({"a": [falling(13)] * 15}, folds=5)) == ""


def test_the_length_of_a_training_is_told_in_steps_where_it_is_known():
    found = evidence({"a": [falling(13), falling(13), falling(20)]}, steps={"a": [650, 650, 1000]})
    assert unsettled(found) == "a was trained for 1,000 steps (20 epochs) and still improving"
