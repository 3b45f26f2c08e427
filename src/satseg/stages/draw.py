"""Draw the settings of a tuning's trial."""

from pathlib import Path

from satseg.files import atomic
from satseg.jobs.program import stage
from satseg.jobs.tuned import DrawSlice
from satseg.jobs.writing import file
from satseg.paths import Paths
from satseg.progress import log
from satseg.search.drawing import draw_qmc, draw_tpe
from satseg.search.halving import trial_value
from satseg.settings import read_settings, settings_text


def run(job: DrawSlice, results: str, out: str) -> list[str]:
    """Write the settings to `out`; TPE takes account of the trials that have finished by now."""
    if job.sampler == "qmc":
        settings = draw_qmc(job.space, job.whole, job.seed, job.trial)
    else:
        settings = draw_tpe(job.space, job.whole, job.seed, job.trial, _finished(job, results, out))
    with atomic(out) as temporary:
        temporary.write_text(settings_text(settings), encoding="utf-8")
    log.info("trial %d: %s", job.trial, settings)
    # No record of a draw by TPE: which trials had finished then is nothing to compare with.
    return [out] if job.sampler == "qmc" else []


def _finished(job: DrawSlice, results: str, out: str) -> list[tuple[dict, float]]:
    """Settings and value of the earlier trials whose first rung is done."""
    finished = []
    for number, cell in enumerate(job.rivals, start=1):
        folder = Paths(results=results).run(cell.path)
        settings = Path(out).with_name(f"{number}.yaml")
        if settings.exists() and (folder / "run.json").exists():
            finished.append((read_settings(settings), trial_value(folder, job.weights)))
    return finished


if __name__ == "__main__":
    stage(
        "draw",
        __doc__,
        DrawSlice,
        run,
        {"results": "folder of the runs", "out": "the YAML file of the settings"},
        writes=lambda job, out, **_: [file(out)],
    )
