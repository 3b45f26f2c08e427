"""Finding the scenes of a raw folder: which image belongs to which mask, and what each scene is
called."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from satseg.config.datasets import Layout
from satseg.errors import UserError
from satseg.files import files_below

PACKED = {".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"}


class Labels(NamedTuple):
    """What polygons say of classes."""

    attribute: str
    """Which attribute says it."""
    values: dict[str, int]
    """Mask value of each class, by its name."""


class Scene(NamedTuple):
    """One image with its mask."""

    name: str
    image: Path
    mask: Path
    fields: dict[str, str]
    """Values of the layout's fields."""
    labels: Labels | None = None
    """If the mask is a file of polygons, how to read it."""


class Problem(NamedTuple):
    """Something wrong with files of a dataset."""

    what: str
    """What is wrong with each of them."""
    files: list[str]
    """The files; the first serves as the example."""
    way: str
    """What to do."""

    def __str__(self) -> str:
        more = f" (and {len(self.files) - 1} more)" if len(self.files) > 1 else ""
        return f"{self.files[0]}: {self.what}{more}; {self.way}"


def find_scenes(
    root: str | Path, layout: Layout, values: Mapping[str, int] = MappingProxyType({})
) -> list[Scene]:
    """Pair images and masks below `root`, ordered by scene name.

    Args:
        root: where the scenes lie.
        layout: how they are called.
        values: mask value of each class, for masks of polygons.

    Raises:
        UserError: nothing matches, an image or mask lacks its partner, or two pairs share a scene
            name.
    """
    scenes, problems = survey(root, layout, values)
    if problems:
        raise UserError(str(problems[0]))
    return scenes


def survey(
    root: str | Path, layout: Layout, values: Mapping[str, int] = MappingProxyType({})
) -> tuple[list[Scene], list[Problem]]:
    """The pairs of images and masks below `root`, ordered by scene name, and everything that keeps
    other files from being paired; arguments as of `find_scenes`."""
    labels = Labels(layout.attribute, dict(values)) if layout.attribute else None
    files = _files(root)
    images, image_problems = _matches(files, layout.images)
    masks, mask_problems = _matches(files, layout.masks)
    problems = image_problems + mask_problems

    if not images:
        packed = [str(path) for _, path in files if path.suffix.lower() in PACKED]
        what = f"no image matches the layout {layout.images!r}"
        inside = f", and unpack {packed[0]} if it holds them" if packed else ""
        problems.append(Problem(what, [str(root)], f"check `path` and `layout.images`{inside}"))

    problems += _without_partner(images, masks, "mask")
    if images:  # otherwise that is all that is wrong
        problems += _without_partner(masks, images, "image")

    scenes: dict[str, Scene] = {}
    for fields, image in images.items():
        name = layout.scene.format(**dict(fields))
        if name in scenes:
            what = f"scene name {name!r} is also that of {scenes[name].image}"
            problems.append(Problem(what, [str(image)], "see `layout.scene`"))
        elif fields in masks:
            scenes[name] = Scene(name, image, masks[fields], dict(fields), labels)

    return [scenes[name] for name in sorted(scenes)], problems


def _without_partner(
    files: dict[tuple, Path], partners: dict[tuple, Path], partner: str
) -> list[Problem]:
    """Files whose fields none of the possible partners has; `partner` is what these are called."""
    alone = sorted(str(path) for fields, path in files.items() if fields not in partners)
    if not alone:
        return []
    way = f"add the {partner} or remove this file"
    return [Problem(f"no {partner} belongs to it", alone, way)]


def find(root: str | Path, pattern: str) -> Path | None:
    """The file below `root` that matches a pattern without fields.

    Raises:
        UserError: several match.
    """
    matches, problems = _matches(_files(root), pattern)
    if problems:
        raise UserError(str(problems[0]))
    return matches.get(())


def _files(root: str | Path) -> list[tuple[str, Path]]:
    """Every file below `root`, with its path from there; hidden ones, which some systems put beside
    images, do not count."""
    files = []
    for path in files_below(root):
        relative = path.relative_to(root).as_posix()
        if not re.search(r"(^|/)\.", relative):
            files.append((relative, path))
    return files


def _matches(
    files: list[tuple[str, Path]], pattern: str
) -> tuple[dict[tuple, Path], list[Problem]]:
    """Files that match, by the values of their fields, and those whose values are already taken."""
    regex = _regex(pattern)
    matches: dict[tuple, Path] = {}
    problems = []

    for relative, path in sorted(files):
        match = regex.fullmatch(relative)
        if not match:
            continue

        fields = tuple(sorted(match.groupdict().items()))
        if fields in matches:
            what = f"takes the same place in the layout {pattern!r} as {matches[fields]}"
            way = "remove one of them, or give the pattern another field"
            problems.append(Problem(what, [str(path)], way))
        else:
            matches[fields] = path

    return matches, problems


def _regex(pattern: str) -> re.Pattern:
    """A layout's pattern as a regular expression with a named group for each field."""
    parts = re.split(r"(\*\*/|\*|\{\w+(?::[^{}]*)?\})", pattern)
    wildcards = {"**/": "(?:.*/)?", "*": "[^/]*"}
    fields: set[str] = set()
    text = ""

    for part in parts:
        if part.startswith("{") and part.endswith("}"):
            field, _, values = part[1:-1].partition(":")
            allowed = "|".join(map(re.escape, values.split("|"))) if values else "[^/]+?"
            text += f"(?P={field})" if field in fields else f"(?P<{field}>{allowed})"
            fields.add(field)
        else:
            text += wildcards.get(part) or re.escape(part)

    return re.compile(text)
