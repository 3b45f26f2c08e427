"""The audit of a split: what its subsets share with training, and what training lacks."""

from pathlib import Path

import numpy as np
import pandas as pd

from satseg.data.ground import Ground
from satseg.data.labels import counted_classes, pixels_column
from satseg.errors import UserError
from satseg.readers import AGAIN, read_csv

COUNTS = [
    "tiles",
    "scene_shared",
    "group_shared",
    "placed",
    "overlapping",
    "touching",
    "near",
    "exposed",
]
COLUMNS = ["pool", "subset", *COUNTS]


def leakage(table: pd.DataFrame, split: pd.DataFrame) -> pd.DataFrame:
    """How many tiles of each evaluated subset share a scene, or ground, with training tiles.

    Args:
        table: tile, scene, group, row, col, whole, height, width and footprint of every tile.
        split: tile, scene, subset.

    Returns:
        A row per pool (`all` tiles, or only the `whole` ones) and subset, with numbers of tiles:
        `tiles` in all; `scene_shared` and `group_shared`, whose scene or group has training tiles;
        `placed`, which say where they lie; `overlapping` a training tile; `touching` one; `near`,
        within a tile's side of one; `exposed`, which overlap or touch one, or may show the
        ground of one: both are of one group, but of two scenes whose places are not both known.
    """
    tiles = table.merge(split[["tile", "subset"]], on="tile")
    ground = Ground(tiles)
    rows = []

    for pool, used in (("all", np.full(len(tiles), True)), ("whole", tiles["whole"] == 1)):
        train = np.flatnonzero(used & (tiles["subset"] == "train"))
        for subset in ("val", "test"):
            evaluated = np.flatnonzero(used & (tiles["subset"] == subset))
            if len(evaluated):
                shared = _shared(tiles, ground, evaluated, train)
                counts = {name: int(flags.sum()) for name, flags in shared.items()}
                rows.append({"pool": pool, "subset": subset, "tiles": len(evaluated)} | counts)

    return pd.DataFrame(rows, columns=COLUMNS)


def read_audit(
    path: str | Path, table: pd.DataFrame, split: pd.DataFrame, pool: str
) -> pd.DataFrame:
    """The rows of a pool in the file of what `leakage` returned.

    Args:
        path: the file.
        table: tile and whole of every tile.
        split: tile, subset.
        pool: `all` or `whole`.

    Raises:
        UserError: it is missing, damaged, or of another split.
    """
    rows = read_csv(path, COLUMNS)
    rows = rows[rows["pool"] == pool]

    tiles = table[["tile", "whole"]].merge(split[["tile", "subset"]], on="tile")
    used = tiles if pool == "all" else tiles[tiles["whole"] == 1]
    evaluated = used["subset"][used["subset"] != "train"]
    if dict(zip(rows["subset"], rows["tiles"], strict=True)) != evaluated.value_counts().to_dict():
        raise UserError(f"{path}: not of the split beside it; {AGAIN}")
    return rows


def _shared(
    tiles: pd.DataFrame, ground: Ground, evaluated: np.ndarray, train: np.ndarray
) -> dict[str, np.ndarray]:
    """What each of the evaluated tiles shares with the training tiles: name → bool [N]."""
    reach = ground.side[evaluated] + ground.tolerance[evaluated]
    nearness = ground.nearness(evaluated, train, reach)
    placed = ground.placed[evaluated]
    touching = nearness.touching
    here = tiles.iloc[evaluated]
    there = tiles.iloc[train]
    unplaced = there[~ground.placed[train]]

    of_group = here["group"].map(there.groupby("group")["scene"].nunique()).fillna(0)
    of_unplaced = here["group"].map(unplaced.groupby("group")["scene"].nunique()).fillna(0)
    scene_shared = here["scene"].isin(there["scene"]).to_numpy()
    # Training scenes of the same group, except the tile's own, whose place is not compared.
    elsewhere = np.where(placed, of_unplaced, of_group - scene_shared).astype(int)

    return {
        "scene_shared": scene_shared,
        "group_shared": here["group"].isin(there["group"]).to_numpy(),
        "placed": placed,
        "overlapping": nearness.overlapping,
        "touching": touching,
        "near": ~nearness.overlapping & (nearness.distance > 0) & np.isfinite(nearness.distance),
        "exposed": nearness.overlapping | touching | (elsewhere > 0),
    }


def untrained(table: pd.DataFrame, split: pd.DataFrame) -> list[str]:
    """Classes that have pixels, but none in the training tiles."""
    train = table["tile"].isin(split.loc[split["subset"] == "train", "tile"])
    classes = []

    for class_name in counted_classes(table.columns):
        pixels = table[pixels_column(class_name)]
        if pixels.sum() > 0 and pixels[train].sum() == 0:
            classes.append(class_name)

    return classes
