"""The publishers divided the tiles, and list them by name."""

import re
from pathlib import Path

import pandas as pd

from satseg.config.datasets import OfficialTiles
from satseg.data.layout import Scene
from satseg.data.official.reading import read_lists
from satseg.errors import UserError
from satseg.progress import log


def assign(
    table: pd.DataFrame, scenes: list[Scene], root: str | Path, official: OfficialTiles
) -> pd.Series:
    """Subset of every tile, by its name in the lists.

    Raises:
        UserError: a list names a tile that its scene does not have, or a tile is listed twice.
    """
    subsets = read_lists(official.lists, root, str.split)
    names = tile_names(table, official.tile)
    missing = set(subsets) - set(names[table["whole"] == 1])

    # Of the missing tiles, those of scenes that are here are errors.
    here = "|".join(re.escape(scene.name) for scene in scenes)
    pattern = re.escape(official.tile).replace(r"\{scene\}", f"({here})").replace(r"\{k\}", r"\d+")
    wrong = sorted(filter(re.compile(pattern).fullmatch, missing))
    if wrong:
        raise UserError(
            f"{official.lists[subsets[wrong[0]]]}: lists {wrong[0]}, but the scene has no whole "
            f"{official.tile_size}² tile of that number; replace its image, or set the dataset's "
            f"`official: null`"
        )

    if missing:
        log.warning(
            "%d of %d tiles in the official lists belong to scenes that are not here",
            len(missing),
            len(subsets),
        )
    return names.map(subsets).fillna("")


def tile_names(table: pd.DataFrame, template: str) -> pd.Series:
    """The publishers' name of every tile: `{k}` counts a scene's tiles row by row, padded ones
    included."""
    columns = table.groupby("scene")["col"].transform("max") + 1
    numbers = table["row"] * columns + table["col"]
    names = [
        template.format(scene=scene, k=number)
        for scene, number in zip(table["scene"], numbers, strict=True)
    ]
    return pd.Series(names, table.index)
