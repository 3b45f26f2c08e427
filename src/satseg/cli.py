"""The frame of every stage: arguments, logging, and errors as one line."""

import argparse
import logging
import sys
from collections.abc import Callable

from satseg.config import Strict
from satseg.errors import UserError
from satseg.slices import parse

log = logging.getLogger("satseg")


def stage(
    name: str, about: str, slice_kind: type[Strict], run: Callable, paths: dict[str, str], **options: dict
) -> None:
    """Parse the command line and call `run(slice, **paths, **options)`.

    Args:
        name: the stage, as in `python -m satseg.stages.<name>`.
        about: what `--help` says it does.
        slice_kind: class of the configuration slice it takes.
        run: the work; `UserError` and `OSError` from it end in one line and exit status 1.
        paths: required file arguments and their help; `--tiles-dir` reaches `run` as `tiles_dir`.
        options: optional arguments, as keywords of `add_argument`.
    """
    parser = argparse.ArgumentParser(prog=f"python -m satseg.stages.{name}", description=about)
    parser.add_argument(
        "--slice",
        required=True,
        help=f"the configuration it needs: JSON, or a file of it ({slice_kind.__name__})",
    )
    for flag, text in paths.items():
        parser.add_argument(f"--{flag}", required=True, help=text)
    for flag, keywords in options.items():
        parser.add_argument(f"--{flag.replace('_', '-')}", **keywords)
    arguments = vars(parser.parse_args())
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    log.setLevel(logging.INFO)
    try:
        run(parse(slice_kind, arguments.pop("slice")), **arguments)
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename or name}: {error.strerror or error}")
