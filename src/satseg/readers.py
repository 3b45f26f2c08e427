"""Reading what other stages wrote; a file that is missing, damaged or does not fit ends in one line
that names it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from satseg.errors import UserError

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
    "split",
    "dataset",
    "model",
    "recipe",
    "metric",
    "first",
    "second",
    "why",
)
SUBSETS = ("train", "val", "test")
AGAIN = "delete the file and build it again"


def present(path: str | Path) -> Path:
    """The path itself.

    Raises:
        UserError: there is no such file.
    """
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
        UserError: there is no such file, or its content is not of that kind.
    """
    path = present(path)
    try:
        yield path
    except (ValueError, EOFError, BadZipFile) as error:  # text that is not UTF-8 is a ValueError
        message = " ".join(str(error).split()).removeprefix("Error tokenizing data. ")
        # Further sentences of numpy's recommend to read the file unsafely.
        reason = re.split(r"[.;] |\.$", message)[0]
        raise UserError(f"{path}: not {kind} ({reason}); {AGAIN}") from None


def read_csv(path: str | Path, columns: list[str]) -> pd.DataFrame:
    """A CSV file that has these columns, and maybe more; an empty cell is NaN in a column of
    numbers.

    Raises:
        UserError: the file or a column is missing, it is not a table, or a column of numbers holds
            something else.
    """
    import pandas as pd

    texts = dict.fromkeys(NAMES, str)
    with reading(path, "a readable table") as file:
        header = pd.read_csv(file, nrows=0).columns
        gaps = {name: ["", "nan"] for name in header if name not in NAMES}
        frame = pd.read_csv(file, dtype=texts, keep_default_na=False, na_values=gaps)

    missing = [name for name in columns if name not in frame]
    if missing:
        raise UserError(f"{path}: column {missing[0]!r} is missing; {AGAIN}")

    numbers = [name for name in columns if name not in NAMES]
    wrong = [name for name in numbers if not pd.api.types.is_numeric_dtype(frame[name])]
    if wrong and len(frame):
        raise UserError(f"{path}: column {wrong[0]!r} holds something other than numbers; {AGAIN}")
    return frame


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


def read_json(path: str | Path, keys: list[str]) -> dict[str, Any]:
    """A JSON object that has these keys, and maybe more.

    Raises:
        UserError: the file or a key is missing, or it is not JSON.
    """
    with reading(path, "valid JSON") as file:
        value = json.loads(file.read_text(encoding="utf-8"))

    if not isinstance(value, dict):
        raise UserError(f"{path}: not a JSON object of keys and values; {AGAIN}")
    missing = [key for key in keys if key not in value]
    if missing:
        raise UserError(f"{path}: {missing[0]!r} is missing; {AGAIN}")
    return value
