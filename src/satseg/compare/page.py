"""The page of a comparison."""

from __future__ import annotations

from collections.abc import Sequence

from satseg.compare.changes import Change, Changes
from satseg.compare.scores import Compared
from satseg.compare.sides import Side
from satseg.measures import MEASURES
from satseg.pages.blocks import Block, Bullets, Heading, Page, Paragraph, Table, columns
from satseg.pages.cells import (
    definitions,
    difference_cells,
    number_cell,
    score_cell,
    signed_cell,
    text_cell,
)
from satseg.pages.markdown import markdown
from satseg.text import counted, listing, signed

MAIN = "miou_d"
FIGURE = "differences.svg"
MEANING = (
    "All differences on the same tiles hold at once with 95 % confidence, and p is adjusted for "
    "their number. Groups are what is independent: tiles of two groups show different ground in "
    "both studies. scores.csv has the other metrics, and every class."
)
ONE_RUN = "With one run on a side, it is sets of weights that are compared, not ways to train."
NOTHING = "Nothing that the runs recorded is different."


def page_text(sides: tuple[Side, Side], rows: Sequence[Compared], different: Changes) -> str:
    """The page in Markdown, with its figure."""
    titles = [side.title for side in sides]
    shown = [row for row in rows if (row.metric, row.label) == (MAIN, "all")]
    blocks: list[Block] = [Heading("Scores"), Paragraph(_about(shown)), _table(shown, titles)]
    scores = Page("scores", f"{titles[1]} against {titles[0]}", blocks, answer=[answer(shown)])
    rest = Page(
        "changes",
        "What is different",
        [
            *_bullets("Rows", different.rows),
            *_values("Configuration", different.configuration, titles, len(shown)),
            *_bullets("Code", different.code),
            *_bullets("Data", different.data),
            *_values("Machine and libraries", different.machine, titles, len(shown)),
        ],
        definitions=definitions([MAIN]),
    )
    picture = f"![Scores of both, and their differences]({FIGURE})\n\n" if shown else ""
    changed = markdown(rest).replace("\n## ", "\n### ").replace("# What", "## What", 1)
    return f"{markdown(scores)}\n{picture}{changed}"


def answer(shown: Sequence[Compared]) -> str:
    """What became better, what became worse."""
    signs = [row.difference.sign if row.difference else 0 for row in shown]
    label = MEASURES[MAIN].label
    if not shown:
        return "The two studies have no dataset, model and recipe in common; see --same."
    told = []
    for sign, word in ((1, "rose"), (-1, "fell")):
        own = [row for row, own_sign in zip(shown, signs, strict=True) if own_sign == sign]
        if own:
            values = [f"{row.pair.first} ({signed(row.difference.difference)})" for row in own]
            told.append(f"{label} {word} in {counted(len(own), 'row')}: {listing(values)}.")
    equal = sum(not row.pair.why and row.pair.is_equal for row in shown)
    untested = sum(bool(row.why) for row in shown) - equal
    open_rows = len(shown) - sum(map(abs, signs)) - equal - untested
    if equal:
        told.append(f"{counted(equal, 'row')} counted the same on every tile.")
    if open_rows:
        told.append(f"In {counted(open_rows, 'row')}, no difference is shown either way.")
    if untested:
        told.append(f"In {counted(untested, 'row')}, no difference can be tested.")
    return " ".join(told)


def _about(shown: Sequence[Compared]) -> str:
    label = MEASURES[MAIN].label
    text = f"{label} on the tiles that both evaluated, second minus first. {MEANING}"
    reasons = {f"{row.pair.first}: {row.why}" for row in shown if row.why}
    if reasons:
        text += f" A dash: there is no interval ({'; '.join(sorted(reasons))})."
    if any(1 in (row.first.trainings, row.second.trainings) for row in shown):
        text += f" {ONE_RUN}"
    return text


def _table(shown: Sequence[Compared], titles: Sequence[str]) -> Table:
    """The scores of both, and their difference."""
    heads = [*titles, "Difference", MEASURES["interval"].label, "p", "Groups", "Tiles"]
    rows = []
    for row in shown:
        second = "" if row.pair.first == row.pair.second else f" → {row.pair.second}"
        cells = [text_cell(f"{row.pair.first}{second}"), score_cell(row.first)]
        cells.append(score_cell(row.second))
        nothing = [signed_cell(float("nan")), text_cell("–"), text_cell("–")]
        cells += difference_cells(row.difference) if row.difference else nothing
        units = row.pair.units
        cells += [number_cell(len(set(units.values())), 0), number_cell(len(units), 0)]
        rows.append(cells)
    return Table(columns(["Dataset / model / recipe"], heads), rows)


def _bullets(title: str, sentences: Sequence[str]) -> list[Block]:
    return [Heading(title), Bullets(list(sentences))] if sentences else []


def _values(title: str, values: Sequence[Change], titles: Sequence[str], rows: int) -> list[Block]:
    """A table of values that differ."""
    if not values:
        return [Heading(title), Paragraph(NOTHING)]
    table = []
    for change in values:
        whose = "all" if len(change.rows) == rows else "; ".join(map(str, change.rows))
        texts = (change.key, change.first, change.second, whose)
        table.append([text_cell(text) for text in texts])
    return [Heading(title), Table(columns(["Key", *titles, "Rows"]), table)]
