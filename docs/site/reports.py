"""Reports of the published studies, from what is published of them: tables, figures and records of
runs. Nothing is computed anew; what a report shows besides is named at its top."""

import re
from pathlib import Path
from types import SimpleNamespace

from satseg.config.reading import load
from satseg.config.root import Config
from satseg.errors import UserError
from satseg.figures.dark import with_dark_colors
from satseg.figures.style import INK, PAPER
from satseg.jobs.cells import Cell
from satseg.pages.blocks import (
    Block,
    Bullets,
    Column,
    Heading,
    Page,
    Paragraph,
    Table,
    TableCell,
    strong,
)
from satseg.pages.captions import CAPTIONS, Caption
from satseg.pages.provenance import RUN, credit_of, overview, run_row
from satseg.pages.report import ReportFigure, figure_of, page_html
from satseg.paths import FIGURES, USUAL_FIGURES
from satseg.provenance import read_run
from satseg.readers import read_json

LATER = ("per_class", "errors", "claims", "published", "splits", "models")
DEFINITIONS = "Definitions"
BOLD = re.compile(r"\*\*(.+?)\*\*")
ESCAPED = re.compile(r"\\(.)")
BAR = re.compile(r"(?<!\\)\|")
NUMBER = re.compile(r"[+−-]?[\d,]*\.?\d+(?![\w²])")
RAISED = {"D": "ᴰ", "I": "ᴵ", "C": "ᶜ"}  # as today's tables have them
INTERVAL = re.compile(r"\[([\d.]+), ([\d.]+)\]")


def published_report(folder: Path, about: str) -> str:
    """The report of a published study as HTML.

    Args:
        folder: its folder, with `tables`, `figures` and `runs`.
        about: what the page on the published results says of it, in Markdown.
    """
    config = load()
    name = folder.name
    tables = folder / "tables"
    pages = {path.stem: read_page(path) for path in tables.glob("*.md")}
    rows = [_row(path) for path in sorted(folder.glob("runs/**/run.json"))]
    cells = [row["cell"] for row in rows]
    figures = [
        _figure(folder / "figures" / f"{figure}.{FIGURES[figure]}")
        for figure in CAPTIONS
        if (folder / "figures" / f"{figure}.{FIGURES[figure]}").is_file()
    ]
    study = SimpleNamespace(
        title=_title(config, name),
        about=_plain(about.split("\n\n")[0].replace("\n", " ")),
        **{
            f"{kind}s": dict.fromkeys(getattr(cell, kind) for cell in cells)
            for kind in ("dataset", "model", "recipe", "seed")
        },
    )
    return page_html(
        study=study,
        name=f"published/{name}",
        runs=f"results/published/{name}/runs",
        note=_note(figures),
        scores=pages["scores"],
        pages=[pages[page] for page in LATER if page in pages and _has_table(pages[page])],
        figures=figures,
        panels=[],
        provenance={"recipes": []} | overview(rows),
        credits=_credits(config, study.datasets),
    )


def _title(config: Config, name: str) -> str:
    title = config.study[name].title if name in config.study else None
    return title or name.replace("_", " ").capitalize()


def _note(figures: list[ReportFigure]) -> str:
    """What this page is made of, and what it lacks."""
    shown = {figure.name for figure in figures}
    missing = [CAPTIONS[name].title for name in USUAL_FIGURES if name not in shown]
    figures_too = f" Of the figures, it lacks: {' '.join(missing)}" if missing else ""
    return (
        "Made from what is published of this study: tables, figures and records of runs, as "
        "written by the code of their time, whose words and choices may differ from those of "
        "today's reports. Tiles and weights are not published, so this page lacks the viewer of "
        f"single tiles.{figures_too}"
    )


def _row(path: Path) -> dict:
    recorded = read_json(path, {"cell": dict})
    cell = Cell(**recorded["cell"])
    return run_row(cell, read_run(path.parent, cell, RUN))


def _credits(config: Config, datasets: list[str]) -> list[dict]:
    """Whose data they are; the classes' colours are those of the figures, which say them."""
    found = [credit_of(config.datasets[name], []) for name in datasets if name in config.datasets]
    return [entry | {"classes": []} for entry in found]


