"""Files as people have them: what hides pixels, masks of unusual values, lists and archives of other
systems."""

import re
import zipfile

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from conftest import write_raster
from satseg.config.reading import load
from satseg.data.archives import unpack
from satseg.data.store import open_tiles
from satseg.errors import UserError
from satseg.files import write_json

SIDE = 32
RNG = np.random.default_rng(19)
PICTURE = RNG.integers(1, 255, (4, SIDE, SIDE), dtype=np.uint8)
LABELS = RNG.integers(0, 3, (SIDE, SIDE), dtype=np.uint8)
HIDDEN = np.zeros((SIDE, SIDE), bool)
HIDDEN[:, :5] = HIDDEN[20:, 9:14] = True
AREA = "Files as people have them"


@pytest.fixture
def raw(tmp_path):
    """A raw folder of one sound scene of three bands, and its manifest."""
    folder = tmp_path / "raw"
    write_raster(folder / "scenes/images/a.tif", PICTURE[:3])
    write_raster(folder / "scenes/masks/a.tif", LABELS[None])
    write_json(folder / "manifest.json", {"root": "scenes", "files": []})
    return folder


@pytest.fixture
def spec(tile_slice):
    """A slice of the tiling with changes."""
    return lambda **changes: tile_slice.model_validate(
        tile_slice.model_dump() | {"groups": []} | changes
    )


@pytest.fixture
def totals(raw, spec, command, tmp_path):
    """Tile the folder, which must go well: pixels of each class."""

    def call(**changes) -> list[int]:
        job = spec(**changes)
        assert command("tile", job, raw=raw, out=tmp_path / "tiles") == ""
        table = open_tiles(tmp_path / "tiles").table
        return [int(table[f"pixels_{name}"].sum()) for name in job.classes]

    return call


def expected(labels=LABELS, hidden=None) -> list[int]:
    seen = np.ones(labels.shape, bool) if hidden is None else ~hidden
    return [int(((labels == index) & seen).sum()) for index in range(3)]


# --- hidden pixels --------------------------------------------------------------------------------


def test_an_internal_mask_and_an_alpha_band_hide_labels(raw, totals, fault):
    image = raw / "scenes/images/a.tif"
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(image, "r+") as file:
        file.write_mask(~HIDDEN)
    assert totals() == expected(hidden=HIDDEN)
    fault(AREA, "an orthophoto with a mask inside", "hidden pixels have no label")

    image.unlink()
    opacity = np.where(HIDDEN, 0, 255).astype(np.uint8)
    write_raster(image, np.concatenate([PICTURE[:3], opacity[None]]))
    assert totals(pixels={"bands": [1, 2, 3]}) == expected(hidden=HIDDEN)
    fault(AREA, "transparent pixels, where pixels.bands names the others", "they have no label")


def test_a_fourth_band_that_is_marked_as_transparency(raw, spec, totals, refused, fault, tmp_path):
    image = raw / "scenes/images/a.tif"
    image.unlink()
    write_raster(image, PICTURE)
    with rasterio.open(image) as file:
        assert file.colorinterp[3] == ColorInterp.alpha

    found = refused("tile", spec(), raw=raw, out=tmp_path / "tiles")
    assert (
        "holds data, such as near infrared; set the dataset's pixels.bands to [1, 2, 3, 4]" in found
    )
    fault(AREA, "near infrared that its file calls transparency", found)

    assert totals(pixels={"bands": [1, 2, 3, 4]}) == expected()
    fault(AREA, "the same, where pixels.bands names all four", "it hides nothing")

    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(image, "r+") as file:
        file.write_mask(~HIDDEN)
    assert totals(pixels={"bands": [1, 2, 3, 4]}) == expected(hidden=HIDDEN)
    fault(AREA, "the same with a mask inside", "the mask hides pixels, the band does not")


