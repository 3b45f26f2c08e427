"""Trainings that stop before their end."""

from satseg.training.limits import Limits


class After(Limits):
    """Stops a run after some looks at its limits, one a batch."""

    looks = 0

    def reason_to_stop(self) -> str:
        After.looks -= 1
        return "time budget used up" if After.looks < 0 else ""
