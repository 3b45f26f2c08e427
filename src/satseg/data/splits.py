"""Dividing tiles into training, validation and test."""

from fnmatch import fnmatchcase
from functools import partial

import numpy as np
import pandas as pd

from satseg.config.splits import Split
from satseg.data.ground import Ground
from satseg.errors import UserError
from satseg.text import counted


def draw_split(
    table: pd.DataFrame,
    split: Split,
    test_split: Split | None = None,
    fold: int | None = None,
) -> pd.DataFrame:
    """Assign every tile to a subset.

    Args:
        table: tile, scene, group, whole and official_split of every tile; with a `block` or a
            `buffer`, also row, col, height, width and footprint.
        split: what stays together, and the shares.
        test_split: the split that `split.test_of` names.
        fold: which fold is the test set, from 1, if the split has folds.

    Returns:
        tile, scene, subset, ordered by tile; the same for the same table and seed. Tiles may be
        left out.

    Raises:
        UserError: the tiles cannot be divided in this way.
    """
    known_folds = range(1, split.folds + 1) if split.folds else [None]
    if fold not in known_folds:
        known = f"folds 1 to {split.folds}" if split.folds else "no folds"
        raise UserError(f"fold {fold}: the split has {known}; ask for another file")
    rng = np.random.default_rng(split.seed)
    every_tile = table
    tested = None
    if test_split:
        tested = draw_split(table, test_split)
        tested = tested[tested["subset"] == "test"]
        table = table[~table["tile"].isin(tested["tile"])].reset_index(drop=True)
    table = _among(table, split.among)

    if split.folds:
        assigned = table[["tile", "scene"]].assign(subset=_in_fold(table, split, fold, rng))
    elif split.unit == "official" or (split.keep_official and _groups_divided(table)):
        assigned = _with_test(_as_published(table), split.test_from_val, rng)
    else:
        shares = {"train": split.train, "val": split.val, "test": split.test}
        shares = {name: share for name, share in shares.items() if share}
        draws = {
            "tile": _by_tile,
            "sequence": _in_sequence,
            "group": _by_group,
            "block": partial(_by_block, split.block),
        }
        subsets = draws[split.unit](table, shares, rng)
        assigned = table[["tile", "scene"]].assign(subset=subsets)

    for subset, count in split.scenes.items():
        assigned = _fewer_scenes(assigned, subset, count, rng)
    if tested is not None:
        assigned = pd.concat([assigned, tested]).sort_values("tile", ignore_index=True)
    if split.test_apart:
        assigned = _apart_from_test(assigned, every_tile)
    if split.buffer is not None:
        assigned = _buffered(assigned, every_tile, split)
    for subset, count in split.tiles.items():
        assigned = _fewer_tiles(assigned, subset, count, every_tile, rng)
    return assigned


def _groups_divided(table: pd.DataFrame) -> bool:
    """Whether the publishers put each group as a whole into one of their subsets, and some into
    train and val."""
    subsets = table.groupby("group")["official_split"].unique()
    subsets = [set(names) - {""} for names in subsets]
    kept_together = all(len(names) <= 1 for names in subsets)
    return kept_together and {"train", "val"} <= set().union(*subsets)


def _with_test(assigned: pd.DataFrame, share: float, rng: np.random.Generator) -> pd.DataFrame:
    """A share of the validation scenes as the test set, if there is none."""
    scenes = sorted(set(assigned.loc[assigned["subset"] == "val", "scene"]))
    count = round(share * len(scenes))
    if count == 0 or "test" in set(assigned["subset"]):
        return assigned

    test_scenes = rng.permutation(scenes)[:count]
    moved = (assigned["subset"] == "val") & assigned["scene"].isin(test_scenes)
    return assigned.assign(subset=assigned["subset"].where(~moved, "test"))


def _among(table: pd.DataFrame, patterns: list[str]) -> pd.DataFrame:
    """The tiles of the scenes whose names match a pattern; all if there is none."""
    if not patterns:
        return table

    names = table["scene"].unique()
    scenes = [name for name in names if any(map(partial(fnmatchcase, name), patterns))]
    if not scenes:
        raise UserError(f"no scene matches {', '.join(patterns)}; correct the split's `among`")
    return table[table["scene"].isin(scenes)].reset_index(drop=True)


