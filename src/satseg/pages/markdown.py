"""The little Markdown that tables are written in: headings, paragraphs, lists, tables, **bold**,
^D."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from markupsafe import Markup
from markupsafe import escape as html_escape

SPECIAL = re.compile(r"([\\`*_|<>\[\]^&#~])")
CELL = re.compile(r"((?:\\.|[^|\\])*)\|")
INLINE = re.compile(
    r"\\(?P<literal>[!-/:-@\[-`{-~])|\*\*(?P<bold>(?:\\.|[^*\\])+)\*\*|\^(?P<sup>[A-Z])"
)
INTERVAL = re.compile(r"\[(\d\.\d+), (\d\.\d+)\]")
NUMBER = re.compile(r"[-−]?\d[\d,]*\.?\d*")


def escape(text: object) -> str:
    """Any text, so that it reads as itself: in Markdown, and on one line."""
    # An underscore inside a word means nothing; leaving it alone keeps the file readable.
    return SPECIAL.sub(_escaped, " ".join(str(text).split()))


def _escaped(match: re.Match) -> str:
    start, end = match.span()
    inside = match.string[start - 1 : start].isalnum() and match.string[end : end + 1].isalnum()
    return "_" if match[0] == "_" and inside else f"\\{match[0]}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """A pipe table.

    Args:
        header: column headings, Markdown.
        rows: cells, Markdown.
        texts: how many columns from the left hold text; the others hold numbers.
    """
    rule = [":--" if i < texts else "--:" for i in range(len(header))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *rows])


def bullets(items: Iterable[str]) -> str:
    """A bullet list."""
    return "\n".join(f"- {item}" for item in items)


@dataclass(frozen=True)
class Cell:
    """A table cell: what is shown, and what its column is sorted by (None sorts last)."""

    html: Markup
    key: str | float | None
    span: tuple[float, float] | None = None
    """The ends of an interval, where the cell holds one."""


@dataclass(frozen=True)
class Block:
    """A heading, paragraph, list or table, with its text as HTML."""

    kind: str
    html: Markup = field(default_factory=Markup)
    level: int = 0
    items: list[Markup] = field(default_factory=list)
    columns: list[tuple[Markup, bool]] = field(default_factory=list)
    """Heading of each column, and whether it holds numbers."""
    rows: list[list[Cell]] = field(default_factory=list)


def blocks(text: str) -> list[Block]:
    """Read what this module and its callers write; any other Markdown comes out as plain text."""
    found = []
    for kind, lines in groupby(text.splitlines(), _kind):
        lines = list(lines)
        if kind == "heading":
            found += [
                Block(kind, inline(line.lstrip("# ")), level=len(line) - len(line.lstrip("#")))
                for line in lines
            ]
        elif kind == "list":
            found.append(Block(kind, items=[inline(line[2:]) for line in lines]))
        elif kind == "table":
            found.append(_table(lines))
        elif kind == "paragraph":
            found.append(Block(kind, inline(" ".join(lines))))
    return found


def inline(text: str) -> Markup:
    """One line of Markdown as HTML; whatever is not markup is escaped."""
    html, position = [], 0
    for match in INLINE.finditer(text):
        html.append(html_escape(text[position : match.start()]))
        if match["bold"]:
            html.append(Markup("<strong>{}</strong>").format(inline(match["bold"])))
        elif match["sup"]:
            html.append(Markup("<sup>{}</sup>").format(match["sup"]))
        else:
            html.append(html_escape(match["literal"]))
        position = match.end()
    return Markup("").join([*html, html_escape(text[position:])])


def _kind(line: str) -> str:
    for start, kind in (("#", "heading"), ("- ", "list"), ("|", "table")):
        if line.startswith(start):
            return kind
    return "paragraph" if line.strip() else "blank"


def _table(lines: list[str]) -> Block:
    header, rule, *rows = ([cell.strip() for cell in CELL.findall(line[1:])] for line in lines)
    numeric = [cell.endswith("-:") for cell in rule]
    return Block(
        "table",
        columns=list(zip(map(inline, header), numeric, strict=True)),
        rows=[
            [_cell(cell, number) for cell, number in zip(row, numeric, strict=True)] for row in rows
        ],
    )


def _cell(text: str, number: bool) -> Cell:
    html = inline(text)
    shown = html.striptags()
    if not number:
        return Cell(html, shown.casefold())
    found, interval = NUMBER.search(shown), INTERVAL.fullmatch(shown)
    key = float(found[0].replace(",", "").replace("−", "-")) if found else None
    return Cell(html, key, (float(interval[1]), float(interval[2])) if interval else None)
