"""Splits and their leakage audit, against counting by hand."""

import numpy as np
import pandas as pd
import pytest

from satseg.config.splits import Split
from satseg.data.leakage import leakage, untrained
from satseg.data.splits import draw_split
from satseg.errors import UserError


def table(groups: dict[str, dict[str, int]]) -> pd.DataFrame:
    """Tiles of scenes in groups; every fourth tile is padded."""
    rows = []
    for group, scenes in groups.items():
        for scene, count in scenes.items():
            rows += [(group, scene)] * count
    frame = pd.DataFrame(rows, columns=["group", "scene"])
    frame["tile"] = range(len(rows))
    frame["whole"] = [int(i % 4 != 0) for i in range(len(rows))]
    # Each scene is a row of tiles without a place on the ground.
    cols = frame.groupby("scene").cumcount()
    return frame.assign(row=0, col=cols, height=32, width=32, footprint="")


TABLE = table(
    {"g1": {"a": 40, "b": 33}, "g2": {"c": 20}, "g3": {"d": 11}, "g4": {"e": 10}, "g5": {"f": 6}}
)


def test_random_has_the_shares_in_both_pools():
    split = draw_split(TABLE, Split(unit="tile", train=0.8, val=0.2))
    assert split["tile"].tolist() == TABLE["tile"].tolist()
    for whole in (0, 1):
        pool = split["subset"][TABLE["whole"] == whole]
        assert (pool == "val").sum() == len(pool) - round(0.8 * len(pool))


