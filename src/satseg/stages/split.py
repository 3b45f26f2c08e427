"""Divide a dataset's tiles into training, validation and test, and audit the leakage."""

from pathlib import Path

from satseg.cli import log, stage
from satseg.data.splits import draw_split, leakage
from satseg.data.tiles import read_table
from satseg.files import atomic
from satseg.slices import SplitSlice


def run(spec: SplitSlice, tiles: str, out: str) -> None:
    """Write the split to `out` (`<split>.csv`) and its audit beside it (`<split>.leakage.csv`)."""
    table = read_table(tiles)
    split = draw_split(table, spec.split)
    audit = leakage(table, split)
    for path, frame in ((Path(out), split), (Path(out).with_suffix(".leakage.csv"), audit)):
        with atomic(path) as temporary:
            frame.to_csv(temporary, index=False)
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
