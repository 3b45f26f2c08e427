"""Merged and smoothed polygons: nothing is lost, nothing overlaps, nothing small remains."""

import json

import numpy as np
import pyogrio
import pytest
import shapely
from pyproj import Geod
from scipy.ndimage import label
from shapely.geometry import shape

from conftest import write_raster
from satseg.errors import UserError
from satseg.prediction import generalise
from satseg.prediction.generalise import sieved
from satseg.prediction.polygons import write_polygons
from scenery import CLASSES, PLACE

PIXEL = 0.25  # square metres


@pytest.fixture
def raster(tmp_path):
    rng = np.random.default_rng(1)
    labels = np.repeat(np.repeat(rng.integers(0, 4, (8, 9)), 8, 0), 8, 1).astype(np.uint8)
    specks = rng.random(labels.shape) < 0.1
    labels[specks] = rng.integers(0, 4, specks.sum())
    labels[:10, :20] = 255
    labels[4, 4] = 2  # alone in no data
    write_raster(tmp_path / "map.tif", labels[None], nodata=255, **PLACE)
    return tmp_path / "map.tif", labels


def sizes(labels):
    """Pixels of every connected area of a class."""
    found = []
    for index in np.unique(labels[labels != 255]):
        areas, _ = label(labels == index)
        found += np.bincount(areas.ravel())[1:].tolist()
    return sorted(found)


def test_the_sieve_leaves_large_areas_and_no_data(raster):
    _, labels = raster
    merged = sieved(labels, 12)
    np.testing.assert_array_equal(merged == 255, labels == 255)
    assert sizes(labels)[0] == 1
    small = [size for size in sizes(merged) if size < 12]
    assert small == [1]  # the one without a neighbour
    assert merged[4, 4] == 2


def test_specks_among_specks_stay_and_are_left_out(tmp_path):
    labels = (np.indices((12, 12)).sum(0) % 2).astype(np.uint8)
    np.testing.assert_array_equal(sieved(labels, 20), labels)
    write_raster(tmp_path / "map.tif", labels[None], nodata=255, **PLACE)
    write_polygons(tmp_path / "map.tif", tmp_path / "map.geojson", CLASSES, "map", 20 * PIXEL)
    assert json.loads((tmp_path / "map.geojson").read_text())["features"] == []


@pytest.mark.parametrize("suffix", ["geojson", "gpkg", "fgb"])
def test_smoothed_polygons_fill_the_map_and_state_their_areas(raster, suffix, tmp_path):
    path, labels = raster
    out = tmp_path / f"map.{suffix}"
    write_polygons(path, out, CLASSES, "map", min_area=12 * PIXEL, simplify=1.5)
    meta, _, wkb, (names, indices, areas) = pyogrio.raw.read(out)
    polygons = shapely.from_wkb(wkb)
    assert list(meta["fields"]) == ["class", "index", "area_m2"]
    assert [CLASSES[i] for i in indices] == names.tolist()
    assert shapely.is_valid(polygons).all()
    assert len(polygons) == len(sizes(sieved(labels, 12))) - 1

    geod = Geod(ellps="WGS84")
    known = ((labels != 255).sum() - 1) * PIXEL
    if suffix == "geojson":
        expected = [abs(geod.geometry_area_perimeter(polygon)[0]) for polygon in polygons]
        np.testing.assert_allclose(areas, expected, rtol=1e-5, atol=1e-3)
    else:
        assert shapely.coverage_is_valid(polygons)
        assert shapely.area(polygons).sum() == pytest.approx(known)
        np.testing.assert_allclose(areas, shapely.area(polygons), rtol=1e-3)  # UTM's scale
    corners = shapely.get_num_coordinates(polygons).sum()
    write_polygons(path, tmp_path / "exact.geojson", CLASSES, "map", min_area=12 * PIXEL)
    exact = json.loads((tmp_path / "exact.geojson").read_text())["features"]
    assert corners < sum(shapely.get_num_coordinates(shape(f["geometry"])) for f in exact)


def test_a_missing_library_is_named(raster, monkeypatch):
    path, _ = raster
    monkeypatch.setattr(generalise, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="shapely: needed to simplify polygons, not installed; "):
        write_polygons(path, path.with_suffix(".geojson"), CLASSES, "map", simplify=1)
