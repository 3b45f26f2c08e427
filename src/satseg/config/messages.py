"""A mistake in the configuration as one line."""

import difflib
from typing import Any

from pydantic import (
    BaseModel,
)

from satseg.config.annotations import locate, quoted, section_models, tags
from satseg.config.types import PATTERNS


def dotted(key: tuple) -> str:
    # A study's file holds the study itself, so its own name is no key.
    """A path of keys as a person writes it: `recipes.sound.epochs`."""
    return ".".join(str(part) for part in (key[2:] if key[0] == "study" and len(key) > 1 else key))


def mistake_line(
    place: str, key: tuple, value: Any, problem: str, allowed: list[str] | None = None
) -> str:
    """One line: where, which key, what is wrong, what is allowed and what comes nearest."""
    text = ": ".join(filter(None, (place, dotted(key), problem)))
    if not isinstance(value, dict | list) and problem != "unknown key":
        text += f", got {value!r}"
    if allowed:
        wanted = str(key[-1]) if problem == "unknown key" else str(value)
        near = difflib.get_close_matches(wanted, allowed, n=1, cutoff=0.5)
        text += f"; allowed: {', '.join(sorted(allowed))}" + (
            f"; did you mean {near[0]!r}?" if near else ""
        )
    return text


def explain(errors: list, raw: dict, place: Any) -> list[str]:
    """One line for each key that is wrong."""
    lines = {}
    # Where a key takes this or that, each alternative complains: the one whose type fits knows
    # best.
    for error in sorted(errors, key=lambda e: e["type"].endswith(("_type", "_parsing"))):
        key, section, kinds = locate(error["loc"], raw)
        lines.setdefault(key, _problem(error, key, section, kinds, place))
    return list(lines.values())


def _problem(
    error: Any, key: tuple, section: type[BaseModel] | None, kinds: list, place: Any
) -> str:
    kind, context, where = error["type"], error.get("ctx", {}), place(key)
    if kind == "extra_forbidden":
        return mistake_line(
            where,
            key,
            error["input"],
            "unknown key",
            list(section.model_fields) if section else None,
        )
    if kind == "missing":
        return f"{place(key[:-1] or key)}: {dotted(key)}: missing; it has no default"
    if kind == "literal_error":
        return mistake_line(
            where, key, error["input"], "unknown value", quoted(context["expected"])
        )
    if kind == "union_tag_invalid":
        key = (*key, *quoted(context["discriminator"]))
        return mistake_line(
            where, key, context["tag"], "unknown value", quoted(context["expected_tags"])
        )
    if kind == "union_tag_not_found":
        allowed = sorted(tag for k in kinds for m in section_models(k) for tag in tags(m))
        key = (*key, *quoted(context["discriminator"]))
        return f"{where}: {dotted(key)}: missing; allowed: {', '.join(allowed)}"
    if kind == "string_pattern_mismatch":
        return mistake_line(
            where, key, error["input"], f"expected {dict(PATTERNS.values())[context['pattern']]}"
        )
    if kind in ("dict_type", "model_type", "model_attributes_type"):
        return mistake_line(where, key, error["input"], "expected keys and values")
    problem = (
        error["msg"]
        .removeprefix("Value error, ")
        .replace("Input should be", "must be")
        .split(", unable")[0]
    )
    return mistake_line(where, key, error["input"], problem[0].lower() + problem[1:])
