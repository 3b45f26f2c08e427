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
from typing import NoReturn

from satseg.config.types import Strict
from satseg.errors import UserError, out_of_memory
from satseg.jobs.arguments import parse
from satseg.jobs.writing import Output, refuse_inputs, sole_writer
from satseg.processes import STARTER, starter
from satseg.progress import log
from satseg.records import digest_of, write_record

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
FREE_MEMORY = "end other programs, or use a machine with more"
LESS_MEMORY = {
    "calibrate": f"lower the recipe's batch_size, {FREE_MEMORY}",
    "evaluate": f"lower the recipe's batch_size, {FREE_MEMORY}",
    "predict": f"give a smaller --batch-size, {FREE_MEMORY}",
    "profile": f"choose a smaller model or tile_size, {FREE_MEMORY}",
    "speed": f"choose fewer or smaller models, {FREE_MEMORY}",
}
LOADER = "DataLoader worker"  # begins torch's messages about one that has ended

FOREIGN_TABLES = ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH")
OTHER_ADVICE = "fix that and run the same command again"


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong with a command."""

    def error(self, message: str) -> NoReturn:
        """End with exit status 2."""
        self.exit(2, f"error: {self.prog}: {message}; see `{self.prog} --help`\n")


def stage(
    name: str,
    about: str,
    slice_kind: type[Strict],
    run: Callable,
    paths: dict[str, str],
    writes: Callable[..., list[Output]] | None = None,
    tidy: Callable[..., None] | None = None,
    **options: dict,
) -> None:
    """Parse the command line, call `run(slice, **paths, **options)` and record what the files it
    returns were made of (see `satseg.records`).

    Args:
        name: the stage, as in `python -m satseg.stages.<name>`.
        about: what `--help` says it does.
        slice_kind: class of the configuration slice it takes.
        run: the work; a `UserError` or `OSError` from it ends in one line and exit status 1. It
            returns the files it wrote; the first one gives the record its name.
        paths: required file arguments and their help; `--tiles-dir` reaches `run` as `tiles_dir`.
        writes: called like `run`, what it writes: no other process may meanwhile, and it must be
            nothing that is read. None if `run` sees to that itself.
        tidy: called like `run` once the record stands: removes what only an interrupted run needs.
        options: optional arguments, as keywords of `add_argument`.
    """
    parser = Parser(prog=f"python -m satseg.stages.{name}", description=about)
    parser.add_argument(
        "--slice",
        required=True,
        help=f"the configuration it needs: JSON, or a file of it ({slice_kind.__name__})",
    )
    parser.add_argument("--code", help="digest of its source files, for the record of its outputs")
    for flag, text in paths.items():
        parser.add_argument(f"--{flag}", required=True, help=text)
    for flag, keywords in options.items():
        parser.add_argument(f"--{flag.replace('_', '-')}", **keywords)
    plain_console()  # for --help
    arguments = vars(parser.parse_args())
    text = arguments.pop("slice")
    code = arguments.pop("code")

    def work() -> None:
        job = parse(slice_kind, text)
        outputs = writes(job, **arguments) if writes else []
        inputs = [arguments[flag] for flag in paths if flag != "out"]
        if not text.lstrip().startswith("{"):
            inputs.append(text)
        refuse_inputs([output.path for output in outputs], inputs)
        with sole_writer(*outputs, parent=starter_pid()):
            files = run(job, **arguments)
            if files:
                write_record(files, digest_of(job.model_dump_json()), code)
            if tidy:
                tidy(job, **arguments)

    guarded(name, work)


def starter_pid() -> int | None:
    """The Snakemake process whose end ends this one; None if there is none on this machine."""
    snakemake = starter()
    return snakemake.pid if snakemake and snakemake.is_visible else None


def prepare(checkout: Path | None = None) -> None:
    """Make this process independent of what other installations and the console are like.

    It ends in one line if `checkout` is another one than that of this code; by default the working
    directory, unless Snakemake started this process: it has looked. Variables that lead GDAL and
    PROJ to the tables of another version are removed where rasterio brings its own, and a console
    that lacks a character shows a question mark for it.
    """
    if checkout or STARTER not in os.environ:
        refuse_other_code(checkout or Path())
    rasterio = importlib.util.find_spec("rasterio")
    if rasterio and Path(rasterio.origin).with_name("proj_data").is_dir():
        for variable in FOREIGN_TABLES:
            os.environ.pop(variable, None)
    plain_console()


def plain_console() -> None:
    """Show a question mark for what the console's encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def refuse_other_code(checkout: Path) -> None:
    """End in one line if a folder is a checkout, and this is the code of another: a copied or moved
    `.venv` leads there."""
    own = checkout / "src" / "satseg"
    used = Path(__file__).resolve().parents[1]
    if own.is_dir() and not own.samefile(used):
        sys.exit(
            f"error: {own.resolve()}: not the code that runs, which is {used}; run `make setup` in "
            f"{checkout.resolve()}, and use its .venv"
        )


def guarded(name: str, work: Callable[[], None]) -> None:
    """Do the work of a program: its log goes to stderr; a `UserError` or `OSError`, and a lack of
    memory, end in one line and exit status 1."""
    prepare()
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    log.setLevel(logging.INFO)
    try:
        work()
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {trouble(error, name)}")
    except (MemoryError, RuntimeError) as error:
        if out_of_memory(error):
            sys.exit(f"error: {name}: not enough memory; {LESS_MEMORY.get(name, FREE_MEMORY)}")
        if LOADER not in str(error):
            raise
        sys.exit(
            f"error: {name}: a loader process was killed, perhaps for lack of memory; run the same "
            f"command again, or with `--workers 0`"
        )


def trouble(error: OSError, name: str) -> str:
    """One line for an error of the operating system: the file (or `name`, if it names none), what
    is wrong and what to do."""
    problem = " ".join((error.strerror or str(error) or type(error).__name__).split())
    advice = ADVICE.get(error.errno, OTHER_ADVICE)
    return f"{error.filename or name}: {problem[0].lower()}{problem[1:]}; {advice}"
