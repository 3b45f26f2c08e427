"""A picture of the scenes beside their masks."""

from collections import Counter
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import Resampling

from satseg.check.survey import Facts
from satseg.config.datasets import Dataset, LandClass
from satseg.data.images import read_bands
from satseg.data.labels import NO_LABEL, UNKNOWN
from satseg.data.layout import Scene
from satseg.data.masks import MaskReader
from satseg.figures.samples import samples_figure
from satseg.figures.style import save
from satseg.figures.tiles import ShownTiles
from satseg.files import atomic
from satseg.jobs.slices import TileSlice

SHEET, THUMBNAIL = 12, 192  # scenes on the contact sheet, and their longer side in pixels


def draw_sheet(facts: Facts, entry: Dataset, spec: TileSlice, dataset: str, path: Path) -> None:
    """Some scenes beside their masks; what is no class is magenta."""
    usable = [scene for scene in facts.found if scene.name in facts.shapes]
    bands = Counter(shape[2] for shape in facts.shapes.values()).most_common(1)[0][0]
    usable = [scene for scene in usable if facts.shapes[scene.name][2] == bands]
    shown = [
        usable[i]
        for i in np.unique(np.linspace(0, len(usable) - 1, min(SHEET, len(usable))).astype(int))
    ]
    reader = MaskReader(spec)
    thumbnails = [_thumbnail(scene, spec, reader, len(entry.classes)) for scene in shown]
    images, masks = (np.stack(part) for part in zip(*thumbnails, strict=True))
    classes = list(entry.classes)
    if (masks == len(classes)).any():
        classes.append(LandClass(name="no class", color="#FF00FF"))
    names = [scene.name for scene in shown]
    tiles = ShownTiles(f"{entry.title} ({dataset})", classes, names, images, masks)
    with atomic(path) as temporary:
        save(samples_figure([tiles]), temporary)


def _thumbnail(
    scene: Scene, spec: TileSlice, reader: MaskReader, unknown: int
) -> tuple[np.ndarray, np.ndarray]:
    """Image uint8 [S, S, C] and class indices uint8 [S, S] of a scene made small; `unknown` where
    it is no class."""
    with rasterio.open(scene.image) as image, rasterio.open(scene.mask) as mask:
        factor = min(1.0, THUMBNAIL / max(image.shape))
        height, width = (max(1, round(side * factor)) for side in image.shape)
        bands = len(spec.pixels.bands or image.indexes)
        averaged = {"out_shape": (bands, height, width), "resampling": Resampling.average}
        small, absent = read_bands(image, spec.pixels, **averaged)
        codes = reader.codes(mask.read(out_shape=(mask.count, height, width)), mask, scene.mask)
        labels = reader.known(codes, mask)
    labels = np.where(labels == UNKNOWN, np.uint8(unknown), labels)
    if absent is not None:
        labels[absent] = NO_LABEL
    stored = np.zeros((THUMBNAIL, THUMBNAIL, bands), np.uint8)
    marked = np.full((THUMBNAIL, THUMBNAIL), NO_LABEL, np.uint8)
    stored[:height, :width], marked[:height, :width] = small, labels
    return stored, marked
