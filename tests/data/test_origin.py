"""What a tile store remembers of its images."""

import math

import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS
from rasterio.transform import Affine, from_origin

from conftest import write_raster
from satseg.config.datasets import Pixels
from satseg.data.origin import Origin, describe, pixel_size
from satseg.data.store import open_tiles
from satseg.data.tiling import build_tiles
from satseg.errors import UserError

LOCAL = CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]')
BERLIN = (1_492_000, 6_894_000)  # web Mercator, where it lies at 52.52° north


def size_of(path, **place):
    write_raster(path, np.ones((1, 300, 300), np.uint8), **place)
    with rasterio.open(path) as file:
        return pixel_size(file)


@pytest.mark.parametrize(
    ("place", "metres"),
    [
        # On the central meridian a UTM map is 0.9996 of the ground.
        (
            {"crs": "EPSG:32632", "transform": from_origin(500_000, 5_000_000, 0.5, 0.5)},
            0.5 / 0.9996,
        ),
        (
            {
                "crs": "EPSG:32632",
                "transform": Affine.translation(5e5, 5e6) @ Affine.rotation(20) @ Affine.scale(2),
            },
            2,
        ),
        # A minute of arc along the equator's meridian and the equator itself.
        (
            {"crs": "EPSG:4326", "transform": from_origin(10, 1 / 60, 1e-5, 1e-5)},
            1e-5 * math.pi / 180 * math.sqrt(6378137 * 6335439),
        ),
        # Web Mercator stretches by one over the cosine of the latitude.
        (
            {"crs": "EPSG:3857", "transform": from_origin(*BERLIN, 1, 1)},
            math.cos(math.radians(52.52)),
        ),
    ],
)
def test_pixel_size_on_the_ground(tmp_path, place, metres):
    assert size_of(tmp_path / "a.tif", **place) == pytest.approx(metres, rel=4e-3)


def test_pixel_size_is_unknown_where_the_image_does_not_say(tmp_path):
    assert size_of(tmp_path / "a.png") is None
    assert size_of(tmp_path / "b.tif", transform=from_origin(0, 0, 2, 2)) is None
    assert size_of(tmp_path / "c.tif", crs=LOCAL, transform=from_origin(0, 0, 2, 2)) is None


def test_images_of_several_kinds(tmp_path):
    place = {"crs": "EPSG:32632"}
    bands = np.ones((2, 40, 40))
    write_raster(
        tmp_path / "a.tif",
        bands.astype(np.uint16),
        transform=from_origin(5e5, 5e6, 10, 10),
        **place,
    )
    write_raster(
        tmp_path / "b.tif",
        bands.astype(np.float32),
        transform=from_origin(5e5, 5e6, 20, 20),
        **place,
    )
    write_raster(tmp_path / "c.png", bands.astype(np.uint16)[:1])
    pixels = Pixels(bands=[1], scale=[0, 9])
    origin = describe(sorted(tmp_path.iterdir()), pixels)
    assert origin.pixels == pixels and origin.dtypes == ("float32", "uint16")
    assert origin.metres == pytest.approx((10, 20), rel=1e-3)
    assert describe([tmp_path / "c.png"], pixels) == Origin(pixels=pixels, dtypes=("uint16",))


def test_a_tile_store_keeps_it(scene_folder, tile_slice, tmp_path):
    build_tiles(tile_slice, scene_folder, tmp_path)
    assert open_tiles(tmp_path).origin == Origin()
    kept = Origin(pixels=Pixels(scale=[0, 5]), dtypes=("int16",), metres=(1, 2))
    (tmp_path / "origin.json").write_text(kept.model_dump_json())
    assert open_tiles(tmp_path).origin == kept
    (tmp_path / "origin.json").write_text('{"pixels": 1, "dtypes": [], "metres": null}')
    with pytest.raises(UserError, match=r"origin\.json: damaged"):
        open_tiles(tmp_path)
    (tmp_path / "origin.json").unlink()  # stores of earlier versions
    assert open_tiles(tmp_path).origin == Origin()
