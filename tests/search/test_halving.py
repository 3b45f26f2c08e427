"""Which trials go on from a rung, against a hand computation."""

import json
from math import nan
from pathlib import Path

import pandas as pd
import pytest

from satseg.errors import UserError
from satseg.search.halving import RUNG, kept, kept_of, number_kept, rung_table, trial_value


def write_run(folder: Path, values: list[float], best: int = 1, **record) -> Path:
    """What a run leaves that a tuning reads."""
    folder.mkdir(parents=True)
    rows = {"epoch": range(1, len(values) + 1), "val_jaccard": values}
    pd.DataFrame(rows).to_csv(folder / "history.csv", index=False)
    (folder / "run.json").write_text(json.dumps({"best_epoch": best} | record))
    return folder


@pytest.mark.parametrize(
    ("values", "share", "going_on"),
    [
        ([0.1, 0.5, 0.3, 0.4, 0.2, 0.6], 1 / 3, [2, 6]),
        ([0.1, 0.5, 0.3, 0.4, 0.2, 0.6, 0.0, 0.7], 1 / 3, [6, 8]),  # 8/3, rounded down
        ([0.4, 0.4, 0.4, 0.4], 0.5, [1, 2]),
        ([nan, 0.1, nan, 0.0], 0.75, [2, 4]),
        ([nan, nan], 0.5, []),
        ([0.2, 0.3], 0.1, [2]),
        ([0.2, 0.3], 0, [2]),
    ],
)
def test_the_best_go_on(values, share, going_on):
    assert kept(range(1, len(values) + 1), values, share) == going_on


def test_a_share_that_no_float_holds():
    """0.29 × 100 is 28.999999999999996."""
    assert number_kept(100, 0.29) == 29
    assert [number_kept(count, 1 / 3) for count in (27, 9, 3, 1)] == [9, 3, 1, 1]


def test_three_rungs_by_hand(tmp_path):
    """27 trials, a third of which goes on: 9, 3, 1. The value after five epochs is the trial's
    number; later ones are better the lower it is, among those that are left."""
    numbers = list(range(1, 28))
    by_rung = []
    for epochs in (1, 2, 3):
        folders = []
        for number in numbers:
            value = number / 100 if epochs == 1 else 1 - number / 100
            run = tmp_path / f"rung{epochs}" / str(number)
            folders.append(write_run(run, [0.0] * (epochs - 1) + [value], best=epochs))
        table = rung_table(numbers, folders, "best", 0 if epochs == 3 else 1 / 3)
        assert list(table) == RUNG
        assert table["epochs"].unique().tolist() == [epochs]
        path = tmp_path / f"rung{epochs}.csv"
        table.to_csv(path, index=False)
        by_rung.append(numbers)
        numbers = kept_of(path)
    assert by_rung[1:] == [list(range(19, 28)), [19, 20, 21]]
    assert numbers == [19]


def test_the_value_is_that_of_the_weights_that_are_tested(tmp_path):
    run = write_run(tmp_path / "run", [0.3, 0.5, 0.4], best=2)
    assert trial_value(run, "best") == 0.5
    assert trial_value(run, "final") == 0.4
    (tmp_path / "run/run.json").write_text('{"best_epoch": 4}')
    with pytest.raises(UserError, match="it has no epoch 4"):
        trial_value(run, "best")


def test_a_trial_that_diverged_has_no_value(tmp_path):
    folders = [
        write_run(tmp_path / "a", [0.3]),
        write_run(tmp_path / "b", [0.9], diverged="in epoch 2, batch 1, the loss is nan"),
        write_run(tmp_path / "c", [], best=0, diverged="in epoch 1, batch 3, the loss is inf"),
    ]
    table = rung_table([1, 2, 3], folders, "best", 1 / 3)
    assert table["value"].isna().tolist() == [False, True, True]
    assert table["kept"].tolist() == [1, 0, 0]
    assert table["epochs"].tolist() == [1, 1, 0]


def test_no_trial_is_best_where_all_diverged(tmp_path):
    folders = [write_run(tmp_path / name, [0.9], diverged="the loss is nan") for name in "ab"]
    with pytest.raises(UserError, match="every trial diverged"):
        rung_table([1, 2], folders, "best", 0.5)
