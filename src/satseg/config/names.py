"""Refusing names that no entry of the configuration has."""

import difflib
import fnmatch
from collections.abc import Callable, Iterable
from pathlib import PurePath

from satseg.config.messages import mistake_line
from satseg.errors import UserError

# A path of keys → how messages name the file it stands in.
Place = Callable[[tuple], str]


def known_name(kind: str, name: str, names: Iterable[str]) -> None:
    """Refuse a name that a person typed and nothing has.

    Args:
        kind: what it should be the name of, such as `study`.
        name: the name.
        names: those there are.

    Raises:
        UserError: it is none of them; the message has the nearest.
    """
    names = sorted(names)
    if name not in names:
        nearest = nearest_name(name, names)
        advice = f"did you mean {nearest!r}?" if nearest else f"choose from {', '.join(names)}"
        raise UserError(f"no {kind} {name!r}; {advice}")


def nearest_name(name: str, names: list[str]) -> str:
    """The one of these names that was probably meant; empty if none is near.

    A path may hold it: `results/demo/report.html`, `config/studies/demo.yaml`.
    """
    for part in reversed(PurePath(name.lower()).parts):
        if PurePath(part).stem in names:
            return PurePath(part).stem
    nearest = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    return nearest[0] if nearest else ""


class Names:
    """Refuses names that are not among those allowed."""

    def __init__(self, place: Place):
        self.place = place

    def check(self, key: tuple, name: str, allowed: Iterable[str], kind: str) -> None:
        """Refuse a name that is not allowed; `kind` says what it should be."""
        if name not in allowed:
            problem = f"unknown {kind}"
            raise UserError(mistake_line(self.place(key), key, name, problem, list(allowed)))

    def refuse(self, key: tuple, problem: str) -> None:
        """Refuse a name that has a meaning already."""
        raise UserError(f"{self.place(key)}: {'.'.join(map(str, key))}: {problem}")

    def check_pattern(self, key: tuple, pattern: str, allowed: Iterable[str], kind: str) -> None:
        """Refuse a pattern that no allowed name matches."""
        if not fnmatch.filter(allowed, pattern):
            self.check(key, pattern, allowed, kind)

    def check_distinct(self, key: tuple, values: list) -> None:
        """Refuse a list that holds a value twice."""
        for i, value in enumerate(values):
            if value in values[:i]:
                item = (*key, i)
                raise UserError(mistake_line(self.place(item), item, value, "listed twice"))
