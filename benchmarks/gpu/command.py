"""`python -m benchmarks gpu --minutes 9 --out FOLDER`: see README.md beside it."""

import argparse
import sys
from pathlib import Path

from benchmarks.gpu.steps import Step, take
from satseg.devices import keep_memory

# Of the whole time, for correctness, speed and the study.
SHARES = (0.2, 0.4, 0.4)


def main(arguments: list[str]) -> None:
    """Take every step that has no result in the folder yet; exit status 1 if one has none after."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu", description=__doc__)
    parser.add_argument("--minutes", type=float, default=9, help="time to use (default: 9)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument(
        "--scenes", type=Path, help="folder of the Dubai scenes (default: no runs of the study)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, on a CPU too: shows that it works"
    )
    options = parser.parse_args(arguments)
    keep_memory()
    sys.exit(0 if take(plan(options), options.out, 60 * options.minutes) else 1)


def plan(options: argparse.Namespace) -> list[Step]:
    """All steps, in order of value; each part's steps together weigh its share."""
    from benchmarks.gpu import correctness, speeds, study

    scratch = options.out / "scratch"
    folders = [scratch / "correctness", scratch / "speed"]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    parts = [
        correctness.steps(folders[0]),
        speeds.steps(folders[1], options.quick),
        study.steps(options.out, options.scenes, options.quick),
    ]
    planned = []
    for part, share in zip(parts, SHARES, strict=True):
        whole = sum(step.weight for step in part)  # 0 without steps
        planned += [step._replace(weight=step.weight * share / whole) for step in part]
    return planned
