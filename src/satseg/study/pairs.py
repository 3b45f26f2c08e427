"""The paired differences of a study: every two models of a comparison, metric by metric."""

import math
from collections.abc import Sequence

import pandas as pd

from satseg.statistics.differences import Difference
from satseg.statistics.jackknife import FEWEST_UNITS
from satseg.study.comparison import Comparison
from satseg.text import counted

DIFFERENCES = [
    "dataset",
    "recipe",
    "subset",
    "metric",
    "first",
    "second",
    "difference",
    "low",
    "high",
    "p",
    "units",
    "seeds",
    "why",
]


def differences_table(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """differences.csv: first minus second, with an interval and a p-value that are corrected for
    the number of pairs of the metric, or why there are none."""
    rows = []
    for comparison in comparisons:
        place = [comparison.dataset, comparison.recipe, comparison.subset]
        for metric in comparison.majority.replicates:
            for row in comparison.differences_of(metric):
                numbers = [row.difference, row.low, row.high, row.p, row.units]
                said = [seeds(comparison, row), why_unknown(row)]
                rows.append([*place, metric, row.first, row.second, *numbers, *said])
    return pd.DataFrame(rows, columns=DIFFERENCES)


def seeds(comparison: Comparison, difference: Difference) -> int:
    """Runs of the compared model that has fewer; the baseline, which is never trained, has none."""
    compared = {difference.first, difference.second}
    return min(result.runs for result in comparison.results if result.model in compared)


def why_unknown(difference: Difference) -> str:
    """Why a difference has no interval; empty if it has one."""
    if difference.known:
        return ""
    if not math.isfinite(difference.difference):
        return "is not defined for one of the two"
    return f"rests on {counted(difference.units, 'group')} of tiles; {FEWEST_UNITS} are needed"
