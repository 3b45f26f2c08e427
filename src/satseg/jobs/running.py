"""What a run of the workflow is asked for, and how it ends: stopped, failed or finished."""

import atexit
import re
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psutil

FAILED = re.compile(
    r"^Error in (?:group|rule) .*?^    log: (.+?) \(check log", re.MULTILINE | re.DOTALL
)
# Last lines of a log that end in failure: ours, and a traceback's.
FAILURE = re.compile(r"^(error: .*|[\w.]*(Error|Exception)\b.*)$")
SAVED = "run the same command again to resume"  # as the last line of a run that was stopped ends


# What each kind of `logger` writes with: one of these.
LIBRARIES = {
    "tensorboard": ("tensorboard", "tensorboardX"),
    "mlflow": ("mlflow",),
    "wandb": ("wandb",),
}


def missing_logger(kind: str) -> str:
    """What to do if the library that a `logger` writes with is not installed; empty if it is."""
    libraries = LIBRARIES.get(kind, ())
    if not libraries or any(map(find_spec, libraries)):
        return ""
    return (
        f"logger: {kind} is not installed; run `.venv/bin/uv pip install --python "
        f".venv/bin/python --editable '.[{kind}]'`, or set logger: csv"
    )


def asked_for() -> list[str]:
    """The targets of Snakemake's command line; none if this process has another."""
    program = Path(sys.argv[0])
    if "snakemake" not in (program.name, program.parent.name):
        return []
    from snakemake.cli import get_argument_parser

    known, _ = get_argument_parser().parse_known_args(sys.argv[1:])
    return list(known.targets or [])


def stop_as_by_ctrl_c() -> None:
    """From now on SIGTERM and a closed terminal end this process as Ctrl-C does: with its jobs,
    which save what they have."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` sets it
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame) -> None:
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.send_signal(signal.SIGINT)
    raise KeyboardInterrupt


def last_line(text: str) -> None:
    """Write a line after everything else that this process writes; none if the text is empty."""
    if text:
        atexit.register(lambda: print(text, file=sys.stderr, flush=True))


def reason(snakemake_logs: Iterable[str]) -> str:
    """Why the first failed job failed, by the last line of its log, and where the log is; empty if
    none failed."""
    for snakemake_log in snakemake_logs:
        for name in FAILED.findall(_text(snakemake_log)):
            log = name.split(", ")[0]
            lines = [line for line in _text(log).splitlines() if line.strip()]
            return f"{_end(lines[-1] if lines else '')} ({log})"
    return ""


def _end(last: str) -> str:
    """The last line of a failed job's log, if it says why; a job that is killed says nothing."""
    if FAILURE.match(last) or last.endswith(SAVED):
        return last
    after = f" after {last!r}" if last else ""
    return (
        f"error: the job ended without a word{after}, as one does that is killed, perhaps for lack "
        f"of memory; {SAVED}"
    )


def _text(file: str) -> str:
    path = Path(file)
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
