"""Bind a study's tables, figures and provenance into one self-contained page."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from satseg.files import atomic
from satseg.jobs.program import stage
from satseg.jobs.slices import StudySlice
from satseg.pages.captions import CAPTIONS
from satseg.pages.provenance import credit, provenance
from satseg.pages.report import TEMPLATE, figure, opening, panels, section, sections
from satseg.progress import log


def run(spec: StudySlice, data: str, results: str) -> None:
    """Write `results/<study>/report.html`.

    Raises:
        UserError: a table, a figure, a run's provenance or a manifest is missing.
    """
    folder = Path(results, spec.name)
    answer, scores = opening(section(folder, "scores"))
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parents[1] / "pages"),
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
        figures=[
            figure(folder / "figures", name) for name in CAPTIONS if name in spec.study.figures
        ],
        panels=panels(folder / "figures") if "predictions" in spec.study.figures else [],
        runs=[provenance(cell, Path(results, "runs")) for cell in spec.cells],
        credits=[credit(spec, name, Path(data, "raw")) for name in spec.datasets],
        recipes=spec.recipes,
    )
    with atomic(folder / "report.html") as temporary:
        temporary.write_text(page, encoding="utf-8")
    log.info("%s: %.1f MB in %s", spec.name, len(page.encode()) / 1e6, folder / "report.html")


if __name__ == "__main__":
    paths = {
        "data": "folder of the raw data",
        "results": "folder of runs; the study's tables and figures lie there too",
    }
    stage("report", __doc__, StudySlice, run, paths)
