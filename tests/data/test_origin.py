"""What a tile store remembers of its images."""

import math

import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS
from rasterio.transform import Affine, from_origin
from rasterio.warp import transform

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


def between(longitudes, latitudes) -> float:
    """Metres between two near places, by the radii of curvature at their mean latitude."""
    a, e2 = 6378137.0, 0.0066943799901413165
    mean = math.radians(sum(latitudes) / 2)
    w2 = 1 - e2 * math.sin(mean) ** 2
    north = a * (1 - e2) / w2**1.5 * math.radians(latitudes[1] - latitudes[0])
    turn = (longitudes[1] - longitudes[0] + 180) % 360 - 180
    east = a / math.sqrt(w2) * math.cos(mean) * math.radians(turn)
    return math.hypot(north, east)


@pytest.mark.parametrize(
    ("crs", "longitude", "latitude"),
    [
        ("EPSG:32601", 180.0, 66.0),
        ("EPSG:32760", 180.0, -17.0),
        ("EPSG:4326", 180.0, 52.0),
        ("EPSG:3413", 179.99, 75.0),
        ("EPSG:3031", -135.0, -80.0),
    ],
)
def test_pixel_size_at_the_antimeridian_and_in_polar_systems(tmp_path, crs, longitude, latitude):
    (x,), (y,) = transform("EPSG:4326", crs, [longitude], [latitude])
    size = 1e-4 if crs == "EPSG:4326" else 10
    # The image's middle is the place.
    place = from_origin(x - 150 * size, y + 150 * size, size, size)
    corners = [(x, y), (x + size, y), (x, y - size)]
    degrees = list(zip(*transform(crs, "EPSG:4326", *zip(*corners, strict=True)), strict=True))
    sides = [between(*zip(degrees[0], degrees[k], strict=True)) for k in (1, 2)]
    found = size_of(tmp_path / "a.tif", crs=crs, transform=place)
    assert found == pytest.approx(math.sqrt(sides[0] * sides[1]), rel=1e-3)


def test_pixel_size_around_the_pole(tmp_path):
    # EPSG:3413 is true to scale at 70° north; at the pole its scale is 0.9698 (EPSG 9829, Snyder 1987).
    place = from_origin(-1500, 1500, 10, 10)
    found = size_of(tmp_path / "a.tif", crs="EPSG:3413", transform=place)
    assert found == pytest.approx(10 / pole_scale(70), rel=1e-5)


def pole_scale(parallel: float) -> float:
    """Scale at the pole of a polar stereographic system that is true along a parallel (Snyder 1987,
    equations 21-35 and 15-9, 14-15)."""
    e = math.sqrt(0.0066943799901413165)
    latitude = math.radians(parallel)
    sine = math.sin(latitude)
    t = math.tan(math.pi / 4 - latitude / 2) / ((1 - e * sine) / (1 + e * sine)) ** (e / 2)
    m = math.cos(latitude) / math.sqrt(1 - (e * sine) ** 2)
    return m * math.sqrt((1 + e) ** (1 + e) * (1 - e) ** (1 - e)) / (2 * t)


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
