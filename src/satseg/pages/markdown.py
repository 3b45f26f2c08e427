"""Pages as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from satseg.pages.blocks import STRONG, Block, Bullets, Heading, Page, Paragraph, Table, TableCell

# Numbers in brackets, such as an interval, are no link and stay readable.
SPECIAL = re.compile(r"\[[\d., −-]+\](?![(\[:])|[\\`*_|<>\[\]^&#~$]")
LINE_START = re.compile(r"^(\d*)([-+=.)])")  # what would begin a list or underline a heading


def markdown(page: Page) -> str:
    """A page as a Markdown document."""
    parts = [f"# {escape(page.title)}", *map(paragraph, page.answer)]
    parts += map(_block, page.blocks)
    if page.definitions:
        parts.append("## Definitions")
        entries = [f"**{escape(term)}**: {inline(text)}" for term, text in page.definitions]
        parts.append(_bullets(entries))
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading():
            return f"{'#' * block.level} {escape(block.text)}"
        case Paragraph():
            return paragraph(block.text)
        case Bullets():
            return _bullets(map(paragraph, block.items))
        case Table():
            header = [escape(column.label) for column in block.columns]
            texts = sum(not column.numeric for column in block.columns)
            return table(header, [list(map(_cell, row)) for row in block.rows], texts)


def _cell(cell: TableCell) -> str:
    text = inline(cell.text)
    return f"**{text}**" if cell.strong else text


def paragraph(text: str) -> str:
    """Sentences as a paragraph, whatever they begin with."""
    return LINE_START.sub(r"\1\\\2", inline(text))


def inline(text: str) -> str:
    """Sentences on one line, with their strong words in bold."""
    parts = STRONG.split(text)  # plain, strong, plain, …
    plain = [escape(part, edges=True) for part in parts]
    return "".join(f"**{part}**" if i % 2 else part for i, part in enumerate(plain)).strip()


def escape(text: object, edges: bool = False) -> str:
    """Any text, so that it reads as itself: in Markdown, and on one line.

    Args:
        text: what is to be read.
        edges: keep a space at either end.
    """
    words = " ".join(str(text).split())
    if edges and words:
        words = " " * text[0].isspace() + words + " " * text[-1].isspace()
    return SPECIAL.sub(_escaped, words)


def _escaped(match: re.Match) -> str:
    if len(match[0]) > 1:
        return match[0]
    start, end = match.span()
    inside = match.string[start - 1 : start].isalnum() and match.string[end : end + 1].isalnum()
    # An underscore inside a word means nothing; leaving it alone keeps the file readable.
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


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)