def test_random_is_decided_by_the_seed():
    first, again, other = (
        draw_split(TABLE, Split(unit="tile", train=0.5, val=0.3, test=0.2, seed=s))
        for s in (1, 1, 2)
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
    # Largest first: 73 of 120 tiles to training (its share is 72), 20 to the emptiest next, and so
    # on.
    assert (split["subset"][TABLE["group"] == "g1"] == "train").all()
    audit = leakage(TABLE, split)
    assert (audit[["scene_shared", "group_shared"]] == 0).all(axis=None)


def test_no_subset_stays_empty():
    even = table({g: {g: 10} for g in "abc"})
    split = draw_split(even, Split(unit="group", train=0.8, val=0.1, test=0.1))
    assert split["subset"].value_counts().to_dict() == {"train": 10, "val": 10, "test": 10}


def test_too_few_groups():
    with pytest.raises(UserError, match="2 groups of scenes cannot fill 3 subsets"):
        draw_split(
            table({"a": {"a": 5}, "b": {"b": 5}}), Split(unit="group", train=0.8, val=0.1, test=0.1)
        )


def test_leakage_counts_shared_scenes_and_ground():
    split = draw_split(TABLE, Split(unit="tile", train=0.5, val=0.25, test=0.25, seed=3))
    audit = leakage(TABLE, split).set_index(["pool", "subset"])
    merged = TABLE.assign(subset=split["subset"])
    for (pool, subset), row in audit.iterrows():
        tiles = merged if pool == "all" else merged[merged["whole"] == 1]
        train = tiles[tiles["subset"] == "train"]
        evaluated = tiles[tiles["subset"] == subset]
        scenes = set(train["scene"])
        groups = set(train["group"])
        assert row[["tiles", "scene_shared", "group_shared"]].tolist() == [
            len(evaluated),
            sum(scene in scenes for scene in evaluated["scene"]),
            sum(group in groups for group in evaluated["group"]),
        ]
    assert len(audit) == 4
    # A scene of one group only in validation, its sister in training: the ground leaks, the scene
    # does not.
    pair = table({"g": {"a": 4, "b": 4}})
    fixed = pd.DataFrame(
        {"tile": pair["tile"], "scene": pair["scene"], "subset": ["train"] * 4 + ["val"] * 4}
    )
    row = leakage(pair, fixed).iloc[0]
    assert (row["scene_shared"], row["group_shared"], row["exposed"]) == (0, 4, 4)


def published(**subsets: dict[str, int]) -> pd.DataFrame:
    """A table of scenes, each a group of its own and in one of the publishers' subsets; "none" is
    no subset."""
    groups = {}
    where = {}
    for subset, scenes in subsets.items():
        for scene, count in scenes.items():
            groups[scene] = {scene: count}
            where[scene] = subset
    frame = table(groups)
    return frame.assign(official_split=frame["scene"].map(where).replace("none", ""))


KEEP = Split(unit="group", keep_official=True, train=0.6, val=0.2, test=0.2, test_from_val=0.5)


def test_publishers_subsets_of_whole_scenes_stand_and_a_missing_test_set_comes_from_val():
    tiles = published(train={"a": 4, "b": 4}, val={"c": 3, "d": 5, "e": 2, "f": 7}, none={"g": 4})
    split = draw_split(tiles, KEEP)
    found = {scene: set(rows["subset"]) for scene, rows in split.groupby("scene")}
    assert all(len(subsets) == 1 for subsets in found.values()) and "g" not in found
    assert found["a"] == found["b"] == {"train"}
    assert sorted(name for scene in "cdef" for name in found[scene]) == [
        "test",
        "test",
        "val",
        "val",
    ]
    assert leakage(tiles, split)["group_shared"].eq(0).all()


def test_a_public_test_set_stays_as_it_is():
    tiles = published(train={"a": 4}, val={"b": 4, "c": 4}, test={"d": 4})
    split = draw_split(tiles, KEEP)
    assert split.groupby("scene")["subset"].first().to_dict() == {
        "a": "train",
        "b": "val",
        "c": "val",
        "d": "test",
    }


def test_publishers_lists_that_cut_scenes_are_not_kept():
    tiles = published(train={"a": 6, "b": 6}, val={"c": 6, "d": 6, "e": 6})
    tiles.loc[tiles["tile"] % 3 == 0, "official_split"] = "val"
    split = draw_split(tiles, KEEP)
    assert split["tile"].tolist() == tiles["tile"].tolist() and set(split["subset"]) == {
        "train",
        "val",
        "test",
    }
    assert leakage(tiles, split)["scene_shared"].eq(0).all()
    as_listed = draw_split(tiles, Split(unit="official"))
    assert as_listed["subset"].tolist() == tiles["official_split"].tolist()


def test_training_scenes_can_be_fewer():
    tiles = published(train={name: 4 for name in "abcdefgh"}, val={"v": 4, "w": 4})
    few = Split(unit="official", scenes={"train": 3}, seed=1)
    split = draw_split(tiles, few)
    trained = set(split.loc[split["subset"] == "train", "scene"])
    assert len(trained) == 3 and split["subset"].value_counts().to_dict() == {"train": 12, "val": 8}
    pd.testing.assert_frame_equal(split, draw_split(tiles, few))
    others = [draw_split(tiles, few.model_copy(update={"seed": s})) for s in range(2, 6)]
    assert any(set(other.loc[other["subset"] == "train", "scene"]) != trained for other in others)
    assert len(draw_split(tiles, Split(unit="official", scenes={"train": 99}))) == len(tiles)


def test_every_subset_may_have_a_number_of_scenes():
    scenes = {f"Urban_{i}": 4 for i in range(8)} | {f"Rural_{i}": 4 for i in range(8)}
    tiles = published(train=scenes, val={f"Urban_v{i}": 4 for i in range(8)})
    spec = Split(
        unit="official",
        test_from_val=0.5,
        among=["Urban_*"],
        scenes={"train": 6, "val": 2, "test": 2},
    )
    split = draw_split(tiles, spec)
    drawn = split.groupby("subset")["scene"].unique()
    assert {name: len(names) for name, names in drawn.items()} == {"train": 6, "val": 2, "test": 2}
    assert split["scene"].str.startswith("Urban_").all()
    assert (split.groupby("scene").size() == 4).all()
    with pytest.raises(UserError, match="no scene matches Coast_\\*"):
        draw_split(tiles, spec.model_copy(update={"among": ["Coast_*"]}))


def test_shares_must_add_up():
    with pytest.raises(ValueError, match=r"train \+ val \+ test is 0\.9"):
        Split(unit="tile", train=0.8, val=0.1)
    assert np.isclose(Split(unit="tile", train=0.7, val=0.2, test=0.1).test, 0.1)


def test_classes_that_no_training_tile_shows():
    tiles = pd.DataFrame(
        {"tile": [0, 1, 2], "pixels_a": [9, 9, 9], "pixels_b": [0, 3, 4], "pixels_none": 0}
    )
    split = pd.DataFrame({"tile": [0, 1, 2], "subset": ["train", "val", "val"]})
    assert untrained(tiles, split) == ["b"]
    assert untrained(tiles, split.assign(subset="train")) == []


def test_a_number_of_tiles_takes_whole_ones_first():
    spec = Split(unit="tile", train=0.5, val=0.5)
    train = draw_split(TABLE, spec).query("subset == 'train'")["tile"]
    assert (len(train), TABLE.loc[train, "whole"].sum()) == (60, 45)
    for count, whole in ((50, 45), (20, 20)):
        fewer = spec.model_copy(update={"tiles": {"train": count}})
        split = draw_split(TABLE, fewer)
        kept = split.query("subset == 'train'")["tile"]
        assert set(kept) < set(train)
        assert (len(kept), TABLE.loc[kept, "whole"].sum()) == (count, whole)
        assert (split["subset"] == "val").sum() == 60
        pd.testing.assert_frame_equal(split, draw_split(TABLE, fewer))


def test_two_splits_can_have_the_same_test_tiles():
    base = Split(unit="group", train=0.5, val=0.2, test=0.3, tiles={"test": 12})
    tested = draw_split(TABLE, base).query("subset == 'test'")["tile"]
    assert len(tested) == 12
    ground = set(TABLE.loc[tested, "group"])

    seen = Split(unit="tile", train=0.7, val=0.3, test_of="base", tiles={"train": 30})
    unseen = seen.model_copy(update={"test_apart": True})
    for spec, apart in ((seen, False), (unseen, True)):
        split = draw_split(TABLE, spec, base)
        assert split["tile"].is_monotonic_increasing and split["tile"].is_unique
        assert split.query("subset == 'test'")["tile"].tolist() == tested.tolist()
        assert (split["subset"] == "train").sum() == 30
        others = split.query("subset != 'test'")["tile"]
        assert TABLE.loc[others, "group"].isin(ground).any() != apart


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"test": 0.1, "train": 0.7}, "test: the test tiles are those of test_of"),
        ({"tiles": {"test": 3}}, r"tiles\.test: the test tiles are those of test_of"),
        ({"keep_official": True, "unit": "group"}, "test_of: an official split has its own"),
        ({"block": 3}, "only a split with `unit: block` has blocks"),
        ({"unit": "block"}, "Field required"),
    ],
)
def test_keys_that_do_not_go_together(keys, said):
    with pytest.raises(ValueError, match=said):
        Split(**({"unit": "tile", "train": 0.8, "val": 0.2, "test_of": "other"} | keys))
