"""Masks that do not lie where their images do: turned exactly, or refused with the distance."""

import math

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine, from_origin
from rasterio.warp import transform

from conftest import write_raster
from satseg.data.store import open_tiles
from satseg.files import write_json

HEIGHT, WIDTH = 40, 56
RNG = np.random.default_rng(11)
PICTURE = RNG.integers(1, 255, (3, HEIGHT, WIDTH), dtype=np.uint8)
LABELS = RNG.integers(0, 3, (HEIGHT, WIDTH), dtype=np.uint8)
ZONE = "EPSG:32633"
LEFT, TOP, PIXEL = 500_000, 5_000_000, 0.5
PLACE = from_origin(LEFT, TOP, PIXEL, PIXEL)
SOUTH_UP = Affine(PIXEL, 0, LEFT, 0, PIXEL, TOP - HEIGHT * PIXEL)
EAST_LEFT = Affine(-PIXEL, 0, LEFT + WIDTH * PIXEL, 0, -PIXEL, TOP)
BOTH = Affine(-PIXEL, 0, LEFT + WIDTH * PIXEL, 0, PIXEL, TOP - HEIGHT * PIXEL)


@pytest.fixture
def tiled(command, tile_slice, tmp_path):
    """Tile one scene of these files; the message, and the labels that the store holds."""

    def build(labels, mask_place, image=PICTURE, place=PLACE, crs=ZONE, mask_crs=ZONE):
        folder = tmp_path / "raw/scenes"
        write_raster(folder / "images/a.tif", image, crs=crs, transform=place)
        write_raster(folder / "masks/a.tif", labels[None], crs=mask_crs, transform=mask_place)
        write_json(tmp_path / "raw/manifest.json", {"root": "scenes", "files": []})
        job = tile_slice.model_validate(tile_slice.model_dump() | {"groups": []})
        out = tmp_path / "tiles"
        message = command("tile", job, raw=tmp_path / "raw", out=out)
        if message:
            assert not out.exists() or not any(out.iterdir())
            return message.removeprefix("error: "), None

        store = open_tiles(out)
        size = store.masks.shape[1]
        whole = np.full((size * 2, size * 2), 255, np.uint8)
        for row in store.table.itertuples():
            place = np.s_[row.row * size :, row.col * size :]
            whole[place][:size, :size] = store.masks[row.tile]
        counts = store.table.filter(like="pixels_").sum().tolist()
        assert counts == [(labels == index).sum() for index in range(len(counts))]
        return "", whole[:HEIGHT, :WIDTH]

    return build


@pytest.mark.parametrize(
    ("place", "stored", "words"),
    [
        (SOUTH_UP, np.s_[::-1], "a mask stored south-up, its image north-up"),
        (EAST_LEFT, np.s_[:, ::-1], "a mask stored mirrored"),
        (BOTH, np.s_[::-1, ::-1], "a mask stored turned by 180°"),
    ],
)
def test_turned_masks_are_turned_back(tiled, fault, place, stored, words):
    message, found = tiled(LABELS[stored], place)
    assert message == ""
    np.testing.assert_array_equal(found, LABELS)
    fault("Places", words, "read as its image lies; the classes are right to the pixel")


def test_an_image_that_is_stored_south_up(tiled, fault):
    message, found = tiled(LABELS, PLACE, image=PICTURE[:, ::-1], place=SOUTH_UP)
    assert message == ""
    np.testing.assert_array_equal(found, LABELS[::-1])
    fault("Places", "an image stored south-up, its mask north-up", "the mask is turned to it")


@pytest.mark.parametrize("shift", [0.0, 0.5, -0.5])
def test_half_a_pixel_is_tolerated(tiled, shift):
    message, found = tiled(LABELS, PLACE @ Affine.translation(shift, -shift))
    assert message == ""
    np.testing.assert_array_equal(found, LABELS)


def test_a_shifted_mask(tiled, fault):
    message, _ = tiled(LABELS, PLACE @ Affine.translation(40, 30))
    # UTM's scale on the central meridian is 0.9996.
    metres = 50 * PIXEL / 0.9996
    assert f"masks/a.tif: lies {metres:.4g} m (50 pixels) from its image a.tif; " in message
    assert "put it on its image's grid (gdalwarp" in message
    fault("Places", "a mask 50 pixels from its image", message)


