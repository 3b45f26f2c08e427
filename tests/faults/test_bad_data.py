"""Scenes as people hand them in: every one is cut into the right tiles, or refused with its file
named."""

import os
import re
import shutil
import struct
import subprocess
import zlib
from functools import partial

import numpy as np
import pandas as pd
import pytest
import rasterio
import torch
from PIL import Image

from conftest import write_raster
from faults.conftest import contents
from satseg.data.store import open_tiles
from satseg.files import write_json
from satseg.jobs.slices import SplitSlice
from satseg.losses import class_weights

SIZE = 40  # of a scene: 2×2 tiles of 32², three of them padded
RNG = np.random.default_rng(3)
PICTURE = RNG.integers(1, 255, (3, SIZE, SIZE), dtype=np.uint8)
LABELS = RNG.integers(0, 3, (SIZE, SIZE), dtype=np.uint8)
PALETTE = np.array([[0x3C, 0x10, 0x98], [0x84, 0x29, 0xF6], [0x9B, 0x9B, 0x9B]], np.uint8)


@pytest.fixture
def raw(tmp_path):
    """A raw folder of three sound scenes a, b and c, and its manifest."""
    folder = tmp_path / "raw"
    for i, name in enumerate("abc"):
        write_raster(folder / f"scenes/images/{name}.tif", np.roll(PICTURE, i))
        write_raster(folder / f"scenes/masks/{name}.tif", LABELS[None])
    write_json(folder / "manifest.json", {"root": "scenes", "files": []})
    return folder


def spec_of(tile_slice, **changes):
    return tile_slice.model_validate(tile_slice.model_dump() | {"groups": []} | changes)


COLOURS = {
    "layout": {
        "images": "images/{scene}.tif",
        "masks": "masks/{scene}.png",
        "scene": "{scene}",
        "mask_values": "color",
    },
    "colors": ["#3C1098", "#8429F6", "#9B9B9B"],
}


def place(kind, name, suffix=".tif"):
    return f"scenes/{kind}/{name}{suffix}"


# --- what is refused ------------------------------------------------------------------------------


def remove(raw, what):
    (raw / what).unlink()


def swap(raw, what, bands, **options):
    (raw / what).unlink(missing_ok=True)
    write_raster(raw / what, bands, **options)


def text(raw, what, content="no image"):
    (raw / what).write_bytes(content.encode() if isinstance(content, str) else content)


def cut(raw, what, bands, share=0.5):
    swap(raw, what, bands)
    content = (raw / what).read_bytes()
    (raw / what).write_bytes(content[: int(len(content) * share)])


def picture(raw, what, image):
    (raw / what).unlink(missing_ok=True)
    image.save(raw / what)


def folder(raw, what):
    (raw / what).unlink()
    (raw / what).mkdir()


def dangling(raw, what):
    (raw / what).unlink()
    (raw / what).symlink_to(raw / "nowhere.tif")


def pipe(raw, what):
    (raw / what).unlink()
    os.mkfifo(raw / what)


def empty(raw):
    shutil.rmtree(raw / "scenes")
    (raw / "scenes").mkdir()


def only_zip(raw):
    empty(raw)
    text(raw, "scenes/inner.zip", b"PK")


def wide(raw, width=2_000_000_000):
    """An image and a mask of no content whose heads say that a row of tiles takes half a
    terabyte."""
    options = {"driver": "GTiff", "height": 256, "width": width, "dtype": "uint8", "bigtiff": "yes"}
    storage = {
        "tiled": True,
        "blockxsize": 16384,
        "blockysize": 16384,
        "sparse_ok": True,
        "compress": "deflate",
    }
    for kind, count in (("images", 3), ("masks", 1)):
        with rasterio.open(raw / place(kind, "b"), "w", count=count, **options, **storage):
            pass


def tall(raw):
    """A PNG whose head says 50,000 × 50,000 pixels, with the content of a small one."""
    for kind in ("images", "masks"):
        for name in "abc":
            (raw / place(kind, name)).unlink()
            Image.new("L", (SIZE, SIZE)).save(raw / place(kind, name, ".png"))
        path = raw / place(kind, "b", ".png")
        content = bytearray(path.read_bytes())
        content[16:24] = struct.pack(">II", 50_000, 50_000)
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
        path.write_bytes(content)


