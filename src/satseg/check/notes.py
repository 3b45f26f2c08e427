"""What stands out in a dataset, without being wrong."""

import numpy as np
import pandas as pd

from satseg.check.findings import NARROW, Division
from satseg.check.survey import Facts
from satseg.config.datasets import Dataset
from satseg.data.labels import NO_LABEL
from satseg.text import counted, percent

RARE, CUT = (
    0.001,
    0.05,
)  # shares below and above which a class and what the scaling cuts off are worth a word


def dataset_notes(facts: Facts, entry: Dataset, table: pd.DataFrame) -> list[str]:
    """What is odd about the scenes and classes, with what to do about it."""
    notes, total = [], max(1, facts.labels.sum())
    for i, land in enumerate(entry.classes):
        share = facts.labels[i] / total
        if facts.shapes and share < RARE and not land.unlabelled:
            much = f"has {percent(share)} of the pixels" if share else "occurs in no mask"
            notes.append(f"class {land.name!r} {much}: its scores will say little")
    missing = facts.labels[NO_LABEL] / total
    if missing > 0.5:
        notes.append(f"{percent(missing)} of the pixels have no label")
    lost = _cut_off(facts, entry)
    if lost > CUT:
        notes.append(
            f"pixels.scale cuts off {percent(lost)} of the values; see the bands' 1 % and 99 %"
        )
    notes += _unfilled(facts, entry)
    small = [scene for scene, rows in table.groupby("scene") if not rows["whole"].any()]
    if small:
        notes.append(
            f"{counted(len(small), 'scene')} smaller than a tile of {entry.tile_size}², such as {small[0]}; choose a "
            "smaller tile_size, or recipes with padded_tiles"
        )
    if len({(p.crs, round(p.pixel, 6)) for p in facts.places.values()}) > 1:
        notes.append("the scenes differ in their coordinate system or in the size of their pixels")
    return notes


def _cut_off(facts: Facts, entry: Dataset) -> float:
    """Share of the sampled values that `scale` cuts off."""
    pairs = np.array(entry.pixels.scale or [])
    if not len(pairs) or not facts.samples:
        return 0.0
    values = np.concatenate(facts.samples, axis=1)
    low, high = (pairs[:, i, None] for i in (0, 1))
    return float(((values < low) | (values > high)).mean())


def _unfilled(facts: Facts, entry: Dataset) -> list[str]:
    """A note where bands fill little of what `scale` spans: they keep few of the 256 levels and
    look dark."""
    if not entry.pixels.scale or not facts.samples:
        return []
    few, most = np.percentile(np.concatenate(facts.samples, axis=1), [1, 99], axis=1)
    spans = np.diff(np.broadcast_to(entry.pixels.scale, (len(few), 2))).ravel()
    narrow = np.flatnonzero(most - few < NARROW * spans)
    if not len(narrow) or (most == few).any():
        return []
    numbers = entry.pixels.bands or range(1, len(few) + 1)
    fitting = ", ".join(f"[{low:.5g}, {high:.5g}]" for low, high in zip(few, most, strict=True))
    return [
        f"band {', '.join(str(numbers[i]) for i in narrow)}: nearly all values lie within a quarter of what "
        f"pixels.scale spans, which loses detail and makes dark pictures; their 1 % and 99 % are scale: [{fitting}]"
    ]


def absences(facts: Facts, entry: Dataset, divisions: list[Division]) -> list[str]:
    """Classes that a split keeps out of a subset altogether."""
    effects = {
        "train": "no model can learn it",
        "val": "it has no part in choosing",
        "test": "it gets no score",
    }
    notes = []
    for division in divisions:
        for subset, effect in effects.items() if division.drawn is not None else ():
            scenes = division.drawn.loc[division.drawn["subset"] == subset, "scene"].unique()
            there = set().union(*(facts.classes_in[scene] for scene in scenes))
            for i, land in enumerate(entry.classes):
                if len(scenes) and facts.labels[i] and i not in there and not land.unlabelled:
                    notes.append(
                        f"split {division.name!r}: no {subset} scene holds class {land.name!r}: {effect}"
                    )
    return notes
