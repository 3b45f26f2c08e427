"""The command `satseg`: studies of segmentation models, from a folder of images to a report."""

import difflib
import sys
from importlib import import_module
from typing import NamedTuple

from satseg.commands.place import look_around
from satseg.errors import UserError
from satseg.jobs.program import plain_console, prepare


class Subcommand(NamedTuple):
    """What a word after `satseg` does."""

    module: str
    """Its `main(arguments, prog)` parses the rest of the command line and does the work."""
    about: str
    """For `satseg --help`."""
    is_of_project: bool = True
    """Whether it goes by the `data/` and `results/` of the working directory."""


SUBCOMMANDS = {
    "new": Subcommand(
        "satseg.commands.new", "write a first YAML file for your images and masks", False
    ),
    "check": Subcommand("satseg.check.__main__", "read a dataset, report what stops a study"),
    "estimate": Subcommand("satseg.estimate.__main__", "jobs, downloads, disk space and hours"),
    "run": Subcommand("satseg.commands.run", "build studies, and show how far they are"),
    "status": Subcommand("satseg.commands.status", "every cell of a study, and when it will end"),
    "compare": Subcommand("satseg.compare.__main__", "what changed between two studies"),
    "predict": Subcommand("satseg.stages.predict", "turn a scene into a class map", False),
    "export": Subcommand("satseg.stages.export", "write a model as ONNX or as a bundle", False),
}


def main(arguments: list[str] | None = None) -> None:
    """Call the subcommand that the command line names (default: of this process)."""
    words = sys.argv[1:] if arguments is None else arguments
    plain_console()
    if not words or words[0] in ("-h", "--help"):
        print(usage())
        return

    prepare()
    name, *rest = words
    if name not in SUBCOMMANDS:
        nearest = difflib.get_close_matches(name, SUBCOMMANDS, n=1)
        advice = f"did you mean {nearest[0]!r}?" if nearest else "see `satseg --help`"
        sys.exit(f"error: satseg {name}: no such command; {advice}")

    subcommand = SUBCOMMANDS[name]
    try:
        if subcommand.is_of_project and not {"-h", "--help"} & set(rest):
            look_around()
        import_module(subcommand.module).main(rest, prog=f"satseg {name}")
    except UserError as error:
        sys.exit(f"error: {error}")
    except BrokenPipeError:  # such as `satseg status | head`
        sys.stderr.close()


def usage() -> str:
    """What `satseg --help` prints."""
    width = max(map(len, SUBCOMMANDS))
    lines = [f"  {name:<{width}}  {entry.about}" for name, entry in SUBCOMMANDS.items()]
    return "\n".join(
        [
            "usage: satseg COMMAND …",
            "",
            str(__doc__).partition(": ")[2].strip().capitalize(),
            "",
            *lines,
            "",
            "`satseg COMMAND --help` lists the options of a command.",
        ]
    )


if __name__ == "__main__":
    main()
