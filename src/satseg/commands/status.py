"""Every cell of a study: waiting, training, done, stale or failed, and when the study will end."""

import argparse
import sys
import time

from satseg.commands.states import study_states
from satseg.commands.words import status_text
from satseg.config.names import known_name
from satseg.config.reading import load_with
from satseg.config.root import Config
from satseg.jobs.program import guarded

EVERY = 5.0  # seconds between two looks
CLEAR = "\x1b[H\x1b[2J"


def main(arguments: list[str] | None = None, prog: str = "satseg status") -> None:
    """Print the state of studies, once or again and again."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    parser.add_argument("study", nargs="*", help="studies (default: those in config/config.yaml)")
    parser.add_argument(
        "--configfile", action="append", default=[], help="YAML file that overrides config/"
    )
    parser.add_argument("--watch", action="store_true", help="look again every five seconds")
    options = parser.parse_args(arguments)

    def work() -> None:
        config = load_with(options.configfile)
        studies = options.study or config.studies
        for name in studies:
            known_name("study", name, config.study)
        show(config, studies, options.watch)

    try:
        guarded("status", work)
    except KeyboardInterrupt:
        sys.exit(130)


def show(config: Config, studies: list[str], watch: bool = False) -> None:
    """Print the state of some studies; with `watch`, until the process is stopped."""
    while True:
        text = "\n\n".join(status_text(name, study_states(config, name)) for name in studies)
        clear = CLEAR if watch and sys.stdout.isatty() else ""
        print(f"{clear}{text}", flush=True)
        if not watch:
            return
        time.sleep(EVERY)


if __name__ == "__main__":
    main()
