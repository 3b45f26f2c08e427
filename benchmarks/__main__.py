"""Measure rows: `python -m benchmarks [row …] [--quick] [--repeats N] [--out FOLDER]`, or fill a
GPU's minutes: `python -m benchmarks gpu`."""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.gpu import command as gpu
from benchmarks.row import measure, write
from benchmarks.rows import (
    breakdown,
    dag,
    evaluation,
    growth,
    operations,
    orchestration,
    parts,
    precision,
    prediction,
    reading,
    speed,
    step,
    tiling,
    training,
)
from satseg.config.reading import ROOT

MODULES = (reading, tiling, training, evaluation, orchestration, prediction, parts, step)
ROWS = {row.name: row for module in MODULES for row in module.ROWS}
# Rows that are more than a comparison of sides.
STUDIES = {
    "breakdown": breakdown.measure,
    "precision": precision.measure,
    "growth": growth.measure,
    "speed": speed.measure,
    "dag": dag.measure,
    "operations": operations.measure,
}
NAMES = [*ROWS, *STUDIES]


def main() -> None:
    """Measure and write a JSON file per row."""
    if sys.argv[1:2] == ["gpu"]:
        gpu.main(sys.argv[2:])
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="small sizes, one turn: shows that a row works, not how fast it is",
    )
    parser.add_argument("--repeats", type=int, help="turns (default: the row's own number)")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "results" / "benchmarks", help="folder of the JSON files"
    )
    parser.add_argument(
        "--folder", type=Path, help="folder for the rows' inputs (default: a temporary folder)"
    )
    options = parser.parse_args()

    unknown = set(options.rows) - set(NAMES)
    if unknown:
        sys.exit(f"error: no row {', '.join(sorted(unknown))}; choose from {', '.join(NAMES)}")

    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for name in options.rows or NAMES:
            place = Path(folder, name)
            place.mkdir()
            write(_measured(name, place, options), options.out)


def _measured(name: str, folder: Path, options: argparse.Namespace) -> dict:
    """The record of a row."""
    if name in STUDIES:
        return STUDIES[name](folder, options.quick)
    row = ROWS[name]
    if options.repeats is not None:
        row = replace(row, repeats=options.repeats)
    return measure(row, folder, options.quick)


if __name__ == "__main__":
    main()
