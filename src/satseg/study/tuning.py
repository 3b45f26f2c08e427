"""What the tunings of a study's recipes found."""

from typing import Any, NamedTuple

import pandas as pd

from satseg.errors import UserError
from satseg.readers import AGAIN, read_csv
from satseg.study.inputs import StudyInputs

TRIALS = ["trial", "rung", "epochs", "value", "kept"]


class TuningResult(NamedTuple):
    """The trials of a tuning."""

    trials: pd.DataFrame
    """trials.csv."""
    importance: pd.DataFrame
    """importance.csv."""

    @property
    def best(self) -> dict[str, Any]:
        """The row of the best trial at the last rung."""
        return self.trials.sort_values(["rung", "kept"]).to_dict("records")[-1]


def tuning_results(inputs: StudyInputs) -> dict[str, TuningResult]:
    """What each tuning of a study's recipes found, by its name.

    Raises:
        UserError: a file is missing or broken.
    """
    results = {}
    for name, tuning in inputs.job.tunings.items():
        folder = inputs.paths.tuning(name)
        trials = read_csv(folder / "trials.csv", TRIALS)
        missing = [key for key in tuning.space if key not in trials]
        if missing or trials["rung"].nunique() != len(tuning.rungs):
            raise UserError(f"{folder / 'trials.csv'}: not the trials of {name!r}; {AGAIN}")
        results[name] = TuningResult(trials, read_csv(folder / "importance.csv", ["importance"]))
    return results
