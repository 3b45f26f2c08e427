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
    table: pd.DataFrame, found: list[Scene], root: str | Path, official: OfficialTiles
) -> pd.Series:
    """Subset of every tile, by its name in the lists.

    Raises:
        UserError: a list names a tile that its scene does not have, or a tile is listed twice.
    """
    listed = read_lists(official.lists, root, str.split)
    names = tile_names(table, official.tile)
    unknown = set(listed) - set(names[table["whole"] == 1])
    present = "|".join(re.escape(scene.name) for scene in found)
    here = re.escape(official.tile).replace(r"\{scene\}", f"({present})").replace(r"\{k\}", r"\d+")
    wrong = sorted(filter(re.compile(here).fullmatch, unknown))
    if wrong:
        raise UserError(
            f"{official.lists[listed[wrong[0]]]}: lists {wrong[0]}, but the scene has no whole "
            f"{official.tile_size}² tile of that number; replace its image, or set the dataset's `official: null`"
        )
    if unknown:
        log.warning(
            "%d of %d tiles in the official lists are of scenes that are not here",
            len(unknown),
            len(listed),
        )
    return names.map(listed).fillna("")


def tile_names(table: pd.DataFrame, template: str) -> pd.Series:
    """The publishers' name of every tile: `{k}` counts a scene's grid row by row, padded tiles
    included."""
    columns = table.groupby("scene")["col"].transform("max") + 1
    counted = zip(table["scene"], table["row"] * columns + table["col"], strict=True)
    return pd.Series([template.format(scene=scene, k=k) for scene, k in counted], table.index)
