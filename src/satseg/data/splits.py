"""Dividing tiles into training, validation and test, and saying what leaks from one into the other."""

import numpy as np
import pandas as pd

from satseg.config import Split
from satseg.errors import UserError


def draw_split(table: pd.DataFrame, split: Split) -> pd.DataFrame:
    """Assign every tile to a subset.

    Args:
        table: tile, scene, group and whole of every tile.
        split: what stays together, and the shares.

    Returns:
        tile, scene, subset; the same for the same table and seed. An official split may leave tiles out.

    Raises:
        UserError: the tiles cannot be divided so.
    """
    if split.unit == "official":
        return _as_published(table)
    shares = {name: getattr(split, name) for name in split.subsets}
    draw = _by_tile if split.unit == "tile" else _by_group
    subsets = draw(table, shares, np.random.default_rng(split.seed))
    return pd.DataFrame({"tile": table["tile"], "scene": table["scene"], "subset": subsets})


def _as_published(table: pd.DataFrame) -> pd.DataFrame:
    named = table[table["official_split"] != ""].rename(columns={"official_split": "subset"})
    lacking = sorted({"train", "val"} - set(named["subset"]))
    if lacking:
        raise UserError(
            f"the tiles have no official split, or none with {' and '.join(lacking)}; see `official` of the dataset, "
            f"and whether the lists lie beside the scenes, or choose a split by tile or group"
        )
    return named[["tile", "scene", "subset"]].reset_index(drop=True)


def _by_tile(table: pd.DataFrame, shares: dict[str, float], rng: np.random.Generator) -> np.ndarray:
    """Whole and padded tiles are shared out each for themselves, so that both pools have the shares."""
    subsets = np.empty(len(table), object)
    for whole in (1, 0):
        pool = rng.permutation(np.flatnonzero(table["whole"] == whole))
        ends = np.rint(np.cumsum(list(shares.values())) * len(pool)).astype(int)
        for name, part in zip(shares, np.split(pool, ends[:-1]), strict=True):
            subsets[part] = name
    return subsets


def _by_group(table: pd.DataFrame, shares: dict[str, float], rng: np.random.Generator) -> np.ndarray:
    """Largest group first, each to the subset that lacks most tiles; no subset stays empty."""
    sizes = table["group"].value_counts().sort_index()
    if len(sizes) < len(shares):
        raise UserError(
            f"{len(sizes)} groups of scenes cannot fill {len(shares)} subsets ({', '.join(shares)}); "
            f"use a split by tile, or one with fewer subsets"
        )
    sizes = sizes.iloc[rng.permutation(len(sizes))].sort_values(ascending=False, kind="stable")
    lacking = {name: share * len(table) for name, share in shares.items()}
    placed: dict[str, str] = {}
    for left, (group, size) in zip(range(len(sizes), 0, -1), sizes.items(), strict=True):
        empty = [name for name in shares if name not in placed.values()]
        choice = max(empty if len(empty) == left else shares, key=lacking.__getitem__)
        placed[group] = choice
        lacking[choice] -= size
    return table["group"].map(placed).to_numpy()


def leakage(table: pd.DataFrame, split: pd.DataFrame) -> pd.DataFrame:
    """How many tiles of each judged subset share a scene, or ground, with training tiles.

    Returns:
        pool (`all` tiles, or only the `whole` ones), subset, tiles, scene_shared, group_shared.
    """
    rows = []
    tiles = table.merge(split[["tile", "subset"]], on="tile")
    for pool, members in (("all", tiles), ("whole", tiles[tiles["whole"] == 1])):
        train = members[members["subset"] == "train"]
        for subset in ("val", "test"):
            judged = members[members["subset"] == subset]
            if len(judged):
                shared = {f"{k}_shared": int(judged[k].isin(train[k]).sum()) for k in ("scene", "group")}
                rows.append({"pool": pool, "subset": subset, "tiles": len(judged)} | shared)
    return pd.DataFrame(rows, columns=["pool", "subset", "tiles", "scene_shared", "group_shared"])
