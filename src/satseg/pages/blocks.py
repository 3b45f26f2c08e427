"""What the pages of a study consist of, as data: `tables/*.md` and the report are made of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from satseg.errors import UserError
from satseg.readers import AGAIN, present

START, END = "\x02\x03"  # around words that stand out; no text that a person writes has them
STRONG = re.compile(f"{START}([^{START}{END}]*){END}")


def strong(text: str) -> str:
    """Words that stand out in a sentence."""
    return f"{START}{text}{END}"


@dataclass(frozen=True)
class Heading:
    """A heading within a page."""

    text: str
    level: int = 2
    """2 below the title of the page, 3 below another heading."""
    kind: Literal["heading"] = "heading"


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of one or more sentences."""

    text: str
    kind: Literal["paragraph"] = "paragraph"


@dataclass(frozen=True)
class Bullets:
    """A bullet list."""

    items: list[str]
    kind: Literal["bullets"] = "bullets"


@dataclass(frozen=True)
class Column:
    """The head of a column."""

    label: str
    numeric: bool


@dataclass(frozen=True)
class TableCell:
    """What a cell shows and what its column is sorted by."""

    text: str
    value: float | str | None
    """A number, or a text in lower case; None sorts last."""
    interval: tuple[float, float] | None = None
    """The ends of the interval that the cell shows, if it shows one."""
    strong: bool = False


@dataclass(frozen=True)
class Table:
    """A table; each row has a cell per column."""

    columns: list[Column]
    rows: list[list[TableCell]]
    kind: Literal["table"] = "table"

    def __post_init__(self):
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError("a row has not a cell for each column")


Block = Heading | Paragraph | Bullets | Table


@dataclass(frozen=True)
class Page:
    """One page of tables."""

    name: str
    title: str
    blocks: list[Annotated[Block, Field(discriminator="kind")]]
    definitions: list[tuple[str, str]] = field(default_factory=list)
    """The labels of the page, and what they mean."""
    answer: list[str] = field(default_factory=list)
    """The sentences that the page opens with, if it answers the study's question."""


def columns(texts: Sequence[str], numbers: Sequence[str] = ()) -> list[Column]:
    """Columns of text, then columns of numbers."""
    return [*(Column(label, False) for label in texts), *(Column(label, True) for label in numbers)]


ADAPTER = TypeAdapter(list[Page])


def pages_json(pages: Sequence[Page]) -> bytes:
    """The pages as JSON."""
    return ADAPTER.dump_json(list(pages), indent=1)


def read_pages(path: Path, names: Sequence[str] = ()) -> dict[str, Page]:
    """Pages by name, as `pages_json` wrote them.

    Raises:
        UserError: the file is missing or broken, or lacks one of the pages `names`.
    """
    try:
        pages = ADAPTER.validate_json(present(path).read_bytes())
    except ValidationError:
        raise UserError(f"{path}: not the pages of a study; {AGAIN}") from None
    known = {page.name: page for page in pages}
    missing = [name for name in names if name not in known]
    if missing:
        raise UserError(f"{path}: page {missing[0]!r} is missing; {AGAIN}")
    return known
