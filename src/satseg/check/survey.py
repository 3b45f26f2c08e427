"""Reading a whole dataset for what is in it: nothing is written, and one bad file does not end
it."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import rasterio
from rasterio.errors import RasterioError
from rasterio.windows import Window

from satseg.data.images import BLOCK_CACHE, absent, chosen, open_image, scene_shape
from satseg.data.labels import NO_LABEL, UNKNOWN
from satseg.data.layout import Problem, Scene, survey
from satseg.data.masks import MaskReader
from satseg.errors import UserError
from satseg.files import sha256
from satseg.jobs.slices import TileSlice
from satseg.text import counted

STRIP = 512  # rows read at a time
SAMPLE = 1024  # pixels of a scene, or a few more, that stand for its band values
MANY_COLORS = 40  # no annotator uses so many: the mask was compressed or resampled
OVERLAP = 0.01  # share of the smaller scene from which two show the same ground


class Place(NamedTuple):
    """Where a scene lies on the ground."""

    crs: str
    left: float
    bottom: float
    right: float
    top: float
    pixel: float
    """Width of a pixel in the units of `crs`."""


@dataclass
class Unknown:
    """A mask value or colour that is no class."""

    pixels: int = 0
    masks: list[str] = field(default_factory=list)


@dataclass
class Facts:
    """What the files of a dataset hold."""

    found: list[Scene] = field(default_factory=list)
    """Every pair of image and mask."""
    shapes: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """Height, width and bands of each scene the pipeline can use."""
    kinds: dict[str, list[str]] = field(default_factory=dict)
    """Bands and type of pixels, in words → images."""
    lowest: np.ndarray | None = None
    """Lowest value of each band [C], no-data aside."""
    highest: np.ndarray | None = None
    """Highest value of each band [C]."""
    samples: list[np.ndarray] = field(default_factory=list)
    """Some pixels of each scene, float32 [C, n]."""
    pixels: int = 0
    """Pixels of all images, per band."""
    no_data: int = 0
    """Pixels where an image has no data."""
    labels: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    """Pixels of each class index; `NO_LABEL` and `UNKNOWN` among them."""
    scenes_with: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    """Scenes that have pixels of each class index."""
    classes_in: dict[str, set[int]] = field(default_factory=dict)
    """Class indices that occur in each scene."""
    unknown: dict[str, Unknown] = field(default_factory=dict)
    """Mask values or colours, in words, that are no class."""
    places: dict[str, Place] = field(default_factory=dict)
    """Where scenes lie that say so."""
    copies: dict[str, list[str]] = field(default_factory=dict)
    """Digest → scenes whose images are the same to the byte."""
    complaints: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """What is wrong, and what to do → files."""
    unpaired: list[Problem] = field(default_factory=list)
    """What keeps files from being pairs."""

    @property
    def problems(self) -> list[Problem]:
        """Everything found that stops the pipeline."""
        found = [Problem(what, files, way) for (what, way), files in self.complaints.items()]
        found += self._foreign()
        bands = Counter(shape[2] for shape in self.shapes.values())
        if len(bands) > 1:
            usual = bands.most_common(1)[0][0]
            other = [
                str(s.image)
                for s in self.found
                if s.name in self.shapes and self.shapes[s.name][2] != usual
            ]
            what = f"has not {usual} bands, as the others have"
            found.append(
                Problem(what, other, "say with pixels.bands which to take, or remove these")
            )
        return self.unpaired + found

    def _foreign(self) -> list[Problem]:
        """What in the masks is no class: each value, but of very many only that there are."""
        if len(self.unknown) > MANY_COLORS:
            what = f"it holds some of {len(self.unknown):,} values that are no class of the dataset"
            way = "masks saved as JPEG, or resampled, look like that: export them again as PNG or GeoTIFF"
            return [
                Problem(
                    what,
                    list(dict.fromkeys(m for value in self.unknown.values() for m in value.masks)),
                    way,
                )
            ]
        way = "add it to `classes`, or to `gaps` if it means no label"
        return [
            Problem(
                f"{name} is no class of the dataset, in {counted(value.pixels, 'pixel')}",
                value.masks,
                way,
            )
            for name, value in self.unknown.items()
        ]

    def complain(self, scene: Scene, error: UserError) -> None:
        """Take down a message of the form `file: what; way`, together with those of other files
        that say the same."""
        text = str(error)
        path = next(
            (str(p) for p in (scene.image, scene.mask) if text.startswith(f"{p}: ")),
            str(scene.image),
        )
        what, _, way = text.removeprefix(f"{path}: ").rpartition("; ")
        files = self.complaints.setdefault((what or way, way if what else ""), [])
        if path not in files:
            files.append(path)


def read_dataset(
    spec: TileSlice, root: str | Path, watched: Callable[[list[Scene]], Iterable[Scene]] = iter
) -> Facts:
    """Read every image and mask below `root`, in strips.

    Args:
        spec: how the dataset is to be tiled.
        root: folder the scenes lie in.
        watched: passes the scenes on one by one, and may show how far it is.
    """
    found, unpaired = survey(root, spec.layout)
    facts, reader = Facts(found=found, unpaired=unpaired), MaskReader(spec)
    with rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE):
        for scene in watched(found):
            try:
                shape = scene_shape(scene, spec.pixels)
            except UserError as error:
                facts.complain(scene, error)
                shape = None
            try:
                _read_scene(facts, scene, spec, reader if shape else None)
            except UserError as error:
                facts.complain(scene, error)
            except RasterioError:
                facts.complain(
                    scene, UserError(f"{scene.image}: it or its mask is damaged; replace it")
                )
            else:
                if shape:
                    facts.shapes[scene.name] = shape
    return facts


def _read_scene(facts: Facts, scene: Scene, spec: TileSlice, reader: MaskReader | None) -> None:
    """Add what a scene holds; of one that the pipeline refuses, only what its image holds."""
    facts.copies.setdefault(sha256(scene.image), []).append(scene.name)
    seen = np.zeros(256, np.int64)
    with open_image(scene.image) as image, open_image(scene.mask) as mask:
        kind = (
            f"{image.count} band{'s' * (image.count > 1)} of {'/'.join(sorted(set(image.dtypes)))}"
        )
        facts.kinds.setdefault(kind, []).append(str(scene.image))
        if image.crs and not image.transform.is_identity:
            left, bottom, right, top = image.bounds
            corners = (min(left, right), min(bottom, top), max(left, right), max(bottom, top))
            facts.places[scene.name] = Place(
                image.crs.to_string(), *corners, abs(image.transform.a)
            )
        bands = [band for band in chosen(image, spec.pixels) if band <= image.count]
        for top in range(0, image.height, STRIP):
            window = Window(0, top, image.width, min(STRIP, image.height - top))
            values = image.read(bands, window=window)
            gone = absent(values, [image.nodatavals[band - 1] for band in bands])
            _take_values(facts, values, gone, image.height * image.width)
            if reader:
                labels = _labels(facts, reader, mask.read(window=window), mask, scene)
                if gone is not None:
                    labels[gone.all(0)] = NO_LABEL
                seen += np.bincount(labels.ravel(), minlength=256)
    facts.labels += seen
    facts.scenes_with += seen > 0
    facts.classes_in[scene.name] = set(np.flatnonzero(seen))


def _take_values(facts: Facts, values: np.ndarray, gone: np.ndarray | None, size: int) -> None:
    """Add the band values [C, h, w] of a strip of a scene with `size` pixels."""
    facts.pixels += values[0].size
    flat = values.reshape(len(values), -1)
    if gone is not None:
        facts.no_data += int(gone.all(0).sum())
        flat = flat[:, ~gone.any(0).ravel()]
    if not flat.shape[1]:
        return
    low, high = flat.min(1).astype(float), flat.max(1).astype(float)
    if facts.lowest is None:
        facts.lowest, facts.highest = low, high
    elif len(low) == len(facts.lowest):
        facts.lowest, facts.highest = np.minimum(facts.lowest, low), np.maximum(facts.highest, high)
    if len(low) == len(facts.lowest):
        facts.samples.append(flat[:, :: max(1, size // SAMPLE)].astype(np.float32))


def _labels(
    facts: Facts, reader: MaskReader, values: np.ndarray, mask: rasterio.DatasetReader, scene: Scene
) -> np.ndarray:
    """Class indices of a strip of a mask; what is no class is taken down."""
    codes = reader.codes(values, mask, scene.mask)
    labels = reader.known(codes, mask)
    for code, count in zip(*np.unique(codes[labels == UNKNOWN], return_counts=True), strict=True):
        entry = facts.unknown.setdefault(reader.shown(int(code)), Unknown())
        entry.pixels += int(count)
        if str(scene.mask) not in entry.masks:
            entry.masks.append(str(scene.mask))
    return labels


def tile_grid(
    shapes: dict[str, tuple[int, int, int]], size: int, groups: dict[str, str]
) -> pd.DataFrame:
    """The rows that tiles.csv will have: tile, scene, group, row, col, whole; `groups` are those of
    the scenes."""
    rows = [
        (
            scene,
            groups[scene],
            row,
            col,
            int((row + 1) * size <= height and (col + 1) * size <= width),
        )
        for scene, (height, width, _) in sorted(shapes.items())
        for row in range(-(-height // size))
        for col in range(-(-width // size))
    ]
    return (
        pd.DataFrame(rows, columns=["scene", "group", "row", "col", "whole"])
        .rename_axis("tile")
        .reset_index()
    )


def same_ground(places: dict[str, Place]) -> list[tuple[str, str, float]]:
    """Pairs of scenes that overlap on the ground, and the share of the smaller one that does."""
    pairs = []
    for crs in sorted({place.crs for place in places.values()}):
        names = sorted(name for name, place in places.items() if place.crs == crs)
        left, bottom, right, top, _ = np.array([places[name][1:] for name in names]).T
        area = (right - left) * (top - bottom)
        for i, name in enumerate(names):
            wide = np.minimum(right[i], right[i + 1 :]) - np.maximum(left[i], left[i + 1 :])
            high = np.minimum(top[i], top[i + 1 :]) - np.maximum(bottom[i], bottom[i + 1 :])
            share = wide.clip(0) * high.clip(0) / np.minimum(area[i], area[i + 1 :])
            pairs += [
                (name, names[i + 1 + k], float(share[k])) for k in np.flatnonzero(share > OVERLAP)
            ]
    return pairs
