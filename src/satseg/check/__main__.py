"""Check a dataset before anything is built: `satseg check`."""

import argparse
import sys
from pathlib import Path

from satseg.check.dataset import check, scenes_folder
from satseg.check.words import report
from satseg.config.names import known_name
from satseg.config.reading import load_with
from satseg.jobs.program import Parser, guarded


def main(words: list[str] | None = None, prog: str = "satseg check") -> None:
    """Check a dataset; exit status 1 means that something would stop the pipeline."""
    parser = Parser(prog=prog, description=__doc__)
    parser.add_argument("dataset", help="name of the dataset in the configuration")
    parser.add_argument(
        "--configfile", action="append", default=[], help="YAML file that overrides config/"
    )
    parser.add_argument(
        "--data", default="data", help="folder of raw data; the picture goes to check/ in it"
    )
    arguments = parser.parse_args(words)
    guarded("check", lambda: run(arguments))


def run(arguments: argparse.Namespace) -> None:
    """Check the dataset, print what was found, and exit."""
    config = load_with(arguments.configfile)
    known_name("dataset", arguments.dataset, config.datasets)
    root = scenes_folder(config, arguments.dataset, arguments.data)
    sheet = Path(arguments.data, "check", f"{arguments.dataset}.png")
    findings = check(config, arguments.dataset, root, sheet)

    print(f"{arguments.dataset}: {root}\n\n{report(findings)}")
    if sheet.exists():
        print(f"\nThe scenes beside their masks: {sheet}")
    sys.exit(1 if findings.problems else 0)


if __name__ == "__main__":
    main()
