"""A study's report: one self-contained page of HTML."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from satseg.errors import UserError
from satseg.files import sha256
from satseg.jobs.slices import StudySlice
from satseg.pages.blocks import STRONG, read_pages
from satseg.pages.captions import CAPTIONS, Caption, caption
from satseg.pages.provenance import credit, provenance
from satseg.paths import FIGURES, PAGES, PANELS
from satseg.readers import AGAIN, present, read_json

TEMPLATE = "report.html.j2"
STYLE = "report.css"
SCRIPT = "report.js"
PICTURES = [{"picture": str, "errors": (str, None), "accuracy": (float, None)}]
GROUP = {
    "title": str,
    "classes": [{"name": str, "color": str}],
    "layers": [str],
    "tiles": [{"name": str, "note": str, "hard": bool, "image": str, "layers": PICTURES}],
}
MIME = {"png": "image/png", "svg": "image/svg+xml"}


@dataclass(frozen=True)
class ReportFigure:
    """A figure as it is embedded in the page."""

    name: str
    caption: Caption
    uri: str
    drawing: bool
    """Whether it has colours for dark pages of its own."""


def report_html(job: StudySlice, data: Path, results: Path) -> str:
    """The report of a study, from its tables, figures, runs and manifests.

    Raises:
        UserError: one of them is missing or broken.
    """
    folder = results / job.name
    figures = folder / "figures"
    digests = _digests(figures.with_suffix(".json"))
    later = later_pages(job)
    pages = read_pages(folder / "tables" / PAGES, ["scores", *later])
    return page_html(
        study=job.study,
        name=job.name,
        runs=results / "runs",
        scores=pages["scores"],
        pages=[pages[name] for name in later],
        figures=[
            embedded(figures, name, caption(name, folds=bool(job.folds)), digests)
            for name in CAPTIONS
            if name in job.figures
        ],
        panels=tile_pictures(figures) if "predictions" in job.figures else [],
        provenance=provenance(job, results / "runs"),
        credits=[credit(job, dataset_name, data / "raw") for dataset_name in job.datasets],
    )


def page_html(**parts: Any) -> str:
    """The page of these parts; those that the template names."""
    here = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(here),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["inline"] = inline_html
    return environment.get_template(TEMPLATE).render(
        {"note": ""} | parts,
        style=Markup((here / STYLE).read_text(encoding="utf-8")),
        script=Markup((here / SCRIPT).read_text(encoding="utf-8")),
    )


def later_pages(job: StudySlice) -> list[str]:
    """The pages after the scores, in order; the claims only if some are tested, the trials only if
    there are some, the published figures only if the study compares itself with some."""
    claims = ["claims"] if job.paper and job.paper.claims else []
    trials = ["trials"] if job.tunings else []
    published = ["published"] if job.compares else []
    return ["per_class", "errors", *trials, *claims, *published, "splits", "models"]


def inline_html(text: str) -> Markup:
    """A sentence as HTML; everything in it is escaped, and its strong words are marked up."""
    parts = STRONG.split(text)  # plain, strong, plain, …
    html = Markup("")
    for i, part in enumerate(parts):
        html += Markup("<strong>{}</strong>").format(part) if i % 2 else escape(part)
    return html


def _digests(path: Path) -> dict[str, str]:
    """The digest of each figure as it was drawn; empty if the file is not there."""
    return read_json(path, {...: str}) if path.is_file() else {}


def embedded(folder: Path, name: str, text: Caption, digests: dict[str, str]) -> ReportFigure:
    """A figure with its file as a data URI, so that nothing is requested and no two drawings share
    an id.

    Raises:
        UserError: it is missing, or not what was drawn.
    """
    extension = FIGURES[name]
    path = present(folder / f"{name}.{extension}")
    drawn = digests.get(path.name)
    if drawn is not None and drawn != sha256(path):
        raise UserError(f"{path}: changed since it was drawn; {AGAIN}")
    return figure_of(path.read_bytes(), extension, name, text)


def figure_of(content: bytes, extension: str, name: str, text: Caption) -> ReportFigure:
    """A figure from the bytes of its file."""
    uri = f"data:{MIME[extension]};base64,{base64.b64encode(content).decode()}"
    return ReportFigure(name, text, uri, drawing=extension == "svg")


def tile_pictures(folder: Path) -> list[dict]:
    """The shown tiles of each dataset and recipe: title, classes, names of the layers, pictures as
    data URIs."""
    path = folder / PANELS
    groups = read_json(path, {"blocks": [GROUP]})["blocks"]
    for group in groups:
        for tile in group["tiles"]:
            if len(tile["layers"]) != len(group["layers"]):
                raise UserError(f"{path}: not a picture for each layer; {AGAIN}")
    return groups
