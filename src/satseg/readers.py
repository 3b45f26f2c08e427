"""Reading what other stages wrote; a file that is missing, damaged or does not fit ends in one line
that names it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from satseg.errors import UserError, is_innocent
from satseg.records import note

if TYPE_CHECKING:  # half a second to import, and not every reader needs them
    import numpy as np
    import pandas as pd

# Columns of names, which may look like numbers or like a missing value; an empty one stays empty
# text.
NAMES = (
    "scene",
    "group",
    "class",
    "subset",
    "pool",
    "official_split",
    "footprint",
    "split",
    "dataset",
    "model",
    "recipe",
    "metric",
    "first",
    "second",
    "why",
    "first_class",
    "second_class",
    "truth",
    "prediction",
)
# Columns of whole numbers from 0 up, in every row; so are those of a class's pixels.
COUNTS = (
    "tile", "row", "col", "whole", "tp", "fp", "fn", "tn", "epoch",
    "tiles", "scene_shared", "group_shared",
)  # fmt: skip
PIXELS = "pixels_"
EXACT = 2**53  # from here on, a float no longer holds every whole number
SUBSETS = ("train", "val", "test")
AGAIN = "delete the file and build it again"


def present(path: str | Path) -> Path:
    """The path itself; its file goes into the record of this process (see `satseg.records`).

    Raises:
        UserError: there is no such file, or it is not what its own record says.
    """
    path = _existing(path)
    note(path)
    return path


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file; run the stage that writes it")
    return path


@contextmanager
def reading(path: str | Path, kind: str) -> Iterator[Path]:
    """A block that reads a file: the door that every reader goes through.

    Args:
        path: the file.
        kind: what it should be, such as `a readable table`.

    Raises:
        UserError: there is no such file, its content is not of that kind, or it is not what its
            own record says (see `satseg.records`).
    """
    path = _existing(path)
    try:
        yield path
    except Exception as error:  # a damaged byte leads the libraries to errors of every kind
        if isinstance(error, UserError) or is_innocent(error):
            raise
        message = " ".join(str(error).split()).removeprefix("Error tokenizing data. ")
        # Further sentences of numpy's recommend to read the file unsafely.
        reason = re.split(r"[.;] |\.$", message)[0] or type(error).__name__
        raise UserError(f"{path}: not {kind} ({reason}); {AGAIN}") from None
    note(path)


def read_csv(path: str | Path, columns: list[str]) -> pd.DataFrame:
    """A CSV file that has these columns, and maybe more; an empty cell is NaN in a column of
    numbers.

    Raises:
        UserError: the file or a column is missing, it is not a table, a column of numbers holds
            something else or an infinite one, or a column of counts holds no count.
    """
    import pandas as pd

    texts = dict.fromkeys(NAMES, str)
    with reading(path, "a readable table") as file:
        if b"\0" in file.read_bytes():  # pandas takes it for a character like any other
            raise ValueError("it holds zero bytes")
        header = pd.read_csv(file, nrows=0).columns
        gaps = {name: ["", "nan"] for name in header if name not in NAMES}
        frame = pd.read_csv(file, dtype=texts, keep_default_na=False, na_values=gaps)

    missing = [name for name in columns if name not in frame]
    if missing:
        raise UserError(f"{path}: column {missing[0]!r} is missing; {AGAIN}")

    asked_for = set(columns) - set(NAMES)
    numbers = [name for name in frame if name in asked_for or name.startswith(PIXELS)]
    wrong = [name for name in numbers if not _holds_numbers(frame[name])]
    if wrong and len(frame):
        raise UserError(f"{path}: column {wrong[0]!r} holds something other than numbers; {AGAIN}")
    for name in numbers:
        _check_numbers(path, frame[name])
    return frame


def _is_count(name: str) -> bool:
    return name in COUNTS or name.startswith(PIXELS)


def _holds_numbers(column: pd.Series) -> bool:
    return column.dtype.kind in "iuf"


def _check_numbers(path: str | Path, column: pd.Series) -> None:
    """Refuse infinite numbers; among counts, also those that are empty, negative or fractional."""
    wrong = column.abs() == float("inf")
    expected = "a finite number"
    if _is_count(column.name):
        wrong = ~column.between(0, EXACT) | (column % 1 != 0)
        expected = "a whole number from 0 up"
    if len(column) and wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise UserError(
            f"{path}: row {row + 1} holds {column.iloc[row]} in column {column.name!r}, where "
            f"{expected} is expected; {AGAIN}"
        )


def read_split(path: str | Path, table: pd.DataFrame) -> pd.DataFrame:
    """A split of the tiles of `table`: tile, scene, subset.

    Raises:
        UserError: it is missing, is of other tiles, lists one twice, or names an unknown subset.
    """
    split = read_csv(path, ["tile", "scene", "subset"])

    repeated = split.loc[split["tile"].duplicated(), "tile"]
    if len(repeated):
        raise UserError(f"{path}: tile {repeated.iloc[0]} is listed twice; {AGAIN}")

    scenes = table["scene"].reindex(split["tile"])
    if not scenes.eq(split["scene"].to_numpy()).all():
        raise UserError(f"{path}: its tiles are not those of tiles.csv; {AGAIN}")

    unknown = sorted(set(split["subset"]) - set(SUBSETS))
    if unknown:
        raise UserError(f"{path}: {unknown[0]!r} is not a subset ({', '.join(SUBSETS)}); {AGAIN}")
    return split


def read_counts(path: str | Path, classes: list[str]) -> pd.DataFrame:
    """A counts.csv, sorted by tile and then in the order of `classes`.

    Raises:
        UserError: it is missing, or does not hold one row per tile × class.
    """
    counts = read_csv(path, ["tile", "scene", "class", "tp", "fp", "fn", "tn"])
    tiles = counts["tile"].nunique()
    names = counts["class"].unique()

    repeated = counts.duplicated(["tile", "class"]).any()
    if counts.empty or repeated or len(counts) != tiles * len(names):
        raise UserError(
            f"{path}: {len(counts)} rows for {tiles} tiles × {len(names)} classes; one each is "
            f"expected; delete the file and evaluate again"
        )
    if sorted(names) != sorted(classes):
        raise UserError(
            f"{path}: holds {', '.join(names)}, but {', '.join(classes)} are counted; "
            f"evaluate again"
        )

    order = counts["class"].map(classes.index)
    in_order = counts.assign(order=order).sort_values(["tile", "order"])
    return in_order.drop(columns="order").reset_index(drop=True)


def read_array(path: str | Path) -> np.ndarray:
    """An array of numbers, memory-mapped; objects, which could run code when they are read, are
    refused.

    Raises:
        UserError: it is missing, damaged, or holds objects.
    """
    import numpy as np

    with reading(path, "a readable array of numbers") as file:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("it is an archive of arrays")
        return array


def read_arrays(path: str | Path, names: list[str]) -> list[np.ndarray]:
    """Arrays of numbers or texts of a `.npz` file, in the order of `names`; objects are refused.

    Raises:
        UserError: the file or an array is missing, it is damaged, or holds objects.
    """
    import numpy as np

    with reading(path, "readable arrays") as file, np.load(file, allow_pickle=False) as arrays:
        missing = [name for name in names if name not in arrays]
        if missing:
            raise UserError(f"{path}: {missing[0]!r} is missing; {AGAIN}")
        return [arrays[name] for name in names]


def read_json(path: str | Path, shape: list[str] | dict[str, Any]) -> dict[str, Any]:
    """A JSON object that has these keys, and maybe more.

    Args:
        path: the file.
        shape: the keys, or what stands under each: a type (`float` is any finite number), a tuple
            of types, `[shape]` for a list, a mapping of further keys, `{...: shape}` for any keys.

    Raises:
        UserError: the file or a key is missing, a value is of another kind, or it is not JSON.
    """
    with reading(path, "valid JSON") as file:
        value = json.loads(file.read_text(encoding="utf-8"))

    if not isinstance(value, dict):
        raise UserError(f"{path}: not a JSON object of keys and values; {AGAIN}")
    shape = shape if isinstance(shape, dict) else dict.fromkeys(shape, object)
    problem = _misfit(value, shape, "")
    if problem:
        raise UserError(f"{path}: {problem}; {AGAIN}")
    return value


def _misfit(value: Any, shape: Any, key: str) -> str:
    """What of a JSON value is not as its shape says; empty if all is."""
    wrong = f"{key} is not what it should be"
    if isinstance(shape, list):
        if not isinstance(value, list):
            return wrong
        shapes = dict.fromkeys(range(len(value)), shape[0])
    elif isinstance(shape, dict):
        if not isinstance(value, dict):
            return wrong
        shapes = dict.fromkeys(value, shape[...]) if ... in shape else shape
    else:
        return "" if _is_of(value, shape) else wrong

    for name, below in shapes.items():
        if isinstance(value, dict) and name not in value:
            return f"{_under(key, name)} is missing"
        problem = _misfit(value[name], below, _under(key, name))
        if problem:
            return problem
    return ""


def _under(key: str, name: str | int) -> str:
    inner = f"{key[1:-1]}.{name}" if key else name
    return f"'{inner}'"


def _is_of(value: Any, kind: Any) -> bool:
    if isinstance(kind, tuple):
        return any(_is_of(value, one) for one in kind)
    if kind is None:
        return value is None
    if kind in (int, float):
        is_number = isinstance(value, (int, kind)) and not isinstance(value, bool)
        return is_number and math.isfinite(value)
    return isinstance(value, kind)
