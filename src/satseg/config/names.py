"""Refusing names that no entry of the configuration has."""

import fnmatch
from collections.abc import Callable, Iterable

from satseg.config.messages import mistake_line
from satseg.errors import UserError

# A path of keys → how messages name the file it stands in.
Place = Callable[[tuple], str]


class Names:
    """Refuses names that are not among those allowed."""

    def __init__(self, place: Place):
        self.place = place

    def check(self, key: tuple, name: str, allowed: Iterable[str], kind: str) -> None:
        """Refuse a name that is not allowed; `kind` says what it should be."""
        if name not in allowed:
            problem = f"unknown {kind}"
            raise UserError(mistake_line(self.place(key), key, name, problem, list(allowed)))

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
