"""A picture of the scenes beside their masks."""

from collections import Counter
from pathlib import Path

import numpy as np

from satseg.check.findings import Facts
from satseg.config.datasets import Dataset, LandClass
from satseg.data.images import hides_pixels, read_bands
from satseg.data.labels import NO_LABEL, UNKNOWN
from satseg.data.layout import Scene
from satseg.data.masks import MaskReader
from satseg.data.opening import open_image, open_mask
from satseg.data.registration import mask_turn, read_mask
from satseg.figures.samples import samples_figure
from satseg.figures.saving import save
from satseg.figures.tiles import ShownTiles
from satseg.files import atomic
from satseg.jobs.slices import TileSlice

SHEET = 12  # scenes on the contact sheet
THUMBNAIL = 192  # their longer side in pixels
FINER = 4  # pixels read for each that is shown, in each direction


def draw_sheet(
    facts: Facts, dataset: Dataset, job: TileSlice, dataset_name: str, path: Path
) -> None:
    """Draw some scenes beside their masks; pixels that are not a class are magenta."""
    bands = Counter(shape[2] for shape in facts.shapes.values()).most_common(1)[0][0]
    usable = [
        scene
        for scene in facts.scenes
        if scene.name in facts.shapes and facts.shapes[scene.name][2] == bands
    ]
    places = np.linspace(0, len(usable) - 1, min(SHEET, len(usable))).astype(int)
    scenes = [usable[place] for place in np.unique(places)]

    reader = MaskReader(job)
    thumbnails = [_thumbnail(scene, job, reader, len(dataset.classes)) for scene in scenes]
    images = np.stack([image for image, _ in thumbnails])
    masks = np.stack([mask for _, mask in thumbnails])

    classes = list(dataset.classes)
    if (masks == len(classes)).any():
        classes.append(LandClass(name="no class", color="#FF00FF"))

    title = f"{dataset.title} ({dataset_name})"
    names = [scene.name for scene in scenes]
    tiles = ShownTiles(title, classes, names, images, masks)
    with atomic(path) as temporary:
        save(samples_figure([tiles]), temporary)


def _thumbnail(
    scene: Scene, job: TileSlice, reader: MaskReader, unknown: int
) -> tuple[np.ndarray, np.ndarray]:
    """Image uint8 [S, S, C] and class indices uint8 [S, S] of a scene, reduced; pixels that are not
    a class become `unknown`."""
    with open_image(scene.image) as image, open_mask(scene) as mask:
        factor = min(1.0, THUMBNAIL / max(image.shape))
        height, width = (max(1, round(side * factor)) for side in image.shape)
        bands = len(job.pixels.bands or image.indexes)

        # Not averaged by GDAL, which would leave out what a band marked as transparency hides.
        finer = {"out_shape": (bands, FINER * height, FINER * width)}
        masked = hides_pixels(image, job.pixels)
        pixels, hidden = read_bands(image, job.pixels, masked, **finer)
        blocks = (height, FINER, width, FINER)
        reduced = pixels.reshape(*blocks, bands).mean((1, 3)).astype(np.uint8)
        turn = mask_turn(image, mask, scene)
        values = read_mask(mask, turn, out_shape=(mask.count, height, width))
        codes = reader.codes(values, mask, scene.mask)
        labels = reader.known(codes, mask)

    labels = np.where(labels == UNKNOWN, np.uint8(unknown), labels)
    if hidden is not None:
        labels[hidden.reshape(blocks).all((1, 3))] = NO_LABEL

    # In a square, as the pictures of all scenes have one size.
    picture = np.zeros((THUMBNAIL, THUMBNAIL, bands), np.uint8)
    picture[:height, :width] = reduced
    indices = np.full((THUMBNAIL, THUMBNAIL), NO_LABEL, np.uint8)
    indices[:height, :width] = labels
    return picture, indices
