"""summary.csv: what tables and figures show of every model, over all of its runs."""

from collections.abc import Sequence

import pandas as pd

from satseg.study.comparison import Comparison

SUMMARY = [
    "dataset",
    "model",
    "recipe",
    "subset",
    "metric",
    "class",
    "value",
    "low",
    "high",
    "deviation",
    "units",
    "runs",
]


def summary_table(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """Every metric of every model and of the baseline, over all runs, with the interval that the
    tables show."""
    rows = []
    for comparison in comparisons:
        for result in [*comparison.results, comparison.majority]:
            place = [comparison.dataset, result.model, comparison.recipe, comparison.subset]
            for (metric, class_name), score in result.scores.items():
                ends = [score.value, score.low, score.high, score.deviation]
                rows.append([*place, metric, class_name, *ends, score.units, result.runs])
    return pd.DataFrame(rows, columns=SUMMARY)
