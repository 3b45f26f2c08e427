"""Which section declares a key: a walk along the annotations of the configuration's classes."""

import re
from typing import Any, Literal, get_args, get_origin

from pydantic import (
    BaseModel,
)

from satseg.config.recipes import Recipe
from satseg.config.root import Config


def quoted(text: str) -> list[str]:
    """The names in pydantic's "'a', 'b' or 'c'"."""
    return re.findall(r"'([^']*)'", text)


def locate(location: tuple, raw: dict) -> tuple[tuple, type[BaseModel] | None, list]:
    """The path of keys as the user wrote it, the class that declares the last of them, and its
    annotation."""
    tree, kinds, section, key = raw, [Config], Config, []
    for part in location:
        if part == "[key]":  # what is wrong is the name itself
            continue
        if isinstance(tree, dict) and part not in tree:
            # The tag of a discriminated union is in pydantic's location, but is no key of the file.
            tagged = [
                m
                for k in kinds
                for m in section_models(k)
                if part in tags(m) and part in tree.values()
            ]
            if tagged:
                kinds = tagged
                continue
        elif not isinstance(tree, dict) and not isinstance(part, int):
            continue
        key.append(part)
        section = next((m for k in kinds for m in section_models(k)), None)
        kinds = [k for kind in kinds for k in _step(kind, part)]
        tree = (
            tree.get(part)
            if isinstance(tree, dict)
            else tree[part]
            if isinstance(tree, list)
            else None
        )
    return tuple(key), section, kinds


def _step(kind: Any, part: Any) -> list:
    """The annotations one key or index below `kind`."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind.model_fields[part].annotation] if part in kind.model_fields else []
    arguments = get_args(kind)
    if get_origin(kind) is dict:
        return [arguments[1]]
    if get_origin(kind) is list:
        return [arguments[0]]
    return [below for argument in arguments for below in _step(argument, part)]


def section_models(kind: Any) -> list[type[BaseModel]]:
    """The section classes among the alternatives of an annotation."""
    if isinstance(kind, type):
        return [kind] if issubclass(kind, BaseModel) else []
    return (
        []
        if get_origin(kind) in (dict, list)
        else [m for a in get_args(kind) for m in section_models(a)]
    )


def tags(model: type[BaseModel]) -> list:
    """The values that tell this section from its alternatives."""
    return [
        v
        for f in model.model_fields.values()
        if get_origin(f.annotation) is Literal
        for v in get_args(f.annotation)
    ]


def recipe_key(key: str) -> bool:
    """Whether a dotted key is one of a recipe's, or a property of it."""
    kinds: list = [Recipe]
    for part in key.split("."):
        kinds = [below for kind in kinds for below in _step(kind, part)]
    return bool(kinds) or isinstance(getattr(Recipe, key, None), property)
