"""Bands of image files as uint8, and masks of any values."""

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from conftest import write_raster
from satseg.config.datasets import Pixels
from satseg.data.images import band_count, read_bands, scaled
from satseg.data.store import open_tiles
from satseg.data.tiling import build_tiles
from satseg.errors import UserError


def opened(path, bands, **options):
    write_raster(path, bands, **options)
    return rasterio.open(path)


@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_scaling_is_linear_between_the_two_values_and_cut_off_beyond(kind):
    low = 20
    high = 105
    values = np.arange(0, 128).astype(kind).reshape(1, 8, 16)
    expected = [
        min(max(round((int(v) - low) * 255 / (high - low)), 0), 255) for v in values.ravel()
    ]
    # 255 / 85 is 3: no value lies between two whole numbers.
    result = scaled(values, Pixels(scale=[low, high]))
    assert result.dtype == np.uint8
    assert result.ravel().tolist() == expected


def test_every_16_bit_value_is_rounded_as_exact_arithmetic_does():
    values = np.arange(65536, dtype=np.uint16).reshape(1, 256, 256)
    result = scaled(values, Pixels(scale=[0, 10000])).ravel()
    exact = [(min(v, 10000) * 255, 10000) for v in range(65536)]
    for found, (top, bottom) in zip(result.tolist(), exact, strict=True):
        assert (
            abs(found * bottom - top) * 2 <= bottom
        )  # the nearest, or one of two that are as near


def test_a_pair_for_each_band():
    values = np.array([[[50]], [[50]], [[50]]], np.uint16)
    assert scaled(values, Pixels(scale=[[0, 100], [0, 50], [50, 60]])).ravel().tolist() == [
        128,
        255,
        0,
    ]


def test_bands_come_in_the_stated_order(tmp_path):
    bands = np.random.default_rng(0).integers(0, 256, (5, 40, 30), dtype=np.uint8)
    with opened(tmp_path / "a.tif", bands) as file:
        pixels = Pixels(bands=[4, 1, 1])
        image, gone = read_bands(file, pixels, False, Window(3, 5, 20, 30))
        assert band_count(file, "a.tif", pixels) == 3 and gone is None
        np.testing.assert_array_equal(image, bands[[3, 0, 0], 5:35, 3:23].transpose(1, 2, 0))
        assert band_count(file, "a.tif", Pixels()) == 5
        np.testing.assert_array_equal(
            read_bands(file, Pixels(), False)[0], bands.transpose(1, 2, 0)
        )


def test_no_data_is_where_all_bands_say_so(tmp_path):
    bands = np.full((2, 2, 3), 500, np.uint16)
    bands[0, 0, 0] = bands[:, 1, 2] = 7
    with opened(tmp_path / "a.tif", bands, nodata=7) as file:
        image, gone = read_bands(file, Pixels(scale=[0, 1000]), False)
    assert np.argwhere(gone).tolist() == [[1, 2]]
    assert image[..., 0].tolist() == [[0, 128, 128], [128, 128, 0]]
    assert image[..., 1].tolist() == [[128, 128, 128], [128, 128, 0]]


def test_what_is_no_number_is_no_data(tmp_path):
    bands = np.array([[[0.0, np.nan, np.inf, -np.inf, 1.0]]], np.float32)
    with opened(tmp_path / "a.tif", bands) as file:
        image, gone = read_bands(file, Pixels(scale=[0, 1]), False)
    assert gone.tolist() == [[False, True, False, False, False]]
    assert image[0, :, 0].tolist() == [0, 0, 255, 0, 255]


@pytest.mark.parametrize(
    ("bands", "kind", "pixels", "message"),
    [
        (
            3,
            "uint8",
            {"bands": [1, 4]},
            "has no band 4, only 3; correct the dataset's pixels.bands",
        ),
        (3, "uint16", {}, r"uint16 pixels, but models take 8 bits .*pixels\.scale"),
        (
            3,
            "uint8",
            {"scale": [[0, 9], [0, 9]]},
            r"3 bands; the dataset's pixels\.scale has 2 pairs",
        ),
    ],
)
def test_an_image_that_cannot_be_used(tmp_path, bands, kind, pixels, message):
    with (
        opened(tmp_path / "a.tif", np.zeros((bands, 8, 8), kind)) as file,
        pytest.raises(UserError, match=message) as error,
    ):
        band_count(file, "a.tif", Pixels(**pixels))
    assert str(error.value).startswith("a.tif: ") and "\n" not in str(error.value)


def changed(tile_slice, **changes):
    return tile_slice.model_validate(tile_slice.model_dump() | changes)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16", "int32"])
def test_masks_of_any_whole_numbers(tile_slice, tmp_path, kind):
    """Classes 100, 3 and 40 (in this order), 9 a gap, the file's no-data value 77, and 255, which
    never is a class."""
    values = np.random.default_rng(2).choice([100, 3, 40, 9, 77, 255], (32, 32))
    write_raster(tmp_path / "raw/images/s.tif", np.ones((1, 32, 32), np.uint8))
    write_raster(tmp_path / "raw/masks/s.tif", values.astype(kind)[None], nodata=77)
    build_tiles(
        changed(tile_slice, values=[100, 3, 40], gaps=[9]), tmp_path / "raw", tmp_path / "out"
    )
    expected = np.select([values == 100, values == 3, values == 40], [0, 1, 2], 255)
    np.testing.assert_array_equal(open_tiles(tmp_path / "out").masks[0], expected)


@pytest.mark.parametrize("value", [-1, 300, 70000])
def test_a_mask_value_far_off_is_named(tile_slice, tmp_path, value):
    write_raster(tmp_path / "raw/images/s.tif", np.ones((1, 32, 32), np.uint8))
    write_raster(tmp_path / "raw/masks/s.tif", np.full((1, 32, 32), value, np.int32))
    with pytest.raises(
        UserError, match=rf"masks/s\.tif: value {value} in 1024 pixels is not a class"
    ):
        build_tiles(tile_slice, tmp_path / "raw", tmp_path / "out")


def test_where_an_image_has_no_data_there_is_no_label(tile_slice, tmp_path):
    rng = np.random.default_rng(3)
    image = rng.integers(1, 5000, (4, 40, 70))
    mask = rng.integers(0, 3, (40, 70))
    image[:, 10:20, 30:60] = 0
    write_raster(tmp_path / "raw/images/s.tif", image.astype(np.uint16), nodata=0)
    write_raster(tmp_path / "raw/masks/s.tif", mask.astype(np.uint8)[None])
    spec = changed(tile_slice, pixels={"scale": [0, 5000]})
    table = build_tiles(spec, tmp_path / "raw", tmp_path / "out")
    masks = open_tiles(tmp_path / "out").masks
    mask[10:20, 30:60] = 255
    for row in table.itertuples():
        place = np.s_[32 * row.row : 32 * row.row + 32, 32 * row.col : 32 * row.col + 32]
        part = mask[place]
        np.testing.assert_array_equal(masks[row.tile, : part.shape[0], : part.shape[1]], part)
    assert table.filter(like="pixels_").to_numpy().sum() == 40 * 70 - 10 * 30
