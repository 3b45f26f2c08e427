"""What studies will take: `python -m satseg.estimate`."""

import argparse
import shlex
import sys

from satseg.config.reading import load_with
from satseg.errors import UserError
from satseg.estimate.expect import Estimate
from satseg.estimate.words import report


def main() -> None:
    """Report what to expect of studies before they start."""
    parser = argparse.ArgumentParser(prog="python -m satseg.estimate", description=main.__doc__)
    parser.add_argument(
        "study", nargs="*", help="studies; by default those that plain `snakemake` builds"
    )
    parser.add_argument(
        "--configfile", nargs="+", default=[], help="YAML files that override config/"
    )
    parser.add_argument(
        "--told",
        nargs="*",
        help="files to name instead of --configfile in the commands it suggests",
    )
    parser.add_argument("--data", default="data", help="folder of the data")
    parser.add_argument("--results", default="results", help="folder of the results")
    arguments = parser.parse_args()

    try:
        config = load_with(arguments.configfile)
        studies = arguments.study or config.studies
        for name in studies:
            if name not in config.study:
                raise UserError(f"no study {name!r}; choose from {', '.join(config.study)}")
        if not studies:
            raise UserError(f"no study is named; choose from {', '.join(config.study)}")

        files = shlex.join(arguments.configfile if arguments.told is None else arguments.told)
        options = f" --configfile {files}" if files else ""
        print(report(Estimate(config, studies, arguments.data, arguments.results), options))
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
