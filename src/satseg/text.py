"""Words and numbers as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def duration(seconds: float) -> str:
    """A length of time: `42 s`, `3 min 05 s`, `1 h 02 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def percent(part: float, whole: float = 1, decimals: int | None = None) -> str:
    """A share as a percentage, such as `12 %`.

    Args:
        part: the share, or what it is a share of `whole` of.
        whole: all there is.
        decimals: digits after the point, with 0 % and 100 % kept for none and all. By default as
            many as the share needs: `12 %`, `1.2 %`, `0.01 %`.
    """
    value = 100 * part / whole
    if decimals is not None and value not in (0, 100):
        least = 10**-decimals
        return f"{min(max(value, least), 100 - least):.{decimals}f} %"
    if 0 < value < 0.1:
        return f"{value:.1g} %"
    if 0 < value < 9.95:
        return f"{value:.1f} %"
    return f"{value:.0f} %"


def counted(number: int, noun: str) -> str:
    """A number of things, such as `1 pixel` and `1,024 pixels`, `2 classes`, `2 entries`."""
    return f"{number:,} {noun if number == 1 else _plural(noun)}"


def _plural(noun: str) -> str:
    if noun.endswith("s"):
        return f"{noun}es"
    if noun.endswith("y"):
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def columns(rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """Rows as a table for the terminal, heading first.

    The first `texts` columns are text, set to the left; the others are numbers, set to the right.
    """
    rows = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []

    for row in rows:
        cells = [
            cell.ljust(width) if place < texts else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(("  " + "  ".join(cells)).rstrip())

    return "\n".join(lines)


def listing(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def fold_title(name: str, fold: int | None) -> str:
    """What something is called, in a fold if there are any."""
    return name if fold is None else f"{name}, fold {fold}"


def signed(value: float) -> str:
    """Three decimals with a sign, or a dash for NaN."""
    return "–" if value != value else f"{value:+.3f}".replace("-", "−")
