"""What studies will take: `satseg estimate`."""

import argparse
import json
import shlex

from satseg.config.names import known_name
from satseg.config.reading import load, load_with
from satseg.errors import UserError
from satseg.estimate.expect import Estimate
from satseg.estimate.published import PublishedTimes
from satseg.estimate.words import report
from satseg.jobs.program import Parser, guarded


def main(words: list[str] | None = None, prog: str = "satseg estimate") -> None:
    """Say what to expect of studies before they start."""
    parser = Parser(prog=prog, description=main.__doc__)
    parser.add_argument("study", nargs="*", help="studies (default: those in config/config.yaml)")
    parser.add_argument(
        "--configfile", action="append", default=[], help="YAML file that overrides config/"
    )
    parser.add_argument(
        "--config-json",
        help="the overrides themselves, as JSON; files of --configfile are then named, not read",
    )
    parser.add_argument("--data", default="data", help="folder of the data")
    parser.add_argument("--results", default="results", help="folder of the results")
    parser.add_argument(
        "--no-measuring",
        action="store_true",
        help="do not time a model for a few seconds to scale published profiles",
    )
    arguments = parser.parse_args(words)
    guarded("estimate", lambda: run(arguments))


def run(arguments: argparse.Namespace) -> None:
    """Print the estimate."""
    if arguments.config_json is None:
        config = load_with(arguments.configfile)
    else:
        config = load(overrides=_overrides(arguments.config_json), origin="--config-json")
    studies = arguments.study or config.studies
    for name in studies:
        known_name("study", name, config.study)
    if not studies:
        raise UserError(f"no study is named; choose from {', '.join(config.study)}")
    files = shlex.join(arguments.configfile)
    options = f" --configfile {files}" if files else ""  # as Snakemake takes several
    published = None if arguments.no_measuring else PublishedTimes()
    folders = (arguments.data, arguments.results)
    print(report(Estimate(config, studies, *folders, published), options))


def _overrides(text: str) -> dict:
    """What `--config-json` says.

    Raises:
        UserError: it is not a JSON object.
    """
    try:
        overrides = json.loads(text)
    except ValueError as error:
        raise UserError(f"--config-json: not valid JSON: {error}") from None
    if not isinstance(overrides, dict):
        raise UserError("--config-json: expected keys and values; write an object, as {...}")
    return overrides


if __name__ == "__main__":
    main()