def _apart_from_test(assigned: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Without the training and validation tiles whose group has test tiles."""
    groups = assigned["tile"].map(table.set_index("tile")["group"])
    tested = assigned["subset"] == "test"
    return assigned[tested | ~groups.isin(groups[tested])].reset_index(drop=True)


def _buffered(assigned: pd.DataFrame, table: pd.DataFrame, split: Split) -> pd.DataFrame:
    """Without tiles that overlap tiles of another subset or lie nearer to them than the buffer:
    validation tiles give way to test tiles, and training tiles to both."""
    ground = Ground(table)
    position = pd.Series(range(len(table)), table["tile"])
    places = position[assigned["tile"]].to_numpy()
    subsets = assigned["subset"].to_numpy()
    kept = subsets == "test"

    for subset in ("val", "train"):
        within = np.flatnonzero(subsets == subset)
        others = places[kept]
        nearness = ground.nearness(places[within], others, split.buffer)
        kept[within] = ~nearness.overlapping & (nearness.distance >= split.buffer)
        if len(within) and not kept[within].any():
            raise UserError(
                f"no {subset} tile is {split.buffer:g} or more from the tiles of other subsets; "
                f"make the split's `buffer` smaller, or its `block` larger"
            )
    return assigned[kept].reset_index(drop=True)


def _fewer_tiles(
    assigned: pd.DataFrame, subset: str, count: int, table: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """At most `count` tiles of a subset, whole ones first; the others are in no subset."""
    within = np.flatnonzero(assigned["subset"] == subset)
    padded = assigned["tile"].map(table.set_index("tile")["whole"]).to_numpy()[within] == 0
    drawn = rng.permutation(len(within))
    drawn = drawn[np.argsort(padded[drawn], kind="stable")]
    return assigned.drop(index=within[drawn[count:]]).reset_index(drop=True)


def _fewer_scenes(
    assigned: pd.DataFrame, subset: str, count: int, rng: np.random.Generator
) -> pd.DataFrame:
    """At most `count` scenes of a subset; the tiles of the others are in no subset."""
    within = assigned["subset"] == subset
    scenes = sorted(set(assigned.loc[within, "scene"]))
    if len(scenes) <= count:
        return assigned

    dropped_scenes = rng.permutation(scenes)[count:]
    dropped = within & assigned["scene"].isin(dropped_scenes)
    return assigned[~dropped].reset_index(drop=True)


def _as_published(table: pd.DataFrame) -> pd.DataFrame:
    """The publishers' own subsets; tiles that are in none are left out."""
    assigned = table[table["official_split"] != ""].rename(columns={"official_split": "subset"})
    missing = sorted({"train", "val"} - set(assigned["subset"]))
    if missing:
        raise UserError(
            f"the tiles have no official split, or none with {' and '.join(missing)}; check the "
            f"dataset's `official` and that the lists lie beside the scenes, or choose a split by "
            f"tile or group"
        )
    return assigned[["tile", "scene", "subset"]].reset_index(drop=True)


def _by_tile(table: pd.DataFrame, shares: dict[str, float], rng: np.random.Generator) -> np.ndarray:
    """Whole and padded tiles are divided separately, so that both pools have the shares."""
    subsets = np.empty(len(table), object)

    for whole in (1, 0):
        pool = rng.permutation(np.flatnonzero(table["whole"] == whole))
        ends = np.rint(np.cumsum(list(shares.values())) * len(pool)).astype(int)
        for name, part in zip(shares, np.split(pool, ends[:-1]), strict=True):
            subsets[part] = name

    return subsets


def _in_sequence(
    table: pd.DataFrame, shares: dict[str, float], rng: np.random.Generator
) -> np.ndarray:
    """Cut the whole tiles, in reading order, at the shares; a padded tile goes with the whole tile
    before it."""
    whole = table["whole"].to_numpy() == 1
    position = np.maximum(np.cumsum(whole) - 1, 0)
    ends = np.rint(np.cumsum(list(shares.values())) * whole.sum()).astype(int)
    subsets = np.array(list(shares), object)
    return subsets[np.searchsorted(ends[:-1], position, side="right")]


def _by_block(
    side: float, table: pd.DataFrame, shares: dict[str, float], rng: np.random.Generator
) -> np.ndarray:
    """Blocks of the ground, dealt out like groups of scenes."""
    blocks = Ground(table).blocks(table, side)
    count = len(set(blocks))
    if count < len(shares):
        raise UserError(
            f"{counted(count, 'block')} of {side:g} cannot fill {len(shares)} subsets "
            f"({', '.join(shares)}); make the split's `block` smaller"
        )
    return _by_group(table.assign(group=blocks), shares, rng)


def _by_group(
    table: pd.DataFrame, shares: dict[str, float], rng: np.random.Generator
) -> np.ndarray:
    """Largest group first, each to the subset that lacks most tiles; no subset stays empty."""
    sizes = table["group"].value_counts().sort_index()
    if len(sizes) < len(shares):
        raise UserError(
            f"{counted(len(sizes), 'group')} of scenes cannot fill {len(shares)} subsets "
            f"({', '.join(shares)}); use a split by tile, or one with fewer subsets"
        )

    # Groups of equal size come in random order.
    sizes = sizes.iloc[rng.permutation(len(sizes))].sort_values(ascending=False, kind="stable")
    lacking = {name: share * len(table) for name, share in shares.items()}
    placed: dict[str, str] = {}

    for groups_left, (group, size) in zip(range(len(sizes), 0, -1), sizes.items(), strict=True):
        empty = [name for name in shares if name not in placed.values()]
        candidates = empty if len(empty) == groups_left else shares
        subset = max(candidates, key=lacking.__getitem__)
        placed[group] = subset
        lacking[subset] -= size

    return table["group"].map(placed).to_numpy()


def _in_fold(table: pd.DataFrame, split: Split, fold: int, rng: np.random.Generator) -> np.ndarray:
    """The groups of one fold for the test; the others divided as without folds."""
    groups = table["group"].nunique()
    fewest = max(split.folds, 3)
    if groups < fewest:
        advice = f"set folds: {groups}" if groups >= 3 else "use a split by tile"
        raise UserError(
            f"{counted(groups, 'group')} of scenes cannot fill {split.folds} folds, each with "
            f"other groups for training and validation; {advice}"
        )

    # Every fold draws them anew from the same seed, and so finds the same folds.
    shares = {str(number): 1 / split.folds for number in range(1, split.folds + 1)}
    folds = _by_group(table, shares, rng)
    subsets = np.full(len(table), "test", object)
    rest = folds != str(fold)
    subsets[rest] = _by_group(table[rest], {"train": split.train, "val": split.val}, rng)
    return subsets
