"""Dividing tiles into training, validation and test, and saying what leaks from one into the
other."""

import numpy as np
import pandas as pd

from satseg.config.splits import Split
from satseg.data.labels import counted_classes, pixels_column
from satseg.errors import UserError


def draw_split(table: pd.DataFrame, split: Split) -> pd.DataFrame:
    """Assign every tile to a subset.

    Args:
        table: tile, scene, group, whole and official_split of every tile.
        split: what stays together, and the shares.

    Returns:
        tile, scene, subset; the same for the same table and seed. An official split may leave tiles
        out.

    Raises:
        UserError: the tiles cannot be divided so.
    """
    rng = np.random.default_rng(split.seed)
    if split.unit == "official" or (split.keep_official and _groups_divided(table)):
        drawn = _with_test(_as_published(table), split.test_from_val, rng)
    else:
        shares = {
            name: share for name in ("train", "val", "test") if (share := getattr(split, name))
        }
        draw = _by_tile if split.unit == "tile" else _by_group
        drawn = table[["tile", "scene"]].assign(subset=draw(table, shares, rng))
    return _fewer(drawn, split.train_scenes, rng)


def _groups_divided(table: pd.DataFrame) -> bool:
    """Whether the publishers put each group as a whole into one of their subsets, and some into
    train and val."""
    subsets = table.groupby("group")["official_split"].unique()
    whole = [set(names) - {""} for names in subsets]
    return all(len(names) <= 1 for names in whole) and {"train", "val"} <= set().union(*whole)


def _with_test(drawn: pd.DataFrame, share: float, rng: np.random.Generator) -> pd.DataFrame:
    """A share of the validation scenes as test set, where there is none."""
    scenes = sorted(set(drawn.loc[drawn["subset"] == "val", "scene"]))
    count = round(share * len(scenes))
    if count == 0 or "test" in set(drawn["subset"]):
        return drawn
    chosen = rng.permutation(scenes)[:count]
    moved = (drawn["subset"] == "val") & drawn["scene"].isin(chosen)
    return drawn.assign(subset=drawn["subset"].where(~moved, "test"))


def _fewer(drawn: pd.DataFrame, scenes: int | None, rng: np.random.Generator) -> pd.DataFrame:
    """At most so many training scenes; the tiles of the others are in no subset."""
    trained = sorted(set(drawn.loc[drawn["subset"] == "train", "scene"]))
    if scenes is None or len(trained) <= scenes:
        return drawn
    dropped = rng.permutation(trained)[scenes:]
    return drawn[~((drawn["subset"] == "train") & drawn["scene"].isin(dropped))].reset_index(
        drop=True
    )


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
    """Whole and padded tiles are shared out each for themselves, so that both pools have the
    shares."""
    subsets = np.empty(len(table), object)
    for whole in (1, 0):
        pool = rng.permutation(np.flatnonzero(table["whole"] == whole))
        ends = np.rint(np.cumsum(list(shares.values())) * len(pool)).astype(int)
        for name, part in zip(shares, np.split(pool, ends[:-1]), strict=True):
            subsets[part] = name
    return subsets


def _by_group(
    table: pd.DataFrame, shares: dict[str, float], rng: np.random.Generator
) -> np.ndarray:
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
                shared = {
                    f"{k}_shared": int(judged[k].isin(train[k]).sum()) for k in ("scene", "group")
                }
                rows.append({"pool": pool, "subset": subset, "tiles": len(judged)} | shared)
    return pd.DataFrame(rows, columns=["pool", "subset", "tiles", "scene_shared", "group_shared"])


def untrained(table: pd.DataFrame, split: pd.DataFrame) -> list[str]:
    """Classes that have pixels, but none in the training tiles."""
    train = table["tile"].isin(split.loc[split["subset"] == "train", "tile"])
    lost = []

    for class_name in counted_classes(table.columns):
        pixels = table[pixels_column(class_name)]
        if pixels.sum() > 0 and pixels[train].sum() == 0:
            lost.append(class_name)

    return lost
