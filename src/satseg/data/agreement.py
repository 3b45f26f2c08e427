"""What the masks of scenes say where they show the same ground: how far annotators agree."""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from satseg.data.ground import Ground
from satseg.data.labels import NO_LABEL
from satseg.data.mosaic import Mosaic, brightness, cut_out, mosaics, reduced, strips
from satseg.data.shifts import Shift, common_shape, shift_between, spectrum
from satseg.progress import log
from satseg.text import counted

COLUMNS = [
    "group",
    "first",
    "second",
    "down",
    "right",
    "first_class",
    "second_class",
    "pixels",
]

# What it may cost: seconds, whatever the data are.
SIDE = 256  # pixels: scenes are reduced to this before each is compared with each
MOST_SCENES = 45  # of a group
MOST_PAIRS = 1000
MOST_PIXELS = 10**9  # of all scenes that are compared
MOST_REGISTERED = 50  # pairs that are compared in full resolution

LEAST = 96  # pixels: narrower overlaps hold too little to be registered
GRID = 3  # windows of an overlap per side, each of which has to confirm the shift
WINDOW = 256  # pixels: their side; wider where the first shift is coarser
CONFIRMED = 5  # windows that have to stand out


class Overlap(NamedTuple):
    """The ground that two scenes share."""

    first: Mosaic
    second: Mosaic
    down: int
    right: int
    """Where the second scene begins in the pixels of the first."""

    @property
    def box(self) -> tuple[int, int, int, int]:
        """First row and column in the first scene, height and width; these may be below 0."""
        top = max(0, self.down)
        left = max(0, self.right)
        bottom = min(self.first.height, self.second.height + self.down)
        right = min(self.first.width, self.second.width + self.right)
        return top, left, bottom - top, right - left

    def in_second(self, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        """A box of the first scene in the pixels of the second."""
        top, left, height, width = box
        return top - self.down, left - self.right, height, width


def annotators_agreement(
    table: pd.DataFrame,
    images: np.ndarray,
    masks: np.ndarray,
    classes: list[str],
    groups: dict[str, str],
) -> pd.DataFrame:
    """Count, where ground was annotated twice, which classes the two masks give its pixels.

    Scenes of one group are registered on each other by their images, by a shift of whole pixels;
    pairs that no single shift brings to match, such as those of two flights or two scales, are
    left out, and so are masks that are one annotation cut twice.

    Args:
        table: the rows of tiles.csv.
        images: uint8 [N, S, S, C].
        masks: uint8 [N, S, S], class index or `NO_LABEL`.
        classes: names of the classes.
        groups: scene → group, of the configuration; scenes of two groups are not compared.

    Returns:
        group, first, second (scenes); down, right (where the second begins in the pixels of the
        first); first_class, second_class; pixels that these two classes are given to. Pairs of
        classes without a pixel have no row.
    """
    overlaps = _overlaps(table, images, groups)
    rows = []
    for overlap in _twice_annotated([(each, _confusion(each, masks)) for each in overlaps]):
        rows += _rows(*overlap, classes)
    frame = pd.DataFrame(rows, columns=COLUMNS)
    if len(frame):
        pairs = frame[["first", "second"]].drop_duplicates()
        log.info(
            "ground annotated twice: %s of %s",
            counted(int(frame["pixels"].sum()), "pixel"),
            counted(len(pairs), "pair") + " of scenes",
        )
    return frame


def _overlaps(table: pd.DataFrame, images: np.ndarray, groups: dict[str, str]) -> list[Overlap]:
    """The overlaps of scenes of one group, registered to the pixel."""
    candidates: list[tuple[float, Overlap, int]] = []
    pairs_left = MOST_PAIRS
    pixels_left = MOST_PIXELS
    cut_off = False

    for scenes in _grouped(mosaics(table), groups):
        compared: list[Mosaic] = []
        for scene in scenes[:MOST_SCENES]:
            if scene.pixels > pixels_left or len(compared) > pairs_left:
                break
            pixels_left -= scene.pixels
            pairs_left -= len(compared)
            compared.append(scene)
        cut_off |= len(compared) < len(scenes)
        candidates += _candidates(compared, _apart(table, compared), images)

    candidates.sort(key=lambda candidate: -candidate[0])
    if cut_off or len(candidates) > MOST_REGISTERED:
        log.info(
            "groups are too large to compare each scene with each: the agreement of annotators is "
            "that of some pairs"
        )
    found = (
        _registered(overlap, images, factor) for _, overlap, factor in candidates[:MOST_REGISTERED]
    )
    return sorted(
        (overlap for overlap in found if overlap),
        key=lambda overlap: (overlap.first.name, overlap.second.name),
    )


def _grouped(scenes: dict[str, Mosaic], groups: dict[str, str]) -> list[list[Mosaic]]:
    """The scenes of each group that has several."""
    members: dict[str, list[Mosaic]] = {}
    for name, scene in scenes.items():
        members.setdefault(groups[name], []).append(scene)
    return [group for group in members.values() if len(group) > 1]


def _apart(table: pd.DataFrame, scenes: list[Mosaic]) -> set[tuple[str, str]]:
    """The pairs of scenes that say where they lie, and that share no ground."""
    names = [scene.name for scene in scenes]
    rows = table[table["scene"].isin(names)].reset_index(drop=True)
    if not (rows["footprint"] != "").any():
        return set()

    ground = Ground(rows)
    places = {name: np.flatnonzero(rows["scene"] == name) for name in names}
    apart = set()
    for first, second in combinations(names, 2):
        here = places[first]
        there = places[second]
        placed = ground.placed[here].all() and ground.placed[there].all()
        if placed and not ground.nearness(here, there, 0).overlapping.any():
            apart.add((first, second))
    return apart


def _candidates(
    scenes: list[Mosaic], apart: set[tuple[str, str]], images: np.ndarray
) -> list[tuple[float, Overlap, int]]:
    """Pairs that seem to overlap: how far their peak stands out, where, and the factor that the
    scenes were reduced by."""
    pairs = [
        (first, second)
        for first, second in combinations(scenes, 2)
        if (first.name, second.name) not in apart
    ]
    if not pairs:
        return []

    longest = max(max(scene.height, scene.width) for scene in scenes)
    factor = -(-longest // SIDE)
    shape = common_shape(*((scene.height // factor, scene.width // factor) for scene in scenes))
    names = {scene.name for pair in pairs for scene in pair}
    spectra = {
        scene.name: spectrum(reduced(images, scene, factor), shape)
        for scene in scenes
        if scene.name in names
    }

    found = []
    for first, second in pairs:
        shift = shift_between(spectra[first.name], spectra[second.name])
        overlap = Overlap(first, second, factor * shift.down, factor * shift.right)
        if shift.stands_out and min(overlap.box[2:]) >= LEAST:
            found.append((shift.strength, overlap, factor))
    return found


def _registered(overlap: Overlap, images: np.ndarray, factor: int) -> Overlap | None:
    """The overlap to the pixel; None if its parts are not all shifted alike."""
    shifts = [
        _shift_within(overlap, window, images)
        for window in _windows(overlap.box, max(WINDOW, 4 * factor))
    ]
    places = np.array([(shift.down, shift.right) for shift in shifts if shift.stands_out])
    if len(places) < CONFIRMED:
        return None

    down, right = np.median(places, axis=0).round().astype(int).tolist()
    if np.abs(places - (down, right)).max() > 1:
        return None
    exact = overlap._replace(down=overlap.down + down, right=overlap.right + right)
    return exact if min(exact.box[2:]) >= LEAST else None


def _windows(box: tuple[int, int, int, int], side: int) -> list[tuple[int, int, int, int]]:
    """A window in the middle of each part of a grid over a box."""
    top, left, height, width = box
    rows = min(side, height // GRID)
    cols = min(side, width // GRID)
    centres = (np.arange(GRID) + 0.5) / GRID
    tops = (top + centres * height - rows / 2).astype(int).tolist()
    lefts = (left + centres * width - cols / 2).astype(int).tolist()
    return [(y, x, rows, cols) for y in tops for x in lefts]


def _shift_within(overlap: Overlap, window: tuple[int, int, int, int], images: np.ndarray) -> Shift:
    """What is left of the shift in a window of the first scene."""
    shape = common_shape(window[2:])
    first = brightness(images, overlap.first, window)
    second = brightness(images, overlap.second, overlap.in_second(window))
    return shift_between(spectrum(first, shape), spectrum(second, shape))


def _confusion(overlap: Overlap, masks: np.ndarray) -> np.ndarray:
    """Pixels int64 [256, 256] by the mask value in the first and in the second scene."""
    top, left, height, width = overlap.box
    values = NO_LABEL + 1
    counts = np.zeros(values**2, np.int64)
    for start, rows in strips(height, masks.shape[1]):
        box = (top + start, left, rows, width)
        first = cut_out(masks, overlap.first, box).astype(np.int64)
        second = cut_out(masks, overlap.second, overlap.in_second(box))
        counts += np.bincount((first * values + second).ravel(), minlength=values**2)
    return counts.reshape(values, values)


def _twice_annotated(
    found: list[tuple[Overlap, np.ndarray]],
) -> list[tuple[Overlap, np.ndarray]]:
    """The overlaps that two annotations cover.

    Masks of several classes that are alike to the last pixel are one annotation, cut twice.
    """
    kept = []
    differing = set()
    for overlap, counts in found:
        labelled = counts[:NO_LABEL, :NO_LABEL]
        alike = np.trace(labelled) == labelled.sum()
        if not alike:
            differing.add(overlap.first.group)
        if not alike or np.count_nonzero(labelled) == 1:
            kept.append((overlap, counts))
    # Those of one class are alike by chance only where others of the group are not.
    return [(overlap, counts) for overlap, counts in kept if overlap.first.group in differing]


def _rows(overlap: Overlap, counts: np.ndarray, classes: list[str]) -> list[list]:
    """The rows of one overlap."""
    place = [
        overlap.first.group,
        overlap.first.name,
        overlap.second.name,
        overlap.down,
        overlap.right,
    ]
    labelled = counts[: len(classes), : len(classes)]
    rows = []
    for first, second in np.argwhere(labelled).tolist():
        rows.append([*place, classes[first], classes[second], int(labelled[first, second])])
    return rows
