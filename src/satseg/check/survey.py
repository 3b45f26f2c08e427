"""Reading a whole dataset to learn what is in it: nothing is written, and one bad file does not end
it."""

import math
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
from rasterio.errors import RasterioError
from rasterio.windows import Window

from satseg.check.findings import Facts, Place, Unknown
from satseg.data.ground import footprints, overlaps
from satseg.data.images import (
    BLOCK_CACHE,
    hides_pixels,
    read_values,
    scene_shape,
)
from satseg.data.labels import NO_LABEL, UNKNOWN
from satseg.data.layout import Scene, survey
from satseg.data.masks import MaskReader, doubts, named_values
from satseg.data.opening import open_image, open_mask
from satseg.data.registration import Turn, mask_turn, read_mask
from satseg.errors import UserError, out_of_memory
from satseg.files import sha256
from satseg.jobs.slices import TileSlice
from satseg.text import counted

STRIP = 512  # rows read at a time
SAMPLE = 1024  # pixels, or a few more, that represent the band values of a scene
OVERLAP = 0.01  # share of the smaller of two scenes above which they show the same ground


def read_dataset(
    job: TileSlice, root: str | Path, watched: Callable[[list[Scene]], Iterable[Scene]] = iter
) -> Facts:
    """Read every image and mask below `root`, in strips.

    Args:
        job: how the dataset is to be tiled.
        root: folder the scenes lie in.
        watched: passes the scenes on one by one, and may show the progress.
    """
    scenes, unpaired = survey(root, job.layout, named_values(job))
    reader = MaskReader(job)
    facts = Facts(scenes=scenes, unpaired=unpaired, remedy=reader.remedy)

    with rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE):
        for scene in watched(scenes):
            try:
                shape = scene_shape(scene, job.pixels)
            except UserError as error:
                facts.complain(scene, error)
                shape = None

            try:
                _read_scene(facts, scene, job, reader if shape else None)
            except UserError as error:
                facts.complain(scene, error)
            except RasterioError as error:
                if out_of_memory(error):
                    raise MemoryError from None
                facts.complain(
                    scene, UserError(f"{scene.image}: it or its mask is damaged; replace it")
                )
            else:
                if shape:
                    facts.shapes[scene.name] = shape

    held = [name for index, name in enumerate(job.classes) if facts.labels[index]]
    if facts.labels[NO_LABEL] and not facts.unknown:
        facts.doubt = doubts(
            [scene for scene in scenes if scene.name in facts.shapes], held, reader
        )
    return facts


def _read_scene(facts: Facts, scene: Scene, job: TileSlice, reader: MaskReader | None) -> None:
    """Add what a scene holds; without a reader, if the pipeline refuses the scene, only what its
    image holds."""
    facts.digests.setdefault(sha256(scene.image), []).append(scene.name)
    labelled = np.zeros(256, np.int64)

    with open_image(scene.image) as image, open_mask(scene) as mask:
        dtypes = "/".join(sorted(set(image.dtypes)))
        kind = f"{counted(image.count, 'band')} of {dtypes}"
        facts.kinds.setdefault(kind, []).append(str(scene.image))

        if image.crs and not image.transform.is_identity:
            facts.places[scene.name] = Place(
                crs=image.crs.to_string(),
                pixel=math.hypot(image.transform.a, image.transform.d),
                tiles=footprints(image, job.tile_size),
                outline=footprints(image, max(image.shape))[0],
            )

        turn = mask_turn(image, mask, scene) if reader else Turn()
        if any(turn):
            facts.turned.setdefault(str(turn), []).append(str(scene.mask))
        for name, value in named_values(job).items():
            if job.colors is None and value == mask.nodata:
                facts.counted_no_data.setdefault(name, []).append(str(scene.mask))

        pixels = job.pixels
        if pixels.bands and max(pixels.bands) > image.count:
            pixels = pixels.model_copy(update={"bands": None})
        masked = hides_pixels(image, pixels)
        for row in range(0, image.height, STRIP):
            window = Window(0, row, image.width, min(STRIP, image.height - row))
            values, missing = read_values(image, pixels, masked, window)
            _add_values(facts, values, missing, image.height * image.width)

            if reader:
                labels = _labels(facts, reader, read_mask(mask, turn, window), mask, scene)
                if missing is not None:
                    labels[missing.all(0)] = NO_LABEL
                labelled += np.bincount(labels.ravel(), minlength=256)

    facts.labels += labelled
    facts.scenes_with += labelled > 0
    facts.classes_in[scene.name] = set(np.flatnonzero(labelled))


