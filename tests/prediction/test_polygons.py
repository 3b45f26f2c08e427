"""Polygons against the map they were made from."""

import json

import numpy as np
import pytest
import rasterio
from rasterio.features import rasterize
from rasterio.transform import Affine
from rasterio.warp import transform_geom

from conftest import write_raster
from satseg.prediction.polygons import write_polygons
from scenery import CLASSES, PLACE

ROTATED = Affine.translation(500_000, 5_000_000) @ Affine.rotation(30) @ Affine.scale(2, -2)


def area(ring) -> float:
    """Signed area of a closed ring, positive anticlockwise."""
    x, y = (np.array(ring) - ring[0]).T
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2)


@pytest.fixture(params=[PLACE["transform"], ROTATED], ids=["upright", "rotated"])
def made(request, tmp_path):
    """A map with islands, holes, corners that touch and no data; and its polygons' features."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 4, (40, 50)).astype(np.uint8)
    labels[5:20, 5:30] = 1
    labels[8:12, 8:20] = 2  # a hole in class 1, and
    labels[9:11, 10:12] = 3  # a hole in what fills it
    labels[30:] = 255
    path = tmp_path / "map.tif"
    write_raster(path, labels[None], nodata=255, crs=PLACE["crs"], transform=request.param)
    write_polygons(path, tmp_path / "map.geojson", CLASSES, "map")
    collection = json.loads((tmp_path / "map.geojson").read_text(encoding="utf-8"))
    assert collection["type"] == "FeatureCollection" and "crs" not in collection
    return path, labels, collection["features"]


def test_areas_are_those_of_the_classes(made):
    path, labels, features = made
    with rasterio.open(path) as file:
        pixel = abs(file.transform.determinant)
    areas = np.zeros(len(CLASSES))
    for feature in features:
        index = feature["properties"]["index"]
        assert feature["properties"]["class"] == CLASSES[index]
        geometry = transform_geom("EPSG:4326", PLACE["crs"], feature["geometry"])
        outer, *holes = geometry["coordinates"]
        areas[index] += abs(area(outer)) - sum(abs(area(hole)) for hole in holes)
    expected = np.bincount(labels[labels != 255], minlength=4) * pixel
    np.testing.assert_allclose(areas, expected, rtol=1e-4)


def test_drawn_again_they_are_the_map(made):
    path, labels, features = made
    shapes = [
        (
            transform_geom("EPSG:4326", PLACE["crs"], feature["geometry"]),
            feature["properties"]["index"],
        )
        for feature in features
    ]
    with rasterio.open(path) as file:
        drawn = rasterize(shapes, labels.shape, fill=255, transform=file.transform)
    np.testing.assert_array_equal(drawn, labels)


def test_rings_follow_the_standard(made):
    _, _, features = made
    assert sum(len(feature["geometry"]["coordinates"]) > 1 for feature in features) >= 2
    for feature in features:
        outer, *holes = feature["geometry"]["coordinates"]
        assert area(outer) > 0 > max([area(hole) for hole in holes], default=-1)
        assert all(ring[0] == ring[-1] and len(ring) >= 5 for ring in (outer, *holes))
        assert all(8.9 < x < 9.1 and 45 < y < 45.2 for ring in (outer, *holes) for x, y in ring)


def test_a_map_without_data_has_no_polygons(tmp_path):
    write_raster(tmp_path / "map.tif", np.full((1, 8, 8), 255, np.uint8), nodata=255, **PLACE)
    write_polygons(tmp_path / "map.tif", tmp_path / "map.geojson", CLASSES, "map")
    assert json.loads((tmp_path / "map.geojson").read_text())["features"] == []