def png_masks(raw, name, image):
    """All masks as pictures of colours; that of one scene another one."""
    for scene in "abc":
        (raw / place("masks", scene)).unlink()
        Image.fromarray(PALETTE[LABELS]).save(raw / place("masks", scene, ".png"))
    picture(raw, place("masks", name, ".png"), image)


def jpegs(raw):
    """The images as JPEG, one of them cut off."""
    for name in "abc":
        (raw / place("images", name)).unlink()
        Image.fromarray(PICTURE.transpose(1, 2, 0)).resize((400, 400)).save(
            raw / place("images", name, ".jpg")
        )
        swap(raw, place("masks", name), LABELS.repeat(10, 0).repeat(10, 1)[None])
    content = (raw / place("images", "b", ".jpg")).read_bytes()
    (raw / place("images", "b", ".jpg")).write_bytes(content[: len(content) // 2])


def broken_png(raw):
    """A mask whose compressed pixels are damaged in the middle."""
    noise = RNG.integers(0, 3, (SIZE, SIZE))
    png_masks(raw, "b", Image.fromarray(PALETTE[noise]))
    path = raw / place("masks", "b", ".png")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 20] = bytes(20)
    path.write_bytes(content)


JPEGS = {
    "layout": COLOURS["layout"] | {"images": "images/{scene}.jpg", "masks": "masks/{scene}.tif"}
}
JPEGS["layout"]["mask_values"] = "index"
PNGS = {
    "layout": {"images": "images/{scene}.png", "masks": "masks/{scene}.png", "scene": "{scene}"}
}
PNGS["layout"]["mask_values"] = "index"
WHOLE = np.zeros((1, SIZE, SIZE), np.uint8)
GREY = Image.fromarray(LABELS)
IMAGE = place("images", "b")
MASK = place("masks", "b")
PNG = place("masks", "b", ".png")

# What was tried, how it is made, what changes in the slice, what the line says.
REFUSED = [
    (
        "a mask is missing",
        partial(remove, what=MASK),
        {},
        r"images/b\.tif: no mask belongs to it; add the mask",
    ),
    (
        "an image is missing",
        partial(remove, what=IMAGE),
        {},
        r"masks/b\.tif: no image belongs to it; add the image",
    ),
    (
        "an image is a folder",
        partial(folder, what=IMAGE),
        {},
        r"masks/b\.tif: no image belongs to it",
    ),
    (
        "an image is a link to nothing",
        partial(dangling, what=IMAGE),
        {},
        r"images/b\.tif: a broken link; remove",
    ),
    (
        "an image is a named pipe",
        partial(pipe, what=IMAGE),
        {},
        r"images/b\.tif: neither a file nor a folder; remove",
    ),
    (
        "two files for one image",
        lambda raw: shutil.copytree(raw / "scenes/images", raw / "scenes/again/images"),
        {
            "layout": COLOURS["layout"]
            | {"images": "**/images/{scene}.tif", "masks": "masks/{scene}.tif"}
        },
        r"scenes/images/a\.tif: takes the same place in the layout .* as .*again/images/a\.tif",
    ),
    (
        "mixed image types, of which the layout knows one",
        lambda raw: (raw / IMAGE).rename(raw / place("images", "b", ".tiff")),
        {},
        r"masks/b\.tif: no image belongs to it",
    ),
    (
        "an empty folder",
        empty,
        {},
        r"scenes: no image matches the layout .*; check `path` and `layout\.images`$",
    ),
    (
        "only an archive in the folder",
        only_zip,
        {},
        r"no image matches .*, and unpack .*inner\.zip if it holds",
    ),
    (
        "the folder is gone",
        lambda raw: shutil.rmtree(raw / "scenes"),
        {},
        r"scenes: no such folder; check `path`",
    ),
    (
        "a mask of another size",
        partial(swap, what=MASK, bands=WHOLE[:, 1:]),
        {},
        r"masks/b\.tif: 40×39 pixels, but its image b\.tif has 40×40; make them the same size",
    ),
    (
        "an image that is text",
        partial(text, what=IMAGE),
        {},
        r"images/b\.tif: not a readable image; replace the file",
    ),
    (
        "an image of no bytes",
        partial(text, what=IMAGE, content=""),
        {},
        r"images/b\.tif: not a readable image",
    ),
    (
        "a GeoTIFF cut off",
        partial(cut, what=IMAGE, bands=PICTURE, share=0.6),
        {},
        r"images/b\.tif: (damaged near row 0|not a readable image); replace the file",
    ),
    ("a JPEG cut off", jpegs, JPEGS, r"images/b\.jpg: damaged near row \d+; replace the file"),
    (
        "a PNG damaged inside",
        broken_png,
        COLOURS,
        r"masks/b\.png: damaged near row 0; replace the file",
    ),
    ("a PNG whose head promises too much", tall, PNGS, r"images/b\.png: .*; replace the file"),
    (
        "a row too wide for the available memory",
        wide,
        {},
        r"images/b\.tif: 2000000000×256 pixels, too wide for the available memory",
    ),
    (
        "an unknown class index",
        partial(swap, what=MASK, bands=WHOLE + 7),
        {},
        r"masks/b\.tif: value 7 in 1,280 pixels is not a class of the dataset; make it the `value` or one of the `aliases` of a class, or add it to `gaps`",
    ),
    (
        "-1 in a mask of signed 16 bits",
        partial(swap, what=MASK, bands=WHOLE.astype(np.int16) - 1),
        {},
        r"masks/b\.tif: value -1 in [\d,]+ pixels is not a class of the dataset; .* add it to `gaps`",
    ),
    (
        "an unknown colour",
        partial(png_masks, name="b", image=Image.new("RGB", (SIZE, SIZE), "#ff0000")),
        COLOURS,
        r"masks/b\.png: colour #FF0000 in 1,280 pixels is not a class of the dataset",
    ),
    (
        "a mask of colours that is grey",
        partial(png_masks, name="b", image=GREY),
        COLOURS,
        r"masks/b\.png: greyscale pixels, but the layout says masks hold colours",
    ),
    (
        "a mask of indices that is a picture",
        partial(swap, what=MASK, bands=PICTURE),
        {},
        r"masks/b\.tif: its bands differ, but the layout says masks hold class indices",
    ),
    (
        "a mask of real numbers",
        partial(swap, what=MASK, bands=WHOLE.astype(np.float32)),
        {},
        r"masks/b\.tif: float32 pixels, but masks hold integers",
    ),
    (
        "an image of 16 bits",
        partial(swap, what=IMAGE, bands=PICTURE.astype(np.uint16)),
        {},
        r"images/b\.tif: uint16 pixels, but models take 8 bits \(uint8\); set the dataset's pixels\.scale",
    ),
    (
        "an image of real numbers",
        partial(swap, what=IMAGE, bands=PICTURE / np.float32(255)),
        {},
        r"images/b\.tif: float32 pixels, but models take 8 bits",
    ),
    (
        "an image of complex numbers",
        partial(swap, what=IMAGE, bands=PICTURE.astype(np.complex64)),
        {},
        r"images/b\.tif: complex64 pixels; save it as integers or floats",
    ),
    (
        "one image of one band among those of three",
        partial(swap, what=IMAGE, bands=PICTURE[:1]),
        {},
        r"images/b\.tif: 1 band, but .*a\.tif has 3; select bands that all images have",
    ),
    (
        "a fourth band that is marked as transparency and holds data",
        partial(swap, what=IMAGE, bands=PICTURE[[0, 1, 2, 0]]),
        {},
        r"images/b\.tif: band 4 is marked as transparency, but holds data, such as near infrared; set the dataset's pixels\.bands to \[1, 2, 3, 4\] to use it, or to \[1, 2, 3\]",
    ),
    (
        "an image with a transparency band",
        partial(swap, what=IMAGE, bands=np.concatenate([PICTURE, PICTURE[:1] // 128 * 255])),
        {},
        r"images/b\.tif: band 4 is marked as transparency; set the dataset's pixels\.bands to \[1, 2, 3\], which hides pixels where it is 0, or to \[1, 2, 3, 4\] if it is data",
    ),
    (
        "an 8-bit image where pixels.scale is for 16 bits",
        partial(swap, what=IMAGE, bands=PICTURE),
        {"pixels": {"scale": [0, 10000]}},
        r"images/\w\.tif: 8-bit pixels, which the dataset's pixels\.scale up to 10000 makes black; convert it",
    ),
    (
        "an image whose values are numbers of a palette",
        partial(swap, what=IMAGE, bands=PICTURE[:1], photometric="palette"),
        {},
        r"images/b\.tif: its values are palette indices, not brightness; save it as RGB",
    ),
    (
        "a 16-bit image in printing inks",
        partial(
            swap, what=IMAGE, bands=PICTURE[[0, 1, 2, 0]].astype(np.uint16), photometric="cmyk"
        ),
        {},
        r"images/b\.tif: its bands are printing inks \(CMYK\); save it as RGB",
    ),
    (
        "a band that the images have not",
        lambda raw: None,
        {"pixels": {"bands": [1, 2, 4]}},
        r"images/a\.tif: has no band 4, only 3; correct the dataset's pixels\.bands",
    ),
    (
        "a manifest that is no JSON",
        partial(text, what="manifest.json", content='{"root": '),
        {},
        r"manifest\.json: not valid JSON .*; delete the file and build it again",
    ),
    (
        "no manifest",
        partial(remove, what="manifest.json"),
        {},
        r"manifest\.json: no such file; run the stage that",
    ),
]


@pytest.mark.parametrize(
    ("tried", "make", "changes", "said"), REFUSED, ids=[case[0] for case in REFUSED]
)
def test_bad_scenes_are_refused(
    raw, tile_slice, refused, fault, tmp_path, tried, make, changes, said
):
    make(raw)
    found = refused("tile", spec_of(tile_slice, **changes), raw=raw, out=tmp_path / "tiles")
    assert re.search(said, found), found
    fault("Scenes that are refused", tried, found)


# --- what is right though it looks strange --------------------------------------------------------


def check_store(tmp_path, images, masks=None):
    """The store holds these scenes, [C, h, w] by name; else `LABELS` as masks."""
    store = open_tiles(tmp_path / "tiles")
    assert sorted(store.table["scene"].unique()) == sorted(images)
    for scene, bands in images.items():
        rows = store.table[store.table["scene"] == scene]
        height, width = bands.shape[1:]
        across = -(-width // 32)
        assert len(rows) == across * -(-height // 32)
        whole = np.zeros((rows["row"].max() * 32 + 32, across * 32, len(bands)), np.uint8)
        labels = np.full(whole.shape[:2], 255, np.uint8)
        whole[:height, :width] = bands.transpose(1, 2, 0)
        labels[:height, :width] = (masks or {}).get(scene, LABELS[:height, :width])
        for row in rows.itertuples():
            part = np.s_[row.row * 32 : row.row * 32 + 32, row.col * 32 : row.col * 32 + 32]
            np.testing.assert_array_equal(store.images[row.tile], whole[part])
            np.testing.assert_array_equal(store.masks[row.tile], labels[part])
    return store


SOUND = {name: np.roll(PICTURE, i) for i, name in enumerate("abc")}


@pytest.fixture
def tiled(raw, tile_slice, command, tmp_path):
    """Tile the raw folder, which must go well and leave it as it is; the store is checked against
    these scenes."""

    def call(images=SOUND, masks=None, root=raw, **changes):
        before = contents(raw)
        assert (
            command("tile", spec_of(tile_slice, **changes), raw=root, out=tmp_path / "tiles") == ""
        )
        assert contents(raw) == before
        return check_store(tmp_path, images, masks)

    return call


@pytest.mark.parametrize("count", [1, 2, 4, 5])
def test_any_number_of_bands(raw, tiled, fault, count):
    bands = RNG.integers(0, 255, (count, SIZE, SIZE), dtype=np.uint8)
    for name in "abc":
        swap(raw, place("images", name), bands, photometric="minisblack", alpha="no")
    store = tiled(dict.fromkeys("abc", bands))
    assert store.images.shape[-1] == count
    fault(
        "Scenes that are used",
        f"images of {count} band{'s' * (count > 1)}",
        f"all {count} are in the tiles",
    )


def test_named_bands_leave_transparency_out(raw, tiled, fault):
    for name, bands in SOUND.items():
        swap(raw, place("images", name), np.concatenate([bands, bands[:1]]))
    tiled(pixels={"bands": [1, 2, 3]})
    fault(
        "Scenes that are used",
        "RGBA, where pixels.bands says [1, 2, 3]",
        "the three bands are in the tiles",
    )


def test_16_bits_with_a_scale(raw, tiled, fault):
    for name, bands in SOUND.items():
        swap(raw, place("images", name), bands.astype(np.uint16) * 100)
    tiled(pixels={"scale": [0, 25500]})
    fault(
        "Scenes that are used",
        "16 bits, where pixels.scale says how",
        "every value is scaled and rounded",
    )


def test_cmyk_jpeg(raw, tiled, fault):
    masks = {"layout": JPEGS["layout"]}
    for name in "abc":
        remove(raw, place("images", name))
        picture = Image.new("CMYK", (SIZE, SIZE), (0, 255, 255, 0))  # full magenta and yellow: red
        picture.save(raw / place("images", name, ".jpg"), quality=100)
    with rasterio.open(raw / place("images", "a", ".jpg")) as file:
        red = file.read()
    assert red.shape == (3, SIZE, SIZE) and (red[0] > 240).all() and (red[1:] < 15).all()
    tiled(dict.fromkeys("abc", red), **masks)
    fault(
        "Scenes that are used",
        "JPEGs in printing inks (CMYK)",
        "they are read as the RGB they show",
    )


def test_masks_in_other_modes(raw, tiled, fault):
    for name in "abc":
        remove(raw, place("masks", name))
    rgb = Image.fromarray(PALETTE[LABELS])
    indexed = Image.fromarray(LABELS, "P")
    indexed.putpalette(PALETTE.tobytes())
    for name, mask in zip("abc", (rgb, rgb.convert("RGBA"), indexed), strict=True):
        mask.save(raw / place("masks", name, ".png"))
    tiled(**COLOURS)
    fault(
        "Scenes that are used", "colour masks as RGB, RGBA and palette", "they are the same classes"
    )


def test_index_masks_in_other_modes(raw, tiled, fault):
    swap(raw, place("masks", "a"), np.stack([LABELS] * 3))
    swap(raw, place("masks", "b"), LABELS[None].astype(np.uint16))
    swap(raw, place("masks", "c"), LABELS[None], photometric="palette")
    tiled()
    fault(
        "Scenes that are used",
        "index masks of three equal bands, of 16 bits, with a palette",
        "the same classes",
    )


def test_a_scene_smaller_than_a_tile(raw, tiled, fault):
    small = PICTURE[:, :20, :25]
    swap(raw, IMAGE, small)
    swap(raw, MASK, LABELS[None, :20, :25])
    store = tiled(SOUND | {"b": small})
    assert store.table.query("scene == 'b'")["whole"].tolist() == [0]
    fault(
        "Scenes that are used",
        "a scene smaller than a tile",
        "one padded tile, with no label in the padding",
    )


def test_a_scene_of_no_data(raw, tiled, fault):
    gone = np.zeros((3, SIZE, SIZE), np.uint8)
    swap(raw, IMAGE, gone, nodata=0)
    unlabelled = np.full((SIZE, SIZE), 255)
    store = tiled(SOUND | {"b": gone}, {"b": unlabelled})
    assert store.table.query("scene == 'b'").filter(like="pixels_").to_numpy().sum() == 0
    fault(
        "Scenes that are used",
        "a scene that is all no-data",
        "its tiles have no label, so nothing of it counts",
    )


def test_blanks_and_other_alphabets_in_paths(raw, tiled, fault, tmp_path):
    names = {"a": "Zürich West", "b": "東京 1", "c": "São João; $(rm)"}
    for kind in ("images", "masks"):
        for old, new in names.items():
            (raw / place(kind, old)).rename(raw / place(kind, new))
    moved = tmp_path / "Daten für übung 1"
    raw.rename(moved)
    raw.symlink_to(moved)
    tiled({names[name]: bands for name, bands in SOUND.items()})
    fault(
        "Scenes that are used",
        "blanks, quotes and other alphabets in paths",
        "the scenes keep their names",
    )


def test_linked_folders(raw, tiled, fault, tmp_path):
    (raw / "scenes").rename(tmp_path / "elsewhere")
    (raw / "scenes").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/images/loop").symlink_to(tmp_path / "elsewhere")
    store = tiled(layout=spec_layout("**/images/{scene}.tif", "**/masks/{scene}.tif"))
    assert store.table["scene"].nunique() == 3
    fault(
        "Scenes that are used",
        "a linked data folder, with a link back to itself inside",
        "each scene once",
    )


def spec_layout(images, masks):
    return {"images": images, "masks": masks, "scene": "{scene}", "mask_values": "index"}


def test_files_that_systems_leave_beside_images(raw, tiled, fault):
    for name in (
        "images/._a.tif",
        "masks/._a.tif",
        "__MACOSX/images/._b.tif",
        ".Trash/images/d.tif",
        "images/Thumbs.db",
    ):
        (raw / "scenes" / name).parent.mkdir(parents=True, exist_ok=True)
        text(raw, f"scenes/{name}")
    tiled(layout=spec_layout("**/images/{scene}.tif", "**/masks/{scene}.tif"))
    fault(
        "Scenes that are used",
        "hidden files that systems leave beside images",
        "they do not count as scenes",
    )


def test_read_only_input(raw, tiled, fault):
    """On a disk that is mounted read-only, as even root cannot write to it."""
    done = subprocess.run(["mount", "--bind", raw, raw], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no folder can be mounted here: {done.stderr.strip()}")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", raw], check=True)
        with pytest.raises(OSError, match="Read-only"):
            (raw / "new").touch()
        tiled()
    finally:
        subprocess.run(["umount", "--lazy", raw], check=True)
    fault("Scenes that are used", "read-only input", "nothing is written beside it")


def test_output_that_cannot_be_written(raw, tile_slice, refused, fault, tmp_path):
    (tmp_path / "tiles").touch()
    said = refused("tile", spec_of(tile_slice), raw=raw, out=tmp_path / "tiles")
    assert said.startswith(f"{tmp_path}/tiles: ") and "; " in said
    fault("Outputs that cannot be written", "a file where the output folder should be", said)


def test_read_only_output(raw, tile_slice, refused, fault, tmp_path):
    out = tmp_path / "tiles"
    out.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", out], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        said = refused("tile", spec_of(tile_slice), raw=raw, out=out)
    finally:
        subprocess.run(["umount", "--lazy", out], check=True)
    assert said == f"{out}: read-only file system; use a folder that can be written to"
    fault("Outputs that cannot be written", "a read-only output folder", said)


# --- what leaks, and what cannot be learnt --------------------------------------------------------

BY_TILE = SplitSlice(split={"unit": "tile", "train": 0.5, "val": 0.5})
BY_GROUP = SplitSlice(split={"unit": "group", "train": 0.5, "val": 0.5})


def test_copies_of_a_scene_are_one_group(raw, tiled, command, fault, caplog, tmp_path):
    shutil.copy(raw / IMAGE, raw / place("images", "copy"))
    shutil.copy(raw / MASK, raw / place("masks", "copy"))
    caplog.set_level("WARNING")
    store = tiled(SOUND | {"copy": SOUND["b"]}, groups=[["a"], ["cop*"]])
    warned = "copy: the same image as that of b, to the byte; they count as one group"
    assert warned in caplog.messages
    groups = store.table.groupby("scene")["group"].first()
    assert groups["b"] == groups["copy"] and groups.nunique() == 3
    for name, spec in (("group", BY_GROUP), ("tile", BY_TILE)):
        assert command("split", spec, tiles=tmp_path / "tiles", out=tmp_path / f"{name}.csv") == ""
    apart = pd.read_csv(tmp_path / "group.csv").groupby("scene")["subset"].agg(set)
    assert apart["b"] == apart["copy"] and all(len(subsets) == 1 for subsets in apart)
    audit = pd.read_csv(tmp_path / "tile.leakage.csv").query("pool == 'all'").iloc[0]
    drawn = pd.read_csv(tmp_path / "tile.csv")
    ground = drawn["scene"].replace("copy", "b")
    trained = set(ground[drawn["subset"] == "train"])
    assert audit["group_shared"] == ground[drawn["subset"] == "val"].isin(trained).sum()
    fault(
        "Splits",
        "one image under two scene names",
        f"warning “{warned}”; a split by group keeps them together",
    )


def test_a_class_absent_from_training(raw, tiled, command, fault, caplog, tmp_path):
    for name in "abc":
        swap(raw, place("masks", name), np.where(LABELS == 2, 0, LABELS)[None].astype(np.uint8))
    only = np.where(LABELS == 1, 2, 0).astype(np.uint8)
    swap(raw, MASK, only[None])
    without = np.where(LABELS == 2, 0, LABELS)
    store = tiled(masks={"a": without, "b": only, "c": without})
    caplog.set_level("WARNING")
    for seed in range(20):  # until scene b, which alone has the class, is judged
        spec = SplitSlice(split={"unit": "group", "train": 0.6, "val": 0.4, "seed": seed})
        assert command("split", spec, tiles=tmp_path / "tiles", out=tmp_path / "split.csv") == ""
        split = pd.read_csv(tmp_path / "split.csv")
        if "b" in set(split.loc[split["subset"] == "val", "scene"]):
            break
        caplog.clear()
    (warned,) = caplog.messages
    assert warned.startswith("no training tile contains class 'road': no model can learn it; ")
    trained = store.table[split["subset"] == "train"].filter(like="pixels_").sum().to_numpy()
    assert trained[2] == 0
    weights = class_weights(torch.tensor(trained), "inverse")
    expected = 1 / trained[:2]
    np.testing.assert_allclose(weights[:2], expected / expected.mean(), rtol=1e-6)
    assert weights[2] == 0
    fault(
        "Splits",
        "a class absent from training",
        f"warning “{warned}”; its weight in the loss is 0",
    )


@pytest.fixture
def store(tiled, tmp_path):
    """A sound tile store."""
    tiled()
    return tmp_path / "tiles"


def test_too_few_groups(store, refused, fault, tmp_path):
    spec = SplitSlice(split={"unit": "group", "train": 0.4, "val": 0.3, "test": 0.3})
    table = pd.read_csv(store / "tiles.csv")
    table.assign(group="one").to_csv(store / "tiles.csv", index=False)
    (store / "tiles.made.json").unlink()  # a table written by hand has no record
    said = refused("split", spec, tiles=store, out=tmp_path / "split.csv")
    assert said.startswith("1 group of scenes cannot fill 3 subsets")
    fault("Splits", "fewer groups than subsets", said)


def test_no_official_split(store, refused, fault, tmp_path):
    said = refused(
        "split", SplitSlice(split={"unit": "official"}), tiles=store, out=tmp_path / "split.csv"
    )
    assert said.startswith("the tiles have no official split")
    fault("Splits", "an official split of a dataset that has none", said)


def test_given_lists_that_contradict_each_other(raw, tile_slice, refused, fault, tmp_path):
    text(raw, "scenes/train.txt", "a\nb\n")
    text(raw, "scenes/val.txt", "b\nc\n")
    official = {"by": "lists", "lists": {"train": "train.txt", "val": "val.txt"}}
    said = refused("tile", spec_of(tile_slice, official=official), raw=raw, out=tmp_path / "tiles")
    assert said.endswith("scenes/val.txt: b is also listed for train; correct the lists")
    fault("Splits", "a scene in two of the publishers' lists", said)
