"""Finding the scenes of a raw folder: which image belongs to which mask, and what the scene is called."""

import os
import re
from pathlib import Path
from typing import NamedTuple

from satseg.config import Layout
from satseg.errors import UserError


class Scene(NamedTuple):
    """One image with its mask."""

    name: str
    image: Path
    mask: Path
    fields: dict[str, str]
    """Values of the layout's fields."""


def scenes(root: str | Path, layout: Layout) -> list[Scene]:
    """Pair images and masks below `root`, ordered by scene name.

    Raises:
        UserError: nothing matches, an image or mask is without its partner, or two pairs share a scene name.
    """
    files = _files(root)
    images, masks = _matches(files, layout.images), _matches(files, layout.masks)
    if not images:
        raise UserError(f"{root}: no image matches the layout {layout.images!r}; check `path` and `layout.images`")
    for have, lack, what in ((images, masks, "mask"), (masks, images, "image")):
        alone = sorted(str(path) for fields, path in have.items() if fields not in lack)
        if alone:
            more = f" (and {len(alone) - 1} more)" if len(alone) > 1 else ""
            raise UserError(f"{alone[0]}: no {what} belongs to it{more}; add the {what} or remove this file")
    found: dict[str, Scene] = {}
    for fields, image in images.items():
        name = layout.scene.format(**dict(fields))
        if name in found:
            raise UserError(f"{image}: scene name {name!r} is also that of {found[name].image}; see `layout.scene`")
        found[name] = Scene(name, image, masks[fields], dict(fields))
    return [found[name] for name in sorted(found)]


def find(root: str | Path, pattern: str) -> Path | None:
    """The file below `root` that matches a pattern without fields.

    Raises:
        UserError: several do.
    """
    return _matches(_files(root), pattern).get(())


def _files(root: str | Path) -> list[tuple[str, Path]]:
    """Every file below `root`, with its path from there."""
    return [
        (Path(folder, name).relative_to(root).as_posix(), Path(folder, name))
        for folder, _, names in os.walk(root, followlinks=True)
        for name in names
    ]


def _matches(files: list[tuple[str, Path]], pattern: str) -> dict[tuple, Path]:
    """Files that match, by their fields' values."""
    regex = _regex(pattern)
    matched: dict[tuple, Path] = {}
    for relative, path in sorted(files):
        match = regex.fullmatch(relative)
        if match:
            key = tuple(sorted(match.groupdict().items()))
            if key in matched:
                raise UserError(f"{path}: takes the same place in the layout {pattern!r} as {matched[key]}")
            matched[key] = path
    return matched


def _regex(pattern: str) -> re.Pattern:
    parts = re.split(r"(\*\*/|\*|\{\w+(?::[^{}]*)?\})", pattern)
    rules = {"**/": "(?:.*/)?", "*": "[^/]*"}
    seen: set[str] = set()
    text = ""
    for part in parts:
        if part.startswith("{") and part.endswith("}"):
            field, _, values = part[1:-1].partition(":")
            allowed = "|".join(map(re.escape, values.split("|"))) if values else "[^/]+?"
            text += f"(?P={field})" if field in seen else f"(?P<{field}>{allowed})"
            seen.add(field)
        else:
            text += rules.get(part) or re.escape(part)
    return re.compile(text)
