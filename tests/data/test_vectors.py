"""Masks of polygons become the labels that a mask image of the same ground holds."""

import json

import numpy as np
import pytest
from rasterio.warp import transform_geom

from conftest import write_raster
from satseg.config.datasets import Layout
from satseg.data.layout import find_scenes
from satseg.data.masks import named_values
from satseg.data.opening import open_mask
from satseg.data.store import open_tiles
from satseg.data.tiling import build_tiles
from satseg.errors import UserError
from satseg.jobs.slices import TileSlice
from scenery import PLACE, noise

VALUES = {"Field": 0, "Water": 7}
# Class, left, top, right, bottom in pixels: the third lies on the first.
BOXES = [("Field", 0, 0, 40, 64), ("Water", 40, 10, 60, 50), ("Water", 10, 20, 30, 40)]


def job(**layout) -> TileSlice:
    places = {"images": "{n}.tif", "masks": "{n}.geojson", "scene": "{n}", "mask_values": "index"}
    return TileSlice(
        dataset="mine",
        layout=Layout(**places | {"attribute": "kind"} | layout),
        classes=list(VALUES),
        colors=None,
        values=list(VALUES.values()),
        gaps=[],
        tile_size=64,
        groups=[],
    )


def expected() -> np.ndarray:
    mask = np.full((64, 64), 255)
    for name, left, top, right, bottom in BOXES:
        mask[top:bottom, left:right] = VALUES[name]
    return mask


def write_polygons(path, kind=str, crs="OGC:CRS84"):
    """The boxes as GeoJSON, in degrees."""
    features = []
    for name, *sides in BOXES:
        left, top, right, bottom = sides
        corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        ring = [PLACE["transform"] @ corner for corner in corners]
        shape = {"type": "Polygon", "coordinates": [ring]}
        shape = transform_geom(PLACE["crs"], crs, shape)
        properties = {"kind": kind(name)} if kind else {"sort": name}
        features.append({"type": "Feature", "properties": properties, "geometry": shape})
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))


@pytest.fixture
def folder(tmp_path):
    write_raster(tmp_path / "a.tif", noise(64, 64), **PLACE)
    return tmp_path


@pytest.mark.parametrize("kind", [str, VALUES.get, lambda name: float(VALUES[name])])
def test_a_pixel_has_the_class_of_the_last_polygon_over_it(folder, kind):
    write_polygons(folder / "a.geojson", kind)
    own = job()
    (scene,) = find_scenes(folder, own.layout, named_values(own))
    with open_mask(scene) as mask:
        np.testing.assert_array_equal(mask.read(1), expected())

    build_tiles(own, folder, folder / "store")
    labels = np.array([255] * 256)
    labels[list(VALUES.values())] = range(len(VALUES))
    np.testing.assert_array_equal(open_tiles(folder / "store").masks[0], labels[expected()])


def test_a_geopackage_in_another_system(folder):
    pyogrio = pytest.importorskip("pyogrio.raw")
    write_polygons(folder / "b.geojson")
    about, _, shapes, fields = pyogrio.read(folder / "b.geojson")
    pyogrio.write(
        folder / "a.gpkg", shapes, fields, about["fields"], geometry_type="Polygon",
        crs=about["crs"], driver="GPKG",
    )  # fmt: skip
    own = job(masks="{n}.gpkg")
    (scene,) = find_scenes(folder, own.layout, named_values(own))
    with open_mask(scene) as mask:
        np.testing.assert_array_equal(mask.read(1), expected())


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: write_polygons(path, lambda name: "Sea"), "'Sea' is neither the name"),
        (lambda path: write_polygons(path, lambda name: 3), "is not a class of the dataset"),
        (lambda path: path.write_text("<OGRVRTDataSource/>"), "not a .geojson file of polygons"),
        (lambda path: path.write_text("{"), "not readable"),
        (lambda path: write_polygons(path, kind=None), "no attribute 'kind'"),
    ],
)
def test_what_is_no_mask_is_refused(folder, spoil, message):
    spoil(folder / "a.geojson")
    with pytest.raises(UserError, match=message) as caught:
        build_tiles(job(), folder, folder / "store")
    assert str(caught.value).startswith(str(folder / "a.geojson"))


def test_no_polygon_is_no_label(folder):
    (folder / "a.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    own = job()
    (scene,) = find_scenes(folder, own.layout, named_values(own))
    with open_mask(scene) as mask:
        assert (mask.read(1) == 255).all()


def test_an_image_without_a_position_is_refused(folder):
    write_polygons(folder / "a.geojson")
    write_raster(folder / "a.tif", noise(64, 64))
    with pytest.raises(UserError, match=r"a\.tif: has no position"):
        build_tiles(job(), folder, folder / "store")


def test_an_attribute_goes_with_polygons():
    for wrong in ({"masks": "{n}.tif"}, {"attribute": None}, {"mask_values": "color"}):
        with pytest.raises(ValueError, match="polygons"):
            job(**wrong)
