"""The agreement of annotators, against masks whose agreement is known to the pixel."""

import logging

import numpy as np
import pandas as pd
import pytest
from rasterio.transform import from_origin

from conftest import write_raster
from satseg.config.reading import load
from satseg.data import agreement
from satseg.data.agreement import COLUMNS
from satseg.data.tiling import build_tiles
from satseg.jobs.slices import tile_slice as slice_of

DOWN, RIGHT = 131, -77  # where the second scene begins in the first


def ground(seed=0, height=560, width=600):
    """An image uint8 [3, H, W] of blotches and noise."""
    rng = np.random.default_rng(seed)
    blotches = rng.integers(40, 216, (3, height // 10, width // 10)).repeat(10, 1).repeat(10, 2)
    return (blotches + rng.integers(-30, 30, blotches.shape)).astype(np.uint8)


def annotation(seed, height=560, width=600):
    """A mask of squares of classes 0 to 2, some without a label."""
    rng = np.random.default_rng(seed)
    classes = np.array([0, 1, 2, 255], np.uint8)
    squares = rng.choice(classes, (height // 20, width // 20), p=[0.5, 0.3, 0.1, 0.1])
    return squares.repeat(20, 0).repeat(20, 1)


def second_annotation(mask):
    """The same with one pixel in ten changed."""
    rng = np.random.default_rng(9)
    changed = rng.random(mask.shape) < 0.1
    return np.where(changed & (mask != 255), (mask + 1) % 3, mask).astype(np.uint8)


def first_part(array):
    return array[..., 0:320, 100:440]


def second_part(array):
    return array[..., DOWN : DOWN + 330, 100 + RIGHT : 100 + RIGHT + 360]


def scenes(folder, images, masks, **options):
    """Scenes a, b, … in the layout of `tile_slice`."""
    for name, image, mask in zip("abcdef", images, masks, strict=False):
        write_raster(folder / f"raw/images/{name}.tif", image, **options.get(name, {}))
        write_raster(folder / f"raw/masks/{name}.tif", mask[None], **options.get(name, {}))


def counted(folder, tile_slice, **changes):
    job = tile_slice.model_copy(update={"groups": [["a", "b", "c"]]} | changes)
    build_tiles(job, folder / "raw", folder / "tiles")
    return pd.read_csv(folder / "tiles/agreement.csv")


def twice(folder, change=lambda image: image, options=None, second=second_annotation):
    """Two overlapping scenes of two annotators; the labels of the ground that they share."""
    image, mask = ground(), annotation(1)
    other = second(mask)
    images = [first_part(image), change(second_part(image))]
    scenes(folder, images, [first_part(mask), second_part(other)], **options or {})
    shared = np.s_[DOWN:320, 100 : 100 + RIGHT + 360]
    return mask[shared], other[shared]


def test_every_pixel_of_the_shared_ground_is_counted(tile_slice, tmp_path):
    first, second = twice(tmp_path)
    found = counted(tmp_path, tile_slice)
    places = found[["group", "first", "second", "down", "right"]].drop_duplicates()
    assert places.to_numpy().tolist() == [["group1", "a", "b", DOWN, RIGHT]]
    assert len(found) == 6  # no class is changed into the one before it
    for row in found.itertuples():
        one = tile_slice.classes.index(row.first_class)
        other = tile_slice.classes.index(row.second_class)
        assert row.pixels == ((first == one) & (second == other)).sum() > 0
    assert found["pixels"].sum() == ((first != 255) & (second != 255)).sum()


@pytest.mark.parametrize(
    "change",
    [
        lambda image: (image * 0.6 + 30).astype(np.uint8),
        lambda image: image[[1, 2, 0]] // 2,
        lambda image: (image + np.random.default_rng(2).integers(0, 20, image.shape)).astype("u1"),
    ],
    ids=["darker", "other colours", "noisier"],
)
def test_images_may_differ_in_more_than_their_place(tile_slice, tmp_path, change):
    first, second = twice(tmp_path, change)
    found = counted(tmp_path, tile_slice)
    assert found[["down", "right"]].drop_duplicates().to_numpy().tolist() == [[DOWN, RIGHT]]
    assert found["pixels"].sum() == ((first != 255) & (second != 255)).sum()


def test_large_scenes_are_found_reduced_and_registered_in_full(tile_slice, tmp_path):
    image = ground(height=1300, width=1500)
    mask = annotation(1, 1300, 1500)
    parts = [np.s_[..., :900, :1100], np.s_[..., 407:, 613:]]
    other = second_annotation(mask)
    scenes(tmp_path, [image[part] for part in parts], [mask[parts[0]], other[parts[1]]])
    found = counted(tmp_path, tile_slice, tile_size=256)
    assert found[["down", "right"]].drop_duplicates().to_numpy().tolist() == [[407, 613]]
    shared = np.s_[407:900, 613:1100]
    same = found.loc[found["first_class"] == found["second_class"], "pixels"].sum()
    assert same == ((mask == other) & (mask != 255))[shared].sum()


def stretched(image):
    """The same ground 4 % wider, nearest neighbours."""
    columns = (np.arange(image.shape[2]) / 1.04).astype(int)
    return image[:, :, columns]


@pytest.mark.parametrize(
    "change",
    [stretched, lambda image: ground(5)[:, :330, :360], np.zeros_like],
    ids=["stretched", "other ground", "black"],
)
def test_what_no_shift_brings_to_match_is_left_out(tile_slice, tmp_path, change):
    twice(tmp_path, change)
    found = counted(tmp_path, tile_slice)
    assert list(found) == COLUMNS
    assert found.empty


def test_only_scenes_of_a_configured_group_are_compared(tile_slice, tmp_path):
    twice(tmp_path)
    assert counted(tmp_path, tile_slice, groups=[["a"], ["b"]]).empty
    assert counted(tmp_path, tile_slice, groups=[]).empty


def test_one_annotation_cut_twice_is_no_agreement(tile_slice, tmp_path):
    twice(tmp_path, second=lambda mask: mask)
    assert counted(tmp_path, tile_slice).empty


def test_copies_are_compared_where_their_masks_differ(tile_slice, tmp_path):
    image, mask = ground(), annotation(1)
    other = second_annotation(mask)
    scenes(tmp_path, [image, image, image], [mask, mask, other])
    found = counted(tmp_path, tile_slice)
    pairs = found[["first", "second", "down", "right"]].drop_duplicates()
    assert pairs.to_numpy().tolist() == [["a", "c", 0, 0], ["b", "c", 0, 0]]
    assert found["pixels"].sum() == 2 * (mask != 255).sum()
    assert counted(tmp_path, tile_slice, groups=[]).empty  # though they count as one group


def test_scenes_that_lie_apart_are_not_compared(tile_slice, tmp_path):
    def placed(east):
        return {"crs": "EPSG:32633", "transform": from_origin(500_000 + east, 5_000_000, 1, 1)}

    twice(tmp_path / "apart", options={"a": placed(0), "b": placed(5000)})
    assert counted(tmp_path / "apart", tile_slice).empty
    twice(tmp_path / "there", options={"a": placed(0), "b": placed(-50)})
    assert len(counted(tmp_path / "there", tile_slice)) == 6


def test_the_cost_is_bounded_and_that_is_said(tile_slice, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO, logger="satseg")
    image, mask = ground(), annotation(1)
    parts = [image, *(np.roll(image, 100 * i, axis=2) for i in (1, 2))]
    scenes(tmp_path, parts, [mask, second_annotation(mask), mask])
    assert counted(tmp_path, tile_slice)["second"].unique().tolist() == ["b", "c"]
    assert "too large" not in caplog.text
    for name, most in [
        ("MOST_SCENES", 2),
        ("MOST_PAIRS", 2),
        ("MOST_PIXELS", 2 * mask.size),
        ("MOST_REGISTERED", 1),
    ]:
        caplog.clear()
        with monkeypatch.context() as patch:
            patch.setattr(agreement, name, most)
            found = counted(tmp_path, tile_slice)
        assert len(found[["first", "second"]].drop_duplicates()) <= 1
        assert "groups are too large to compare each scene with each" in caplog.text


@pytest.mark.parametrize(
    ("tiles", "parts", "share", "ious"),
    [
        ("1|3", "1|8|9", 0.895, {"Land": 0.869, "Water": 0.919}),
        (
            "7|8",
            "1|2|8|9",
            0.8105,
            {
                "Building": 0.635,
                "Land": 0.744,
                "Road": 0.653,
                "Water": 0.907,
                "Vegetation": 0.186,
            },
        ),
    ],
)
def test_real_ground_that_was_annotated_twice(dubai, tmp_path, tiles, parts, share, ious):
    """The parts of two mosaics of Dubai, whose agreement was measured by hand."""
    job = slice_of(load(), "dubai")
    kinds = {
        "images": "images/image_part_00{part:%s}.jpg",
        "masks": "masks/image_part_00{part:%s}.png",
    }
    patterns = {
        key: f"**/Tile {{tile:{tiles}}}/" + pattern % parts for key, pattern in kinds.items()
    }
    layout = job.layout.model_copy(update=patterns | {"scene": "tile{tile}_part{part}"})
    build_tiles(job.model_copy(update={"layout": layout}), dubai, tmp_path)

    found = pd.read_csv(tmp_path / "agreement.csv")
    labelled = (found["first_class"] != "Unlabeled") & (found["second_class"] != "Unlabeled")
    found = found[labelled]
    same = found["first_class"] == found["second_class"]
    assert found.loc[same, "pixels"].sum() / found["pixels"].sum() == pytest.approx(share, abs=5e-4)
    for name, iou in ious.items():
        here = (found["first_class"] == name) | (found["second_class"] == name)
        both = found.loc[same & here, "pixels"].sum()
        assert both / found.loc[here, "pixels"].sum() == pytest.approx(iou, abs=6e-4)
