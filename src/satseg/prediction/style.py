"""A map's classes as a style that QGIS reads."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

HEAD = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"


def write_style(path: str | Path, names: Sequence[str], colors: Sequence[str]) -> None:
    """Write a QGIS style (`.qml`) of a class map: a colour and a name for each class index.

    QGIS applies it by itself if it lies beside the map and shares its name.

    Args:
        path: the file.
        names: class names by class index.
        colors: their colours, `#rrggbb`.
    """
    style = ET.Element("qgis", version="3.22", styleCategories="Symbology")
    renderer = ET.SubElement(
        ET.SubElement(style, "pipe"), "rasterrenderer",
        type="paletted", band="1", opacity="1", alphaBand="-1", nodataColor="",
    )  # fmt: skip
    palette = ET.SubElement(renderer, "colorPalette")
    for index, (name, color) in enumerate(zip(names, colors, strict=True)):
        entry = {"value": str(index), "label": name, "color": color.lower(), "alpha": "255"}
        ET.SubElement(palette, "paletteEntry", entry)
    ET.indent(style)
    Path(path).write_text(HEAD + ET.tostring(style, encoding="unicode") + "\n", encoding="utf-8")
