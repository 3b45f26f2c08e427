"""Fit a trained model's temperature to the validation tiles, and see whether its probabilities hold
on the evaluated ones."""

from pathlib import Path

from satseg.data.loader import subset_tiles
from satseg.data.store import open_tiles
from satseg.devices import device
from satseg.evaluation.calibration import fit_temperature, reliability
from satseg.evaluation.counting import check_fit
from satseg.figures.calibration import draw_calibration
from satseg.figures.saving import save
from satseg.files import together, write_json
from satseg.jobs.program import stage
from satseg.jobs.resources import claim_device
from satseg.jobs.slices import EvaluateSlice
from satseg.jobs.writing import file
from satseg.models.segmenter import load_weights
from satseg.progress import log
from satseg.readers import read_split

FITTED = "val"
FILES = ("calibration.json", "calibration.svg")


def run(job: EvaluateSlice, tiles: str, split: str, run: str) -> list[Path]:
    """Write `calibration.json` and `calibration.svg` into the folder `run` of a trained cell."""
    claim_device()
    weights = Path(run, f"{job.evaluate.weights}.pt")
    segmenter = load_weights(weights, device(), job.python_file)
    store = open_tiles(tiles)
    check_fit(segmenter, store, weights)

    table = read_split(split, store.table)
    subset = job.evaluate.subset
    fitted, judged = (
        subset_tiles(store, table, name, segmenter.padded_tiles) for name in (FITTED, subset)
    )
    temperature = fit_temperature(segmenter, store, fitted)
    found = {
        "weights": job.evaluate.weights,
        "temperature": temperature,
        "fitted_on": FITTED,
        "measured_on": subset,
        "before": reliability(segmenter, store, judged),
        "after": reliability(segmenter._replace(temperature=temperature), store, judged),
    }

    files = [Path(run, name) for name in FILES]
    with together(*files) as (numbers, figure):
        write_json(numbers, found)
        save(draw_calibration(found), figure)
    log.info(
        "%s: temperature %.3f; calibration error on %s tiles %.3f, with it %.3f",
        run, temperature, subset, found["before"]["ece"], found["after"]["ece"],
    )  # fmt: skip
    return files


if __name__ == "__main__":
    stage(
        "calibrate",
        __doc__,
        EvaluateSlice,
        run,
        {
            "tiles": "folder of the tile store",
            "split": "the split's CSV file",
            "run": "folder of the trained cell",
        },
        writes=lambda job, run, **_: [file(Path(run, FILES[0]))],
    )
