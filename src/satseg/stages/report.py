"""Combine a study's tables, figures and provenance into one self-contained page."""

from pathlib import Path

from satseg.files import atomic
from satseg.jobs.program import stage
from satseg.jobs.slices import StudySlice
from satseg.jobs.writing import Output, file
from satseg.pages.report import report_html
from satseg.paths import Paths
from satseg.progress import log


def run(job: StudySlice, data: str, results: str) -> list[Path]:
    """Write `results/<study>/report.html`.

    Raises:
        UserError: a table, a figure, a run's provenance or a manifest is missing.
    """
    html = report_html(job, Path(data), Path(results))
    path = Path(results, job.name, "report.html")
    with atomic(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
    log.info("%s: %.1f MB in %s", job.name, len(html.encode()) / 1e6, path)
    return [path]


def writes(job: StudySlice, results: str, **_: str) -> list[Output]:
    """The study's page."""
    return [file(Paths(results=results).report(job.name))]


if __name__ == "__main__":
    paths = {
        "data": "folder of the raw data",
        "results": "folder of the runs, and of the study's tables and figures",
    }
    stage("report", __doc__, StudySlice, run, paths, writes)
