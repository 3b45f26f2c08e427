"""Names that a person types, and the nearest ones that exist."""

import difflib
from collections.abc import Iterable

from satseg.config.root import Config
from satseg.errors import UserError


def known_study(config: Config, name: str) -> None:
    """Refuse a study that there is not.

    Raises:
        UserError: there is none of that name; the message has the nearest.
    """
    _known("study", name, config.study)


def _known(kind: str, name: str, names: Iterable[str]) -> None:
    names = sorted(names)
    if name in names:
        return
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    advice = f"did you mean {nearest[0]!r}?" if nearest else f"choose from {', '.join(names)}"
    raise UserError(f"no {kind} {name!r}; {advice}")
