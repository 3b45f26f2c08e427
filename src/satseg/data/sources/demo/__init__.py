"""Generated scenes that look like aerial photographs of villages and farmland, with exact masks.

A scene is laid out as albedo, class and height, then lit and photographed. What is seen from above
names a
pixel: a crown over a street or a roof is Woodland, and so are single trees and the gaps inside a
    wood; a
bridge is Road; gardens, yards, verges, banks and farm tracks are Field; a shadow changes no class.
Lengths and heights are pixels of 0.5 m; `y` counts down, `x` to the right.
"""

from pathlib import Path

import numpy as np
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

from satseg.config.datasets import DemoSource
from satseg.data.sources.demo.camera import light, photograph
from satseg.data.sources.demo.canvas import MARGIN, Land
from satseg.data.sources.demo.classes import CLASSES, NO_DATA
from satseg.data.sources.demo.settlement import build, lay_streets
from satseg.data.sources.demo.terrain import lay_fields, plant
from satseg.files import atomic

CRS, PIXEL_METRES, CORNER = "EPSG:2180", 0.5, (500_000.0, 400_000.0)


def fetch(source: DemoSource, folder: Path) -> None:
    """Write `images/scene_<k>.tif` (uint8 RGB) and `masks/scene_<k>.tif` (uint8 class index, colour
    table).

    The same seed gives the same bytes, and scene k is the same however many scenes there are. The
    GeoTIFFs are in EPSG:2180 and do not overlap.
    """
    for index in range(source.scenes):
        image, mask = make_scene(np.random.default_rng([source.seed % 2**63, index]), source.size)
        for kind, pixels in (("images", image), ("masks", mask[None])):
            _write(Path(folder, kind, f"scene_{index:02d}.tif"), pixels, index)


def make_scene(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a scene.

    Returns:
        The image, uint8 [3, size, size], 0 where there is no data and only there, and the mask of
        class indices, uint8 [size, size].
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
    # Black is kept for "no data".
    image = np.where(missing[..., None], 0, np.maximum(image, 1)).astype(np.uint8)
    return image.transpose(2, 0, 1), mask


def beyond_swath(rng: np.random.Generator, size: int) -> np.ndarray:
    """The corner, bool [size, size], that a slightly turned flight strip does not reach; often
    none."""
    y, x = np.mgrid[:size, :size]
    reach = size * (rng.random() < 0.4)
    corner = x / rng.uniform(0.15, 0.4) + y / rng.uniform(0.45, 1.0) < reach
    return corner[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]


def _write(path: Path, pixels: np.ndarray, index: int) -> None:
    """Write [bands, n, n] as a tiled GeoTIFF; scenes lie in a row, a hundred metres apart."""
    bands, size, _ = pixels.shape
    left = CORNER[0] + index * (size + 200) * PIXEL_METRES
    place = {"crs": CRS, "transform": from_origin(left, CORNER[1], PIXEL_METRES, PIXEL_METRES)}
    shape = {"count": bands, "height": size, "width": size, "dtype": "uint8"}
    storage = {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "deflate"}
    colours = {"photometric": "rgb" if bands == 3 else "palette"}
    profile = {"driver": "GTiff", **place, **shape, **storage, **colours}
    with MemoryFile() as made:
        with made.open(**profile) as file:
            if bands == 1:
                file.write_colormap(
                    1, {i: tuple(bytes.fromhex(colour[1:])) for i, (_, colour) in CLASSES.items()}
                )
            file.write(pixels)
        # Not straight to the disk: GDAL does not say when the last blocks, written as the file is
        # closed, do not fit.
        with atomic(path) as temporary:
            temporary.write_bytes(made.getbuffer())