def test_8_bits_among_16(raw, spec, refused, fault, tmp_path):
    job = spec(pixels={"scale": [0, 10000]})
    found = refused("tile", job, raw=raw, out=tmp_path / "tiles")
    assert "images/a.tif: 8-bit pixels" in found
    fault(AREA, "an 8-bit image, where pixels.scale is for 16 bits", found)


# --- masks ----------------------------------------------------------------------------------------


def test_masks_of_0_and_255(raw, spec, totals, refused, fault, tmp_path):
    mask = raw / "scenes/masks/a.tif"
    two = (LABELS > 0).astype(np.uint8)
    mask.unlink()
    write_raster(mask, 255 * two[None])
    names = {"classes": ["ground", "house"]}
    found = refused("tile", spec(**names), raw=raw, out=tmp_path / "tiles")
    assert "value: 255" in found
    fault(AREA, "masks of 0 and 255 without `value`", found)

    assert totals(**names, values=[0, 255]) == expected(two)[:2]
    fault(AREA, "the same with `value: 255`", "both classes have their pixels")


def test_minus_one_is_no_label(raw, totals, fault):
    mask = raw / "scenes/masks/a.tif"
    mask.unlink()
    labels = LABELS.astype(np.int16)
    labels[HIDDEN] = -1
    write_raster(mask, labels[None])
    assert totals(gaps=[-1]) == expected(hidden=HIDDEN)
    fault(AREA, "16-bit masks in which −1 is a gap", "such pixels have no label")


def test_a_gap_that_is_a_class(fault):
    with pytest.raises(UserError) as reason:
        load(overrides={"datasets": {"loveda": {"gaps": [1]}}})
    assert "1 stands under classes too" in str(reason.value)
    fault(AREA, "a mask value that is a class and a gap", str(reason.value))


# --- layouts --------------------------------------------------------------------------------------


def test_a_field_that_only_the_images_have(fault):
    layout = {"images": "{area}/{n}.tif", "masks": "masks/{n}.tif"}
    with pytest.raises(UserError) as reason:
        load(overrides={"datasets": {"loveda": {"layout": layout}}})
    assert re.search(r"must have the same fields as images \(area, n\)", str(reason.value))
    fault(AREA, "a field of `images` that `masks` lack", str(reason.value))


def test_lists_in_utf_16(raw, spec, command, fault, tmp_path):
    (raw / "scenes/train.txt").write_bytes("a.tif\n".encode("utf-16"))
    (raw / "scenes/val.txt").write_bytes(b"")
    lists = {
        "by": "lists",
        "name": "{scene}.tif",
        "lists": {"train": "train.txt", "val": "val.txt"},
    }
    assert command("tile", spec(official=lists), raw=raw, out=tmp_path / "tiles") == ""
    assert open_tiles(tmp_path / "tiles").table["official_split"].tolist() == ["train"]
    fault(AREA, "lists of scenes in UTF-16", "read as those in UTF-8")


def test_lists_in_another_encoding(raw, spec, refused, fault, tmp_path):
    (raw / "scenes/train.txt").write_bytes("Äcker_1.tif\n".encode("latin-1"))
    (raw / "scenes/val.txt").write_bytes(b"a.tif\n")
    lists = {"by": "lists", "lists": {"train": "train.txt", "val": "val.txt"}}
    found = refused("tile", spec(official=lists), raw=raw, out=tmp_path / "tiles")
    assert found.endswith("train.txt: not text in UTF-8; save it as UTF-8")
    fault(AREA, "a list of scenes in Latin-1", found)


def test_archives_with_backslashes(fault, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("scenes/images/a.txt", "image")
    content = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(content.replace(b"scenes/images/a", b"scenes\\images\\a"))
    unpack(tmp_path / "a.zip", tmp_path / "out")
    assert (tmp_path / "out/scenes/images/a.txt").read_text() == "image"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["scenes"]
    fault(AREA, "an archive whose names have backslashes", "unpacked into folders")
