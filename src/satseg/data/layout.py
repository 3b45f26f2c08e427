"""Finding the scenes of a raw folder: which image belongs to which mask, and what the scene is
called."""

import re
from pathlib import Path
from typing import NamedTuple

from satseg.config.datasets import Layout
from satseg.errors import UserError
from satseg.files import files_below

PACKED = {".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"}


class Scene(NamedTuple):
    """One image with its mask."""

    name: str
    image: Path
    mask: Path
    fields: dict[str, str]
    """Values of the layout's fields."""


class Problem(NamedTuple):
    """Something wrong with files of a dataset."""

    what: str
    """What is wrong with each of them."""
    files: list[str]
    """The files, the first one as example."""
    way: str
    """What to do."""

    def __str__(self) -> str:
        more = f" (and {len(self.files) - 1} more)" if len(self.files) > 1 else ""
        return f"{self.files[0]}: {self.what}{more}; {self.way}"


def scenes(root: str | Path, layout: Layout) -> list[Scene]:
    """Pair images and masks below `root`, ordered by scene name.

    Raises:
        UserError: nothing matches, an image or mask is without its partner, or two pairs share a
            scene name.
    """
    found, problems = survey(root, layout)
    if problems:
        raise UserError(str(problems[0]))
    return found


def survey(root: str | Path, layout: Layout) -> tuple[list[Scene], list[Problem]]:
    """The pairs of images and masks below `root`, ordered by scene name, and everything that keeps
    others from it."""
    files = _files(root)
    (images, twice), (masks, again) = _matches(files, layout.images), _matches(files, layout.masks)
    problems = twice + again
    if not images:
        packed = [str(path) for _, path in files if path.suffix.lower() in PACKED]
        what = f"no image matches the layout {layout.images!r}"
        inside = f", and unpack {packed[0]} if it holds them" if packed else ""
        problems.append(Problem(what, [str(root)], f"check `path` and `layout.images`{inside}"))
    for have, lack, what in ((images, masks, "mask"), (masks, images, "image")):
        alone = sorted(str(path) for fields, path in have.items() if fields not in lack)
        if alone:
            problems.append(
                Problem(f"no {what} belongs to it", alone, f"add the {what} or remove this file")
            )
    found: dict[str, Scene] = {}
    for fields, image in images.items():
        name = layout.scene.format(**dict(fields))
        if name in found:
            what = f"scene name {name!r} is also that of {found[name].image}"
            problems.append(Problem(what, [str(image)], "see `layout.scene`"))
        elif fields in masks:
            found[name] = Scene(name, image, masks[fields], dict(fields))
    return [found[name] for name in sorted(found)], problems


def find(root: str | Path, pattern: str) -> Path | None:
    """The file below `root` that matches a pattern without fields.

    Raises:
        UserError: several do.
    """
    found, problems = _matches(_files(root), pattern)
    if problems:
        raise UserError(str(problems[0]))
    return found.get(())


def _files(root: str | Path) -> list[tuple[str, Path]]:
    """Every file below `root`, with its path from there; hidden ones, as some systems put beside
    images, are none."""
    found = ((path.relative_to(root).as_posix(), path) for path in files_below(root))
    return [(relative, path) for relative, path in found if not re.search(r"(^|/)\.", relative)]


def _matches(
    files: list[tuple[str, Path]], pattern: str
) -> tuple[dict[tuple, Path], list[Problem]]:
    """Files that match, by their fields' values; and those whose values another one has already."""
    regex = _regex(pattern)
    matched: dict[tuple, Path] = {}
    problems = []
    for relative, path in sorted(files):
        match = regex.fullmatch(relative)
        if match:
            key = tuple(sorted(match.groupdict().items()))
            if key in matched:
                what = f"takes the same place in the layout {pattern!r} as {matched[key]}"
                problems.append(
                    Problem(
                        what, [str(path)], "remove one of them, or give the pattern another field"
                    )
                )
            else:
                matched[key] = path
    return matched, problems


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
