"""Running Snakemake, with a view of what a person wants to know in place of its job blocks."""

import re
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO

from satseg.commands.states import LOGS, last_line, study_states
from satseg.commands.words import headline, running_line
from satseg.config.root import Config
from satseg.processes import end_with_parent
from satseg.progress import LOG_EVERY

EVERY = 1.0  # seconds between two looks
LOOKING = 4.0  # times as long as a look takes, at least, before the next
CLOCK = re.compile(r"^\d\d:\d\d:\d\d ")  # that lines of our logs begin with
KEPT = 500  # lines of Snakemake's output
CONTINUED = "    "  # before the rest of a long line
NARROW = 24  # columns that a terminal has at least


def watched_run(command: list[str], config: Config, studies: list[str]) -> tuple[int, list[str]]:
    """Run Snakemake, and show how far the studies are until it ends.

    Ctrl-C reaches Snakemake and its jobs too, which save what they have; this waits for them.

    Returns:
        Its exit status (negative for a signal), and the end of what it printed.
    """
    started = time.time()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        preexec_fn=partial(end_with_parent, signal.SIGTERM),
    )
    signals = []

    def pass_on(number: int, _: object) -> None:
        signals.append(number)
        process.send_signal(signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` sets it
            signal.signal(number, pass_on)

    lines: deque[str] = deque(maxlen=KEPT)
    reader = threading.Thread(target=_collect, args=(process.stdout, lines), daemon=True)
    reader.start()

    view = View(config, studies, started)
    while process.poll() is None:
        try:
            before = time.monotonic()
            view.show()
            # A study of a thousand cells takes a while to look at.
            pause = max(EVERY, LOOKING * (time.monotonic() - before))
            with suppress(subprocess.TimeoutExpired):
                process.wait(pause)
        except KeyboardInterrupt:
            signals.append(signal.SIGINT)
            view.say("Stopping; what runs saves its state first …")
    reader.join(EVERY)
    view.end()
    return (130 if signals else process.returncode), list(lines)


def _collect(stream: IO[str], lines: deque[str]) -> None:
    for line in stream:
        lines.append(line.rstrip("\n"))


class View:
    """A few lines on how far studies are: redrawn in a terminal; elsewhere a line from time to time
    if something has changed.

    Args:
        config: the configuration.
        studies: names of the studies.
        started: when the run did, in seconds since 1970.
    """

    def __init__(self, config: Config, studies: list[str], started: float):
        self.config = config
        self.studies = studies
        self.started = started
        self.redraws = sys.stdout.isatty()
        self.drawn = 0
        """Lines that stand on the screen and are to be drawn over."""
        self.last: list[str] = []
        self.shown = -LOG_EVERY

    def show(self) -> None:
        """Look, and show what there is to see."""
        now = time.monotonic()
        if not self.redraws and now < self.shown + LOG_EVERY:
            return
        lines = self.lines()
        if self.redraws:
            self._draw(lines)
        elif changed := [line for line in lines if line not in self.last]:
            print("\n".join(changed), flush=True)
        self.last = lines
        self.shown = now

    def lines(self) -> list[str]:
        """Each study, and what runs of it; if no cell does, what else is being done."""
        lines = []
        busy = False
        for study in self.studies:
            states = study_states(self.config, study)
            running = [state for state in states if state.is_running]
            busy = busy or bool(running)
            lines.append(headline(study, states))
            lines += [f"  {running_line(state, states)}" for state in running]
        return lines if busy else [*lines, f"  {self._other_job()}"]

    def _other_job(self) -> str:
        """The job whose log was written last, with its last line."""
        logs = []
        for path in LOGS.glob("**/*.log"):
            with suppress(FileNotFoundError):  # it may be deleted meanwhile
                logs.append((path.stat().st_mtime, path))
        recent = max((entry for entry in logs if entry[0] >= self.started), default=None)
        if recent is None:
            return "looking at what has to be done …"
        file = recent[1].relative_to(LOGS).with_suffix("")
        rule = file.parts[0]
        said = CLOCK.sub("", last_line(recent[1]))
        return ": ".join(filter(None, [f"{rule} {Path(*file.parts[1:])}", said]))

    def say(self, text: str) -> None:
        """Show a line that stays."""
        self.end()
        print(text, flush=True)

    def end(self) -> None:
        """Leave on the screen what stands there."""
        self.drawn = 0

    def _draw(self, lines: list[str]) -> None:
        rows = on_screen(lines, *shutil.get_terminal_size())
        up = f"\x1b[{self.drawn}F" if self.drawn else ""
        text = "".join(f"\x1b[2K{row}\n" for row in rows)
        sys.stdout.write(f"{up}{text}\x1b[J")
        sys.stdout.flush()
        self.drawn = len(rows)


def on_screen(lines: Sequence[str], width: int, height: int) -> list[str]:
    """Lines as the rows of a terminal: long ones go on in the next row, and what would scroll away,
    and so could not be drawn over, is left out.

    Args:
        lines: of any length.
        width: columns of the terminal.
        height: its rows.
    """
    rows = []
    for line in lines:
        wrapped = textwrap.wrap(line, max(NARROW, width) - 1, subsequent_indent=CONTINUED)
        rows += wrapped or [""]
    most = max(2, height - 1)
    return rows if len(rows) <= most else [*rows[: most - 1], "  …"]
