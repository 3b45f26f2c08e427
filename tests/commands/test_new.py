"""The first YAML file of a folder: the check accepts it, and it says what the folder holds."""

import re
import zlib

import numpy as np
import pytest
import rasterio
from PIL import Image

from conftest import write_raster
from satseg.check.dataset import check
from satseg.commands.draft.names import read_names
from satseg.commands.new import new
from satseg.config.reading import load_with
from satseg.errors import UserError

RED, GREEN, BLACK = (200, 0, 0), (0, 150, 0), (0, 0, 0)


def draft(folder, out, **options):
    """The configuration that `new` writes for a folder, and what the check finds with it."""
    said = new("mine", str(folder), out, **options)
    config = load_with([str(out)])
    findings = check(config, "mine", folder)
    assert findings.problems == [], findings.problems
    return config.datasets["mine"], findings, said


def images(folder, pattern, names, size=(96, 80), dtype=np.uint8, bands=3):
    rng = np.random.default_rng(zlib.crc32(pattern.encode()))
    for name in names:
        values = rng.integers(0, 200, (bands, *size)).astype(dtype) * (
            50 if dtype != np.uint8 else 1
        )
        write_raster(folder / pattern.format(name), values)


def masks(folder, pattern, names, size=(96, 80), values=(10, 20)):
    for name in names:
        mask = np.resize(values, size).astype(np.uint8)
        write_raster(folder / pattern.format(name), mask[None])


def test_values_in_folders(tmp_path):
    images(tmp_path / "d", "images/s_{}.tif", "abc")
    masks(tmp_path / "d", "masks/s_{}.png", "abc", values=(0, 7, 7, 255))
    dataset, findings, said = draft(tmp_path / "d", tmp_path / "mine.yaml")
    assert dataset.layout.images == "images/{name}.tif"
    assert dataset.layout.masks == "masks/{name}.png"
    assert dataset.mask_values == [0, 7]  # 255 means no label already
    assert dataset.tile_size == 32  # two along the shorter side
    assert "3 pairs of image and mask; 3 usable" in findings.text
    assert said[0] == "3 pairs of image and mask; images of 3 × uint8"


