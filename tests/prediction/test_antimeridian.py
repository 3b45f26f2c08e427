"""Polygons at the antimeridian and the poles: every pixel's centre lies in its own polygon."""

import json

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from rasterio.warp import transform

from conftest import write_raster
from satseg.prediction.polygons import write_polygons
from scenery import CLASSES

HEIGHT, WIDTH = 24, 30
(EDGE,), (NORTH,) = transform("EPSG:4326", "EPSG:32601", [180.0], [66.0])


def inside(ring: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Whether places [N, 2] lie in a closed ring: bool [N] (even-odd rule)."""
    (x0, y0), (x1, y1) = ring[:-1].T[..., None], ring[1:].T[..., None]
    x, y = places.T
    between = (y0 > y) != (y1 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = x0 + (y - y0) / (y1 - y0) * (x1 - x0)
    return (between & (x < crossing)).sum(0) % 2 == 1


def area(ring: np.ndarray) -> float:
    x, y = (ring - ring[0]).T
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2)


@pytest.mark.parametrize(
    ("crs", "place", "parts"),
    [
        ("EPSG:32601", from_origin(EDGE - 153, NORTH + 120, 10, 10), 1),
        ("EPSG:4326", from_origin(180 - 15.3e-4, 12, 1e-4, 1e-4), 1),
        ("EPSG:4326", from_origin(180 - 15e-4, 12, 1e-4, 1e-4), 1),  # along a pixel's side
        ("EPSG:3413", from_origin(-140, 120, 10, 10), 1),  # around the north pole
        ("EPSG:3031", from_origin(-152, 113, 10, 10), 1),  # around the south pole
        ("EPSG:4326", from_origin(-180, 90, 12, 7.5), 0),  # the whole earth
        ("EPSG:3031", from_origin(-153, -5115, 10, 10), 1),  # beside the pole, on the meridian
    ],
    ids=["utm", "degrees", "on the side", "north pole", "south pole", "earth", "polar"],
)
def test_every_pixel_lies_in_its_own_polygon(tmp_path, crs, place, parts):
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, (HEIGHT, WIDTH)).astype(np.uint8)
    labels[4:20, 6:26] = 2
    labels[8:14, 12:19] = 0  # a hole, and
    labels[10:12, 15:17] = 1  # an island in it
    labels[:2] = 255
    path = tmp_path / "map.tif"
    write_raster(path, labels[None], nodata=255, crs=crs, transform=place)
    write_polygons(path, tmp_path / "map.geojson", CLASSES, "map")
    features = json.loads((tmp_path / "map.geojson").read_text(encoding="utf-8"))["features"]

    rows, columns = np.indices(labels.shape).reshape(2, -1)
    x, y = place @ np.array([columns + 0.5, rows + 0.5])
    longitude, latitude = map(np.array, transform(crs, "EPSG:4326", x, y))
    longitude = np.where(np.abs(longitude) > 180, (longitude + 180) % 360 - 180, longitude)
    places = np.column_stack([longitude, latitude])

    found = np.full(labels.size, 255)
    times = np.zeros(labels.size, int)
    multiple = 0
    for feature in features:
        shape = feature["geometry"]
        polygons = shape["coordinates"]
        if shape["type"] == "Polygon":
            polygons = [polygons]
        multiple += len(polygons) > 1
        for outer, *holes in (map(np.array, polygon) for polygon in polygons):
            within = inside(outer, places)
            assert area(outer) > 0
            for hole in holes:
                assert area(hole) < 0
                within &= ~inside(hole, places)
            for ring in (outer, *holes):
                assert np.array_equal(ring[0], ring[-1])
                assert (np.abs(ring) <= [180, 90]).all()
            found[within] = feature["properties"]["index"]
            times += within

    assert (times == (labels.ravel() != 255)).all()
    np.testing.assert_array_equal(found.reshape(labels.shape), labels)
    assert (multiple > 0) == bool(parts)


def test_nothing_is_cut_elsewhere(tmp_path):
    labels = np.ones((4, 4), np.uint8)
    place = from_origin(500_000, 5_000_000, 10, 10)
    write_raster(tmp_path / "map.tif", labels[None], nodata=255, crs="EPSG:32632", transform=place)
    write_polygons(tmp_path / "map.tif", tmp_path / "map.geojson", CLASSES, "map")
    (feature,) = json.loads((tmp_path / "map.geojson").read_text(encoding="utf-8"))["features"]
    assert feature["geometry"]["type"] == "Polygon"
    assert len(feature["geometry"]["coordinates"][0]) == 5
    with rasterio.open(tmp_path / "map.tif") as file:
        assert file.crs.to_epsg() == 32632
