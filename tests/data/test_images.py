"""Bands of image files as uint8, and masks of any values."""

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from conftest import write_raster
from satseg.check.survey import read_dataset
from satseg.config.datasets import Pixels
from satseg.data.images import band_count, hides_pixels, read_bands, scaled
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


def hiding(path, bands, kind, hidden):
    """A file that hides pixels by an internal mask or by a band marked as transparency."""
    if kind == "alpha":
        opacity = np.where(hidden, 0, np.iinfo(bands.dtype).max).astype(bands.dtype)
        bands = np.concatenate([bands, opacity[None]])
    write_raster(path, bands, photometric="MINISBLACK")  # of RGB, GDAL marks a fourth band itself
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        if kind == "mask":
            file.write_mask(~hidden)
        else:
            file.colorinterp = [*file.colorinterp[:-1], ColorInterp.alpha]


@pytest.mark.parametrize("kind", ["mask", "alpha"])
@pytest.mark.parametrize("count", [3, 4])
def test_hidden_pixels_have_no_label(tile_slice, tmp_path, kind, count):
    """In tiles and in what a check counts, to the pixel; as predictions have no data there."""
    rng = np.random.default_rng(3)
    hidden = np.zeros((48, 64), bool)
    hidden[:, :9] = hidden[40:, 30:50] = True
    labels = rng.integers(0, 3, (48, 64), dtype=np.uint8)
    bands = rng.integers(1, 255, (count, 48, 64), dtype=np.uint8)
    (tmp_path / "raw/images").mkdir(parents=True)
    hiding(tmp_path / "raw/images/s.tif", bands, kind, hidden)
    write_raster(tmp_path / "raw/masks/s.tif", labels[None])
    job = changed(tile_slice, pixels={"bands": list(range(1, count + 1))})

    table = build_tiles(job, tmp_path / "raw", tmp_path / "out")
    facts = read_dataset(job, tmp_path / "raw")
    expected = [int(((labels == index) & ~hidden).sum()) for index in range(3)]
    for index, name in enumerate(job.classes):
        assert table[f"pixels_{name}"].sum() == expected[index] == facts.labels[index]
    assert facts.no_data == hidden.sum() == facts.labels[255]
    images = open_tiles(tmp_path / "out").images
    shown = images.reshape(2, 2, 32, 32, count).swapaxes(1, 2).reshape(64, 64, count)[:48]
    np.testing.assert_array_equal(shown, np.where(hidden, 0, bands).transpose(1, 2, 0))


def test_a_band_marked_as_transparency_may_be_data(tile_slice, tmp_path):
    """Near infrared: what is dark in it is not hidden, whether it is read or left out."""
    bands = np.random.default_rng(4).integers(0, 200, (4, 32, 32), dtype=np.uint8)
    path = tmp_path / "raw/images/s.tif"
    write_raster(path, bands)
    with rasterio.open(path) as file:
        assert file.colorinterp[3] == ColorInterp.alpha
        for selected in ([1, 2, 3], [4, 1]):
            pixels = Pixels(bands=selected)
            assert not hides_pixels(file, pixels)
            image, gone = read_bands(file, pixels, False)
            assert gone is None
            expected = bands[[band - 1 for band in selected]].transpose(1, 2, 0)
            np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("bands", [[1, 2, 3, 4], [1, 2, 3]])
def test_a_mask_beside_near_infrared_marked_as_transparency(tmp_path, bands):
    """The file's mask hides pixels; zeros of the fourth band do not."""
    values = np.random.default_rng(4).integers(1, 200, (4, 32, 32), dtype=np.uint8)
    values[3, :4] = 0
    path = tmp_path / "a.tif"
    write_raster(path, values)
    hidden = np.zeros((32, 32), bool)
    hidden[:, 27:] = True
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.write_mask(~hidden)
    with rasterio.open(path) as file:
        assert file.colorinterp[3] == ColorInterp.alpha
        pixels = Pixels(bands=bands)
        assert hides_pixels(file, pixels)
        image, gone = read_bands(file, pixels, True)
        np.testing.assert_array_equal(gone, hidden)
        seen = values[[band - 1 for band in bands]] * ~hidden
        np.testing.assert_array_equal(image, seen.transpose(1, 2, 0))


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
        (
            1,
            "uint8",
            {"scale": [[0, 9], [0, 9]]},
            r"a\.tif: 1 band; the dataset's pixels\.scale has 2 pairs",
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
        changed(tile_slice, values=[100, 3, 40], gaps=[9]),
        tmp_path / "raw",
        tmp_path / "out",
    )
    expected = np.select([values == 100, values == 3, values == 40], [0, 1, 2], 255)
    np.testing.assert_array_equal(open_tiles(tmp_path / "out").masks[0], expected)


@pytest.mark.parametrize("kind", ["int16", "int32", "uint8"])
def test_a_value_below_zero_may_be_a_gap_or_a_class(tile_slice, tmp_path, kind):
    lowest = 250 if kind == "uint8" else -1
    values = np.random.default_rng(2).choice([lowest, 0, 2], (32, 32)).astype(kind)
    write_raster(tmp_path / "raw/images/s.tif", np.ones((1, 32, 32), np.uint8))
    write_raster(tmp_path / "raw/masks/s.tif", values[None])
    for number, (keys, expected) in enumerate(
        [
            ({"gaps": [lowest]}, np.where(values == lowest, 255, values)),
            ({"values": [lowest, 0, 2]}, np.select([values == lowest, values == 0], [0, 1], 2)),
        ]
    ):
        out = tmp_path / str(number)
        build_tiles(changed(tile_slice, **keys), tmp_path / "raw", out)
        np.testing.assert_array_equal(open_tiles(out).masks[0], expected)


@pytest.mark.parametrize("image_type", ["8", "16"])
def test_masks_of_0_and_255_need_a_word(tile_slice, tmp_path, image_type):
    values = np.random.default_rng(2).choice([0, 255], (32, 32)).astype(f"uint{image_type}")
    write_raster(tmp_path / "raw/images/s.tif", np.ones((1, 32, 32), np.uint8))
    write_raster(tmp_path / "raw/masks/s.tif", values[None])
    job = changed(tile_slice, classes=["ground", "road"])
    with pytest.raises(UserError, match="hold only class 'ground' and 255, which means no label"):
        build_tiles(job, tmp_path / "raw", tmp_path / "out")
    assert not (tmp_path / "out/masks.npy").exists()
    assert [problem.way for problem in read_dataset(job, tmp_path / "raw").problems] == [
        "give the class that 255 stands for `value: 255`, or list 255 in `gaps`"
    ]
    # Either advice works.
    for keys, white in (({"values": [0, 255]}, 1), ({"gaps": [255]}, 255)):
        build_tiles(changed(job, **keys), tmp_path / "raw", tmp_path / "out")
        expected = np.where(values == 255, white, 0)
        np.testing.assert_array_equal(open_tiles(tmp_path / "out").masks[0], expected)
        assert read_dataset(changed(job, **keys), tmp_path / "raw").problems == []


@pytest.mark.parametrize("value", [-1, 300, 70000])
def test_a_mask_value_far_off_is_named(tile_slice, tmp_path, value):
    write_raster(tmp_path / "raw/images/s.tif", np.ones((1, 32, 32), np.uint8))
    write_raster(tmp_path / "raw/masks/s.tif", np.full((1, 32, 32), value, np.int32))
    with pytest.raises(
        UserError, match=rf"masks/s\.tif: value {value} in 1,024 pixels is not a class"
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
