"""The frame of every stage: arguments, logging, and errors as one line."""

import argparse
import errno
import importlib.util
import io
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from satseg.config.types import Strict
from satseg.errors import UserError
from satseg.jobs.slices import parse
from satseg.progress import log

# What to do about an error of the operating system.
ADVICE = {
    errno.ENOENT: "check the path, or run the stage that writes it",
    errno.EACCES: "change the permissions, or use another folder",
    errno.EPERM: "change the permissions, or use another folder",
    errno.EROFS: "use a folder that can be written to",
    errno.EEXIST: "it is in the way; remove it, or use another path",
    errno.ENOTDIR: "a part of the path is a file; remove it, or use another path",
    errno.EISDIR: "a file is expected there; remove the folder, or use another path",
    errno.ENOSPC: "free some space and run the same command again",
    errno.EDQUOT: "free some space and run the same command again",
}
FOREIGN_TABLES = ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH")
OTHER_ADVICE = "fix that and run the same command again"


def stage(
    name: str,
    about: str,
    slice_kind: type[Strict],
    run: Callable,
    paths: dict[str, str],
    **options: dict,
) -> None:
    """Parse the command line and call `run(slice, **paths, **options)`.

    Args:
        name: the stage, as in `python -m satseg.stages.<name>`.
        about: what `--help` says it does.
        slice_kind: class of the configuration slice it takes.
        run: the work; a `UserError` or `OSError` from it ends in one line and exit status 1.
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
    text = arguments.pop("slice")
    guarded(name, lambda: run(parse(slice_kind, text), **arguments))


def prepare() -> None:
    """Make this process independent of what other installations and the console are like.

    Variables that lead GDAL and PROJ to the tables of another version are removed where rasterio
    brings its own, and a console that lacks a character shows a question mark for it.
    """
    rasterio = importlib.util.find_spec("rasterio")
    if rasterio and Path(rasterio.origin).with_name("proj_data").is_dir():
        for variable in FOREIGN_TABLES:
            os.environ.pop(variable, None)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def guarded(name: str, work: Callable[[], None]) -> None:
    """Do the work of a program: its log goes to stderr; a `UserError` or `OSError` ends in one line
    and exit status 1."""
    prepare()
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    log.setLevel(logging.INFO)
    try:
        work()
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {trouble(error, name)}")


def trouble(error: OSError, name: str) -> str:
    """One line for an error of the operating system: the file (or `name`, if it names none), what
    is wrong and what to do."""
    problem = " ".join((error.strerror or str(error) or type(error).__name__).split())
    advice = ADVICE.get(error.errno, OTHER_ADVICE)
    return f"{error.filename or name}: {problem[0].lower()}{problem[1:]}; {advice}"
