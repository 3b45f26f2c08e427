"""Successive halving: the value of a trial at a rung, and which trials go on (Jamieson and
Talwalkar, arXiv 1502.07943)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from satseg.errors import UserError
from satseg.readers import read_csv, read_json

if TYPE_CHECKING:  # Snakemake imports this module, and does not need pandas
    import pandas as pd

OBJECTIVE = "val_jaccard"  # column of history.csv: mIoU^D on the validation tiles
RUNG = ["trial", "epochs", "value", "kept"]
"""Columns of a rung's table."""


def trial_value(folder: Path, weights: str) -> float:
    """The validation mIoU^D of a run, after the epoch whose weights would be tested; NaN if it
    diverged.

    Args:
        folder: of the run.
        weights: `best` for its best epoch by the recipe's `monitor`, `final` for its last.

    Raises:
        UserError: a file is missing or broken.
    """
    record = read_json(folder / "run.json", {"best_epoch": int})
    if record.get("diverged"):
        return math.nan
    history = read_csv(folder / "history.csv", ["epoch", OBJECTIVE])
    epoch = record["best_epoch"] if weights == "best" else history["epoch"].max()
    rows = history.loc[history["epoch"] == epoch, OBJECTIVE]
    if len(rows) != 1:
        raise UserError(f"{folder / 'history.csv'}: it has no epoch {epoch}; train again")
    return float(rows.iloc[0])


def number_kept(count: int, share: float) -> int:
    """How many of so many trials go on: this share, rounded down, at least one."""
    return max(1, math.floor(count * share + 1e-9))  # 0.29 × 100 is below 29


def kept(trials: Sequence[int], values: Sequence[float], share: float) -> list[int]:
    """The trials that go on from a rung, in their order: as many of the best as `number_kept` says.
    Of equal values, the earlier trial's counts as better; one without a value does not go on."""
    count = number_kept(len(trials), share)
    pairs = zip(values, trials, strict=True)
    known = [pair for pair in pairs if not math.isnan(pair[0])]
    best_first = sorted(known, key=lambda pair: (-pair[0], pair[1]))
    return sorted(trial for _, trial in best_first[:count])


def kept_of(rung: Path) -> list[int]:
    """The trials that went on from a rung, by its table.

    Raises:
        UserError: the file is missing or broken.
    """
    table = read_csv(rung, RUNG)
    return [int(trial) for trial in table.loc[table["kept"] == 1, "trial"]]


def rung_table(
    trials: Sequence[int], folders: Sequence[Path], weights: str, share: float
) -> pd.DataFrame:
    """A rung's table: a row per trial.

    Args:
        trials: their numbers.
        folders: of their runs.
        weights: as of `trial_value`.
        share: as of `kept`.

    Raises:
        UserError: a file is missing or broken, or every trial diverged.
    """
    import pandas as pd

    values = [trial_value(folder, weights) for folder in folders]
    if all(map(math.isnan, values)):
        record = read_json(folders[0] / "run.json", {"diverged": str})
        raise UserError(
            f"{folders[0]}: every trial diverged, this one as {record['diverged']}; give the "
            "tuning lower learning rates, or other losses"
        )
    epochs = [len(read_csv(folder / "history.csv", ["epoch"])) for folder in folders]
    going_on = kept(trials, values, share)
    return pd.DataFrame(
        {
            "trial": list(trials),
            "epochs": epochs,
            "value": values,
            "kept": [int(trial in going_on) for trial in trials],
        }
    )
