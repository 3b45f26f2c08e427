"""The tile store: scenes cut into memory-mapped arrays that cover them whole."""

import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from satseg.config.datasets import Pixels
from satseg.data.arrays import ArrayFile
from satseg.data.groups import same_images, scene_groups
from satseg.data.images import BLOCK_CACHE, open_image, read_bands, scene_shape
from satseg.data.labels import NO_LABEL, pixels_column
from satseg.data.layout import Scene, scenes
from satseg.data.masks import MaskReader
from satseg.data.official import published_subsets
from satseg.data.origin import describe
from satseg.errors import UserError
from satseg.files import together, write_json
from satseg.jobs.slices import TileSlice
from satseg.progress import log, watched

FILES = ("images.npy", "masks.npy", "tiles.csv", "origin.json", "digests.json")


def build_tiles(spec: TileSlice, root: str | Path, out: str | Path) -> pd.DataFrame:
    """Cut every scene below `root` into tiles; edges are padded with black images and 255 masks.

    Where an image has no data there is no label either.

    Scenes are read in strips one tile high, so memory does not grow with their height or number.

    Raises:
        UserError: a file is damaged, sizes or bands differ, or a mask holds a value that is no
            class; the disk is full.
    """
    found = scenes(root, spec.layout)
    copies = same_images(found)
    for first, *others in copies:
        log.warning(
            "%s: the same image as that of %s, to the byte; they count as one group",
            ", ".join(others),
            first,
        )
    groups = scene_groups(found, spec.groups, copies)
    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE))
        shapes = _shapes(found, spec.pixels)
        files = dict(
            zip(
                FILES,
                stack.enter_context(together(*(Path(out, name) for name in FILES))),
                strict=True,
            )
        )
        size = spec.tile_size
        tiles = (_tile_count(shapes, size), size, size)
        with (
            ArrayFile(files["images.npy"], (*tiles, shapes[0][2])) as images,
            ArrayFile(files["masks.npy"], tiles) as masks,
        ):
            rows = _rows(found, shapes, groups, spec, images, masks)
            rows = list(watched(rows, tiles[0], "tiling", "tiles"))
        table = pd.DataFrame([{"tile": tile} | row for tile, row in enumerate(rows)])
        table["official_split"] = published_subsets(table, found, root, spec.official)
        table.to_csv(files["tiles.csv"], index=False)
        origin = describe((scene.image for scene in found), spec.pixels)
        files["origin.json"].write_text(origin.model_dump_json(indent=1) + "\n", encoding="utf-8")
        # The arrays are too large to compare: this says by content whether they are still the same.
        write_json(files["digests.json"], {"images.npy": images.sha256, "masks.npy": masks.sha256})
    return table


def _shapes(found: list[Scene], pixels: Pixels) -> list[tuple[int, int, int]]:
    """Height, width and bands of every scene; all have the same bands."""
    shapes = [scene_shape(scene, pixels) for scene in found]
    bands = shapes[0][2]
    for scene, shape in zip(found, shapes, strict=True):
        if shape[2] != bands:
            raise UserError(
                f"{scene.image}: {shape[2]} bands, but {found[0].image} has {bands}; all images must have the same: "
                f"say with the dataset's pixels.bands which to take, or remove this one"
            )
    return shapes


def _rows(
    found: list[Scene],
    shapes: list,
    groups: dict[str, str],
    spec: TileSlice,
    images: "ArrayFile",
    masks: "ArrayFile",
) -> Iterator[dict]:
    """Write the tiles of every scene; yield what tiles.csv says of each, but for its number."""
    size, reader = spec.tile_size, MaskReader(spec)
    for scene, shape in zip(found, shapes, strict=True):
        pieces, parts = [None, None], [None, None]  # one is written while the other is filled
        for row, strip, labels in _strips(scene, shape, spec, reader):
            turn = row % 2
            pieces[turn] = _cut(strip, size, 0, pieces[turn])
            images.write(pieces[turn])
            parts[turn] = _cut(labels, size, NO_LABEL, parts[turn])
            masks.write(parts[turn])
            height, width = labels.shape
            for col, part in enumerate(parts[turn]):
                whole = int(height == size and (col + 1) * size <= width)
                place = {
                    "scene": scene.name,
                    "group": groups[scene.name],
                    "row": row,
                    "col": col,
                    "whole": whole,
                }
                counted = {
                    pixels_column(name): np.count_nonzero(part == i)
                    for i, name in enumerate(spec.classes)
                }
                yield place | {"official_split": ""} | counted


def _tile_count(shapes: list[tuple[int, int, int]], size: int) -> int:
    """Tiles of scenes of these shapes."""
    return sum(-(-height // size) * -(-width // size) for height, width, _ in shapes)


def _cut(strip: np.ndarray, size: int, fill: int, tiles: np.ndarray | None = None) -> np.ndarray:
    """Tiles uint8 [cols, size, size, …] of a strip uint8 [h, W, …] that is at most a tile high,
    padded with `fill`.

    Those of the strip above, given as `tiles`, are overwritten: fresh memory would cost more than
    the copying.
    """
    height, width = strip.shape[:2]
    if tiles is None:
        tiles = np.empty((-(-width // size), size, size, *strip.shape[2:]), np.uint8)
    for left, tile in zip(range(0, width, size), tiles, strict=True):
        part = strip[:, left : left + size]
        tile[:height, : part.shape[1]] = part
        tile[height:] = tile[:height, part.shape[1] :] = fill
    return tiles


def _strips(scene: Scene, shape: tuple[int, int, int], spec: TileSlice, reader: "MaskReader"):
    """Yield row number, image strip [h, W, C] and label strip [h, W], a tile high, from top to
    bottom."""
    (height, width, _), size = shape, spec.tile_size
    with open_image(scene.image) as image, open_image(scene.mask) as mask:
        for row in range(-(-height // size)):
            window = Window(0, row * size, width, min(size, height - row * size))
            try:
                strip, absent = read_bands(image, spec.pixels, window)
                values = mask.read(window=window)
            except RasterioError:
                raise UserError(
                    f"{_damaged(scene, window)}: damaged near row {row * size}; replace the file"
                ) from None
            except MemoryError:
                raise UserError(
                    f"{scene.image}: {width}×{height} pixels, too wide for the memory there is; replace the file, "
                    f"or cut the scene into several"
                ) from None
            labels = reader.labels(values, mask, scene.mask)
            yield (
                row,
                strip,
                labels if absent is None else np.where(absent, np.uint8(NO_LABEL), labels),
            )


def _damaged(scene: Scene, window: Window) -> Path:
    """Which of a scene's files cannot be read there."""
    try:
        with open_image(scene.image) as image:
            image.read(window=window)
    except RasterioError:
        return scene.image
    return scene.mask