def _add_values(facts: Facts, values: np.ndarray, missing: np.ndarray | None, size: int) -> None:
    """Add the band values [C, h, w] of a strip of a scene with `size` pixels."""
    facts.pixels += values[0].size
    flat = values.reshape(len(values), -1)
    if missing is not None:
        facts.no_data += int(missing.all(0).sum())
        flat = flat[:, ~missing.any(0).ravel()]
    if not flat.shape[1]:
        return

    low = flat.min(1).astype(float)
    high = flat.max(1).astype(float)
    if not low.any():
        facts.black += int((flat == 0).all(0).sum())
    if facts.lowest is None:
        facts.lowest = low
        facts.highest = high
    elif len(low) == len(facts.lowest):
        facts.lowest = np.minimum(facts.lowest, low)
        facts.highest = np.maximum(facts.highest, high)

    if len(low) == len(facts.lowest):
        facts.samples.append(flat[:, :: max(1, size // SAMPLE)].astype(np.float32))


def _labels(
    facts: Facts, reader: MaskReader, values: np.ndarray, mask: rasterio.DatasetReader, scene: Scene
) -> np.ndarray:
    """Class indices of a strip of a mask; values that are not a class are recorded."""
    codes = reader.codes(values, mask, scene.mask)
    labels = reader.known(codes, mask)

    unknown_codes, counts = np.unique(codes[labels == UNKNOWN], return_counts=True)
    for code, count in zip(unknown_codes, counts, strict=True):
        unknown = facts.unknown.setdefault(reader.shown(int(code)), Unknown())
        unknown.pixels += int(count)
        if str(scene.mask) not in unknown.masks:
            unknown.masks.append(str(scene.mask))

    return labels


def tile_grid(facts: Facts, size: int, groups: dict[str, str]) -> pd.DataFrame:
    """The rows that tiles.csv will have: tile, scene, group, row, col, whole, height, width,
    footprint.

    Args:
        facts: the scenes' shapes and places.
        size: side of a tile.
        groups: group of each scene.
    """
    rows = []
    for scene, (scene_height, scene_width, _) in sorted(facts.shapes.items()):
        for row in range(-(-scene_height // size)):
            for col in range(-(-scene_width // size)):
                height = min(size, scene_height - row * size)
                width = min(size, scene_width - col * size)
                whole = int(height == width == size)
                rows.append((scene, groups[scene], row, col, whole, height, width))

    table = pd.DataFrame(rows, columns=["scene", "group", "row", "col", "whole", "height", "width"])
    footprints_of = []
    for scene, tiles in table.groupby("scene", sort=False):
        place = facts.places.get(scene)
        footprints_of += place.tiles if place else [""] * len(tiles)
    return table.assign(footprint=footprints_of).rename_axis("tile").reset_index()


def same_ground(places: dict[str, Place]) -> list[tuple[str, str, float]]:
    """Pairs of scenes that overlap on the ground, whatever their coordinate systems, and which
    share of the smaller one does."""
    names = sorted(name for name, place in places.items() if place.outline)
    outlines = pd.Series([places[name].outline for name in names], dtype=object)
    return [
        (names[first], names[second], share)
        for first, second, share in overlaps(outlines)
        if share > OVERLAP
    ]
