"""Tiles on the ground, against rectangles measured by hand."""

import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.transform import from_origin
from rasterio.warp import transform

from satseg.config.splits import Split
from satseg.data.ground import Ground, footprints, independent_groups, overlaps
from satseg.data.leakage import leakage
from satseg.data.splits import draw_split
from satseg.errors import UserError

PIXEL = 0.5
SIZE = 64  # pixels; tiles of 32 m
ZONE = "EPSG:32633"
SCALE = 0.9996  # of UTM on its central meridian


def polygon(left: float, bottom: float, right: float, top: float, crs: str = ZONE) -> str:
    """A rectangle in a coordinate system as a footprint."""
    x = [left, right, right, left, left]
    y = [top, top, bottom, bottom, top]
    points = zip(*transform(crs, "EPSG:4326", x, y), strict=True)
    return f"POLYGON(({','.join(f'{a:.10f} {b:.10f}' for a, b in points)}))"


def placed(boxes: np.ndarray, crs: str = ZONE) -> pd.DataFrame:
    """A table of tiles [N, 4] of left, bottom, right, top, each a scene of its own."""
    names = [f"s{i:05d}" for i in range(len(boxes))]
    frame = pd.DataFrame({"tile": range(len(boxes)), "scene": names, "group": names})
    frame = frame.assign(row=0, col=0, whole=1, height=SIZE, width=SIZE, official_split="")
    return frame.assign(footprint=[polygon(*box, crs) for box in boxes])


def squares(lefts, bottoms, side: float = PIXEL * SIZE) -> np.ndarray:
    lefts = np.asarray(lefts, float)
    bottoms = np.asarray(bottoms, float)
    return np.column_stack([lefts, bottoms, lefts + side, bottoms + side])


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Metres on the ground between two upright rectangles."""
    dx = max(b[0] - a[2], a[0] - b[2], 0)
    dy = max(b[1] - a[3], a[1] - b[3], 0)
    return float(np.hypot(dx, dy)) / SCALE


def depth(a: np.ndarray, b: np.ndarray) -> float:
    """How far two upright rectangles reach into each other; below 0 if they do not."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return min(width, height)


def test_overlapping_touching_and_near_tiles_are_told_apart():
    #         train,   overlaps, by 0.1 px, beside,  corner,  10 m,    37 m away
    lefts = [500_000, 500_016, 499_968.05, 500_032, 500_032, 500_042, 499_931]
    bottoms = [5e6, 5e6, 5e6, 5e6, 5e6 + 32, 5e6, 5e6]
    table = placed(squares(lefts, bottoms))
    split = table[["tile", "scene"]].assign(subset=["train"] + ["test"] * 6)
    row = leakage(table, split).iloc[0]
    assert row["placed"] == row["tiles"] == 6
    assert (row["overlapping"], row["touching"], row["near"], row["exposed"]) == (1, 3, 1, 4)
    assert (row["scene_shared"], row["group_shared"]) == (0, 0)


def test_distances_are_those_of_rectangles():
    rng = np.random.default_rng(0)
    boxes = squares(500_000 + rng.uniform(0, 900, 150), 5e6 + rng.uniform(0, 900, 150))
    tiles = np.arange(60)
    others = np.arange(60, 150)
    reach = 40.0
    found = Ground(placed(boxes)).nearness(tiles, others, reach)

    for i in tiles:
        nearest = min(distance(boxes[i], boxes[j]) for j in others)
        deepest = max(depth(boxes[i], boxes[j]) for j in others)
        if nearest > reach:
            assert np.isinf(found.distance[i])
        elif nearest > PIXEL:
            assert found.distance[i] == pytest.approx(nearest, rel=1e-4)
        else:
            assert found.distance[i] == 0 or nearest > PIXEL / 2
        assert found.overlapping[i] == (deepest > PIXEL / 2)
    assert found.overlapping.sum() > 5
    assert np.isinf(found.distance).sum() > 2


