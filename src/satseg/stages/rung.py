"""Compare the trials of a tuning at a rung: the best of them go on to the next."""

from satseg.files import atomic
from satseg.jobs.program import stage
from satseg.jobs.tuned import RungSlice
from satseg.jobs.writing import file
from satseg.paths import Paths
from satseg.progress import log
from satseg.search.halving import rung_table


def run(job: RungSlice, results: str, out: str) -> list[str]:
    """Write the rung's table to `out`: trial, epochs, validation mIoU^D, whether it goes on."""
    folders = [Paths(results=results).run(cell.path) for cell in job.cells]
    table = rung_table(job.trials, folders, job.weights, job.keep)
    with atomic(out) as temporary:
        table.to_csv(temporary, index=False)
    going_on = table.loc[table["kept"] == 1, "trial"].tolist()
    log.info("best of %d trials: %s", len(table), ", ".join(map(str, going_on)))
    return [out]


if __name__ == "__main__":
    stage(
        "rung",
        __doc__,
        RungSlice,
        run,
        {"results": "folder of the runs", "out": "the rung's CSV file"},
        writes=lambda job, out, **_: [file(out)],
    )
