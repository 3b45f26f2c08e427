"""What no value of the configuration may be, whatever its key: what YAML can say and a job cannot
take."""

import math
import unicodedata
from collections.abc import Iterator
from functools import reduce
from typing import Any

from satseg.config.annotations import plain_types, step
from satseg.config.messages import mistake_line
from satseg.errors import UserError

MOST = 10**6  # values: a few lines of YAML that refer to each other can stand for billions
LONGEST = 10**5  # characters of one text
# Control characters, separators that some programs take for the end of a line, halves of
# characters.
UNWRITABLE = {"Cc", "Zl", "Zp", "Cs"}
PLAIN = (str, int, float, bool, type(None))


def check_values(raw: dict, place: Any) -> None:
    """Refuse values that cannot be written into a slice, a table or a figure.

    Args:
        raw: the configuration as read.
        place: how messages name the file of a path of keys.

    Raises:
        UserError: there is one, or there are too many values.
    """
    for number, (key, value) in enumerate(_values((), raw)):
        if number > MOST:
            raise UserError(
                f"{place(key)}: more than {MOST:,} values, with repeated ones (`*name`) counted "
                f"wherever they stand; write less"
            )
        problem = _problem(value)
        if problem:
            shown = repr(value)[:60]
            raise UserError(mistake_line(place(key), key, {}, f"{problem}, got {shown}"))


def check_truths(raw: dict, kinds: list, place: Any) -> None:
    """Refuse true and false where a number is expected: Python would take them for 1 and 0.

    Args:
        raw: the configuration as read.
        kinds: annotations of the whole.
        place: how messages name the file of a path of keys.

    Raises:
        UserError: there is one.
    """
    for key, value in _values((), raw):
        if isinstance(value, bool):
            types = set().union(*map(plain_types, reduce(step, key, kinds)))
            if types & {int, float} and not types & {bool, Any}:
                raise UserError(mistake_line(place(key), key, value, "must be a number"))


def _values(key: tuple, value: Any) -> Iterator[tuple[tuple, Any]]:
    """Every value below a key, and every name; deeper ones later, so that a circle ends at
    `MOST`."""
    waiting = [(key, value)]
    for place, found in waiting:
        yield place, found
        if len(waiting) > MOST:
            continue
        if isinstance(found, dict):
            waiting += (((*place, name), below) for name, below in found.items())
            waiting += (((*place, name), name) for name in found)
        elif isinstance(found, list):
            waiting += (((*place, i), below) for i, below in enumerate(found))


def _problem(value: Any) -> str:
    """What is wrong with a single value; empty if nothing."""
    if isinstance(value, dict | list):
        return ""
    if not isinstance(value, PLAIN):
        return "expected a number, a text, true or false; put a text in quotes"
    if isinstance(value, float) and not math.isfinite(value):
        return "must be a finite number"
    if isinstance(value, int) and abs(value) >= 2**63:
        return "must be a number below 2⁶³"
    if isinstance(value, str):
        return _text_problem(value)
    return ""


def _text_problem(text: str) -> str:
    if len(text) > LONGEST:
        return f"must be shorter than {LONGEST:,} characters"
    wrong = [
        sign for sign in text if unicodedata.category(sign) in UNWRITABLE and sign not in "\n\t"
    ]
    return f"must not contain the character {wrong[0]!a}" if wrong else ""