@pytest.mark.parametrize("unit", ["block", "tile"])
@pytest.mark.parametrize("buffer", [0.0, 75.0])
def test_no_tiles_of_two_subsets_are_nearer_than_the_buffer(unit, buffer):
    rng = np.random.default_rng(1)
    extent = {"block": 2000, "tile": 4000}[unit]
    boxes = squares(500_000 + rng.uniform(0, extent, 200), 5e6 + rng.uniform(0, extent, 200))
    table = placed(boxes)
    block = {"block": 400.0} if unit == "block" else {}
    split = Split(unit=unit, train=0.6, val=0.2, test=0.2, buffer=buffer, **block)
    drawn = draw_split(table, split)
    subsets = dict(zip(drawn["tile"], drawn["subset"], strict=True))
    assert set(subsets.values()) == {"train", "val", "test"}
    for a, b in np.ndindex(len(table), len(table)):
        if a in subsets and b in subsets and subsets[a] != subsets[b]:
            assert depth(boxes[a], boxes[b]) <= PIXEL / 2
            assert distance(boxes[a], boxes[b]) >= buffer * 0.9999

    # A tile is left out only if it is too near to one that is kept and matters more.
    weight = {"train": 0, "val": 1, "test": 2}
    every = draw_split(table, split.model_copy(update={"buffer": None}))
    dropped = every[~every["tile"].isin(drawn["tile"])]
    for tile, subset in zip(dropped["tile"], dropped["subset"], strict=True):
        rivals = [other for other in subsets if weight[subsets[other]] > weight[subset]]
        nearest = min(distance(boxes[tile], boxes[other]) for other in rivals)
        assert nearest < max(buffer * 1.0001, PIXEL / 2)
    assert len(dropped) > 0 or not buffer

    audit = leakage(table, drawn)
    assert (audit["overlapping"] == 0).all()
    assert not buffer or (audit["exposed"] == 0).all()


def test_blocks_keep_neighbours_together():
    columns, rows = np.meshgrid(np.arange(40), np.arange(40))
    boxes = squares(500_000 + 32 * columns.ravel(), 5e6 + 32 * rows.ravel())
    table = placed(boxes)
    names = Ground(table).blocks(table, 320)
    # 1,280 m in blocks of 320 m: four or five a side, none wider or higher than that.
    assert 16 <= len(set(names)) <= 25
    for name in set(names):
        within = boxes[names == name]
        centres = (within[:, :2] + within[:, 2:]) / 2
        assert (np.ptp(centres, axis=0) <= 320 * 1.01).all()
    with pytest.raises(UserError, match=r"1 block of 1e\+07 cannot fill 2 subsets"):
        draw_split(table, Split(unit="block", block=1e7, train=0.8, val=0.2))
    with pytest.raises(UserError, match="no train tile is 9000 or more from the tiles"):
        draw_split(table, Split(unit="block", block=320, buffer=9000, train=0.8, val=0.2))


def test_scenes_without_a_place_have_blocks_of_pixels():
    rows, cols = np.divmod(np.arange(64), 8)
    one = pd.DataFrame({"scene": "a", "group": "a", "row": rows, "col": cols})
    pair = pd.DataFrame({"scene": ["b", "c"] * 2, "group": "g", "row": [0, 0, 1, 1], "col": 0})
    table = pd.concat([one, pair], ignore_index=True)
    table = table.assign(tile=range(68), whole=1, height=64, width=64, footprint="")
    names = Ground(table).blocks(table, 256)
    assert len(set(names[:64])) == 4
    assert set(names[64:]) == {"g"}

    split = Split(unit="block", block=256, buffer=65, train=0.5, val=0.5)
    drawn = draw_split(table, split)
    places = table.loc[drawn["tile"]].assign(subset=drawn["subset"].to_numpy())
    train, val = (places[places["subset"] == name] for name in ("train", "val"))
    for a in train.itertuples():
        for b in val.itertuples():
            gap = np.hypot(max(abs(a.row - b.row) - 1, 0), max(abs(a.col - b.col) - 1, 0))
            assert a.scene != b.scene or 64 * gap >= 65
    assert 0 < len(drawn) < 68


