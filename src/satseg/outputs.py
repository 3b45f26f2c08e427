"""Reading what other stages wrote; what is missing or does not fit ends in one line that names the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from satseg.errors import UserError

if TYPE_CHECKING:  # half a second to import, and not every reader needs it
    import pandas as pd

# Names that may look like numbers, or like a missing value.
TEXTS = {name: str for name in ("scene", "group", "class", "subset", "pool", "official_split")}


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
    """A CSV file that has these columns, and maybe more.

    Raises:
        UserError: the file or a column is missing.
    """
    import pandas as pd

    frame = pd.read_csv(present(path), dtype=TEXTS, keep_default_na=False, na_values=["", "nan"])
    missing = [name for name in columns if name not in frame]
    if missing:
        raise UserError(f"{path}: column {missing[0]!r} is missing; delete the file and build it again")
    return frame


def read_json(path: str | Path, keys: list[str]) -> dict[str, Any]:
    """A JSON object that has these keys, and maybe more.

    Raises:
        UserError: the file or a key is missing, or it is not JSON.
    """
    try:
        value = json.loads(present(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not valid JSON ({error}); delete the file and build it again") from None
    missing = [key for key in keys if key not in value]
    if missing:
        raise UserError(f"{path}: {missing[0]!r} is missing; delete the file and build it again")
    return value


def read_counts(path: str | Path, classes: list[str]) -> pd.DataFrame:
    """A counts.csv, sorted by tile and then in the order of `classes`.

    Raises:
        UserError: it is missing, or does not hold one row per tile × class.
    """
    from satseg.metrics import counts_array

    frame = read_csv(path, ["tile", "scene", "class", "tp", "fp", "fn", "tn"])
    try:
        _, found, _ = counts_array(frame)
    except ValueError as error:
        raise UserError(f"{path}: {error}; delete the file and evaluate again") from None
    if sorted(found) != sorted(classes):
        raise UserError(f"{path}: holds {', '.join(found)}, but {', '.join(classes)} count; evaluate again")
    order = frame["class"].map(classes.index)
    return frame.assign(order=order).sort_values(["tile", "order"]).drop(columns="order").reset_index(drop=True)
