"""Every cell of a study: waiting, training, done, stale or failed, and when the study will end."""

import re
import shutil
import sys
import time

from satseg.commands.place import known_studies
from satseg.commands.states import DONE, WAITING, study_states
from satseg.commands.watching import on_screen
from satseg.commands.words import status_text
from satseg.config.reading import load_with
from satseg.config.root import Config
from satseg.jobs.program import Parser, guarded

EVERY = 5.0  # seconds between two looks
CLEAR = "\x1b[H\x1b[2J"
IDLE = re.compile(rf"  \S+ +({DONE}|{WAITING}) ")  # the row of a cell with nothing to see


def main(arguments: list[str] | None = None, prog: str = "satseg status") -> None:
    """Print the state of studies, once or again and again."""
    parser = Parser(prog=prog, description=__doc__)
    parser.add_argument(
        "study", nargs="*", help="studies or tunings (default: studies in config/config.yaml)"
    )
    parser.add_argument(
        "--configfile", action="append", default=[], help="YAML file that overrides config/"
    )
    parser.add_argument("--watch", action="store_true", help="look again every five seconds")
    options = parser.parse_args(arguments)

    def work() -> None:
        config = load_with(options.configfile)
        studies = known_studies(config, options.study)
        show(config, studies, options.watch)

    try:
        guarded("status", work)
    except KeyboardInterrupt:
        sys.exit(130)


def show(config: Config, studies: list[str], watch: bool = False) -> None:
    """Print the state of some studies; with `watch`, until the process is stopped: over what stands
    in the terminal, or, if there is none, whenever something has changed."""
    last = ""
    while True:
        text = "\n\n".join(status_text(name, study_states(config, name)) for name in studies)
        if watch and sys.stdout.isatty():
            print(CLEAR + "\n".join(_fitted(text)), flush=True)
        elif text != last:
            print(f"\n{text}" if last else text, flush=True)
        if not watch:
            return
        last = text
        time.sleep(EVERY)


def _fitted(text: str) -> list[str]:
    """As much of a status as the terminal shows: if that is not all, cells that are done or wait
    are left to the headline."""
    size = shutil.get_terminal_size()
    lines = text.splitlines()
    if len(on_screen(lines, size.columns, len(lines) * size.columns)) >= size.lines:
        lines = [line for line in lines if not IDLE.match(line)]
    return on_screen(lines, *size)


if __name__ == "__main__":
    main()
