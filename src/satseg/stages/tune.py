"""Make a recipe of a tuning's best trial; lay out and draw its trials."""

import shutil
from pathlib import Path

from satseg.figures.saving import save
from satseg.figures.trials import TunedTrials, trials_figure
from satseg.files import together
from satseg.jobs.program import stage
from satseg.jobs.tuned import TuneSlice
from satseg.jobs.writing import folder
from satseg.paths import TUNING_FILES, Paths
from satseg.progress import log
from satseg.readers import read_csv
from satseg.search.halving import RUNG, kept_of
from satseg.search.outcome import importances, recipe_text, trials_table
from satseg.settings import read_settings, settings_text


def run(job: TuneSlice, results: str, out: str) -> list[Path]:
    """Write the recipe, its values alone, the trials as table and figure, and the importance of
    each key into the tuning's folder; delete the checkpoints that no trial goes on from any more.
    """
    here = Path(out)
    numbers = job.tuning.trial_numbers
    settings = {number: read_settings(here / "trials" / f"{number}.yaml") for number in numbers}
    tables = [here / f"rung{rung}.csv" for rung in job.tuning.rung_numbers]
    rungs = [read_csv(table, RUNG) for table in tables]
    (best,) = kept_of(tables[-1])

    trials = trials_table(rungs, settings)
    shares = importances(job.tuning.space, job.whole, settings, rungs[0])
    contents = [
        recipe_text(job.name, job.recipe, settings[best]),
        settings_text(settings[best]),
        trials.to_csv(index=False, float_format="%.6g"),
        shares.to_csv(index=False, float_format="%.6g"),
    ]
    with together(*(here / name for name in TUNING_FILES)) as (*files, drawing):
        for temporary, content in zip(files, contents, strict=True):
            temporary.write_text(content, encoding="utf-8")
        save(trials_figure([TunedTrials(job.name, job.tuning, trials, shares)]), drawing)
    for cell in job.cells:
        shutil.rmtree(Paths(results=results).run(cell.path) / "checkpoints", ignore_errors=True)
    log.info("%s: trial %d, %s", job.name, best, settings[best])
    return [here / name for name in TUNING_FILES]


if __name__ == "__main__":
    stage(
        "tune",
        __doc__,
        TuneSlice,
        run,
        {
            "results": "folder of the runs",
            "out": "folder of the tuning: its draws and rungs are read there",
        },
        writes=lambda job, out, **_: [folder(out)],
    )