def test_the_same_ground_in_two_zones_overlaps():
    # 12° east, where zones 32 and 33 meet.
    x, y = (values[0] for values in transform("EPSG:4326", ZONE, [12.0], [48.0]))
    here = squares([x, x + 100], [y, y])
    lefts, bottoms = transform(ZONE, "EPSG:32632", here[:, 0], here[:, 1])
    there = squares(lefts, bottoms)
    table = pd.concat([placed(here), placed(there, "EPSG:32632")], ignore_index=True)
    table = table.assign(tile=range(4), scene=list("abcd"), group=list("abcd"))
    split = table[["tile", "scene"]].assign(subset=["train", "train", "val", "val"])
    row = leakage(table, split).iloc[0]
    assert (row["overlapping"], row["exposed"], row["group_shared"]) == (2, 2, 0)

    # The grids are turned against each other by the meridians' convergence on both sides; what two
    # such squares with one corner in common share is a kite.
    turn = 2 * np.arctan(np.tan(np.radians(3)) * np.sin(np.radians(48)))
    shares = {(a, b): share for a, b, share in overlaps(table["footprint"])}
    assert set(shares) == {(0, 2), (1, 3)}
    assert shares[0, 2] == pytest.approx(np.tan(np.pi / 4 - turn / 2), abs=1e-3)


@pytest.mark.parametrize(
    ("crs", "x", "y"),
    [
        ("EPSG:32601", None, 7_500_000),  # across the antimeridian
        ("EPSG:3413", 100, -100),  # beside the north pole
        ("EPSG:3031", -32, -16),  # across the south pole
    ],
)
def test_neighbours_touch_at_the_antimeridian_and_the_poles(crs, x, y):
    if x is None:
        x = transform("EPSG:4326", crs, [180.0], [67.6])[0][0] - 40
    boxes = squares(x + 32 * np.arange(4), [y] * 4)
    table = placed(boxes, crs)
    split = table[["tile", "scene"]].assign(subset=["train", "val", "val", "val"])
    row = leakage(table, split).iloc[0]
    assert (row["touching"], row["near"], row["overlapping"]) == (1, 1, 0)


def test_footprints_are_the_tiles_of_the_file(tmp_path):
    place = {"crs": ZONE, "transform": from_origin(500_000, 5_000_000, 2, 2)}
    shape = {"height": 70, "width": 100, "count": 1, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", **place, **shape) as file:
        tiles = footprints(file, 64)
    boxes = [(0, 0, 64, 64), (64, 0, 100, 64), (0, 64, 64, 70), (64, 64, 100, 70)]
    for text, (left, top, right, bottom) in zip(tiles, boxes, strict=True):
        expected = polygon(500_000 + 2 * left, 5e6 - 2 * bottom, 500_000 + 2 * right, 5e6 - 2 * top)
        numbers = [np.array(wkt[9:-2].replace(",", " ").split(), float) for wkt in (text, expected)]
        np.testing.assert_allclose(*numbers, atol=2e-9)


def test_groups_whose_tiles_overlap_on_the_ground_are_one():
    """Against every pair of rectangles; tiles side by side stay apart, and so do the unplaced."""
    random = np.random.default_rng(5)
    lefts, bottoms = random.uniform(0, 400, (2, 40))
    boxes = squares(500_000 + lefts, 5_500_000 + bottoms)
    table = placed(boxes)
    table["group"] = [f"g{i // 2}" for i in range(40)]
    leader = list(range(20))
    for i in range(40):
        for j in range(i):
            if depth(boxes[i], boxes[j]) > PIXEL:
                low, high = sorted((leader[i // 2], leader[j // 2]))
                leader = [low if number == high else number for number in leader]
    found = independent_groups(table)
    assert 1 < len(set(leader)) < 20
    assert [found[tile] for tile in range(40)] == [f"g{leader[tile // 2]}" for tile in range(40)]

    beside = placed(squares([500_000, 500_032, 500_064], [5_500_000] * 3))
    assert len(set(independent_groups(beside).values())) == 3
    unplaced = table.assign(footprint="")
    assert independent_groups(unplaced) == dict(zip(table["tile"], table["group"], strict=True))
    assert independent_groups(table[["tile", "group"]]) == independent_groups(unplaced)
