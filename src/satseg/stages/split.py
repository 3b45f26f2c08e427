"""Divide a dataset's tiles into training, validation and test, and audit the leakage."""

from pathlib import Path

from satseg.data.leakage import leakage, untrained
from satseg.data.splits import draw_split
from satseg.data.store import read_table
from satseg.files import together
from satseg.jobs.program import stage
from satseg.jobs.slices import SplitSlice
from satseg.jobs.writing import file
from satseg.progress import log


def run(job: SplitSlice, tiles: str, out: str) -> list[Path]:
    """Write the split to `out` (`<split>.csv`) and its audit beside it (`<split>.leakage.csv`)."""
    table = read_table(tiles)
    split = draw_split(table, job.split, job.test_split, job.fold)
    audit = leakage(table, split)

    outputs = [Path(out), Path(out).with_suffix(".leakage.csv")]
    with together(*outputs) as (split_file, audit_file):
        split.to_csv(split_file, index=False)
        audit.to_csv(audit_file, index=False)

    for class_name in untrained(table, split):
        log.warning(
            "no training tile contains class %r: no model can learn it; see `groups`, or use "
            "another split",
            class_name,
        )

    log.info("%d of %d tiles are in no subset", len(table) - len(split), len(table))
    for row in audit.itertuples():
        log.info(
            "%s, %s tiles: %d; %d share a scene and %d a group with training tiles; %d overlap "
            "one, %d touch one, %d lie within a tile's side of one",
            row.subset,
            row.pool,
            row.tiles,
            row.scene_shared,
            row.group_shared,
            row.overlapping,
            row.touching,
            row.near,
        )
    return outputs


if __name__ == "__main__":
    stage(
        "split",
        __doc__,
        SplitSlice,
        run,
        {"tiles": "folder of the tile store", "out": "the split's CSV file"},
        writes=lambda job, out, **_: [file(out)],
    )
