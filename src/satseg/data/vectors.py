"""Masks drawn as polygons: burnt into the grid of their image."""

from importlib.util import find_spec
from io import BytesIO

import numpy as np
import rasterio
from rasterio.features import rasterize
from rasterio.io import MemoryFile
from rasterio.warp import transform

from satseg.data.labels import NO_LABEL
from satseg.data.layout import Scene
from satseg.data.shapes import read_shapes
from satseg.errors import UserError
from satseg.text import listing

NEEDED = ("pyogrio", "shapely")


def rasterised(scene: Scene, image: rasterio.DatasetReader) -> rasterio.DatasetReader:
    """A mask of one band on the image's grid, in memory: the value of the polygon that covers a
    pixel's centre, of the last one if several do, and 255 where none does.

    Args:
        scene: one whose mask is a file of polygons.
        image: its opened image.

    Raises:
        UserError: a library is missing, the file is not readable, image or polygons have no
            position, or an attribute is no class of the dataset.
    """
    missing = [library for library in NEEDED if find_spec(library) is None]
    if missing:
        raise UserError(
            f"{scene.mask}: polygons need {' and '.join(missing)}; install the extra `gis`"
        )
    if image.crs is None or image.transform.is_identity:
        raise UserError(
            f"{scene.image}: has no position, so polygons cannot be drawn on it; give it one, or "
            f"draw the mask as an image"
        )
    shapes, values = _polygons(scene, image)
    labels = np.full(image.shape, NO_LABEL, np.int32)
    if len(shapes):
        pairs = zip(shapes, values, strict=True)
        rasterize(pairs, out=labels, transform=image.transform)

    place = {"crs": image.crs, "transform": image.transform}
    height, width = image.shape
    shape = {"height": height, "width": width, "count": 1, "dtype": "int32"}
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", compress="lzw", **shape, **place) as file:
            file.write(labels, 1)
        content = memory.read()
    return rasterio.open(BytesIO(content))


def _polygons(scene: Scene, image: rasterio.DatasetReader) -> tuple[np.ndarray, list[int]]:
    """The polygons in the image's coordinate system, and the mask value of each."""
    import shapely

    shapes, columns, crs = read_shapes(scene.mask)
    if not len(shapes):
        return shapes, []
    if scene.labels.attribute not in columns:
        raise UserError(
            f"{scene.mask}: no attribute {scene.labels.attribute!r} (layout.attribute); it has "
            f"{listing(list(columns) or ['none'])}"
        )

    def moved(points: np.ndarray) -> np.ndarray:
        return np.column_stack(transform(crs, image.crs, *points.T))

    values = [_value(entry, scene) for entry in columns[scene.labels.attribute]]
    return shapely.transform(shapes, moved), values


def _value(entry: object, scene: Scene) -> int:
    """The mask value of a polygon: what its attribute says, as a class's name or as a number."""
    attribute, known = scene.labels
    if str(entry) in known:
        return known[str(entry)]
    try:
        number = int(entry)
        is_whole = number == float(entry)
    except (TypeError, ValueError, OverflowError):
        is_whole = False
    if is_whole:
        return number  # MaskReader says whether it is a class
    raise UserError(
        f"{scene.mask}: {attribute}: {str(entry)!r} is neither the name of a class nor a value; "
        f"there are {listing(list(known))}"
    )
