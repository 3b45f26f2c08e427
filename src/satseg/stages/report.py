"""Bind a study's tables, figures and provenance into one self-contained page."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from satseg.cli import log, stage
from satseg.config import FIGURES, PANELS
from satseg.files import atomic
from satseg.markdown import Block, blocks
from satseg.outputs import present, read_json
from satseg.slices import Cell, StudySlice

TEMPLATE = "report.html.j2"
MIME = {"png": "image/png", "svg": "image/svg+xml"}
RUN = ["code", "data", "device", "precision", "versions", "seeds", "started", "wall_seconds"]


class Caption(NamedTuple):
    """What stands below a figure."""

    title: str
    text: str


# In the order of the page: what a score costs stands beside the answer.
CAPTIONS = {
    "cost": Caption(
        "What a better score costs.",
        "Score against cost. Up and to the left is better; models whose intervals overlap may be taken for "
        "equally good, and then the cheaper one is the better choice.",
    ),
    "losses": Caption(
        "Training and validation loss.",
        "Mean loss of each epoch. The validation loss picks the best epoch where the recipe says so; once it "
        "rises while the training loss still falls, more epochs do not help.",
    ),
    "metrics": Caption(
        "Training, metric by metric.",
        "Each metric after each epoch, on the training and on the validation tiles. A widening gap between "
        "the two is overfitting.",
    ),
    "predictions": Caption(
        "What the models answer.",
        "The same judged tiles for every model: image, mask and prediction. No two come from one scene.",
    ),
    "per_class": Caption(
        "Which classes are hard.",
        "IoU of each class from the pixels of all judged tiles, with its 95 % bootstrap interval. Where two "
        "intervals overlap, the order of the two is not a result.",
    ),
    "leakage": Caption(
        "What the split gives away.",
        "How many of the judged tiles show ground that training tiles show too. A score on such tiles says "
        "how well a model remembers, not how well it will do elsewhere.",
    ),
    "samples": Caption(
        "What the models see.",
        "Tiles of each dataset beside their masks, in the colours of the classes. What the annotators left "
        "open has no colour.",
    ),
    "classes": Caption(
        "How much of each class there is.",
        "Share of the labelled pixels, subset by subset. Where the subsets differ, a score on one says less "
        "about another; where a class is rare, its IoU rests on few pixels.",
    ),
    "architecture": Caption(
        "How the models are built.",
        "Blocks from the image on the left to the class map on the right; width stands for channels, height "
        "for resolution.",
    ),
}


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


def run(spec: StudySlice, data: str, results: str) -> None:
    """Write `results/<study>/report.html`.

    Raises:
        UserError: a table, a figure, a run's provenance or a manifest is missing.
    """
    folder = Path(results, spec.name)
    answer, scores = opening(section(folder, "scores"))
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parents[1]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(TEMPLATE).render(
        study=spec.study,
        name=spec.name,
        answer=answer,
        scores=scores,
        sections=[section(folder, name) for name in sections(spec)],
        figures=[figure(folder / "figures", name) for name in CAPTIONS if name in spec.study.figures],
        panels=panels(folder / "figures") if "predictions" in spec.study.figures else [],
        runs=[provenance(cell, Path(results, "runs")) for cell in spec.cells],
        credits=[credit(spec, name, Path(data, "raw")) for name in spec.datasets],
        recipes=spec.recipes,
    )
    with atomic(folder / "report.html") as temporary:
        temporary.write_text(page, encoding="utf-8")
    log.info("%s: %.1f MB in %s", spec.name, len(page.encode()) / 1e6, folder / "report.html")


def sections(spec: StudySlice) -> list[str]:
    """The tables of the page after the scores, in order; the claims only where some are tested."""
    tested = ["claims"] if spec.paper and spec.paper.claims else []
    return ["per_class", *tested, "published", "splits", "models"]


def section(folder: Path, name: str) -> Section:
    """A Markdown table file; its first line is the title, its last section may hold definitions."""
    title, *body = blocks(present(folder / "tables" / f"{name}.md").read_text(encoding="utf-8"))
    starts = [i for i, block in enumerate(body) if block.kind == "heading" and block.html == "Definitions"]
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
    """A figure with its file as a data URI: nothing is requested, and no two drawings share an id."""
    extension = FIGURES[name]
    content = present(folder / f"{name}.{extension}").read_bytes()
    return Figure(name, CAPTIONS[name], f"data:{MIME[extension]};base64,{base64.b64encode(content).decode()}")


def panels(folder: Path) -> list[dict[str, Any]]:
    """The shown tiles of each dataset and recipe: title, classes, names of the layers, pictures as data URIs."""
    return read_json(folder / PANELS, ["blocks"])["blocks"]


def provenance(cell: Cell, runs: Path) -> dict[str, Any]:
    """What a run's run.json says: the row of the overview, every entry, and the resolved configuration."""
    recorded = read_json(runs / cell.path / "run.json", RUN)
    entries = {k: v for k, v in recorded.items() if k not in ("cell", "slice")}
    code, device = recorded["code"], recorded["device"]
    return {
        "cell": cell,
        "device": device.get("name") or device.get("kind"),
        "precision": recorded["precision"],
        "commit": (code["commit"] or "none")[:10],
        "dirty": bool(code["dirty"]),
        "started": recorded["started"],
        "wall_seconds": recorded["wall_seconds"],
        "wall": duration(recorded["wall_seconds"]),
        "entries": list(flat(entries)),
        "slice": json.dumps(recorded.get("slice", {}), indent=2, ensure_ascii=False),
    }


def flat(value: dict[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Nested entries as (`outer · inner`, text), in their order."""
    rows = []
    for key, entry in value.items():
        name = above + key.replace("_", " ")
        if isinstance(entry, dict):
            rows += flat(entry, f"{name} · ")
        else:
            rows.append((name, entry if isinstance(entry, str) else json.dumps(entry, ensure_ascii=False)))
    return rows


def duration(seconds: float) -> str:
    """A time a person reads: `42 s`, `3 min 05 s`, `1 h 02 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def credit(spec: StudySlice, name: str, raw: Path) -> dict[str, Any]:
    """Whose data a dataset is, and which files of it were used."""
    dataset, files = spec.datasets[name], read_json(raw / name / "manifest.json", ["files"])["files"]
    # Only a web address may become a link: the URL comes from a file a user may have been given.
    web = dataset.url if dataset.url and dataset.url.startswith(("https://", "http://")) else None
    return {
        "title": dataset.title,
        "url": web,
        "licence": dataset.licence,
        "files": len(files),
        "megabytes": sum(file["bytes"] for file in files) / 1e6,
        "classes": dataset.classes,
    }


if __name__ == "__main__":
    paths = {
        "data": "folder of the raw data",
        "results": "folder of runs; the study's tables and figures lie there too",
    }
    stage("report", __doc__, StudySlice, run, paths)
