"""What a check finds in a dataset: facts about its files, how splits divide it, and problems."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from satseg.data.layout import Problem, Scene
from satseg.errors import UserError
from satseg.text import counted

SHOWN = 5  # files listed of those that share a problem, and values listed that are not a class
MANY_COLORS = 40  # no annotator uses so many: the mask was compressed or resampled


class Place(NamedTuple):
    """Where a scene lies on the ground."""

    crs: str
    pixel: float
    """Width of a pixel in the units of `crs`."""
    tiles: list[str]
    """Its tiles as WKT polygons in longitude and latitude, row by row; empty texts if the system's
    place on the globe is unknown."""
    outline: str
    """The whole scene, likewise."""


@dataclass
class Unknown:
    """A mask value or colour that is not a class."""

    pixels: int = 0
    masks: list[str] = field(default_factory=list)


@dataclass
class Facts:
    """What the files of a dataset hold."""

    scenes: list[Scene] = field(default_factory=list)
    """Every pair of image and mask."""
    shapes: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """Height, width and bands of each scene the pipeline can use."""
    kinds: dict[str, list[str]] = field(default_factory=dict)
    """Bands and data type, in words → images."""
    lowest: np.ndarray | None = None
    """Lowest value of each band [C], except no-data."""
    highest: np.ndarray | None = None
    """Highest value of each band [C]."""
    samples: list[np.ndarray] = field(default_factory=list)
    """A sample of each scene's pixels, float32 [C, n]."""
    pixels: int = 0
    """Pixels of all images, per band."""
    no_data: int = 0
    """Pixels where an image has no data."""
    black: int = 0
    """Further pixels that are 0 in every band."""
    labels: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    """Pixels of each class index, `NO_LABEL` and `UNKNOWN` included."""
    scenes_with: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    """Scenes that have pixels of each class index."""
    classes_in: dict[str, set[int]] = field(default_factory=dict)
    """Class indices that occur in each scene."""
    unknown: dict[str, Unknown] = field(default_factory=dict)
    """Mask values or colours, in words, that are not a class."""
    remedy: str = ""
    """What to do about them."""
    doubt: str = ""
    """What is odd about the masks as a whole."""
    places: dict[str, Place] = field(default_factory=dict)
    """Where the georeferenced scenes lie."""
    turned: dict[str, list[str]] = field(default_factory=dict)
    """How masks are mirrored against their images, in words → masks."""
    counted_no_data: dict[str, list[str]] = field(default_factory=dict)
    """Class whose value is the no-data value that masks state → these masks."""
    digests: dict[str, list[str]] = field(default_factory=dict)
    """Digest of an image file → the scenes that have it."""
    complaints: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """What is wrong and what to do → files."""
    unpaired: list[Problem] = field(default_factory=list)
    """What keeps files from being pairs."""

    @property
    def copied(self) -> list[list[str]]:
        """Names of scenes whose image files are identical, grouped."""
        return [names for names in self.digests.values() if len(names) > 1]

    @property
    def problems(self) -> list[Problem]:
        """Everything that stops the pipeline."""
        complaints = [Problem(what, files, way) for (what, way), files in self.complaints.items()]
        problems = self.unpaired + complaints + self._unknown_problems() + self._band_problems()
        if self.doubt:
            what, _, way = self.doubt.rpartition("; ")
            problems.append(Problem(what, [], way))
        return problems

    def _band_problems(self) -> list[Problem]:
        """Images that differ in their number of bands from most."""
        counts = Counter(shape[2] for shape in self.shapes.values())
        if len(counts) < 2:
            return []

        usual = counts.most_common(1)[0][0]
        others = [
            str(scene.image)
            for scene in self.scenes
            if scene.name in self.shapes and self.shapes[scene.name][2] != usual
        ]
        what = f"does not have {usual} bands like the others"
        way = "select bands that all images have with pixels.bands, or remove these images"
        return [Problem(what, others, way)]

    def _unknown_problems(self) -> list[Problem]:
        """Mask values that are not a class: one problem each, or a single one if they are many."""
        if len(self.unknown) > MANY_COLORS:
            masks: dict[str, None] = {}
            for value in self.unknown.values():
                masks |= dict.fromkeys(value.masks)
            what = (
                f"it holds some of {len(self.unknown):,} values that are not a class of the dataset"
            )
            way = (
                "masks saved as JPEG, or resampled, look like that: export them again as PNG or "
                "GeoTIFF"
            )
            return [Problem(what, list(masks), way)]

        problems = []
        for name, value in self.unknown.items():
            what = f"{name} is not a class of the dataset, in {counted(value.pixels, 'pixel')}"
            problems.append(Problem(what, value.masks, self.remedy))
        return problems

    def complain(self, scene: Scene, error: UserError) -> None:
        """Record a message of the form `file: what; way`, together with the files that have the
        same problem."""
        text = str(error)
        path = str(scene.image)
        if text.startswith(f"{scene.mask}: "):
            path = str(scene.mask)

        what, _, way = text.removeprefix(f"{path}: ").rpartition("; ")
        files = self.complaints.setdefault((what or way, way if what else ""), [])
        if path not in files:
            files.append(path)


class Findings(NamedTuple):
    """What a check found, in words."""

    text: str
    """Sections to read."""
    notes: list[str]
    """What deserves a look, but stops nothing."""
    problems: list[Problem]
    """What stops the pipeline."""


class Division(NamedTuple):
    """How one of the splits would divide the tiles."""

    name: str
    assigned: pd.DataFrame | None
    """tile, scene, subset; None if the split is not possible."""
    audit: pd.DataFrame | None
    """Its `leakage`."""
    error: str
    """Why it is not possible, or an empty text."""
    used: bool
    """Whether a study with the dataset uses it."""
    official: bool
    """Whether it takes the publishers' own split."""
