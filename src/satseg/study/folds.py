"""The spread over folds: what each model scores on the tiles of each fold alone."""

from collections.abc import Sequence

import pandas as pd

from satseg.metrics.scores import jackknifed
from satseg.study.tables import EvaluatedCounts

FOLDS = [
    "dataset",
    "model",
    "recipe",
    "seed",
    "fold",
    "tiles",
    "units",
    "metric",
    "class",
    "value",
]


def folds_table(evaluated: Sequence[EvaluatedCounts]) -> pd.DataFrame:
    """folds.csv: every metric of every run on the tiles that one fold tests; without rows if no
    split has folds."""
    rows = []
    for counts in evaluated:
        for (model, seed), frame in counts.runs.items():
            for fold, tiles in counts.folds.items():
                own = frame[frame["tile"].isin(tiles)]
                units = len({counts.groups[tile] for tile in tiles})
                place = [counts.dataset, model, counts.recipe, seed, fold, len(tiles), units]
                for name, values in jackknifed([own], counts.groups).items():
                    rows.append([*place, *name, values.values[0]])
    return pd.DataFrame(rows, columns=FOLDS)
