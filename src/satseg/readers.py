"""Reading what other stages wrote; what is missing or does not fit ends in one line that names the
file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from satseg.errors import UserError

if TYPE_CHECKING:  # half a second to import, and not every reader needs them
    import numpy as np
    import pandas as pd

# Names that may look like numbers, or like a missing value; empty ones stay empty texts.
TEXTS = dict.fromkeys(
    (
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
    ),
    str,
)
SUBSETS = {"train", "val", "test"}
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


def read_csv(path: str | Path, columns: list[str]) -> pd.DataFrame:
    """A CSV file that has these columns, and maybe more; an empty cell is NaN in a column of
    numbers.

    Raises:
        UserError: the file or a column is missing, it is no table, or a column of numbers holds
            something else.
    """
    import pandas as pd

    try:
        header = pd.read_csv(present(path), nrows=0).columns
        gaps = {name: ["", "nan"] for name in header if name not in TEXTS}
        frame = pd.read_csv(path, dtype=TEXTS, keep_default_na=False, na_values=gaps)
    except ValueError as error:  # pandas' own errors, and text that is not UTF-8
        raise UserError(
            f"{path}: not a readable table ({' '.join(str(error).split())}); {AGAIN}"
        ) from None
    missing = [name for name in columns if name not in frame]
    if missing:
        raise UserError(f"{path}: column {missing[0]!r} is missing; {AGAIN}")
    wrong = [
        name
        for name in columns
        if name not in TEXTS and not pd.api.types.is_numeric_dtype(frame[name])
    ]
    if wrong and len(frame):
        raise UserError(f"{path}: column {wrong[0]!r} holds something else than numbers; {AGAIN}")
    return frame


def read_split(path: str | Path, table: pd.DataFrame) -> pd.DataFrame:
    """A split of the tiles of `table`: tile, scene, subset.

    Raises:
        UserError: it is missing, is of other tiles, lists one twice, or names a subset that there
            is not.
    """
    split = read_csv(path, ["tile", "scene", "subset"])
    if split["tile"].duplicated().any():
        tile = split.loc[split["tile"].duplicated(), "tile"].iloc[0]
        raise UserError(f"{path}: tile {tile} is listed twice; {AGAIN}")
    if not table["scene"].reindex(split["tile"]).eq(split["scene"].to_numpy()).all():
        raise UserError(f"{path}: its tiles are not those of tiles.csv; {AGAIN}")
    unknown = sorted(set(split["subset"]) - SUBSETS)
    if unknown:
        raise UserError(f"{path}: {unknown[0]!r} is no subset; {AGAIN}")
    return split


def read_array(path: str | Path) -> np.ndarray:
    """An array of numbers, memory-mapped; objects, which could run code when they are read, are
    refused.

    Raises:
        UserError: it is missing, damaged, or holds objects.
    """
    import numpy as np

    try:
        return np.load(present(path), mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError, BadZipFile) as error:
        reason = str(error).split(";")[0].split(".")[0]
        raise UserError(f"{path}: not a readable array of numbers ({reason}); {AGAIN}") from None


def read_json(path: str | Path, keys: list[str]) -> dict[str, Any]:
    """A JSON object that has these keys, and maybe more.

    Raises:
        UserError: the file or a key is missing, or it is not JSON.
    """
    try:
        value = json.loads(present(path).read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or text that is not UTF-8
        raise UserError(f"{path}: not valid JSON ({error}); {AGAIN}") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: holds no keys and values; {AGAIN}")
    missing = [key for key in keys if key not in value]
    if missing:
        raise UserError(f"{path}: {missing[0]!r} is missing; {AGAIN}")
    return value


def read_counts(path: str | Path, classes: list[str]) -> pd.DataFrame:
    """A counts.csv, sorted by tile and then in the order of `classes`.

    Raises:
        UserError: it is missing, or does not hold one row per tile × class.
    """
    frame = read_csv(path, ["tile", "scene", "class", "tp", "fp", "fn", "tn"])
    tiles, found = frame["tile"].nunique(), frame["class"].unique()
    if frame.empty or len(frame) != tiles * len(found) or frame.duplicated(["tile", "class"]).any():
        rows = f"{len(frame)} rows for {tiles} tiles × {len(found)} classes; one each is expected"
        raise UserError(f"{path}: {rows}; delete the file and evaluate again")
    if sorted(found) != sorted(classes):
        raise UserError(
            f"{path}: holds {', '.join(found)}, but {', '.join(classes)} count; evaluate again"
        )
    order = frame["class"].map(classes.index)
    return (
        frame.assign(order=order)
        .sort_values(["tile", "order"])
        .drop(columns="order")
        .reset_index(drop=True)
    )
