"""The page of a study."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from satseg.jobs.slices import StudySlice
from satseg.pages.captions import CAPTIONS, Caption
from satseg.pages.markdown import Block, blocks
from satseg.paths import FIGURES, PANELS
from satseg.readers import present, read_json

TEMPLATE = "report.html.j2"


MIME = {"png": "image/png", "svg": "image/svg+xml"}


@dataclass(frozen=True)
class Section:
    """A table file as a section of the page."""

    id: str
    title: Markup
    blocks: list[Block]
    definitions: list[Markup]


@dataclass(frozen=True)
class Figure:
    """A figure as it lies in the page."""

    name: str
    caption: Caption
    uri: str


def sections(spec: StudySlice) -> list[str]:
    """The tables of the page after the scores, in order; the claims only where some are tested."""
    tested = ["claims"] if spec.paper and spec.paper.claims else []
    return ["per_class", *tested, "published", "splits", "models"]


def section(folder: Path, name: str) -> Section:
    """A Markdown table file; its first line is the title, its last section may hold definitions."""
    title, *body = blocks(present(folder / "tables" / f"{name}.md").read_text(encoding="utf-8"))
    starts = [
        i for i, block in enumerate(body) if block.kind == "heading" and block.html == "Definitions"
    ]
    end = starts[-1] if starts else len(body)
    items = [item for block in body[end:] for item in block.items]
    return Section(f"table-{name}", title.html, body[:end], items)


def opening(scores: Section) -> tuple[list[Markup], Section]:
    """Take the answer, which is all that stands before the first heading, out of the scores."""
    kinds = [block.kind for block in scores.blocks]
    first = kinds.index("heading")
    rest = Section(scores.id, scores.title, scores.blocks[first:], scores.definitions)
    return [block.html for block in scores.blocks[:first]], rest


def figure(folder: Path, name: str) -> Figure:
    """A figure with its file as a data URI: nothing is requested, and no two drawings share an
    id."""
    extension = FIGURES[name]
    content = present(folder / f"{name}.{extension}").read_bytes()
    return Figure(
        name, CAPTIONS[name], f"data:{MIME[extension]};base64,{base64.b64encode(content).decode()}"
    )


def panels(folder: Path) -> list[dict[str, Any]]:
    """The shown tiles of each dataset and recipe: title, classes, names of the layers, pictures as
    data URIs."""
    return read_json(folder / PANELS, ["blocks"])["blocks"]
