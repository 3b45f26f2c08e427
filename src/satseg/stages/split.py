"""Divide a dataset's tiles into training, validation and test, and audit the leakage."""

from pathlib import Path

from satseg.data.splits import draw_split, leakage, untrained
from satseg.data.store import read_table
from satseg.files import together
from satseg.jobs.program import stage
from satseg.jobs.slices import SplitSlice
from satseg.progress import log


def run(spec: SplitSlice, tiles: str, out: str) -> None:
    """Write the split to `out` (`<split>.csv`) and its audit beside it (`<split>.leakage.csv`)."""
    table = read_table(tiles)
    split = draw_split(table, spec.split)
    audit = leakage(table, split)
    with together(out, Path(out).with_suffix(".leakage.csv")) as files:
        for frame, file in zip((split, audit), files, strict=True):
            frame.to_csv(file, index=False)
    for name in untrained(table, split):
        log.warning(
            "no training tile shows class %r: no model can learn it; see `groups`, or use another split",
            name,
        )
    for row in audit.itertuples():
        log.info(
            "%s, %s tiles: %d; %d share a scene and %d the ground with training tiles",
            row.subset, row.pool, row.tiles, row.scene_shared, row.group_shared,
        )  # fmt: skip


if __name__ == "__main__":
    stage(
        "split",
        __doc__,
        SplitSlice,
        run,
        {"tiles": "folder of the tile store", "out": "the split's CSV file"},
    )
