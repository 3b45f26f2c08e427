"""Pairs of images and masks."""

import pytest

from satseg.config.datasets import Layout
from satseg.data.layout import find_scenes
from satseg.errors import UserError

LAYOUT = Layout(
    images="**/Tile {tile}/images/part_{part}.jpg",
    masks="**/Tile {tile}/masks/part_{part}.png",
    scene="tile{tile}_{part}",
    mask_values="color",
)


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_pairs_at_any_depth_and_in_order(tmp_path):
    touch(
        tmp_path,
        "x y/Tile 2/images/part_01.jpg",
        "x y/Tile 2/masks/part_01.png",
        "x y/classes.json",
    )
    touch(tmp_path, "x y/Tile 1/images/part_02.jpg", "x y/Tile 1/masks/part_02.png")
    found = find_scenes(tmp_path, LAYOUT)
    assert [s.name for s in found] == ["tile1_02", "tile2_01"]
    assert found[1].mask == tmp_path / "x y/Tile 2/masks/part_01.png"
    assert [s.name for s in find_scenes(tmp_path / "x y", LAYOUT)] == ["tile1_02", "tile2_01"]


def test_a_field_used_twice_must_agree(tmp_path):
    layout = Layout(
        images="{s}/{s}_rgb.tif", masks="{s}/{s}_cls.tif", scene="{s}", mask_values="index"
    )
    touch(tmp_path, "a/a_rgb.tif", "a/a_cls.tif", "a/b_rgb.tif")
    assert [s.name for s in find_scenes(tmp_path, layout)] == ["a"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "no image matches the layout"),
        (["Tile 1/images/part_1.jpg"], "part_1.jpg: no mask belongs to it"),
        (
            ["Tile 1/images/part_1.jpg", "Tile 1/masks/part_1.png", "Tile 1/masks/part_2.png"],
            "part_2.png: no image belongs to it",
        ),
        (
            ["Tile 1/images/part_1.jpg", "Tile 1/masks/part_1.png", "z/Tile 1/images/part_1.jpg"],
            "takes the same place in the layout",
        ),
    ],
)
def test_mistakes_name_the_file(tmp_path, files, message):
    touch(tmp_path, *files)
    with pytest.raises(UserError, match=message) as error:
        find_scenes(tmp_path, LAYOUT)
    assert "\n" not in str(error.value)


def test_two_pairs_with_one_scene_name(tmp_path):
    layout = LAYOUT.model_copy(update={"scene": "{part}"})
    for tile in (1, 2):
        touch(tmp_path, f"Tile {tile}/images/part_1.jpg", f"Tile {tile}/masks/part_1.png")
    with pytest.raises(UserError, match="scene name '1' is also that of"):
        find_scenes(tmp_path, layout)


def test_a_field_of_some_values_only(tmp_path):
    layout = Layout(
        images="**/{part:Train|Val+}/images/{n}.png",
        masks="**/{part:Train|Val+}/masks/{n}.png",
        scene="{part}_{n}",
        mask_values="index",
    )
    touch(
        tmp_path, "x/Train/Train/images/1.png", "x/Train/Train/masks/1.png", "x/Val+/images/2.png"
    )
    touch(
        tmp_path,
        "x/Val+/masks/2.png",
        "x/Test/images/3.png",
        "x/Vall/images/4.png",
        "x/MyTrain/images/5.png",
    )
    found = find_scenes(tmp_path, layout)
    assert [(s.name, s.fields) for s in found] == [
        ("Train_1", {"part": "Train", "n": "1"}),
        ("Val+_2", {"part": "Val+", "n": "2"}),
    ]
