"""What a prediction writes beside its map."""

import re
from xml.etree import ElementTree as ET

import numpy as np
import pyogrio
import pytest
import rasterio
from PIL import Image

from satseg.errors import UserError
from satseg.prediction import predict_scene
from scenery import CLASSES, COLORS, noise, segmenter, write_scene


def test_picture_style_page_and_confidence(tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise(80, 70))
    model = segmenter()
    files = {name: tmp_path / f"map.{name}" for name in ("png", "html", "qml")}
    rasters = {kind: tmp_path / f"{kind}.tif" for kind in ("probabilities", "confidence")}
    predict_scene(
        model, scene, files["png"], web=files["html"], style=files["qml"], colors=COLORS, **rasters
    )
    predict_scene(model, scene, tmp_path / "map.tif", colors=COLORS)

    with rasterio.open(tmp_path / "map.tif") as file:
        labels = file.read(1)
    with Image.open(files["png"]) as picture:
        np.testing.assert_array_equal(np.array(picture), labels)
        table = [tuple(bytes.fromhex(COLORS[name][1:])) for name in CLASSES]
        rgb = np.array(picture.convert("RGB"))
        np.testing.assert_array_equal(rgb, np.array(table, np.uint8)[labels])
    assert not list(tmp_path.glob("*.aux.xml"))

    with (
        rasterio.open(rasters["probabilities"]) as file,
        rasterio.open(rasters["confidence"]) as top,
    ):
        np.testing.assert_array_equal(file.read().max(0), top.read(1))

    entries = ET.parse(files["qml"]).iter("paletteEntry")
    assert {entry.get("label"): entry.get("color").upper() for entry in entries} == {
        name: color.upper() for name, color in COLORS.items()
    }
    # Of polygons, by the name in their field `class`.
    [renderer] = ET.parse(files["qml"]).iter("renderer-v2")
    assert renderer.get("attr") == "class"
    fills = {
        symbol.get("name"): symbol.find(".//Option[@name='color']").get("value")
        for symbol in renderer.iter("symbol")
    }
    assert {
        category.get("value"): fills[category.get("symbol")]
        for category in renderer.iter("category")
    } == {
        name: ",".join(map(str, (*bytes.fromhex(color[1:]), 255))) for name, color in COLORS.items()
    }
    page = files["html"].read_text()
    assert not re.search(r"""(src|href)=["'](?!data:)|https?://|url\(""", page)
    assert "default-src 'none'" in page and "Woodland" in page


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("out", "map.jpg"),
        ("polygons", "map.shp"),
        ("areas", "map.xlsx"),
        ("probabilities", "map.png"),
        ("confidence", "map.jpg"),
    ],
)
def test_a_format_that_cannot_be_written_is_refused(tmp_path, kind, name):
    scene = write_scene(tmp_path / "scene.tif", noise(64, 64))
    files = {"out": tmp_path / "map.tif", kind: tmp_path / name}
    with pytest.raises(UserError, match=f"{name}: the name of the .* must end with \\."):
        predict_scene(segmenter(), scene, **files)
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]


@pytest.mark.parametrize(
    ("name", "driver"), [("map.GPKG", "GPKG"), ("map.FGB", "FlatGeobuf"), ("map.JSON", "GeoJSON")]
)
def test_capitals_name_the_same_format(tmp_path, name, driver):
    scene = write_scene(tmp_path / "scene.tif", noise(64, 64))
    predict_scene(segmenter(), scene, tmp_path / "map.tif", polygons=tmp_path / name)
    content = tmp_path / "content"
    (tmp_path / name).rename(content)
    assert pyogrio.read_info(content)["driver"] == driver


@pytest.mark.parametrize("option", ["min_area", "simplify"])
def test_what_changes_polygons_needs_polygons(tmp_path, option):
    scene = write_scene(tmp_path / "scene.tif", noise(64, 64))
    name = option.replace("_", "-")
    with pytest.raises(UserError, match=f"^--{name}: changes polygons, .*; give --polygons too$"):
        predict_scene(segmenter(), scene, tmp_path / "map.tif", **{option: 5})
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]
