"""Count a trained model's right and wrong pixels, tile by tile and class by class."""

from collections.abc import Sequence
from pathlib import Path

from satseg.data.loader import subset_tiles
from satseg.data.store import open_tiles
from satseg.devices import device
from satseg.evaluation.counting import (
    KeptPredictions,
    check_fit,
    counts_table,
    evaluate_tiles,
    predict_tiles,
    voted,
)
from satseg.evaluation.panels import panel_tiles, save_panels
from satseg.files import together
from satseg.jobs.program import stage
from satseg.jobs.resources import claim_device
from satseg.jobs.slices import EvaluateSlice
from satseg.jobs.writing import file
from satseg.metrics.confusion import Confusion, confusion_table
from satseg.metrics.counts import epoch_metrics
from satseg.models.segmenter import load_weights
from satseg.models.voting import check_members
from satseg.progress import log
from satseg.readers import read_split


def run(
    job: EvaluateSlice, tiles: str, split: str, run: str, member: Sequence[str] = ()
) -> list[Path]:
    """Write `counts.csv`, `confusion.csv` and `panels.npz` into the folder `run` of a trained cell;
    `member`: weights of the cells that vote with it."""
    claim_device()
    weights = Path(run, f"{job.evaluate.weights}.pt")
    segmenter = load_weights(weights, device(), job.python_file)
    store = open_tiles(tiles)
    check_fit(segmenter, store, weights)
    voters = [segmenter, *(load_weights(other, device(), job.python_file) for other in member)]
    check_members(voters, [weights, *member])
    choice = voted(voters, job.evaluate.tta)

    subset = job.evaluate.subset
    split_table = read_split(split, store.table)
    tile_numbers = subset_tiles(store, split_table, subset, segmenter.padded_tiles)
    panels = panel_tiles(store, tile_numbers, segmenter.counted, segmenter.counted_classes)
    confusion = Confusion(len(segmenter.counted), device())
    kept = KeptPredictions(segmenter, panels.tiles)
    counts = evaluate_tiles(
        segmenter, store, tile_numbers, job.augmentation, confusion, kept, choice
    )
    predictions = kept.all()
    if job.augmentation:  # tiles are shown as they are
        predictions = predict_tiles(segmenter, store, panels.tiles, choice)

    files = [Path(run, name) for name in ("counts.csv", "confusion.csv", "panels.npz")]
    with together(*files) as (counts_file, confusion_file, panels_file):
        table = counts_table(counts, store, tile_numbers, segmenter.counted_classes)
        table.to_csv(counts_file, index=False)
        confused = confusion_table(confusion.counts(), segmenter.counted_classes)
        confused.to_csv(confusion_file, index=False)
        save_panels(panels_file, panels, predictions)

    scores = epoch_metrics(counts.sum(0))
    log.info(
        "%s, %d %s tiles: mIoU %.3f, pixel accuracy %.3f",
        run, len(tile_numbers), subset, scores["jaccard"], scores["pixel_accuracy"],
    )  # fmt: skip
    return files


if __name__ == "__main__":
    stage(
        "evaluate",
        __doc__,
        EvaluateSlice,
        run,
        {
            "tiles": "folder of the tile store",
            "split": "the split's CSV file",
            "run": "folder of the trained cell",
        },
        writes=lambda job, run, **_: [file(Path(run, "counts.csv"))],
        member={
            "action": "append",
            "default": [],
            "help": "weights of a cell that votes with it; may be given several times",
        },
    )
