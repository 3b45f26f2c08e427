"""Lay out a study's numbers: CSV files for programs, Markdown for people."""

from pathlib import Path

import numpy as np

from satseg.files import together
from satseg.jobs.program import stage
from satseg.jobs.slices import StudySlice
from satseg.jobs.writing import Output, folder
from satseg.pages.blocks import pages_json
from satseg.pages.markdown import markdown
from satseg.pages.study import study_pages
from satseg.paths import PAGES, Paths
from satseg.progress import log
from satseg.study.inputs import StudyInputs
from satseg.study.numbers import study_numbers


def run(job: StudySlice, data: str, results: str) -> list[Path]:
    """Write the study's tables from counts, histories, profiles and splits.

    Raises:
        UserError: a file is missing, or does not hold what it should.
    """
    inputs = StudyInputs(job, Path(data), Path(results))
    numbers = study_numbers(inputs)
    pages = study_pages(inputs, numbers)

    contents = {PAGES: pages_json(pages)}
    contents |= {f"{page.name}.md": markdown(page).encode() for page in pages}
    for name, frame in numbers.frames().items():
        contents[f"{name}.csv"] = frame.to_csv(index=False, float_format=plain).encode()
    outputs = [inputs.tables / name for name in contents]
    with together(*outputs) as temporaries:
        for temporary, content in zip(temporaries, contents.values(), strict=True):
            temporary.write_bytes(content)
    cells = len(job.cells)
    log.info("%s: %d cells, %d scores in %s", job.name, cells, len(numbers.scores), inputs.tables)
    return outputs


def writes(job: StudySlice, results: str, **_: str) -> list[Output]:
    """The study's tables."""
    return [folder(Paths(results=results).tables(job.name))]


def plain(value: float) -> str:
    """Six decimals at most, never an exponent."""
    return np.format_float_positional(value, precision=6, trim="-")


if __name__ == "__main__":
    paths = {
        "data": "folder of the tiles and splits",
        "results": "folder of the runs and profiles; the study's tables are written there too",
    }
    stage("tables", __doc__, StudySlice, run, paths, writes)
