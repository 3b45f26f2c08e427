"""Numbers as the cells of a table."""

import math
from collections.abc import Sequence

from satseg.measures import LABELS, MEANINGS
from satseg.pages.markdown import bullets, escape
from satseg.study.comparison import Comparison, Result, Score


def heading(c: Comparison) -> str:
    """Title of one comparison."""
    return f"{escape(c.title)}, {escape(c.recipe)}"


def plain_name(c: Comparison, r: Result) -> str:
    """What a row is called."""
    return f"always {escape(c.majority_class)} (majority)" if r is c.majority else escape(r.model)


def leads(c: Comparison, r: Result) -> bool:
    """Whether this is the best of several."""
    return r is c.best and len(c.results) > 1


def marked(c: Comparison, r: Result) -> str:
    """What a row is called: bold for the best of several, ≈ for what cannot be told from it."""
    name = plain_name(c, r)
    return f"**{name}**" if leads(c, r) else f"{name} ≈" if r in c.tied else name


def number(value: float, digits: int = 3) -> str:
    """A rounded number, or a dash for NaN."""
    return f"{value:,.{digits}f}" if math.isfinite(value) else "–"


def score_cell(score: Score) -> str:
    """Value, with the deviation over trainings where there are several."""
    return number(score.value) + (
        f" ± {number(score.deviation)}" if math.isfinite(score.deviation) else ""
    )


def interval_cell(score: Score) -> str:
    """The 95 % interval."""
    return f"[{score.low:.3f}, {score.high:.3f}]" if math.isfinite(score.low) else "–"


def definitions(names: Sequence[str]) -> str:
    """The section that explains a file's columns."""
    return "## Definitions\n\n" + bullets(f"**{LABELS[name]}**: {MEANINGS[name]}" for name in names)
