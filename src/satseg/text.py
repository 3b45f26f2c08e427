"""Words and numbers as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def duration(seconds: float) -> str:
    """A time to wait, such as `40 s`, `12 min`, `3.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def counted(number: int, noun: str) -> str:
    """A number of things, such as `1 pixel` and `1,024 pixels`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def columns(rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """A table for the terminal, heading first; the first `texts` columns are text, the others
    numbers."""
    rows = [list(row) for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    places = [str.ljust if i < texts else str.rjust for i in range(len(widths))]
    lines = (
        "  ".join(put(cell, n) for put, cell, n in zip(places, row, widths, strict=True))
        for row in rows
    )
    return "\n".join(f"  {line}".rstrip() for line in lines)


def listing(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def signed(value: float) -> str:
    """Three decimals with a sign, or a dash for NaN."""
    return "–" if value != value else f"{value:+.3f}".replace("-", "−")
