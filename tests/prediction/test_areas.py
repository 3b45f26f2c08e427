"""Areas on the ellipsoid against pyproj."""

import numpy as np
import pandas as pd
import pytest
import rasterio
from pyproj import Geod
from rasterio.transform import from_origin

from conftest import write_raster
from satseg.data.globe import ring_area
from satseg.prediction.areas import class_areas, write_areas
from scenery import CLASSES, PLACE

GEOD = Geod(ellps="WGS84")


@pytest.mark.parametrize("latitude", [-80.0, 0.0, 47.0])
def test_a_ring_has_the_area_of_the_ellipsoid(latitude):
    x, y = 8 + np.array([0, 0.01, 0.01, 0, 0]), latitude + np.array([0, 0, 0.01, 0.01, 0])
    area, _ = GEOD.polygon_area_perimeter(x, y)
    assert ring_area(np.column_stack([x, y])) == pytest.approx(abs(area), rel=1e-6)


DEGREES = {"crs": "EPSG:4326", "transform": from_origin(179.9, 60.3, 0.001, 0.001)}


@pytest.mark.parametrize("place", [PLACE, DEGREES], ids=["metres", "degrees"])
def test_classes_cover_the_sum_of_their_pixels(place, tmp_path):
    labels = np.random.default_rng(3).integers(0, 4, (70, 300)).astype(np.uint8)
    labels[40:, :100] = 255
    write_raster(tmp_path / "map.tif", labels[None], nodata=255, **place)
    with rasterio.open(tmp_path / "map.tif") as file:
        pixels, metres2 = class_areas(file, 4)
        expected = np.zeros(4)
        for row in range(70):  # every pixel of a row is as large, to a millionth
            x, y = file.transform @ np.array([[150, 151, 151, 150], [row, row, row + 1, row + 1]])
            places = np.column_stack(rasterio.warp.transform(file.crs, "EPSG:4326", x, y))
            area, _ = GEOD.polygon_area_perimeter(*places.T)
            expected += abs(area) * np.bincount(labels[row], minlength=256)[:4]
    np.testing.assert_array_equal(pixels, np.bincount(labels.ravel(), minlength=256)[:4])
    np.testing.assert_allclose(metres2, expected, rtol=2e-5)


def test_without_a_position_there_are_shares_only(tmp_path):
    labels = np.array([[[1, 1, 1, 2], [255, 255, 255, 255]]], np.uint8)
    write_raster(tmp_path / "map.tif", labels, nodata=255)
    write_areas(tmp_path / "map.tif", tmp_path / "map.csv", CLASSES)
    table = pd.read_csv(tmp_path / "map.csv")
    assert table["pixels"].tolist() == [0, 3, 1, 0]
    assert table["share"].tolist() == [0, 0.75, 0.25, 0]
    assert table["hectares"].isna().all()
