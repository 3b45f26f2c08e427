"""Lists of names, one file for each subset."""

from collections.abc import Callable
from pathlib import Path

from satseg.data.layout import find
from satseg.errors import UserError
from satseg.progress import log


def read_lists(
    lists: dict[str, str], root: str | Path, divide: Callable[[str], list[str]]
) -> dict[str, str]:
    """Name → subset; empty if a list is missing.

    Args:
        lists: path pattern of each subset's list.
        root: folder they lie in.
        divide: splits a list's text into names.

    Raises:
        UserError: a name is listed twice.
    """
    subsets: dict[str, str] = {}

    for subset, pattern in lists.items():
        path = find(root, pattern)
        if path is None:
            log.warning("%s: no such list below %s; the tiles get no official split", pattern, root)
            return {}

        names = map(str.strip, divide(path.read_text(encoding="utf-8-sig")))
        names = list(filter(None, names))
        repeated = set(names) & set(subsets)
        if repeated:
            name = min(repeated)
            raise UserError(f"{path}: {name} is also listed for {subsets[name]}; correct the lists")
        subsets |= dict.fromkeys(names, subset)

    return subsets
