"""Generated scenes that look like aerial photographs of villages and farmland, with exact masks.

A scene is laid out as albedo, class and height, then lit and photographed. A pixel's class is what
is seen from above: a crown over a street or roof is Woodland, and so are single trees and the gaps
inside a wood; a bridge is Road; gardens, yards, verges, banks and farm tracks are Field; shadows
change no class. Lengths and heights are in pixels of 0.5 m; `y` counts down, `x` to the right.
"""

from pathlib import Path

import numpy as np
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

from satseg.config.sources import DemoSource
from satseg.data.sources.demo.camera import light, photograph
from satseg.data.sources.demo.canvas import MARGIN, Land
from satseg.data.sources.demo.classes import CLASSES, NO_DATA
from satseg.data.sources.demo.settlement import build, lay_streets
from satseg.data.sources.demo.terrain import lay_fields, plant
from satseg.files import atomic

CRS = "EPSG:2180"
PIXEL_METRES = 0.5
LEFT = 500_000.0  # of the first scene, in metres
TOP = 400_000.0  # of all scenes


def fetch(source: DemoSource, folder: Path) -> None:
    """Write `images/scene_<k>.tif` (uint8 RGB) and `masks/scene_<k>.tif` (uint8 class index, colour
    table).

    The same seed gives the same bytes, and scene k is the same however many scenes there are. The
    GeoTIFFs are in EPSG:2180 and do not overlap.
    """
    for index in range(source.scenes):
        rng = np.random.default_rng([source.seed % 2**63, index])
        image, mask = make_scene(rng, source.size)
        name = f"scene_{index:02d}.tif"
        _write(Path(folder, "images", name), image, index)
        _write(Path(folder, "masks", name), mask[None], index)


def make_scene(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a scene.

    Returns:
        The image, uint8 [3, size, size], which is 0 where there is no data and nowhere else, and
        the mask of class indices, uint8 [size, size].
    """
    missing = beyond_swath(rng, size)
    land = Land(rng, size + 2 * MARGIN)
    heading = rng.uniform(0, np.pi)

    lay_fields(land, heading)
    streets = lay_streets(land, heading)
    build(land, streets)
    plant(land, streets)

    inside = slice(MARGIN, MARGIN + size)
    image = photograph(land, light(land))[inside, inside]
    mask = np.where(missing, NO_DATA, land.label[inside, inside]).astype(np.uint8)
    # Black means "no data".
    image = np.where(missing[..., None], 0, np.maximum(image, 1)).astype(np.uint8)
    return image.transpose(2, 0, 1), mask


def beyond_swath(rng: np.random.Generator, size: int) -> np.ndarray:
    """The corner, bool [size, size], that a slightly turned flight strip misses; often there is
    none."""
    y, x = np.mgrid[:size, :size]
    reach = size * (rng.random() < 0.4)
    corner = x / rng.uniform(0.15, 0.4) + y / rng.uniform(0.45, 1.0) < reach
    return corner[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]


def _write(path: Path, pixels: np.ndarray, index: int) -> None:
    """Write [bands, n, n] as a tiled GeoTIFF; scenes lie in a row, a hundred metres apart."""
    bands, size, _ = pixels.shape
    left = LEFT + index * (size + 200) * PIXEL_METRES
    place = {"crs": CRS, "transform": from_origin(left, TOP, PIXEL_METRES, PIXEL_METRES)}
    shape = {"count": bands, "height": size, "width": size, "dtype": "uint8"}
    storage = {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "deflate"}
    colours = {"photometric": "rgb" if bands == 3 else "palette"}
    profile = {"driver": "GTiff", **place, **shape, **storage, **colours}

    with MemoryFile() as memory:
        with memory.open(**profile) as file:
            if bands == 1:
                file.write_colormap(1, _colour_table())
            file.write(pixels)

        # Not straight to the disk: GDAL does not report that the last blocks, which it writes on
        # closing, did not fit.
        with atomic(path) as temporary:
            temporary.write_bytes(memory.getbuffer())


def _colour_table() -> dict[int, tuple[int, ...]]:
    """Red, green and blue of each class index."""
    return {index: tuple(bytes.fromhex(colour[1:])) for index, (_, colour) in CLASSES.items()}
