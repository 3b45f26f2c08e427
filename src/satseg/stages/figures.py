"""Draw a study's figures from its runs, tables, tiles and splits."""

import json
from pathlib import Path

from satseg.figures.style import save
from satseg.files import sha256, together, write_json
from satseg.jobs.program import stage
from satseg.jobs.slices import StudySlice
from satseg.paths import FIGURES, PANELS
from satseg.progress import log
from satseg.study.figures import DRAW, pictures
from satseg.study.inputs import Files


def run(spec: StudySlice, data: str, results: str) -> None:
    """Write the figures that the study names, the pictures of the panels apart, and `figures.json`:
    digests of all.

    Raises:
        UserError: a file is missing, or does not hold what it should.
    """
    files = Files(spec, Path(data), Path(results))
    out = Path(results, spec.name, "figures")
    names = [f"{name}.{FIGURES[name]}" for name in spec.study.figures]
    names += [PANELS] if "predictions" in spec.study.figures else []
    with together(*(out / name for name in names)) as written:
        for name, file in zip(spec.study.figures, written, strict=False):
            save(DRAW[name](files), file)
        if PANELS in names:
            written[-1].write_text(
                json.dumps({"blocks": pictures(files)}, ensure_ascii=False), encoding="utf-8"
            )
    write_json(out.with_suffix(".json"), {name: sha256(out / name) for name in names})
    log.info("%s: %s in %s", spec.name, ", ".join(spec.study.figures), out)


if __name__ == "__main__":
    paths = {
        "data": "folder of tiles and splits",
        "results": "folder of runs and tables; figures go there too",
    }
    stage("figures", __doc__, StudySlice, run, paths)
