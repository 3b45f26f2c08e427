"""The subset that a dataset's publishers put each tile in."""

import re
from pathlib import Path

import pandas as pd

from satseg.cli import log
from satseg.config import OfficialScenes, OfficialTiles
from satseg.data.layout import Scene, find
from satseg.errors import UserError


def published_subsets(
    table: pd.DataFrame, found: list[Scene], root: str | Path, official: OfficialScenes | OfficialTiles | None
) -> pd.Series:
    """Subset of every tile, "" where the publishers put it in none.

    Args:
        table: scene, row, col and whole of every tile of the scenes, padded tiles included.
        found: the scenes.
        root: folder the scenes lie in, and the lists of tiles with them.
        official: how the publishers say it; None if they do not.

    Raises:
        UserError: a list names a tile that its scene does not have, or a tile is listed twice.
    """
    if official is None:
        return pd.Series("", table.index)
    if isinstance(official, OfficialScenes):
        chosen = {scene.name: official.values.get(scene.fields[official.field], "") for scene in found}
        return table["scene"].map(chosen)
    listed = _read(official, root)
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
        log.warning("%d of %d tiles in the official lists are of scenes that are not here", len(unknown), len(listed))
    return names.map(listed).fillna("")


def tile_names(table: pd.DataFrame, template: str) -> pd.Series:
    """The publishers' name of every tile: `{k}` counts a scene's grid row by row, padded tiles included."""
    columns = table.groupby("scene")["col"].transform("max") + 1
    counted = zip(table["scene"], table["row"] * columns + table["col"], strict=True)
    return pd.Series([template.format(scene=scene, k=k) for scene, k in counted], table.index)


def _read(official: OfficialTiles, root: str | Path) -> dict[str, str]:
    """Tile name → subset; empty where a list is missing."""
    listed: dict[str, str] = {}
    for subset, pattern in official.lists.items():
        path = find(root, pattern)
        if path is None:
            log.warning("%s: no such list below %s; the tiles get no official split", pattern, root)
            return {}
        names = path.read_text(encoding="utf-8").split()
        twice = set(names) & set(listed)
        if twice:
            raise UserError(f"{path}: {min(twice)} is listed for {listed[min(twice)]} too; correct the lists")
        listed |= dict.fromkeys(names, subset)
    return listed
