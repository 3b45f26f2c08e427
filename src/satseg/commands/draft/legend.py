"""What annotation tools write down beside the masks: the names of their values or colours."""

import csv
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from satseg.files import files_below

COLORS = ("labelmap.txt",)  # CVAT: building:250,50,83::
TABLES = ("_classes.csv",)  # Roboflow: 1, building
LISTS = ("class_names.txt",)  # labelme: a name a line, counted from 0
COLOR_LINE = re.compile(r"^([^#:][^:]*):(\d{1,3}),(\d{1,3}),(\d{1,3})(:|$)")
LONGEST = 100  # letters of a name


class Legend(NamedTuple):
    """Names of values and of colours; what is not known has none."""

    values: Mapping[int, str]
    colors: Mapping[str, str]

    def name(self, value: int | None, color: str) -> str | None:
        """The name of a class, by its value in the masks or, if it has none, by its colour."""
        return self.colors.get(color) if value is None else self.values.get(value)


def read_legend(root: Path, palette: Mapping[int, tuple[int, ...]]) -> Legend:
    """The names that a tool left below a folder; none if it did not, or names a class twice.

    Args:
        root: the folder.
        palette: the colours of the values of masks, if they have some: a value's name is its
            colour's then, too.
    """
    values: dict[int, str] = {}
    colors: dict[str, str] = {}
    for path in sorted(files_below(root), key=lambda path: len(path.parts)):
        if path.name in (*COLORS, *TABLES, *LISTS):
            lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
            if path.name in COLORS:
                colors |= _colors(lines)
            else:
                values |= _table(lines) if path.name in TABLES else _list(lines)
            break
    for value, name in values.items():
        if value in palette:
            colors[_hex(*palette[value][:3])] = name
    return Legend(_told_apart(values), _told_apart(colors))


def _colors(lines: Iterable[str]) -> dict[str, str]:
    found = filter(None, map(COLOR_LINE.match, lines))
    return {_hex(*map(int, line.group(2, 3, 4))): line[1].strip() for line in found}


def _table(lines: Iterable[str]) -> dict[int, str]:
    values = {}
    for row in csv.reader(lines):
        cells = [cell.strip() for cell in row]
        if len(cells) == 2 and cells[0].isdecimal():
            values[int(cells[0])] = cells[1]
    return values


def _list(lines: Iterable[str]) -> dict[int, str]:
    return {value: line.strip().strip("_") for value, line in enumerate(lines)}


def _hex(red: int, green: int, blue: int) -> str:
    return f"#{red:02X}{green:02X}{blue:02X}"


def _told_apart(names: dict) -> dict:
    """The names that can be those of classes; none if two are the same."""
    usable = {key: name for key, name in names.items() if _is_name(name)}
    return usable if len(set(usable.values())) == len(usable) else {}


def _is_name(name: str) -> bool:
    return 0 < len(name) <= LONGEST and name.isprintable() and name != "all"