def test_a_mask_in_another_system(tiled, fault):
    x, y = transform(ZONE, "EPSG:32632", [LEFT], [TOP])
    message, _ = tiled(LABELS, from_origin(x[0], y[0], PIXEL, PIXEL), mask_crs="EPSG:32632")
    assert "masks/a.tif: is in EPSG:32632, but its image a.tif is in EPSG:32633, and" in message
    fault("Places", "a mask in the neighbouring UTM zone", message)
    message, _ = tiled(LABELS, from_origin(0, 0, 1, 1), mask_crs='LOCAL_CS["site",UNIT["metre",1]]')
    assert "cannot be compared with that of its image a.tif (EPSG:32633); " in message
    fault("Places", "a mask in a local system, its image in UTM", message)


def test_the_same_system_in_other_words(tiled):
    wkt = rasterio.CRS.from_epsg(32633).to_wkt().replace("WGS 84 / UTM zone 33N", "my grid")
    message, found = tiled(LABELS, PLACE, mask_crs=wkt)
    assert message == ""
    np.testing.assert_array_equal(found, LABELS)


def test_a_mask_of_another_resolution(tiled, fault):
    message, _ = tiled(LABELS, from_origin(LEFT, TOP, 0.6, 0.6))
    furthest = math.hypot(HEIGHT, WIDTH) * 0.1
    said = "masks/a.tif: has 56×40 pixels of 0.6×0.6, but its image a.tif 56×40 pixels of 0.5×0.5"
    assert f"{said}, and" in message
    assert f"{furthest / 0.9996:.4g} m ({furthest / PIXEL:.4g} pixels) apart; " in message
    fault("Places", "a mask of other pixels than its image's", message)

    message, _ = tiled(LABELS[::2, ::2], from_origin(LEFT, TOP, 2 * PIXEL, 2 * PIXEL))
    said = "masks/a.tif: has 28×20 pixels of 1×1, but its image a.tif 56×40 pixels of 0.5×0.5"
    assert f"{said}; put it on its image's grid (gdalwarp" in message
    fault("Places", "a mask of half as many pixels on the same ground", message)
    message, _ = tiled(LABELS[:, :30], PLACE)
    said = "a.tif: has 30×40 pixels of 0.5×0.5, but its image a.tif 56×40 pixels of 0.5×0.5"
    assert f"{said}, and their corners lie up to {26 * PIXEL / 0.9996:.4g} m (26" in message
    fault("Places", "a mask of only a part of its image", message)


def test_a_mask_turned_by_a_quarter(tiled, fault):
    square = PICTURE[:, :, :HEIGHT]
    quarter = PLACE @ Affine.rotation(90) @ Affine.translation(0, -HEIGHT)
    message, _ = tiled(LABELS[:, :HEIGHT], quarter, image=square)
    assert "corners lie up to" in message
    fault("Places", "a mask turned by 90°", message)


def test_places_without_a_system_are_compared_too(tiled):
    message, _ = tiled(LABELS, PLACE @ Affine.translation(3, 4), crs=None, mask_crs=None)
    assert "masks/a.tif: lies 5 pixels from its image a.tif; " in message


@pytest.mark.parametrize(
    ("crs", "place"),
    [(None, PLACE), (ZONE, Affine.identity()), (None, from_origin(0, HEIGHT, 1, 1))],
)
def test_a_side_without_a_place(tiled, crs, place):
    message, found = tiled(LABELS, place, mask_crs=crs)
    assert message == ""
    np.testing.assert_array_equal(found, LABELS)


def test_a_mask_that_names_no_system(tiled, fault):
    """As one with a world file: its numbers are those of its image's system if they may be."""
    message, _ = tiled(LABELS, PLACE @ Affine.translation(3, 4), mask_crs=None)
    assert "masks/a.tif: lies 2.501 m (5 pixels) from its image a.tif; " in message
    fault("Places", "a mask five pixels from its image, without a coordinate system", message)
    message, found = tiled(LABELS[::-1], SOUTH_UP, mask_crs=None)
    assert message == ""
    np.testing.assert_array_equal(found, LABELS)
