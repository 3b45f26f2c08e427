"""Lists of names, one file for each subset."""

import codecs
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

        names = map(str.strip, divide(_text(path)))
        names = list(filter(None, names))
        repeated = set(names) & set(subsets)
        if repeated:
            name = min(repeated)
            raise UserError(f"{path}: {name} is also listed for {subsets[name]}; correct the lists")
        subsets |= dict.fromkeys(names, subset)

    return subsets


def _text(path: Path) -> str:
    """A list's text; besides UTF-8 it may be UTF-16 that says so in its first two bytes.

    Raises:
        UserError: it is neither.
    """
    content = path.read_bytes()
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # as in UTF-16 that does not say so
        raise UserError(f"{path}: not text in UTF-8; save it as UTF-8")
    return text
