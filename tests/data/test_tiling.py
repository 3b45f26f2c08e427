"""The tile store against the scenes it was cut from."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.windows import Window

from conftest import SIZES, write_raster
from satseg.config.reading import load
from satseg.data.store import open_tiles
from satseg.data.tiling import build_tiles
from satseg.errors import UserError
from satseg.files import write_json
from satseg.jobs.slices import tile_slice as slice_of


def read(path):
    with rasterio.open(path) as file:
        return file.read()


def test_tiles_cover_every_scene(scene_folder, tile_slice, tmp_path):
    build_tiles(tile_slice, scene_folder, tmp_path)
    store = open_tiles(tmp_path)
    assert store.images.dtype == store.masks.dtype == np.uint8
    assert store.images.shape == (len(store.table), 32, 32, 3)
    assert store.table["tile"].tolist() == list(range(len(store.table)))
    for name, (height, width) in SIZES.items():
        rows = store.table[store.table["scene"] == name]
        assert len(rows) == -(-height // 32) * -(-width // 32)
        image = read(scene_folder / f"images/{name}.tif").transpose(1, 2, 0)
        mask = read(scene_folder / f"masks/{name}.tif")[0]
        whole_image = np.zeros((height + 32, width + 32, 3), np.uint8)
        whole_mask = np.full((height + 32, width + 32), 255, np.uint8)
        whole_image[:height, :width] = image
        whole_mask[:height, :width] = mask
        for row in rows.itertuples():
            y = 32 * row.row
            x = 32 * row.col
            np.testing.assert_array_equal(
                store.images[row.tile], whole_image[y : y + 32, x : x + 32]
            )
            np.testing.assert_array_equal(store.masks[row.tile], whole_mask[y : y + 32, x : x + 32])
            assert row.whole == (y + 32 <= height and x + 32 <= width)
            assert [row.pixels_ground, row.pixels_water, row.pixels_road] == [
                int((store.masks[row.tile] == k).sum()) for k in range(3)
            ]
    assert set(store.table["group"]) == {"group1", "c", "d", "e"}
    digests = json.loads((tmp_path / "digests.json").read_text())
    assert set(digests) == {"images.npy", "masks.npy"}
    for name, digest in digests.items():
        assert digest == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()


MAKES = [
    {"interleave": "pixel"},
    {"interleave": "band"},
    {"tiled": True, "blockxsize": 64, "blockysize": 48},
    {"endianness": "big"},
    {"bigtiff": "yes"},
    {"compress": "deflate", "predictor": 2},
    {"sparse_ok": True},
]
JPEG = {"compress": "jpeg", "jpeg_quality": 100}  # of 8 bits alone


@pytest.mark.parametrize(
    ("kind", "written"),
    [*(("uint8", make) for make in [*MAKES, JPEG]), *(("uint16", make) for make in MAKES)],
    ids=str,
)
def test_geotiffs_of_every_make_are_read_as_rasterio_reads_them(
    tile_slice, tmp_path, written, kind
):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (3, 150, 130)).astype(kind)
    image[:, 64:128] = 0  # blocks that a sparse file leaves out
    mask = rng.integers(0, 3, (1, 150, 130)).astype(kind)
    options = written | ({"blockysize": 8} if not written.get("tiled") else {})
    write_raster(tmp_path / "raw/images/a.tif", image, **options)
    write_raster(tmp_path / "raw/masks/a.tif", mask, **({} if written is JPEG else options))
    changes = {} if kind == "uint8" else {"pixels": {"scale": [[0, 255]]}}
    build_tiles(
        tile_slice.model_validate(tile_slice.model_dump() | changes),
        tmp_path / "raw",
        tmp_path / "tiles",
    )
    store = open_tiles(tmp_path / "tiles")
    stored = read(tmp_path / "raw/images/a.tif")
    for row in store.table.itertuples():
        y = 32 * row.row
        x = 32 * row.col
        part = stored[:, y : y + 32, x : x + 32].transpose(1, 2, 0)
        np.testing.assert_array_equal(
            store.images[row.tile][: part.shape[0], : part.shape[1]], part
        )
        labels = mask[0, y : y + 32, x : x + 32]
        np.testing.assert_array_equal(
            store.masks[row.tile][: labels.shape[0], : labels.shape[1]], labels
        )


def colour_spec(tile_slice, **changes):
    layout = {"images": "{s}.jpg", "masks": "{s}.png", "scene": "{s}", "mask_values": "color"}
    colors = ["#3C1098", "#8429F6", "#9B9B9B"]
    return tile_slice.model_validate(
        tile_slice.model_dump()
        | {"layout": layout, "colors": colors, "gaps": ["#000000"]}
        | changes
    )


@pytest.fixture
def coloured(tmp_path):
    """An image, a class map, and the same map as an RGB, an RGBA and a palette PNG."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, (40, 50))
    palette = np.array(
        [[0x3C, 0x10, 0x98], [0x84, 0x29, 0xF6], [0x9B, 0x9B, 0x9B], [0, 0, 0]], np.uint8
    )
    rgb = Image.fromarray(palette[labels])
    indexed = Image.fromarray(labels.astype(np.uint8), "P")
    indexed.putpalette(palette.tobytes())
    for name, mask in (("rgb", rgb), ("rgba", rgb.convert("RGBA")), ("palette", indexed)):
        mask.save(tmp_path / f"{name}.png")
        Image.fromarray(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(
            tmp_path / f"{name}.jpg"
        )
    return tmp_path, np.where(labels == 3, 255, labels)


def test_colours_become_classes_and_gaps_no_label(coloured, tile_slice, tmp_path):
    folder, labels = coloured
    build_tiles(colour_spec(tile_slice, tile_size=64), folder, tmp_path / "out")
    store = open_tiles(tmp_path / "out")
    assert len(store.table) == 3
    for tile in range(3):
        np.testing.assert_array_equal(store.masks[tile, :40, :50], labels)
        assert (store.masks[tile, 40:] == 255).all() and (store.masks[tile, :, 50:] == 255).all()


def test_unknown_colour_is_named_and_nothing_is_left(coloured, tile_slice, tmp_path):
    folder, labels = coloured
    out = tmp_path / "out"
    with pytest.raises(
        UserError, match=r"\.png: colour #000000 in [\d,]+ pixels is not a class"
    ) as error:
        build_tiles(colour_spec(tile_slice, gaps=[]), folder, out)
    assert f"{(labels[:32] == 255).sum():,}" in str(error.value)
    assert not out.exists()


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((1, 40, 50), np.uint8), "make them the same size"),
        (np.full((1, 40, 40), 7, np.uint8), "value 7 in 1,280 pixels is not a class"),
        (np.pad([[[7]]], [(0, 0), (0, 39), (0, 39)]).astype(np.uint8), "value 7 in 1 pixel is not"),
        (np.zeros((1, 40, 40), np.float32), "masks hold integers"),
        (np.arange(3 * 1600, dtype=np.uint8).reshape(3, 40, 40), "its bands differ"),
    ],
)
def test_bad_masks(tile_slice, tmp_path, mask, message):
    write_raster(tmp_path / "raw/images/s.tif", np.zeros((3, 40, 40), np.uint8))
    write_raster(tmp_path / "raw/masks/s.tif", mask)
    with pytest.raises(UserError, match=message) as error:
        build_tiles(tile_slice, tmp_path / "raw", tmp_path / "out")
    assert "masks/s.tif" in str(error.value)


