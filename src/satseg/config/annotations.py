"""Which section declares a key: a walk along the annotations of the configuration's classes."""

import re
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from satseg.config.recipes import Recipe
from satseg.config.root import Config


def quoted(text: str) -> list[str]:
    """The names in pydantic's "'a', 'b' or 'c'"."""
    return re.findall(r"'([^']*)'", text)


def locate(location: tuple, raw: dict) -> tuple[tuple, type[BaseModel] | None, list]:
    """Where pydantic's `location` is in the files.

    Returns:
        The path of keys as the user wrote it, the class that declares the last of them (None if no
        class does), and the annotations of its value.
    """
    key: list = []
    section = Config
    kinds: list = [Config]
    tree: Any = raw

    for part in location:
        if part == "[key]":  # what is wrong is the name itself
            continue

        if isinstance(tree, dict):
            # pydantic names the tag of a discriminated union, which is not a key of the file.
            tagged = _tagged(kinds, part) if part not in tree and part in tree.values() else []
            if tagged:
                kinds = tagged
                continue
            # Nor is the description of one of several types, such as `list[any]`.
            sections = _sections(kinds)
            if part not in tree and not any(part in kind.model_fields for kind in sections):
                continue
        elif not isinstance(part, int):
            continue

        key.append(part)
        section = next(iter(_sections(kinds)), None)
        kinds = step(kinds, part)
        tree = _below(tree, part)

    return tuple(key), section, kinds


def _tagged(kinds: list, tag: Any) -> list[type[BaseModel]]:
    """Sections among the alternatives that a tag selects."""
    return [section for section in _sections(kinds) if tag in tags(section)]


def selected(kinds: list, value: dict) -> list[type[BaseModel]]:
    """Of several alternative sections, those that a mapping's tag selects; none if it has no tag,
    or there is no choice."""
    sections = _sections(kinds)
    if len(sections) < 2:
        return []
    given = {text for text in value.values() if isinstance(text, str)}
    return [section for section in sections if given & set(_own_tags(section, sections))]


def _own_tags(section: type[BaseModel], sections: list[type[BaseModel]]) -> list:
    """The tags of a section that no alternative has."""
    others = [tag for other in sections if other is not section for tag in tags(other)]
    return [tag for tag in tags(section) if tag not in others]


def _sections(kinds: list) -> list[type[BaseModel]]:
    return [section for kind in kinds for section in section_models(kind)]


def _below(tree: Any, part: Any) -> Any:
    """The value at a key or index; None if there is none."""
    if isinstance(tree, dict):
        return tree.get(part)
    return tree[part] if isinstance(tree, list) else None


def step(kinds: list, part: Any) -> list:
    """The annotations one key or index below any of `kinds`."""
    return [below for kind in kinds for below in _step(kind, part)]


def _step(kind: Any, part: Any) -> list:
    """The annotations one key or index below `kind`."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind.model_fields[part].annotation] if part in kind.model_fields else []

    arguments = list(get_args(kind))
    if get_origin(kind) is dict:
        return [arguments[1]]
    if get_origin(kind) is list:
        return [arguments[0]]
    return step(arguments, part)


def plain_types(kind: Any) -> set:
    """The types among the alternatives of an annotation that are no sections, lists or mappings."""
    arguments = get_args(kind)
    if not arguments or get_origin(kind) in (dict, list, Literal):
        return {kind}
    return set().union(*map(plain_types, arguments))


def section_models(kind: Any) -> list[type[BaseModel]]:
    """The section classes among the alternatives of an annotation."""
    if isinstance(kind, type):
        return [kind] if issubclass(kind, BaseModel) else []
    if get_origin(kind) in (dict, list):
        return []
    return _sections(list(get_args(kind)))


def tags(section: type[BaseModel]) -> list:
    """The values that distinguish this section from its alternatives."""
    annotations = [field.annotation for field in section.model_fields.values()]
    return [
        value
        for annotation in annotations
        if get_origin(annotation) is Literal
        for value in get_args(annotation)
    ]


def recipe_key(key: str) -> bool:
    """Whether a dotted key is one of a recipe's, or a property of a recipe."""
    kinds: list = [Recipe]
    for part in key.split("."):
        kinds = step(kinds, part)
    return bool(kinds) or isinstance(getattr(Recipe, key, None), property)