def _figure(path: Path) -> ReportFigure:
    content = path.read_bytes()
    if path.suffix == ".svg":
        content = dark_too(content.decode()).encode()
    return figure_of(content, path.suffix[1:], path.stem, published_caption(path.stem))


def published_caption(name: str) -> Caption:
    """A caption's first sentence: the others say how today's figures choose what they show."""
    caption = CAPTIONS[name]
    first, _, rest = caption.text.partition(". ")
    if name == "samples":
        first = first.partition(":")[0]
    return caption._replace(text=first if not rest and first.endswith(".") else f"{first}.")


def dark_too(drawing: str) -> str:
    """A drawing with colours for dark pages, which older ones lack."""
    if "prefers-color-scheme" in drawing:
        return drawing
    # Their ground was white, and a model was black.
    drawing = drawing.replace("#ffffff", PAPER.lower()).replace("#000000", INK.lower())
    return with_dark_colors(drawing)


def _has_table(page: Page) -> bool:
    return any(isinstance(block, Table) for block in page.blocks)


def read_page(path: Path) -> Page:
    """A page of tables from the Markdown that `satseg.pages.markdown` made of it.

    Raises:
        UserError: it is not such a file.
    """
    text = re.sub(
        r"mIoU\\?\^([DIC])", lambda found: f"mIoU{RAISED[found[1]]}", path.read_text("utf-8")
    )
    lines = text.rstrip().split("\n")
    if not lines[0].startswith("# "):
        raise UserError(f"{path}: begins without a title; write it again with the stage tables")
    blocks = [_block(part) for part in re.split(r"\n{2,}", "\n".join(lines[1:]).strip())]
    answer = []
    if path.stem == "scores":
        while isinstance(blocks[0], Paragraph):
            answer.append(blocks.pop(0).text)
    definitions = []
    if isinstance(blocks[-1], Bullets) and blocks[-2] == Heading(DEFINITIONS):
        definitions = [tuple(_split_term(item)) for item in blocks[-1].items]
        blocks = blocks[:-2]
    return Page(path.stem, _plain(lines[0][2:]), blocks, definitions, answer)


def _split_term(item: str) -> list[str]:
    term, _, text = item.partition(": ")
    return [re.sub("[\x02\x03]", "", term), text]


def _block(text: str) -> Block:
    if text.startswith("#"):
        marks, _, words = text.partition(" ")
        return Heading(_plain(words), len(marks))
    if text.startswith("- "):
        return Bullets([_inline(item) for item in text[2:].split("\n- ")])
    if text.startswith("|"):
        return _table(text.split("\n"))
    return Paragraph(_inline(text.replace("\n", " ")))


def _table(lines: list[str]) -> Table:
    header, rule, *rows = [
        [cell.strip() for cell in BAR.split(line.strip())[1:-1]] for line in lines
    ]
    columns = [
        Column(_plain(label), mark.endswith(":")) for label, mark in zip(header, rule, strict=True)
    ]
    return Table(columns, [[_cell(cell) for cell in row] for row in rows])


def _cell(text: str) -> TableCell:
    whole = BOLD.fullmatch(text)
    plain = _plain(whole[1] if whole else text)
    number = NUMBER.match(plain)
    value: float | str | None = None if plain in ("", "–") else plain.lower()
    if number:
        value = float(number[0].replace(",", "").replace("−", "-"))
    ends = INTERVAL.fullmatch(plain)
    interval = None
    if ends:
        interval = (float(ends[1]), float(ends[2]))
        value = interval[0]
    return TableCell(plain if whole else _inline(text), value, interval, strong=bool(whole))


def _inline(text: str) -> str:
    """Markdown as a sentence of a page."""
    parts = [ESCAPED.sub(r"\1", part) for part in BOLD.split(text)]  # plain, bold, plain, …
    parts[1::2] = map(strong, parts[1::2])
    return "".join(parts)


def _plain(text: str) -> str:
    """Markdown as text."""
    return ESCAPED.sub(r"\1", re.sub(r"\[([^\]]*)\]\([^)]*\)|`", r"\1", text.replace("**", "")))
