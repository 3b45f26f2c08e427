"""When a study will end, as far as its own epochs tell."""

from collections.abc import Iterable
from statistics import median
from typing import NamedTuple

from satseg.commands.states import STALE, State


class Left(NamedTuple):
    """The time that is left for the training of some cells."""

    seconds: float
    """With as many cells at once as train now."""
    unmeasured: int
    """Cells that it leaves out, because no epoch like theirs is done."""


def seconds_left(state: State, others: Iterable[State]) -> float | None:
    """The time that is left for a cell if it trains all its epochs; None if no epoch of it, or of
    another with its dataset and model, is done."""
    if state.is_trained:
        return 0.0
    seconds = state.epoch_seconds
    if seconds is None or state.kind == STALE:
        alike = [
            other.epoch_seconds
            for other in others
            if other.epoch_seconds is not None and _is_alike(other, state)
        ]
        if not alike:
            return None
        seconds = median(alike)

    done = 0.0 if state.kind == STALE else state.done
    return seconds * (state.epochs - done)


def _is_alike(first: State, second: State) -> bool:
    return (first.cell.dataset, first.cell.model) == (second.cell.dataset, second.cell.model)


def study_left(states: list[State]) -> Left:
    """The time that is left for all cells of a study."""
    known = []
    running = []
    unmeasured = 0
    for state in states:
        seconds = seconds_left(state, states)
        if seconds is None:
            unmeasured += 1
        else:
            known.append(seconds)
            if state.is_running:
                running.append(seconds)

    at_once = max(1, sum(state.is_running for state in states))
    longest = max(running, default=0.0)
    return Left(max(longest, sum(known) / at_once), unmeasured)