def test_three_equal_bands_are_indices(tile_slice, tmp_path):
    mask = np.random.default_rng(0).integers(0, 3, (32, 32), dtype=np.uint8)
    write_raster(
        tmp_path / "raw/images/s.tif",
        np.zeros((4, 32, 32), np.uint8),
        photometric="minisblack",
        alpha="no",
    )
    write_raster(tmp_path / "raw/masks/s.tif", np.stack([mask] * 3))
    build_tiles(tile_slice, tmp_path / "raw", tmp_path / "out")
    store = open_tiles(tmp_path / "out")
    np.testing.assert_array_equal(store.masks[0], mask)
    assert store.images.shape == (1, 32, 32, 4)


def test_damaged_image(tile_slice, scene_folder, tmp_path):
    content = (scene_folder / "images/a.tif").read_bytes()
    write_raster(tmp_path / "raw/masks/a.tif", np.zeros((1, 70, 100), np.uint8))
    (tmp_path / "raw/images").mkdir()
    (tmp_path / "raw/images/a.tif").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"a\.tif"):
        build_tiles(tile_slice, tmp_path / "raw", tmp_path / "out")


def test_the_real_dubai_set_to_the_pixel(dubai, tmp_path):
    table = build_tiles(slice_of(load(), "dubai"), dubai, tmp_path)
    assert (len(table), table["whole"].sum(), table["scene"].nunique()) == (1926, 1305, 72)
    expected = {
        "Building": 13_177_546,
        "Land": 51_850_363,
        "Road": 9_261_912,
        "Vegetation": 10_206_379,
        "Water": 13_482_196,
        "Unlabeled": 501_691,
    }
    assert {name: table[f"pixels_{name}"].sum() for name in expected} == expected
    masks = open_tiles(tmp_path).masks
    assert (masks == 255).sum() == 1926 * 256**2 - 99_032_243 + 552_156
    assert table.groupby("group")["scene"].nunique().to_dict() == {
        "group1": 18, "group2": 9, "group3": 27, "group4": 9, "group5": 9,
    }  # fmt: skip


MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def pattern(y, x):
    """Band 0 of the large scene and its mask, in closed form."""
    return ((y // 64 + x // 96) % 251).astype(np.uint8), ((y // 100 + x // 130) % 3).astype(
        np.uint8
    )


def test_a_large_scene_in_little_memory(tile_slice, tmp_path):
    """9000×9500 RGB: 342 tiles of 512², 257 MB of pixels; strips for the image, blocks for the
    mask."""
    height = 9000
    width = 9500
    profile = {
        "driver": "GTiff",
        "height": height,
        "width": width,
        "dtype": "uint8",
        "compress": "deflate",
    }
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    with (
        rasterio.open(
            tmp_path / "images/s.tif", "w", count=3, interleave="pixel", **profile
        ) as image,
        rasterio.open(tmp_path / "masks/s.tif", "w", count=1, tiled=True, **profile) as mask,
    ):
        for top in range(0, height, 256):
            window = Window(0, top, width, min(256, height - top))
            grey, labels = pattern(*np.mgrid[top : top + window.height, :width])
            image.write(np.stack([grey, 255 - grey, grey // 2]), window=window)
            mask.write(labels[None], window=window)
    spec = tile_slice.model_copy(update={"tile_size": 512})
    write_json(tmp_path / "manifest.json", {"root": str(tmp_path)})
    command = [sys.executable, "-m", "satseg.stages.tile", "--slice", spec.model_dump_json()]
    command += ["--raw", str(tmp_path), "--out", str(tmp_path / "tiles")]
    # Through a small process between: a child's peak starts with that of the process it was made
    # from.
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *command], capture_output=True, text=True, check=True
    )
    peak = int(done.stdout) * (1 if sys.platform == "darwin" else 1024)
    assert peak < 600e6
    store = open_tiles(tmp_path / "tiles")
    assert store.images.shape == (18 * 19, 512, 512, 3)
    assert store.table["whole"].sum() == 17 * 18
    for row in store.table.iloc[[0, 18, 100, 323, 341]].itertuples():
        y, x = np.mgrid[512 * row.row : 512 * row.row + 512, 512 * row.col : 512 * row.col + 512]
        grey, labels = pattern(y, x)
        inside = (y < height) & (x < width)
        expected = np.stack([grey, 255 - grey, grey // 2], axis=2) * inside[..., None]
        np.testing.assert_array_equal(store.images[row.tile], expected)
        np.testing.assert_array_equal(store.masks[row.tile], np.where(inside, labels, 255))
    counted = store.table.filter(like="pixels_").to_numpy().sum()
    assert counted == height * width
