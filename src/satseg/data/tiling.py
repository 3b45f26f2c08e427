"""The tile store: scenes cut into memory-mapped arrays that cover them whole."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
from rasterio.errors import RasterioError
from rasterio.windows import Window

from satseg.config.datasets import Pixels
from satseg.data.agreement import annotators_agreement
from satseg.data.arrays import ArrayFile
from satseg.data.ground import footprints
from satseg.data.groups import same_images, scene_groups, unmatched
from satseg.data.images import (
    BLOCK_CACHE,
    hides_pixels,
    read_bands,
    scene_shape,
)
from satseg.data.labels import NO_LABEL, pixels_column
from satseg.data.layout import Scene, find_scenes
from satseg.data.masks import MaskReader, doubts, named_values
from satseg.data.official import published_subsets
from satseg.data.opening import open_image, open_mask
from satseg.data.origin import describe
from satseg.data.registration import mask_turn, read_mask
from satseg.errors import UserError, out_of_memory
from satseg.files import together, write_json
from satseg.jobs.slices import TileSlice
from satseg.progress import log, watched
from satseg.readers import read_array
from satseg.text import counted

FILES = (
    "tiles.csv",
    "images.npy",
    "masks.npy",
    "agreement.csv",
    "origin.json",
    "digests.json",
)


def build_tiles(job: TileSlice, root: str | Path, out: str | Path) -> pd.DataFrame:
    """Cut every scene below `root` into tiles; edges are padded with black images and 255 masks.

    Where an image has no data or hides a pixel, the mask gets no label. Scenes are read in strips
    one tile high, so memory grows neither with their height nor with their number.

    Args:
        job: what the dataset's files are like, and the size of a tile.
        root: folder the scenes lie in.
        out: folder of the tile store.

    Returns:
        The table in tiles.csv.

    Raises:
        UserError: a file is damaged, sizes or bands differ, or a mask holds a value that is not a
            class; the disk is full.
    """
    scenes = find_scenes(root, job.layout, named_values(job))
    copies = same_images(scenes)
    for first, *others in copies:
        log.warning(
            "%s: the same image as that of %s, to the byte; they count as one group",
            ", ".join(others),
            first,
        )
    for mistake in unmatched(scenes, job.groups):
        log.warning("%s", mistake)
    groups = scene_groups(scenes, job.groups, copies)

    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE))
        shapes = _shapes(scenes, job.pixels)

        written = stack.enter_context(together(*(Path(out, name) for name in FILES)))
        files = dict(zip(FILES, written, strict=True))

        size = job.tile_size
        tile_count = sum(_tile_count(shape, size) for shape in shapes)
        masks_shape = (tile_count, size, size)
        images_shape = (*masks_shape, shapes[0][2])
        with (
            ArrayFile(files["images.npy"], images_shape) as images,
            ArrayFile(files["masks.npy"], masks_shape) as masks,
        ):
            rows = _rows(scenes, shapes, groups, job, images, masks)
            rows = list(watched(rows, tile_count, "tiling", "tiles"))

        table = pd.DataFrame([{"tile": tile} | row for tile, row in enumerate(rows)])
        held = [name for name in job.classes if table[pixels_column(name)].any()]
        doubt = doubts(scenes, held, MaskReader(job))
        if doubt:
            raise UserError(f"{root}: {doubt}")
        table["official_split"] = published_subsets(table, scenes, root, job.official)
        table.to_csv(files["tiles.csv"], index=False)
        arrays = [read_array(files[name]) for name in ("images.npy", "masks.npy")]
        # Copies of an image are no second look at the ground, unless the configuration says so.
        configured = scene_groups(scenes, job.groups, [])
        agreement = annotators_agreement(table, *arrays, job.classes, configured)
        agreement.to_csv(files["agreement.csv"], index=False)

        origin = describe((scene.image for scene in scenes), job.pixels)
        files["origin.json"].write_text(origin.model_dump_json(indent=1) + "\n", encoding="utf-8")

        # The arrays are too large to compare byte by byte; their digests tell whether they changed.
        write_json(files["digests.json"], {"images.npy": images.sha256, "masks.npy": masks.sha256})

    return table


def _shapes(scenes: list[Scene], pixels: Pixels) -> list[tuple[int, int, int]]:
    """Height, width and bands of every scene; all have the same bands."""
    shapes = [scene_shape(scene, pixels) for scene in scenes]
    bands = shapes[0][2]

    for scene, shape in zip(scenes, shapes, strict=True):
        if shape[2] != bands:
            raise UserError(
                f"{scene.image}: {counted(shape[2], 'band')}, but {scenes[0].image} has {bands}; "
                f"select bands that all images have with the dataset's pixels.bands, or remove "
                f"this one"
            )

    return shapes


def _rows(
    scenes: list[Scene],
    shapes: list[tuple[int, int, int]],
    groups: dict[str, str],
    job: TileSlice,
    images: ArrayFile,
    masks: ArrayFile,
) -> Iterator[dict]:
    """Write the tiles of every scene; yield the row of tiles.csv for each, except its number."""
    size = job.tile_size
    reader = MaskReader(job)

    for scene, shape in zip(scenes, shapes, strict=True):
        # Two buffers each: one is written while the other is filled.
        image_buffers: list[np.ndarray | None] = [None, None]
        mask_buffers: list[np.ndarray | None] = [None, None]

        for row, strip, labels in _strips(scene, shape, job, reader):
            if row == 0:  # not before: a scene too large for the memory is refused with its strip
                with open_image(scene.image) as image:
                    corners = iter(footprints(image, size))

            turn = row % 2
            image_tiles = _cut(strip, size, 0, image_buffers[turn])
            mask_tiles = _cut(labels, size, NO_LABEL, mask_buffers[turn])
            image_buffers[turn] = image_tiles
            mask_buffers[turn] = mask_tiles
            images.write(image_tiles)
            masks.write(mask_tiles)

            height, width = labels.shape
            for col, mask_tile in enumerate(mask_tiles):
                tile_width = min(size, width - col * size)
                place = {
                    "scene": scene.name,
                    "group": groups[scene.name],
                    "row": row,
                    "col": col,
                    "whole": int(height == tile_width == size),
                    "height": height,
                    "width": tile_width,
                    "official_split": "",
                    "footprint": next(corners),
                }
                pixels = {
                    pixels_column(class_name): np.count_nonzero(mask_tile == index)
                    for index, class_name in enumerate(job.classes)
                }
                yield place | pixels


def _tile_count(shape: tuple[int, int, int], size: int) -> int:
    """Tiles of a scene of this shape."""
    height, width, _ = shape
    return -(-height // size) * -(-width // size)


def _cut(strip: np.ndarray, size: int, fill: int, tiles: np.ndarray | None = None) -> np.ndarray:
    """Tiles uint8 [cols, size, size, …] of a strip uint8 [h, W, …] that is at most one tile high,
    padded with `fill`.

    `tiles` of an earlier strip are overwritten: fresh memory would cost more than the copying.
    """
    height, width = strip.shape[:2]
    if tiles is None:
        tiles = np.empty((-(-width // size), size, size, *strip.shape[2:]), np.uint8)

    for left, tile in zip(range(0, width, size), tiles, strict=True):
        part = strip[:, left : left + size]
        tile[:height, : part.shape[1]] = part
        tile[:height, part.shape[1] :] = fill
        tile[height:] = fill

    return tiles


def _strips(
    scene: Scene, shape: tuple[int, int, int], job: TileSlice, reader: MaskReader
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield row number, image strip [h, W, C] and label strip [h, W], one tile high, from top to
    bottom."""
    height, width, _ = shape
    size = job.tile_size

    with open_image(scene.image) as image, open_mask(scene) as mask:
        turn = mask_turn(image, mask, scene)
        if any(turn):
            log.info("%s: stored %s, by its position; read as its image lies", scene.mask, turn)

        masked = hides_pixels(image, job.pixels)
        for row in range(-(-height // size)):
            window = Window(0, row * size, width, min(size, height - row * size))
            try:
                strip, missing = read_bands(image, job.pixels, masked, window)
                values = read_mask(mask, turn, window)
            except (RasterioError, MemoryError) as error:
                if out_of_memory(error):
                    raise UserError(
                        f"{scene.image}: {width}×{height} pixels, too wide for the available "
                        f"memory; replace the file, or cut the scene into several"
                    ) from None
                raise UserError(
                    f"{_damaged(scene, window)}: damaged near row {row * size}; replace the file"
                ) from None

            labels = reader.labels(values, mask, scene.mask)
            if missing is not None:
                labels = np.where(missing, np.uint8(NO_LABEL), labels)
            yield row, strip, labels


def _damaged(scene: Scene, window: Window) -> Path:
    """Which of a scene's files cannot be read there."""
    try:
        with open_image(scene.image) as image:
            image.read(window=window)
    except RasterioError:
        return scene.image
    return scene.mask
