"""The findings in words."""

from collections import Counter

import numpy as np
import pandas as pd

from satseg.check.findings import SHOWN, Division, Findings
from satseg.check.survey import Facts
from satseg.config.datasets import Dataset
from satseg.data.labels import NO_LABEL
from satseg.jobs.slices import TileSlice
from satseg.text import columns, counted, percent


def scenes_text(facts: Facts, entry: Dataset) -> str:
    """How many scenes there are, and what their files are like."""
    sizes = Counter(f"{width}×{height}" for height, width, _ in facts.shapes.values())
    said = ", ".join(f"{n} of {size}" for size, n in sizes.most_common(4)) + (
        ", …" if len(sizes) > 4 else ""
    )
    lines = [
        f"{counted(len(facts.found), 'pair')} of image and mask; {len(facts.shapes)} usable: {said or 'none'}"
    ]
    lines += [f"{kind}: {counted(len(images), 'image')}" for kind, images in facts.kinds.items()]
    where = Counter(f"{p.crs}, pixels of {p.pixel:g}" for p in facts.places.values())
    lines += [f"{place}: {counted(n, 'image')}" for place, n in where.most_common(4)]
    if facts.pixels:
        lines.append(
            f"{facts.pixels:,} pixels; {percent(facts.no_data / facts.pixels)} of them without data"
        )
    text = "\n".join(f"  {line}" for line in lines)
    return text + ("\n" + _bands_text(facts, entry) if facts.samples else "")


def _bands_text(facts: Facts, entry: Dataset) -> str:
    values = np.concatenate(facts.samples, axis=1)
    few, most = np.percentile(values, [1, 99], axis=1)
    numbers = entry.pixels.bands or range(1, len(values) + 1)
    pairs = entry.pixels.scale or []
    pairs = pairs * len(values) if len(pairs) == 1 else pairs
    header = ["band", "lowest", "1 %", "99 %", "highest"] + (
        ["becomes 0", "becomes 255"] if pairs else []
    )
    rows = [header]
    for i, number in enumerate(numbers):
        found = [facts.lowest[i], few[i], most[i], facts.highest[i], *(pairs[i] if pairs else [])]
        rows.append([str(number), *(f"{value:,.6g}" for value in found)])
    return columns(rows)


def classes_text(facts: Facts, entry: Dataset) -> str:
    """A table of the classes and how much of each there is."""
    total = max(1, facts.labels.sum())
    by_color = entry.layout.mask_values == "color"
    rows = [["index", "in the masks", "class", "pixels", "share", "scenes"]]
    for i, land in enumerate(entry.classes):
        value = land.color if by_color else str(entry.mask_values[i])
        name = land.name + (" (unlabelled)" if land.unlabelled else "")
        rows.append([str(i), value, name, *_amounts(facts, i, total)])
    rows.append(
        ["", ", ".join(map(str, entry.gaps)), "no label", *_amounts(facts, NO_LABEL, total)]
    )
    text = columns(rows, texts=3)
    if facts.unknown:
        found = sorted(facts.unknown.items(), key=lambda item: -item[1].pixels)
        shown = [
            f"    {name}: {counted(it.pixels, 'pixel')} in {counted(len(it.masks), 'mask')}, such as {it.masks[0]}"
            for name, it in found[:SHOWN]
        ]
        more = [f"    … and {len(found) - SHOWN:,} more"] if len(found) > SHOWN else []
        text += "\n" + "\n".join(["  No class of the dataset:", *shown, *more])
    return text


def _amounts(facts: Facts, index: int, total: int) -> list[str]:
    pixels = int(facts.labels[index])
    return [f"{pixels:,}", percent(pixels / total), str(facts.scenes_with[index])]


def tiles_text(table: pd.DataFrame, spec: TileSlice) -> str:
    """How many tiles the scenes make."""
    if table.empty:
        return ""
    edge = int((table["whole"] == 0).sum())
    groups = table["group"].nunique()
    return (
        f"  {counted(len(table), 'tile')} of {spec.tile_size}², {len(table) - edge} of them whole, {edge} over a "
        f"scene's edge; {counted(groups, 'group')} of scenes that show different ground"
    )


def splits_text(divisions: list[Division]) -> str:
    """A table of the splits: tiles of each subset, and what they share with training."""
    lines = []
    for division in divisions:
        if division.drawn is None:
            lines.append(f"  {division.name}: {division.error}")
            continue
        sizes = division.drawn["subset"].value_counts()
        parts = [f"{sizes[name]} {name}" for name in ("train", "val", "test") if name in sizes]
        lines.append(f"  {division.name}: {', '.join(parts)} tiles")
        for row in division.audit[division.audit["pool"] == "all"].itertuples():
            shared = [(row.scene_shared, "scene"), (row.group_shared, "ground")]
            said = " and ".join(f"{n} share their {what}" for n, what in shared)
            lines.append(f"    of {row.tiles} {row.subset} tiles {said} with training tiles")
    return "\n".join(lines)


def report(found: Findings) -> str:
    """Everything a check found, to be read in a terminal."""
    parts = [found.text]
    if found.notes:
        parts.append("\n".join(["Worth a look", *(f"  - {note}" for note in found.notes)]))
    if found.problems:
        lines = [f"To be mended: {counted(len(found.problems), 'fault')}"]
        for problem in found.problems:
            lines.append(
                f"  - {problem.what}; {problem.way}" if problem.way else f"  - {problem.what}"
            )
            lines += [f"      {file}" for file in problem.files[:SHOWN]]
            if len(problem.files) > SHOWN:
                lines.append(f"      … and {len(problem.files) - SHOWN} more")
        parts.append("\n".join(lines))
    else:
        parts.append("Nothing here stops the pipeline.")
    return "\n\n".join(filter(None, parts))
