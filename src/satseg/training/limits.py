"""How long a run may take, how often it saves its state, and how it stops early."""

import os
import time
from typing import NamedTuple

from satseg.progress import log

TIME_IS_UP = "time budget used up"
PARENT_ENDED = "the parent process has ended"
AGAIN = "run the same command again to resume"


class Stopped(SystemExit):
    """A run that was asked to stop has saved its state: exit status 75, the system's for "try
    again"."""

    def __init__(self, reason: str):
        super().__init__(os.EX_TEMPFAIL)
        log.warning("%s; %s", reason, AGAIN)


class Limits(NamedTuple):
    """When a run saves its state, and when it stops before it is finished."""

    checkpoint_minutes: float = 10
    """Least time between two checkpoints within an epoch."""
    deadline: float | None = None
    """When to save and stop, by `time.monotonic`; None for never."""
    parent: int | None = None
    """Process that started this one, if the run is to stop when it ends; None otherwise."""

    @classmethod
    def from_now(
        cls,
        time_budget: float | None = None,
        checkpoint_minutes: float = 10,
        with_parent: bool = False,
    ) -> "Limits":
        """The limits of a run that starts now; `time_budget` in minutes, None for no limit."""
        deadline = None if time_budget is None else time.monotonic() + 60 * time_budget
        parent = os.getppid() if with_parent else None
        return cls(checkpoint_minutes, deadline, parent)

    def reason_to_stop(self) -> str:
        """Which limit is reached; an empty text if none is."""
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return TIME_IS_UP
        if self.parent is not None and self.parent != os.getppid():
            return PARENT_ENDED
        return ""
