"""A mistake in the configuration as one line."""

import difflib
from collections.abc import Iterable
from itertools import chain
from typing import Any

from pydantic import (
    BaseModel,
)

from satseg.config.annotations import locate, quoted, section_models, tags
from satseg.config.types import PATTERNS

# Two sections whose names are easily confused.
CONFUSED = {
    ("studies",): "lists the names of studies to build, such as [demo]; "
    "what studies consist of stands under `study`",
    ("study",): "says what studies consist of, by name; "
    "the names of those to build are listed under `studies`, such as [demo]",
}


def dotted(key: tuple) -> str:
    """A path of keys as a person writes it: `recipes.sound.epochs`."""
    # A study's file holds the study itself, so the study's name is not a key in it.
    in_study = key[0] == "study" and len(key) > 1
    return ".".join(map(str, key[2:] if in_study else key))


def mistake_line(
    place: str, key: tuple, value: Any, problem: str, allowed: list[str] | None = None
) -> str:
    """One line: where, which key, what is wrong, what is allowed and which of that is nearest."""
    text = ": ".join(filter(None, (place, dotted(key), problem)))
    if not isinstance(value, dict | list) and problem != "unknown key":
        text += f", got {value!r}"
    if not allowed:
        return text

    text += f"; allowed: {', '.join(sorted(allowed))}"
    nearest = _nearest(str(key[-1]) if problem == "unknown key" else str(value), allowed)
    if nearest:
        text += f"; did you mean {nearest!r}?"
    return text


def _nearest(written: str, allowed: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(written, allowed, n=1, cutoff=0.5)), None)


def explain(errors: list, raw: dict, place: Any) -> list[str]:
    """One line for each key that is wrong."""
    lines = {}
    missing = set()
    misspelt = set()
    # If a key takes one of several types, each reports an error; the one whose type fits knows
    # best.
    for error in sorted(errors, key=_is_of_type):
        key, section, kinds = locate(error["loc"], raw)
        if _is_of_type(error) and any(other[: len(key)] == key for other in lines):
            continue
        lines.setdefault(key, _problem(error, key, section, kinds, place))
        if error["type"] == "missing":
            missing.add(key)
        if error["type"] == "extra_forbidden" and section:
            misspelt.add((*key[:-1], _nearest(str(key[-1]), section.model_fields)))
    # A key that is there under a wrong name is not missing, too.
    return [line for key, line in lines.items() if key not in misspelt & missing]


def _is_of_type(error: Any) -> bool:
    """Whether a value is of the wrong type altogether."""
    return error["type"].endswith(("_type", "_parsing"))


def _problem(
    error: Any, key: tuple, section: type[BaseModel] | None, kinds: list, place: Any
) -> str:
    """The line of one of pydantic's errors."""
    kind = error["type"]
    value = error["input"]
    context = error.get("ctx", {})
    where = place(key)

    if kind in ("list_type", "dict_type") and key in CONFUSED:
        return mistake_line(where, key, {}, CONFUSED[key])

    if kind == "extra_forbidden":
        allowed = list(section.model_fields) if section else None
        return mistake_line(where, key, value, "unknown key", allowed)

    if kind == "missing":
        return f"{place(key[:-1] or key)}: {dotted(key)}: missing; it has no default"

    if kind == "literal_error":
        return mistake_line(where, key, value, "unknown value", quoted(context["expected"]))

    if kind == "union_tag_invalid":
        key = (*key, *quoted(context["discriminator"]))
        allowed = quoted(context["expected_tags"])
        return mistake_line(where, key, context["tag"], "unknown value", allowed)

    if kind == "union_tag_not_found":
        key = (*key, *quoted(context["discriminator"]))
        sections = chain.from_iterable(map(section_models, kinds))
        allowed = sorted(chain.from_iterable(map(tags, sections)))
        return f"{where}: {dotted(key)}: missing; allowed: {', '.join(allowed)}"

    if kind == "string_pattern_mismatch":
        descriptions = dict(PATTERNS.values())
        return mistake_line(where, key, value, f"expected {descriptions[context['pattern']]}")

    if kind in ("dict_type", "model_type", "model_attributes_type"):
        return mistake_line(where, key, value, "expected keys and values")

    problem = error["msg"].removeprefix("Value error, ").split(", unable")[0]
    problem = problem.replace("Input should be", "must be")
    return mistake_line(where, key, value, problem[0].lower() + problem[1:])
