"""Sides of a comparison that need nothing, so that a process for each starts at once."""

from pathlib import Path


def side(folder: Path, log: str, name: str):
    """Notes the turn; its own seconds are 2 or 3, and one more each turn."""

    def run(turn: int) -> dict:
        with (folder / log).open("a") as file:
            file.write(f"{name}{turn} ")
        return {"turn": turn, "seconds": {"a": 2.0, "b": 3.0}[name] + turn}

    return run


def broken(folder: Path, **_: object):
    """Fails as it starts."""
    raise KeyError("nothing there")


def nothing(folder: Path, **_: object) -> None:
    """Writes nothing."""
