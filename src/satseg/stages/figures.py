"""Draw a study's figures from its runs, tables, tiles and splits."""

import json
from pathlib import Path

from satseg.figures.saving import save
from satseg.files import sha256, together, write_json
from satseg.jobs.program import stage
from satseg.jobs.slices import StudySlice
from satseg.jobs.writing import Output, folder
from satseg.paths import FIGURES, PANELS, Paths
from satseg.progress import log
from satseg.study.figures import DRAW
from satseg.study.inputs import StudyInputs
from satseg.study.panels import tile_pictures


def run(job: StudySlice, data: str, results: str) -> list[Path]:
    """Write the figures that the study lists, the pictures of the predictions one by one, and
    `figures.json`: digests of all of them.

    Raises:
        UserError: a file is missing, or does not hold what it should.
    """
    inputs = StudyInputs(job, Path(data), Path(results))
    files = {f"{name}.{FIGURES[name]}": name for name in job.figures}
    if "predictions" in job.figures:
        files[PANELS] = ""
    out = inputs.figures
    digests = out.with_suffix(".json")
    outputs = [digests, *(out / file for file in files)]
    with together(*outputs) as (digests_file, *temporaries):
        for temporary, (file, name) in zip(temporaries, files.items(), strict=True):
            if file == PANELS:
                pictures = json.dumps({"blocks": tile_pictures(inputs)}, ensure_ascii=False)
                temporary.write_text(pictures, encoding="utf-8")
            else:
                save(DRAW[name](inputs), temporary)
        drawn = zip(files, temporaries, strict=True)
        write_json(digests_file, {file: sha256(temporary) for file, temporary in drawn})
    log.info("%s: %s in %s", job.name, ", ".join(job.figures), out)
    return outputs


def writes(job: StudySlice, results: str, **_: str) -> list[Output]:
    """The study's figures."""
    return [folder(Paths(results=results).figures(job.name))]


if __name__ == "__main__":
    paths = {
        "data": "folder of the tiles and splits",
        "results": "folder of the runs and tables; the figures are written there too",
    }
    stage("figures", __doc__, StudySlice, run, paths, writes)
