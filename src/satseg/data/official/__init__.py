"""The subset that a dataset's publishers put each tile in: one module per way of saying it."""

from importlib import import_module
from pathlib import Path

import pandas as pd

from satseg.config.datasets import OfficialLists, OfficialScenes, OfficialTiles
from satseg.data.layout import Scene


def published_subsets(
    table: pd.DataFrame,
    found: list[Scene],
    root: str | Path,
    official: OfficialScenes | OfficialTiles | OfficialLists | None,
) -> pd.Series:
    """Subset of every tile, "" where the publishers put it in none.

    Args:
        table: scene, row, col and whole of every tile of the scenes, padded tiles included.
        found: the scenes.
        root: folder the scenes lie in, and the lists of tiles or scenes with them.
        official: how the publishers say it; None if they do not.

    Raises:
        UserError: a list names a tile that its scene does not have, or a name is listed twice.
    """
    if official is None:
        return pd.Series("", table.index)
    return import_module(f"satseg.data.official.{official.by}").assign(table, found, root, official)
