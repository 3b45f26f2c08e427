"""What stands out in a dataset without being an error."""

import numpy as np
import pandas as pd

from satseg.check.findings import Division, Facts
from satseg.config.datasets import Dataset
from satseg.data.labels import NO_LABEL
from satseg.text import counted, percent

RARE = 0.001  # share of the pixels below which a class deserves a note
CUT = 0.05  # share of the values beyond `scale` above which they deserve one
UNLABELLED = 0.5  # share of pixels without a label above which they deserve one
COLLAR = 0.01  # share of black pixels above which they deserve one
NARROW = 0.25  # share of the range of `scale` that a band should fill

EFFECTS = {
    "train": "no model can learn it",
    "val": "it plays no part in model selection",
    "test": "it gets no score",
}


def dataset_notes(facts: Facts, dataset: Dataset, table: pd.DataFrame) -> list[str]:
    """What is odd about the scenes and classes, and what to do about it."""
    notes = []
    total = max(1, facts.labels.sum())

    for index, land in enumerate(dataset.classes):
        share = facts.labels[index] / total
        if facts.shapes and share < RARE and not land.unlabelled:
            extent = f"has {percent(share)} of the pixels" if share else "occurs in no mask"
            notes.append(f"class {land.name!r} {extent}: its scores will mean little")

    unlabelled = facts.labels[NO_LABEL] / total
    if unlabelled > UNLABELLED:
        notes.append(f"{percent(unlabelled)} of the pixels have no label")

    black = facts.black / max(1, facts.pixels)
    if black > COLLAR:
        notes.append(
            f"{percent(black)} of the pixels are 0 in every band and count as data: if they are a "
            f"collar, state 0 as the images' no-data value (gdal_edit.py -a_nodata 0)"
        )

    beyond = _beyond_scale(facts, dataset)
    if beyond > CUT:
        notes.append(
            f"pixels.scale cuts off {percent(beyond)} of the values; see the bands' 1 % and 99 %"
        )
    notes += _narrow_bands(facts, dataset)

    small = [scene for scene, rows in table.groupby("scene") if not rows["whole"].any()]
    if small:
        notes.append(
            f"{counted(len(small), 'scene')} smaller than a tile of {dataset.tile_size}², such as "
            f"{small[0]}; choose a smaller tile_size, or recipes with padded_tiles"
        )

    for turn, masks in facts.turned.items():
        notes.append(
            f"{counted(len(masks), 'mask')} stored {turn} against the image, by the position it "
            f"states, such as {masks[0]}: read as the image lies"
        )

    for name, masks in facts.counted_no_data.items():
        notes.append(
            f"{counted(len(masks), 'mask')}, such as {masks[0]}: the value that it states for no "
            f"data is that of class {name!r}, and counts as the class"
        )

    grids = {(place.crs, round(place.pixel, 6)) for place in facts.places.values()}
    if len(grids) > 1:
        notes.append("the scenes differ in their coordinate system or in their pixel size")

    return notes


def _beyond_scale(facts: Facts, dataset: Dataset) -> float:
    """Share of the sampled values that `scale` cuts off."""
    if not dataset.pixels.scale or not facts.samples:
        return 0.0

    values = np.concatenate(facts.samples, axis=1)
    pairs = np.array(dataset.pixels.scale)
    low = pairs[:, 0, None]
    high = pairs[:, 1, None]
    return float(((values < low) | (values > high)).mean())


def _narrow_bands(facts: Facts, dataset: Dataset) -> list[str]:
    """A note if bands fill little of the range of `scale`: they keep few of the 256 levels and look
    dark."""
    if not dataset.pixels.scale or not facts.samples:
        return []

    low, high = np.percentile(np.concatenate(facts.samples, axis=1), [1, 99], axis=1)
    ranges = np.diff(np.broadcast_to(dataset.pixels.scale, (len(low), 2))).ravel()
    narrow = np.flatnonzero(high - low < NARROW * ranges)
    if not len(narrow) or (high == low).any():
        return []

    numbers = dataset.pixels.bands or range(1, len(low) + 1)
    bands = "band" if len(narrow) == 1 else "bands"
    listed = ", ".join(str(numbers[index]) for index in narrow)
    fitting = ", ".join(f"[{a:.5g}, {b:.5g}]" for a, b in zip(low, high, strict=True))
    return [
        f"{bands} {listed}: nearly all values lie within a quarter of the range of pixels.scale, "
        f"which loses detail and makes dark images; their 1 % and 99 % are scale: [{fitting}]"
    ]


def absences(facts: Facts, dataset: Dataset, divisions: list[Division]) -> list[str]:
    """Classes that are missing from a whole subset of a split."""
    notes = []

    for division in divisions:
        if division.assigned is None:
            continue

        for subset, effect in EFFECTS.items():
            in_subset = division.assigned["subset"] == subset
            scenes = division.assigned.loc[in_subset, "scene"].unique()
            present = set().union(*(facts.classes_in[scene] for scene in scenes))

            for index, land in enumerate(dataset.classes):
                exists = facts.labels[index] and not land.unlabelled
                if len(scenes) and exists and index not in present:
                    notes.append(
                        f"split {division.name!r}: no {subset} scene contains class "
                        f"{land.name!r}: {effect}"
                    )

    return notes
