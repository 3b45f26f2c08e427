"""The findings in words."""

from collections import Counter

import numpy as np
import pandas as pd

from satseg.check.findings import SHOWN, Division, Facts, Findings
from satseg.config.datasets import Dataset
from satseg.data.labels import NO_LABEL
from satseg.jobs.slices import TileSlice
from satseg.text import columns, counted, percent

COMMON = 4  # sizes and coordinate systems listed, the most frequent first


def scenes_text(facts: Facts, dataset: Dataset) -> str:
    """How many scenes there are, and what their files are like."""
    sizes = Counter(f"{width}×{height}" for height, width, _ in facts.shapes.values())
    listed = [f"{count} of {size}" for size, count in sizes.most_common(COMMON)]
    if len(sizes) > COMMON:
        listed.append("…")

    pairs = f"{counted(len(facts.scenes), 'pair')} of image and mask"
    if not facts.shapes:
        return f"  {pairs}, none of them usable" if facts.scenes else "  no pair of image and mask"

    lines = [f"{pairs}; {len(facts.shapes)} usable: {', '.join(listed)}"]
    lines += [f"{kind}: {counted(len(images), 'image')}" for kind, images in facts.kinds.items()]

    places = Counter(f"{place.crs}, pixels of {place.pixel:g}" for place in facts.places.values())
    lines += [f"{place}: {counted(n, 'image')}" for place, n in places.most_common(COMMON)]

    if facts.pixels:
        lines.append(
            f"{facts.pixels:,} pixels; {percent(facts.no_data / facts.pixels)} of them without data"
        )

    text = "\n".join(f"  {line}" for line in lines)
    return text + ("\n" + _bands_text(facts, dataset) if facts.samples else "")


def _bands_text(facts: Facts, dataset: Dataset) -> str:
    """A table of the bands' values."""
    values = np.concatenate(facts.samples, axis=1)
    low, high = np.percentile(values, [1, 99], axis=1)
    numbers = dataset.pixels.bands or range(1, len(values) + 1)

    heading = ["band", "lowest", "1 %", "99 %", "highest"]
    pairs = dataset.pixels.scale or []
    if pairs:
        heading += ["becomes 0", "becomes 255"]
    if len(pairs) == 1:
        pairs = pairs * len(values)

    rows = [heading]
    for index, number in enumerate(numbers):
        cells = [facts.lowest[index], low[index], high[index], facts.highest[index]]
        if pairs:
            cells += pairs[index]
        rows.append([str(number), *(f"{value:,.6g}" for value in cells)])

    return columns(rows)


def classes_text(facts: Facts, dataset: Dataset) -> str:
    """A table of the classes and how much of each there is."""
    if not facts.shapes:
        return "\n".join(_unknown_lines(facts))

    total = max(1, facts.labels.sum())
    by_color = dataset.layout.mask_values == "color"
    rows = [["index", "in the masks", "class", "pixels", "share", "scenes"]]

    for index, land in enumerate(dataset.classes):
        value = land.color if by_color else str(dataset.mask_values[index])
        name = land.name + (" (unlabelled)" if land.unlabelled else "")
        rows.append([str(index), value, name, *_amounts(facts, index, total)])

    gaps = ", ".join(map(str, dataset.gaps))
    rows.append(["", gaps, "no label", *_amounts(facts, NO_LABEL, total)])

    return "\n".join([columns(rows, texts=3), *_unknown_lines(facts)])


def _amounts(facts: Facts, index: int, total: int) -> list[str]:
    """Pixels, share and scenes of a class index."""
    pixels = int(facts.labels[index])
    return [f"{pixels:,}", percent(pixels / total), str(facts.scenes_with[index])]


def _unknown_lines(facts: Facts) -> list[str]:
    """The most frequent mask values that are not a class."""
    if not facts.unknown:
        return []

    lines = ["  Not a class of the dataset:"]
    values = sorted(facts.unknown.items(), key=lambda item: -item[1].pixels)
    for name, value in values[:SHOWN]:
        lines.append(
            f"    {name}: {counted(value.pixels, 'pixel')} in {counted(len(value.masks), 'mask')}, "
            f"such as {value.masks[0]}"
        )
    if len(values) > SHOWN:
        lines.append(f"    … and {len(values) - SHOWN:,} more")
    return lines


def tiles_text(table: pd.DataFrame, job: TileSlice) -> str:
    """How many tiles the scenes make."""
    if table.empty:
        return ""

    whole = int((table["whole"] == 1).sum())
    groups = table["group"].nunique()
    return (
        f"  {counted(len(table), 'tile')} of {job.tile_size}², {whole:,} of them whole, "
        f"{len(table) - whole:,} across a scene's edge; {counted(groups, 'group')} of scenes"
    )


def splits_text(divisions: list[Division], tiles: int) -> str:
    """The tiles of each subset of the splits, out of all, and what they share with training
    tiles."""
    lines = []

    for division in divisions:
        if division.assigned is None:
            lines.append(f"  {division.name}: {division.error}")
            continue

        sizes = division.assigned["subset"].value_counts()
        parts = [f"{sizes[name]} {name}" for name in ("train", "val", "test") if name in sizes]
        unused = tiles - len(division.assigned)
        beyond = f", {unused} in no subset" if unused else ""
        lines.append(f"  {division.name}: {', '.join(parts)} tiles{beyond}")

        for row in division.audit[division.audit["pool"] == "all"].itertuples():
            lines.append(
                f"    of {counted(row.tiles, f'{row.subset} tile')}, {row.scene_shared} share "
                f"their scene and {row.group_shared} their group with training tiles; "
                f"{row.overlapping} overlap one, {row.touching} touch one, {row.near} lie within "
                f"a tile's side of one"
            )

    return "\n".join(lines)


def report(findings: Findings) -> str:
    """Everything a check found, to be read in a terminal."""
    parts = [findings.text]

    if findings.notes:
        parts.append("\n".join(["Worth a look", *(f"  - {note}" for note in findings.notes)]))

    if findings.problems:
        lines = [f"Must be fixed: {counted(len(findings.problems), 'problem')}"]
        for problem in findings.problems:
            lines.append(f"  - {'; '.join(filter(None, [problem.what, problem.way]))}")
            lines += [f"      {file}" for file in problem.files[:SHOWN]]
            if len(problem.files) > SHOWN:
                lines.append(f"      … and {len(problem.files) - SHOWN} more")
        parts.append("\n".join(lines))
    else:
        parts.append("Nothing here stops the pipeline.")

    return "\n\n".join(filter(None, parts))
