"""Splits and their leakage audit, against counting by hand."""

import numpy as np
import pandas as pd
import pytest

from satseg.config import Split
from satseg.data.splits import draw_split, leakage
from satseg.errors import UserError


def table(groups: dict[str, dict[str, int]]) -> pd.DataFrame:
    """Tiles of scenes in groups; every fourth tile is padded."""
    rows = [(g, s) for g, scenes in groups.items() for s, n in scenes.items() for _ in range(n)]
    frame = pd.DataFrame(rows, columns=["group", "scene"])
    return frame.assign(tile=range(len(rows)), whole=[int(i % 4 != 0) for i in range(len(rows))])


TABLE = table({"g1": {"a": 40, "b": 33}, "g2": {"c": 20}, "g3": {"d": 11}, "g4": {"e": 10}, "g5": {"f": 6}})


def test_random_has_the_shares_in_both_pools():
    split = draw_split(TABLE, Split(unit="tile", train=0.8, val=0.2))
    assert split["tile"].tolist() == TABLE["tile"].tolist()
    for whole in (0, 1):
        pool = split["subset"][TABLE["whole"] == whole]
        assert (pool == "val").sum() == len(pool) - round(0.8 * len(pool))


def test_random_is_decided_by_the_seed():
    first, again, other = (
        draw_split(TABLE, Split(unit="tile", train=0.5, val=0.3, test=0.2, seed=s)) for s in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first, again)
    assert (first["subset"] != other["subset"]).any()


@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_together(seed):
    spec = Split(unit="group", train=0.6, val=0.2, test=0.2, seed=seed)
    split = draw_split(TABLE, spec)
    of_group = split.groupby(TABLE["group"])["subset"].nunique()
    assert (of_group == 1).all()
    assert set(split["subset"]) == {"train", "val", "test"}
    # Largest first: 73 of 120 tiles to training (its share is 72), 20 to the emptiest next, and so on.
    assert (split["subset"][TABLE["group"] == "g1"] == "train").all()
    audit = leakage(TABLE, split)
    assert (audit[["scene_shared", "group_shared"]] == 0).all(axis=None)


def test_no_subset_stays_empty():
    even = table({g: {g: 10} for g in "abc"})
    split = draw_split(even, Split(unit="group", train=0.8, val=0.1, test=0.1))
    assert split["subset"].value_counts().to_dict() == {"train": 10, "val": 10, "test": 10}


def test_too_few_groups():
    with pytest.raises(UserError, match="2 groups of scenes cannot fill 3 subsets"):
        draw_split(table({"a": {"a": 5}, "b": {"b": 5}}), Split(unit="group", train=0.8, val=0.1, test=0.1))


def test_leakage_counts_shared_scenes_and_ground():
    split = draw_split(TABLE, Split(unit="tile", train=0.5, val=0.25, test=0.25, seed=3))
    audit = leakage(TABLE, split).set_index(["pool", "subset"])
    merged = TABLE.assign(subset=split["subset"])
    for (pool, subset), row in audit.iterrows():
        tiles = merged if pool == "all" else merged[merged["whole"] == 1]
        train = tiles[tiles["subset"] == "train"]
        judged = tiles[tiles["subset"] == subset]
        shared = {k: sum(v in set(train[k]) for v in judged[k]) for k in ("scene", "group")}
        assert row.tolist() == [len(judged), shared["scene"], shared["group"]]
    assert len(audit) == 4
    # A scene of one group only in validation, its sister in training: the ground leaks, the scene does not.
    pair = table({"g": {"a": 4, "b": 4}})
    fixed = pd.DataFrame({"tile": pair["tile"], "scene": pair["scene"], "subset": ["train"] * 4 + ["val"] * 4})
    row = leakage(pair, fixed).iloc[0]
    assert (row["scene_shared"], row["group_shared"]) == (0, 4)


def test_shares_must_add_up():
    with pytest.raises(ValueError, match=r"train \+ val \+ test is 0\.9"):
        Split(unit="tile", train=0.8, val=0.1)
    assert np.isclose(Split(unit="tile", train=0.7, val=0.2, test=0.1).test, 0.1)
