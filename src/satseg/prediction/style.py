"""A map's classes as a style that QGIS reads."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

HEAD = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"


def write_style(path: str | Path, names: Sequence[str], colors: Sequence[str]) -> None:
    """Write a QGIS style (`.qml`) of a class map and of its polygons: a colour and a name for each
    class.

    QGIS applies it by itself to a map or to polygons beside it that share its name.

    Args:
        path: the file.
        names: class names by class index.
        colors: their colours, `#rrggbb`.
    """
    style = ET.Element("qgis", version="3.22", styleCategories="Symbology")
    classes = [(name, color.lower()) for name, color in zip(names, colors, strict=True)]
    _add_pixels(style, classes)
    _add_polygons(style, classes)
    ET.indent(style)
    Path(path).write_text(HEAD + ET.tostring(style, encoding="unicode") + "\n", encoding="utf-8")


def _add_pixels(style: ET.Element, classes: list[tuple[str, str]]) -> None:
    """What QGIS reads for a raster: a palette by class index."""
    renderer = ET.SubElement(
        ET.SubElement(style, "pipe"), "rasterrenderer",
        type="paletted", band="1", opacity="1", alphaBand="-1", nodataColor="",
    )  # fmt: skip
    palette = ET.SubElement(renderer, "colorPalette")
    for index, (name, color) in enumerate(classes):
        entry = {"value": str(index), "label": name, "color": color, "alpha": "255"}
        ET.SubElement(palette, "paletteEntry", entry)


def _add_polygons(style: ET.Element, classes: list[tuple[str, str]]) -> None:
    """What QGIS reads for a vector layer: a fill without outline by the field `class`."""
    renderer = ET.SubElement(style, "renderer-v2", type="categorizedSymbol", attr="class")
    categories = ET.SubElement(renderer, "categories")
    symbols = ET.SubElement(renderer, "symbols")
    for index, (name, color) in enumerate(classes):
        number = str(index)
        category = {"value": name, "label": name, "symbol": number, "render": "true"}
        ET.SubElement(categories, "category", category, type="string")
        symbol = ET.SubElement(symbols, "symbol", type="fill", name=number, alpha="1")
        layer = ET.SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1"})
        options = ET.SubElement(layer, "Option", type="Map")
        red, green, blue = bytes.fromhex(color[1:])
        fill = {"color": f"{red},{green},{blue},255", "outline_style": "no", "style": "solid"}
        for key, value in fill.items():
            ET.SubElement(options, "Option", type="QString", name=key, value=value)
