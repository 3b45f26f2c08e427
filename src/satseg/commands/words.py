"""The state of a study in words."""

from collections import Counter
from datetime import datetime, timedelta

from satseg.commands.expected import seconds_left, study_left
from satseg.commands.states import (
    DONE,
    EVALUATING,
    FAILED,
    STALE,
    STOPPED,
    TRAINED_ONLY,
    TRAINING,
    WAITING,
    State,
)
from satseg.text import columns, counted, duration

ORDER = (DONE, EVALUATING, TRAINED_ONLY, TRAINING, STOPPED, STALE, FAILED, WAITING)


def status_text(study: str, states: list[State], now: datetime | None = None) -> str:
    """A study to be read in a terminal: how many cells are done, each cell, the expected end.

    Args:
        study: its name.
        states: of its cells.
        now: the time (default: the current one).
    """
    rows = [["cell", "state", "epochs", "val mIoU", "left"]]
    for state in states:
        rows.append([str(state.cell.path), state.kind, *_numbers(state, states)])
    table = columns(rows, texts=2).splitlines()

    notes = [""] + [state.note for state in states]
    lines = [f"{line}  {note}".rstrip() for line, note in zip(table, notes, strict=True)]
    return "\n".join([headline(study, states, now), *lines])


def headline(study: str, states: list[State], now: datetime | None = None) -> str:
    """One line: cells that are done, of all, what the others are, and when all will be."""
    counts = Counter(state.kind for state in states)
    parts = [f"{counts[kind]} {kind}" for kind in ORDER if counts[kind] and kind != DONE]
    text = f"{study}: {counts[DONE]} of {counted(len(states), 'cell')} done"
    if parts:
        text += f" ({', '.join(parts)})"
    end = _end_text(states, now or datetime.now())
    return f"{text}; {end}" if end else text


def _end_text(states: list[State], now: datetime) -> str:
    """How long the training of the study still takes; empty if none is left, or nothing known."""
    left = study_left(states)
    if not left.seconds:
        return ""

    length = duration(left.seconds)
    if left.unmeasured:
        return f"more than {length} left, {counted(left.unmeasured, 'cell')} not measured yet"
    text = f"about {length} left"
    if any(state.may_stop_early and not state.is_trained for state in states):
        text += ", or less if training stops early"
    if any(state.is_running for state in states):
        text += f"; ends about {_clock(now + timedelta(seconds=left.seconds), now)}"
    return text


def _clock(then: datetime, now: datetime) -> str:
    """A time of this day, or a date with it."""
    return f"{then:%H:%M}" if then.date() == now.date() else f"{then:%d %b, %H:%M}"


def _numbers(state: State, states: list[State]) -> list[str]:
    """Epochs, score and time left of a cell."""
    if state.kind == WAITING:
        epochs = f"0 of {state.epochs}"
    elif state.best_epoch is not None:
        epochs = f"{state.done:.0f}, best {state.best_epoch}"
    else:
        running = int(state.done) + (state.kind == TRAINING)
        epochs = f"{min(running, state.epochs)} of {state.epochs}"

    score = "" if state.score is None else f"{state.score:.3f}"
    seconds = None if state.is_trained else seconds_left(state, states)
    left = "" if seconds is None else duration(seconds)
    return [epochs, score, left]


def running_line(state: State, states: list[State]) -> str:
    """What a cell that is being worked on does, in one line."""
    if state.kind == EVALUATING:
        return f"{state.cell.path}: testing"
    epoch = min(int(state.done) + 1, state.epochs)
    parts = [f"{state.cell.path}: epoch {epoch} of {state.epochs}"]
    if state.score is not None:
        parts.append(f"validation mIoU {state.score:.3f}")
    seconds = seconds_left(state, states)
    if seconds is not None:
        parts.append(f"about {duration(seconds)} left")
    return ", ".join([*parts, *filter(None, [state.note])])