def test_colours_in_numbered_folders(tmp_path):
    """As Dubai's: palettes in some masks, black in few pixels, places apart by their folders."""
    root = tmp_path / "Set of all"
    for place in (1, 2, 3, 10):
        images(root, f"Tile {place}/images/part_{{}}.jpg", ["001", "002"])
        for number in ("001", "002"):
            colors = np.array([RED, GREEN], np.uint8)
            mask = colors[np.indices((96, 80)).sum(0) // 9 % 2]
            if place == 1:
                mask[0, :5] = BLACK
            path = root / f"Tile {place}/masks/part_{number}.png"
            path.parent.mkdir(exist_ok=True)
            picture = Image.fromarray(mask)
            (picture.quantize(4) if place == 2 else picture).save(path)
    (root / "classes.json").write_text("{}")

    dataset, findings, _ = draft(tmp_path, tmp_path / "mine.yaml")
    assert dataset.layout.images == "Set of all/Tile {folder}/images/{name}.jpg"
    assert {land.color for land in dataset.classes} == {"#C80000", "#009600"}
    assert dataset.gaps == ["#000000"]
    assert dataset.groups == [["1_*"], ["10_*"], ["2_*"], ["3_*"]]
    assert "4 groups of scenes" in findings.text
    assert re.search(r"no label +10 ", findings.text)  # five pixels in two masks


@pytest.mark.parametrize(
    ("image", "mask", "patterns"),
    [
        ("images/north_{}.tif", "labels/north_{}_label.png", ("images/{name}.tif", "labels/{name}_label.png")),
        ("{}_sat.tif", "{}_mask.png", ("{name}_sat.tif", "{name}_mask.png")),
        ("img_{}.tif", "mask_{}.tif", ("img_{name}.tif", "mask_{name}.tif")),
    ],
)  # fmt: skip
def test_names_that_differ(tmp_path, image, mask, patterns):
    for name in ("01", "02", "13"):
        for pattern in (image, mask):
            path = tmp_path / pattern.format(name)
            path.parent.mkdir(exist_ok=True)
            path.touch()
    found = read_names(tmp_path)
    assert (found.images, found.masks) == patterns and found.left_out == 0


def test_subsets_in_folders_are_the_official_split(tmp_path):
    for subset in ("train", "Val"):
        names = [f"{subset}{number}" for number in range(4)]
        images(tmp_path / "d", f"{subset}/images/{{}}.tif", names)
        masks(tmp_path / "d", f"{subset}/masks/{{}}.tif", names)
    dataset, findings, _ = draft(tmp_path / "d", tmp_path / "mine.yaml")
    assert dataset.layout.images == "{subset}/images/{name}.tif"
    assert dataset.official.values == {"train": "train", "Val": "val"}
    assert "leak_free" in findings.text


def test_deep_images_get_a_scale_and_one_scene_a_split(tmp_path):
    images(tmp_path / "d", "images/{}.tif", ["only"], (256, 256), np.uint16, bands=4)
    masks(tmp_path / "d", "masks/{}.tif", ["only"], (256, 256))
    dataset, findings, _ = draft(tmp_path / "d", tmp_path / "mine.yaml")
    with rasterio.open(tmp_path / "d/images/only.tif") as file:
        values = file.read()
    low, high = np.percentile(values, [1, 99], axis=(1, 2))
    assert np.allclose(dataset.pixels.scale, np.stack([low, high], 1), atol=200)
    assert dataset.tile_size == 128
    assert "mine: " in findings.text and "test tiles" in findings.text


def test_patterns_of_ones_own(tmp_path):
    images(tmp_path / "d", "one/{}.tif", "abc")
    masks(tmp_path / "d", "two/{}.tif", "abc")
    with pytest.raises(UserError, match="no name of a file or folder tells masks from the others"):
        new("mine", str(tmp_path / "d"), tmp_path / "mine.yaml")
    own = {"images": "one/{scene}.tif", "masks": "two/{scene}.tif"}
    dataset, _, _ = draft(tmp_path / "d", tmp_path / "mine.yaml", **own)
    assert dataset.layout.scene == "{scene}"


@pytest.mark.parametrize(
    ("make", "name", "error"),
    [
        (lambda folder: None, "mine", "no images in it"),
        (lambda folder: images(folder, "images/{}.tif", "ab"), "mine", "tells masks from"),
        (lambda folder: None, "My fields", "'My fields': not a name of a-z, 0-9 and _"),
    ],
)
def test_refusals(tmp_path, make, name, error):
    (tmp_path / "d").mkdir()
    make(tmp_path / "d")
    with pytest.raises(UserError, match=error):
        new(name, str(tmp_path / "d"), tmp_path / "mine.yaml")
    assert not (tmp_path / "mine.yaml").exists()


def test_masks_of_0_and_255_are_two_classes(tmp_path):
    images(tmp_path / "d", "images/{}.png", "abc")
    masks(tmp_path / "d", "masks/{}.png", "abc", values=(0, 0, 255))
    dataset, findings, said = draft(tmp_path / "d", tmp_path / "mine.yaml")
    assert dataset.mask_values == [0, 255]
    assert "2 classes, by the values of the masks: Class 0, Class 255" in said
    pixels = 3 * 96 * 80
    assert re.search(rf"^ +1 +255 +Class 255 +{pixels // 3:,} +33 %", findings.text, re.MULTILINE)


def test_masks_in_several_folders_are_named_and_so_are_polygons(tmp_path):
    images(tmp_path / "d", "images/{}.png", "abc")
    for folder in ("masks_roads", "masks_houses"):
        masks(tmp_path / "d", folder + "/{}.png", "abc")
    with pytest.raises(UserError) as refused:
        new("mine", str(tmp_path / "d"), tmp_path / "mine.yaml")
    assert str(refused.value).endswith(
        "masks lie in 2 folders (masks_houses, masks_roads); name one, as with --images "
        "'images/{name}.png' --masks 'masks_houses/{name}.png'"
    )
    patterns = {"images": "images/{name}.png", "masks": "masks_houses/{name}.png"}
    dataset, _, _ = draft(tmp_path / "d", tmp_path / "mine.yaml", **patterns)
    assert dataset.layout.masks == patterns["masks"]

    images(tmp_path / "e", "images/{}.tif", "abc")
    (tmp_path / "e/labels").mkdir()
    (tmp_path / "e/labels/a.gpkg").touch()
    with pytest.raises(UserError, match=r"the masks are polygons \(labels/a.gpkg\), which this"):
        new("mine", str(tmp_path / "e"), tmp_path / "other.yaml")


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine.yaml").write_text("precious")
    with pytest.raises(UserError, match="it exists; remove it, or name another with -o"):
        new("mine", str(tmp_path), tmp_path / "mine.yaml")


def test_masks_saved_as_jpeg(tmp_path):
    images(tmp_path / "d", "images/{}.tif", "abc")
    images(tmp_path / "d", "masks/{}.jpg", "abc")
    with pytest.raises(UserError, match="more than 40 values or colours, as masks saved as JPEG"):
        new("mine", str(tmp_path / "d"), tmp_path / "mine.yaml")


NAMED = {
    "labelmap.txt": "# label:color_rgb:parts:actions\nbackground:0,0,0::\nroof:200,0,0::\ntree:0,150,0::\n",
    "_classes.csv": "Pixel Value, Class\n0, background\n1, roof\n2, tree\n",
    "class_names.txt": "_background_\nroof\ntree\n",
}  # fmt: skip


@pytest.mark.parametrize("legend", NAMED)
def test_folders_of_annotation_tools_bring_their_names(tmp_path, legend):
    """As CVAT, Roboflow and labelme export them: objects apart and previews are no masks."""
    root = tmp_path / "d"
    images(root, "JPEGImages/DJI_{}.jpg", "abc")
    (root / legend).write_text(NAMED[legend])
    for name in "abc":
        numbers = np.indices((96, 80)).sum(0) // 9 % 3
        mask = Image.fromarray(numbers.astype(np.uint8))
        mask.putpalette([*BLACK, *RED, *GREEN])
        if legend == "labelmap.txt":
            mask = mask.convert("RGB")
        elif legend == "_classes.csv":
            mask = Image.fromarray(numbers.astype(np.uint8))
        for folder in ("SegmentationClass", "SegmentationObject"):
            (root / folder).mkdir(exist_ok=True)
            mask.save(root / folder / f"DJI_{name}.png")
    dataset, _, said = draft(root, tmp_path / "mine.yaml")
    assert dataset.layout.masks == "SegmentationClass/{name}.png"
    assert {land.name for land in dataset.classes} == {"background", "roof", "tree"}
    if legend != "_classes.csv":
        assert {land.name: land.color for land in dataset.classes}["tree"] == "#009600"
    assert said[-3] == f"Written: {tmp_path / 'mine.yaml'}. Look through it, then:"


@pytest.mark.parametrize("text", ["roof\nroof\n", "", "all\n\n"])
def test_a_legend_that_tells_nothing_is_left_alone(tmp_path, text):
    images(tmp_path / "d", "images/{}.tif", "abc")
    masks(tmp_path / "d", "masks/{}.tif", "abc", values=(0, 1))
    (tmp_path / "d" / "class_names.txt").write_text(text)
    dataset, _, said = draft(tmp_path / "d", tmp_path / "mine.yaml")
    assert [land.name for land in dataset.classes] == ["Class 0", "Class 1"]
    assert said[-3].endswith("Name its classes, then:")
