"""Steps with a share of the time each, and a file each: what a call leaves, the next one does."""

import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from satseg.errors import UserError
from satseg.files import write_json
from satseg.readers import read_json

GRACE = 30  # seconds that a step which saves its own state may take longer


class TimeIsUp(Exception):
    """A step has used up its share."""


class Unfinished(Exception):
    """A step has saved its state; the next call goes on from there."""


class Step(NamedTuple):
    """One thing to find out."""

    name: str
    work: Callable[[float], dict]
    """Does it in so many seconds; returns what was found. What it finds wrong, it raises."""
    weight: float
    """Its share of the time, beside the weights of the others."""
    resumes: bool = False
    """Whether it watches the time itself and goes on where it stopped."""


def take(steps: list[Step], out: Path, seconds: float) -> bool:
    """Take the steps that have no result yet, until the time is up; whether all have one now.

    Args:
        steps: in order of value.
        out: folder of the results; `<step>.json` is written when the step ends.
        seconds: for all of them. What a step leaves of its share is shared by those after it.
    """
    end = time.monotonic() + seconds
    left = [step for step in steps if not _is_done(out / f"{step.name}.json")]
    done = True
    while left:
        step = left[0]
        remaining = end - time.monotonic()
        if remaining <= 0:
            print(f"time is up; left: {', '.join(step.name for step in left)}", flush=True)
            return False
        share = remaining * step.weight / sum(step.weight for step in left)
        record = _taken(step, share)
        write_json(out / f"{step.name}.json", record)
        print(f"{step.name}: {record['state']}, {record['seconds']} s", flush=True)
        done = done and record["state"] == "done"
        left.pop(0)
    return done


def _is_done(path: Path) -> bool:
    return path.exists() and read_json(path, ["state"])["state"] == "done"


def _taken(step: Step, share: float) -> dict:
    """The record of a step: `done`, `unfinished`, `out of time` or `failed`."""
    began = time.monotonic()
    found: dict = {}
    try:
        with _at_most(share + GRACE if step.resumes else share):
            found = step.work(share)
        state = "done"
    except TimeIsUp:
        state = "out of time"
    except Unfinished:
        state = "unfinished"
    except UserError as error:
        state = "failed"
        found = {"error": str(error)}
    except Exception:
        # One failure must not hide what the others find.
        state = "failed"
        found = {"error": traceback.format_exc()}
    spent = round(time.monotonic() - began, 1)
    return {"step": step.name, "state": state, "share": round(share, 1), "seconds": spent} | found


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """A block that ends after so many seconds."""

    def stop(*_: object) -> None:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
