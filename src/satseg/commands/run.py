"""Build studies with Snakemake and show how far they are; end with the report, or the one error."""

import argparse
import os
import re
import sys
from pathlib import Path

from satseg.commands.place import PROJECT, known_studies
from satseg.commands.watching import watched_run
from satseg.config.reading import ROOT, load_with
from satseg.config.root import Config
from satseg.errors import UserError
from satseg.jobs.gpus import VISIBLE, list_gpus
from satseg.jobs.program import Parser, guarded
from satseg.paths import Paths

AFTER = "everything after `--` goes to Snakemake as it is, such as `-- --forcerun train`"
# What is asked of Snakemake with these is its own answer, not a study.
ANSWERS = {
    "-n", "--dry-run", "--dryrun", "--unlock", "--lint", "--dag", "--rulegraph", "--filegraph",
    "--summary", "-S", "--detailed-summary", "-D", "--list-rules", "--list", "-l", "--help", "-h",
    "--version", "-v", "--delete-all-output", "--cleanup-metadata", "--touch", "-t", "--report",
}  # fmt: skip
# How our messages end or are built: the log they come from, or what is wrong and what to do.
OURS = re.compile(r"\(logs/\S+\)$|; ")
SHOWN = 10  # lines of any other end
LOCKED = "Directory cannot be locked"
NOTHING = "Nothing to be done"


def main(arguments: list[str] | None = None, prog: str = "satseg run") -> None:
    """Parse the command line and run Snakemake."""
    words = sys.argv[1:] if arguments is None else arguments
    passed_on: list[str] = []
    if "--" in words:
        end = words.index("--")
        passed_on = words[end + 1 :]
        words = words[:end]
    parser = _parser(prog)
    options, unknown = parser.parse_known_args(words)
    if unknown:
        given = " ".join(unknown)
        parser.error(f"{given}: not its own; options of Snakemake go after --, as in `-- {given}`")
    guarded("run", lambda: run(options, passed_on))


def run(options: argparse.Namespace, passed_on: list[str]) -> None:
    """Run Snakemake, and exit as it does."""
    config = load_with(options.configfile)
    studies = known_studies(config, options.study)
    command = snakemake_command(options, passed_on)
    if options.verbose or ANSWERS & {word.partition("=")[0] for word in passed_on}:
        os.execv(command[0], command)

    status, lines = watched_run(command, config, studies)
    if status == 0:
        if any(NOTHING in line for line in lines):
            print(f"{NOTHING}: all is up to date")
        for study in studies:
            print(_end(config, study))
        return
    if status < 0 or status == 130:
        print("Stopped; the same command continues where it stopped.", file=sys.stderr)
        sys.exit(130)
    sys.exit(one_error(lines))


def _end(config: Config, study: str) -> str:
    """What a study, or a tuning, ends with."""
    if study in config.tunings:
        return f"The recipe: {Paths().tuning(study) / 'recipe.yaml'}"
    return f"The report: {Paths().report(study)}"


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = Parser(prog=prog, description=__doc__, epilog=AFTER)
    option = parser.add_argument
    option("study", nargs="*", help="studies or tunings (default: studies in config/config.yaml)")
    option("--configfile", action="append", default=[], help="YAML file that overrides config/")
    option("--cores", help="CPU cores to use (default: all)")
    option("--gpus", type=int, help="GPUs to use at once (default: all that are here)")
    option("--profile", help="a Snakemake profile, such as workflow/profiles/slurm")
    option("--verbose", action="store_true", help="show what Snakemake says, not the progress")
    return parser


def snakemake_command(options: argparse.Namespace, passed_on: list[str]) -> list[str]:
    """The command line of Snakemake: targets before the options that take several values, and such
    options before the one that ends them.

    A profile decides on cores and GPUs itself, unless the options name them.

    Raises:
        UserError: there is no workflow here.
    """
    snakefile = []
    if not any(Path(name).is_file() for name in PROJECT[:2]):
        if not (ROOT / "Snakefile").is_file():
            raise UserError("Snakefile: there is none here; run this in the folder of a checkout")
        snakefile = ["--snakefile", str(ROOT / "Snakefile")]

    cores = options.cores or (None if options.profile else "all")
    gpus = options.gpus
    if gpus is None and not options.profile:
        gpus = gpus_here()

    command = [sys.executable, "-m", "snakemake", *options.study]
    if options.configfile:
        command += ["--configfile", *options.configfile]
    if gpus is not None:
        # Without a GPU, 1 means one training at a time.
        command += ["--resources", f"gpu={max(1, gpus)}"]
    if options.profile:
        command += ["--workflow-profile", options.profile]
    if cores:
        command += ["--cores", cores]
    return [*command, *snakefile, *passed_on]


def gpus_here() -> int:
    """Number of GPUs that jobs of this machine may use."""
    if VISIBLE in os.environ:
        return len([name for name in os.environ[VISIBLE].split(",") if name.strip()])
    return len(list_gpus())


def one_error(lines: list[str]) -> str:
    """The line that says why Snakemake failed: the last one, which the workflow sees to; if it is
    not one of ours, the last few."""
    said = [line for line in lines if line.strip()]
    if any(LOCKED in line for line in said):
        return (
            "error: another Snakemake works in this folder, or was killed in it; wait for it, or "
            "remove its lock with `snakemake --unlock`"
        )
    if not said:
        return "error: Snakemake ended without a word; try `--verbose`"
    return said[-1] if OURS.search(said[-1]) else "\n".join(said[-SHOWN:])


if __name__ == "__main__":
    main()
