"""Run the rows named, or all: `python -m benchmarks [row …] [--quick] [--repeats N] [--out
FOLDER]`."""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks import (
    breakdown,
    evaluation,
    growth,
    orchestration,
    pairs,
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
STUDIES = {
    "breakdown": breakdown.measure,
    "precision": precision.measure,
    "growth": growth.measure,
    "speed": speed.measure,
}


def main() -> None:
    """Measure and write a JSON file per row."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", help=f"of {', '.join([*ROWS, *STUDIES])} (default: all)")
    parser.add_argument(
        "--quick", action="store_true", help="small and once: shows that a row works, not how fast"
    )
    parser.add_argument("--repeats", type=int, help="turns (default: the row's)")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "results" / "benchmarks", help="folder of the JSON files"
    )
    parser.add_argument(
        "--folder", type=Path, help="where to make what the rows read (default: a temporary folder)"
    )
    options = parser.parse_args()
    every = [*ROWS, *STUDIES]
    unknown = set(options.rows) - set(every)
    if unknown:
        sys.exit(f"error: no row {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for name in options.rows or every:
            place = Path(folder, name)
            place.mkdir()
            if name in STUDIES:
                record = STUDIES[name](place, options.quick)
            else:
                row = (
                    ROWS[name]
                    if options.repeats is None
                    else replace(ROWS[name], repeats=options.repeats)
                )
                record = pairs.measure(row, place, options.quick)
            pairs.write(record, options.out)


if __name__ == "__main__":
    main()
