"""The cells of a table."""

import math
from collections.abc import Sequence

from satseg.jobs.slices import StudySlice
from satseg.measures import MEASURES, PRINTED
from satseg.pages.blocks import TableCell
from satseg.statistics.differences import Difference
from satseg.statistics.intervals import ScoreInterval
from satseg.study.comparison import Comparison, Result
from satseg.text import signed

NONE = "–"


def text_cell(text: str, strong: bool = False) -> TableCell:
    """A name or some words."""
    return TableCell(text, text.casefold(), strong=strong)


def number_cell(value: float, digits: int = 3) -> TableCell:
    """A rounded number, or a dash for NaN."""
    return TableCell(number(value, digits), _known(value))


def measure_cell(name: str, value: float) -> TableCell:
    """A measure with the number of decimals that it is given everywhere."""
    return number_cell(value, MEASURES[name].digits)


def signed_cell(value: float) -> TableCell:
    """A difference, or a dash for NaN."""
    return TableCell(signed(value), _known(value))


def score_cell(score: ScoreInterval, strong: bool = False) -> TableCell:
    """A score, with the standard deviation over runs if there are several."""
    text = number(score.value)
    if math.isfinite(score.deviation):
        text += f" ± {number(score.deviation)}"
    return TableCell(text, _known(score.value), strong=strong)


def interval_cell(score: ScoreInterval) -> TableCell:
    """The 95 % interval of a score."""
    if not math.isfinite(score.low):
        return TableCell(NONE, None)
    ends = (score.low, score.high)
    return TableCell(f"[{score.low:.3f}, {score.high:.3f}]", score.low, interval=ends)


def difference_cells(difference: Difference) -> list[TableCell]:
    """A difference, its interval, strong if it excludes zero, and its p."""
    interval = TableCell(NONE, None)
    if difference.known:
        text = f"[{signed(difference.low)}, {signed(difference.high)}]"
        interval = TableCell(text, difference.low, strong=difference.sign != 0)
    return [signed_cell(difference.difference), interval, number_cell(difference.p, 4)]


def result_cell(comparison: Comparison, result: Result) -> TableCell:
    """What a row is called: strong for the best of several, ≈ for what cannot be told from it."""
    if result in comparison.tied:
        return text_cell(f"{result_name(comparison, result)} ≈")
    return text_cell(result_name(comparison, result), strong=leads(comparison, result))


def result_name(comparison: Comparison, result: Result) -> str:
    """The name of a model or of the baseline."""
    if result is comparison.majority:
        return f"always {comparison.majority_class} (majority)"
    return result.model


def leads(comparison: Comparison, result: Result) -> bool:
    """Whether this is the best of several."""
    return result is comparison.best and len(comparison.results) > 1


def number(value: float, digits: int = 3) -> str:
    """A rounded number, or a dash for NaN."""
    return f"{value:,.{digits}f}" if math.isfinite(value) else NONE


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def comparison_title(comparison: Comparison) -> str:
    """What the part of a page about one comparison is called."""
    return f"{comparison.title}, recipe {comparison.recipe}"


def shown(names: Sequence[str], job: StudySlice) -> list[str]:
    """The measures that a study shows: those of papers only beside published figures."""
    return [name for name in names if job.compares or name not in PRINTED]


def labels(names: Sequence[str]) -> list[str]:
    """The column headings of measures."""
    return [MEASURES[name].label for name in names]


def definitions(names: Sequence[str]) -> list[tuple[str, str]]:
    """The label of each measure, and what it is."""
    return [(MEASURES[name].label, MEASURES[name].definition) for name in names]
