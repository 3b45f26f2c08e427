"""A map to look at in a browser: one page that holds image, classes and coordinates, and requests
nothing."""

import base64
import io
from math import ceil
from pathlib import Path

import numpy as np
import rasterio
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image
from rasterio.enums import Resampling

from satseg.data.globe import degrees
from satseg.data.images import read_bands
from satseg.data.labels import NO_LABEL
from satseg.data.origin import pixel_size
from satseg.prediction.accepting import AcceptedScene
from satseg.prediction.colors import colormap

TEMPLATE = "webmap.html.j2"
LONGEST = 2048  # pixels of the page's picture: larger scenes are reduced to it
NODES = 33  # of the grid of coordinates, along each side
QUALITY = 85  # of the photograph, as JPEG counts


def write_webmap(
    raster: str | Path,
    scene: AcceptedScene,
    out: str | Path,
    title: str,
    classes: list[str],
    colors: list[str],
    areas: list[dict],
) -> None:
    """Write the page.

    Args:
        raster: the class map.
        scene: the scene it was made from.
        out: the HTML file.
        title: heading of the page.
        classes: class names by class index.
        colors: their colours, `#rrggbb`.
        areas: `index`, `hectares` (None if unknown) and `share` of each class.
    """
    reduction = max(1, ceil(max(scene.file.shape) / LONGEST))
    shape = tuple(ceil(length / reduction) for length in scene.file.shape)
    with rasterio.open(raster) as file:
        labels = file.read(1, out_shape=shape, resampling=Resampling.mode)

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = [
        {"index": area["index"], "name": classes[area["index"]], "color": colors[area["index"]]}
        | {"hectares": area["hectares"], "share": area["share"]}
        for area in areas
        if area["share"]
    ]
    text = environment.get_template(TEMPLATE).render(
        title=title,
        image=_photograph(scene, shape),
        classes=_picture(labels, colors),
        legend=shown,
        data={
            "width": shape[1],
            "height": shape[0],
            "names": {index: name for index, name in enumerate(classes)},
            "labels": _bytes(_png(labels)),
            "grid": _grid(scene.file),
            "metres": _rounded(pixel_size(scene.file), reduction),
        },
    )
    Path(out).write_text(text, encoding="utf-8")


def _rounded(size: float | None, reduction: int) -> float | None:
    return size and float(f"{size * reduction:.6g}")


def _photograph(scene: AcceptedScene, shape: tuple[int, int]) -> str:
    """The scene's first bands as they are seen: colours if there are three."""
    image, _ = read_bands(
        scene.file, scene.pixels, scene.masked, out_shape=(len(scene.pixels.bands), *shape),
        resampling=Resampling.average,
    )  # fmt: skip
    bands = image[..., :3] if image.shape[-1] >= 3 else image[..., 0]
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(bands)).save(buffer, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _picture(labels: np.ndarray, colors: list[str]) -> str:
    """Class indices in their colours as a data URI; no data is transparent."""
    picture = Image.fromarray(labels, "P")
    table = bytearray(3 * 256)
    for index, (*rgb, _) in colormap(colors).items():
        table[3 * index : 3 * index + 3] = bytes(rgb)
    picture.putpalette(bytes(table))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=NO_LABEL, optimize=True)
    return _bytes(buffer.getvalue())


def _png(labels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(labels, "L").save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _bytes(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()


def _grid(file: rasterio.DatasetReader) -> list[list[list[float]]] | None:
    """Longitude and latitude at the nodes of a grid over the scene; None if it has no position."""
    x, y = np.meshgrid(np.linspace(0, file.width, NODES), np.linspace(0, file.height, NODES))
    places = degrees(file, np.column_stack([x.ravel(), y.ravel()]))
    if places is None:
        return None
    return places.round(8).reshape(NODES, NODES, 2).tolist()
