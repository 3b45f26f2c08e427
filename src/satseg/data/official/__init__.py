"""The subset that a dataset's publishers put each tile in: one module per way of publishing it."""

from importlib import import_module
from pathlib import Path

import pandas as pd

from satseg.config.datasets import OfficialLists, OfficialScenes, OfficialTiles
from satseg.data.layout import Scene


def published_subsets(
    table: pd.DataFrame,
    scenes: list[Scene],
    root: str | Path,
    official: OfficialScenes | OfficialTiles | OfficialLists | None,
) -> pd.Series:
    """Subset of every tile, "" if the publishers put it in none.

    Args:
        table: scene, row, col and whole of every tile of the scenes, padded tiles included.
        scenes: the scenes.
        root: folder of the scenes and of the publishers' lists.
        official: how the publishers state the subsets; None if they do not.

    Raises:
        UserError: a list names a tile that its scene does not have, or lists a name twice.
    """
    if official is None:
        return pd.Series("", table.index)
    module = import_module(f"satseg.data.official.{official.by}")
    return module.assign(table, scenes, root, official)
