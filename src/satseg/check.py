"""Read a whole dataset and say in plain words what is in it, and what would stop the pipeline."""

import argparse
import logging
import sys
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import rasterio
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning

from satseg import slices
from satseg.cli import columns, counted, log, watched
from satseg.config import Config, Dataset, LandClass, Split, load_with
from satseg.data.bands import read_bands
from satseg.data.layout import Problem, Scene
from satseg.data.official import published_subsets
from satseg.data.splits import draw_split, leakage
from satseg.data.store import NO_LABEL
from satseg.data.survey import Facts, read_dataset, same_ground, tile_grid
from satseg.data.tiles import UNKNOWN, MaskReader, scene_groups
from satseg.errors import UserError
from satseg.files import atomic
from satseg.outputs import read_json
from satseg.slices import TileSlice

SHOWN = 5  # files named of those that share a problem, and colours of those that are no class
SHEET, THUMBNAIL = 12, 192  # scenes on the contact sheet, and their longer side in pixels
RARE, CUT = 0.001, 0.05  # shares below and above which a class and what the scaling cuts off are worth a word
NARROW = 0.25  # share of what `scale` spans that a band should fill


class Findings(NamedTuple):
    """What a check found, in words."""

    text: str
    """Sections to read."""
    notes: list[str]
    """What is worth a look, but stops nothing."""
    problems: list[Problem]
    """What stops the pipeline."""


class Division(NamedTuple):
    """How one of the splits would divide the tiles."""

    name: str
    drawn: pd.DataFrame | None
    """tile, scene, subset."""
    audit: pd.DataFrame | None
    """What `leakage` says of it."""
    error: str
    used: bool
    """Whether a study with the dataset uses it."""
    official: bool
    """Whether it takes the publishers' own split."""


def check(config: Config, dataset: str, root: str | Path, sheet: str | Path | None = None) -> Findings:
    """Read a dataset and judge it.

    Args:
        config: the configuration.
        dataset: its name there.
        root: folder the scenes lie in.
        sheet: where to put a picture of some scenes beside their masks (PNG); None for none.
    """
    entry, spec = config.datasets[dataset], slices.tile_slice(config, dataset)
    facts = read_dataset(spec, root, lambda found: watched(found, len(found), "reading", "scenes"))
    table, official_error, said = _tiles(facts, spec, root)
    divisions = [_divide(config.splits[name], name, table, used) for name, used in _splits(config, dataset).items()]
    problems = facts.problems
    if official_error:
        problems.append(Problem(official_error, [], ""))
    # Where the lists are wrong, that there is no official split only follows.
    told = [d for d in divisions if d.error and d.used and not (official_error and d.official)]
    problems += [Problem(f"split {d.name!r}: {d.error}", [], "") for d in told]
    pairs = [(a, b, share) for a, b, share in same_ground(facts.places) if _group(table, a) != _group(table, b)]
    sections = [
        ("Scenes", _scenes_text(facts, entry)),
        ("Classes", _classes_text(facts, entry)),
        ("Tiles", _tiles_text(table, spec)),
        ("Splits", _splits_text(divisions)),
    ]
    text = "\n\n".join(f"{title}\n{body}" for title, body in sections if body)
    notes = said + _notes(facts, entry, table) + _absences(facts, entry, divisions) + _leaks(facts, pairs, divisions)
    if sheet and facts.shapes:
        _draw(facts, entry, spec, dataset, Path(sheet))
    return Findings(text, notes, problems)


# --- tiles and splits ------------------------------------------------------------------------------------


def _tiles(facts: Facts, spec: TileSlice, root: str | Path) -> tuple[pd.DataFrame, str, list[str]]:
    """The table of tiles, what is wrong with the official split, and what was said about it."""
    copies = [names for names in facts.copies.values() if len(names) > 1]
    groups = scene_groups(facts.found, spec.groups, copies)
    table, said = tile_grid(facts.shapes, spec.tile_size, groups), []
    scenes = [scene for scene in facts.found if scene.name in facts.shapes]
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    spoken = log.propagate
    log.addHandler(handler)
    log.propagate = False
    try:
        subsets, error = published_subsets(table, scenes, root, spec.official), ""
    except UserError as problem:
        subsets, error = "", str(problem)
    finally:
        log.removeHandler(handler)
        log.propagate = spoken
    return table.assign(official_split=subsets), error, said


def _splits(config: Config, dataset: str) -> dict[str, bool]:
    """The splits to try: those that studies of the dataset use; where there is no study, all that could be."""
    used = {
        config.recipes[recipe].split
        for study in config.study.values()
        if dataset in study.datasets
        for recipe in study.recipes
    }
    official = config.datasets[dataset].official_here is not None
    possible = [name for name, split in config.splits.items() if official or split.unit != "official"]
    return {name: name in used for name in config.splits if name in (used or possible)}


def _divide(split: Split, name: str, table: pd.DataFrame, used: bool) -> Division:
    official = split.unit == "official"
    try:
        drawn = draw_split(table, split)
        return Division(name, drawn, leakage(table, drawn), "", used, official)
    except UserError as error:
        return Division(name, None, None, str(error), used, official)


def _group(table: pd.DataFrame, scene: str) -> str:
    found = table.loc[table["scene"] == scene, "group"]
    return found.iloc[0] if len(found) else scene


# --- in words --------------------------------------------------------------------------------------------


def _scenes_text(facts: Facts, entry: Dataset) -> str:
    sizes = Counter(f"{width}×{height}" for height, width, _ in facts.shapes.values())
    said = ", ".join(f"{n} of {size}" for size, n in sizes.most_common(4)) + (", …" if len(sizes) > 4 else "")
    lines = [f"{counted(len(facts.found), 'pair')} of image and mask; {len(facts.shapes)} usable: {said or 'none'}"]
    lines += [f"{kind}: {counted(len(images), 'image')}" for kind, images in facts.kinds.items()]
    where = Counter(f"{p.crs}, pixels of {p.pixel:g}" for p in facts.places.values())
    lines += [f"{place}: {counted(n, 'image')}" for place, n in where.most_common(4)]
    if facts.pixels:
        lines.append(f"{facts.pixels:,} pixels; {_percent(facts.no_data / facts.pixels)} of them without data")
    text = "\n".join(f"  {line}" for line in lines)
    return text + ("\n" + _bands_text(facts, entry) if facts.samples else "")


def _bands_text(facts: Facts, entry: Dataset) -> str:
    values = np.concatenate(facts.samples, axis=1)
    few, most = np.percentile(values, [1, 99], axis=1)
    numbers = entry.pixels.bands or range(1, len(values) + 1)
    pairs = entry.pixels.scale or []
    pairs = pairs * len(values) if len(pairs) == 1 else pairs
    header = ["band", "lowest", "1 %", "99 %", "highest"] + (["becomes 0", "becomes 255"] if pairs else [])
    rows = [header]
    for i, number in enumerate(numbers):
        found = [facts.lowest[i], few[i], most[i], facts.highest[i], *(pairs[i] if pairs else [])]
        rows.append([str(number), *(f"{value:,.6g}" for value in found)])
    return columns(rows)


def _classes_text(facts: Facts, entry: Dataset) -> str:
    total = max(1, facts.labels.sum())
    by_color = entry.layout.mask_values == "color"
    rows = [["index", "in the masks", "class", "pixels", "share", "scenes"]]
    for i, land in enumerate(entry.classes):
        value = land.color if by_color else str(entry.mask_values[i])
        name = land.name + (" (unlabelled)" if land.unlabelled else "")
        rows.append([str(i), value, name, *_amounts(facts, i, total)])
    rows.append(["", ", ".join(map(str, entry.gaps)), "no label", *_amounts(facts, NO_LABEL, total)])
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
    return [f"{pixels:,}", _percent(pixels / total), str(facts.scenes_with[index])]


def _tiles_text(table: pd.DataFrame, spec: TileSlice) -> str:
    if table.empty:
        return ""
    edge = int((table["whole"] == 0).sum())
    groups = table["group"].nunique()
    return (
        f"  {counted(len(table), 'tile')} of {spec.tile_size}², {len(table) - edge} of them whole, {edge} over a "
        f"scene's edge; {counted(groups, 'group')} of scenes that show different ground"
    )


def _splits_text(divisions: list[Division]) -> str:
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


def _notes(facts: Facts, entry: Dataset, table: pd.DataFrame) -> list[str]:
    """What is odd about the scenes and classes, with what to do about it."""
    notes, total = [], max(1, facts.labels.sum())
    for i, land in enumerate(entry.classes):
        share = facts.labels[i] / total
        if facts.shapes and share < RARE and not land.unlabelled:
            much = f"has {_percent(share)} of the pixels" if share else "occurs in no mask"
            notes.append(f"class {land.name!r} {much}: its scores will say little")
    missing = facts.labels[NO_LABEL] / total
    if missing > 0.5:
        notes.append(f"{_percent(missing)} of the pixels have no label")
    lost = _cut_off(facts, entry)
    if lost > CUT:
        notes.append(f"pixels.scale cuts off {_percent(lost)} of the values; see the bands' 1 % and 99 %")
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
    """A note where bands fill little of what `scale` spans: they keep few of the 256 levels and look dark."""
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


def _absences(facts: Facts, entry: Dataset, divisions: list[Division]) -> list[str]:
    """Classes that a split keeps out of a subset altogether."""
    effects = {"train": "no model can learn it", "val": "it has no part in choosing", "test": "it gets no score"}
    notes = []
    for division in divisions:
        for subset, effect in effects.items() if division.drawn is not None else ():
            scenes = division.drawn.loc[division.drawn["subset"] == subset, "scene"].unique()
            there = set().union(*(facts.classes_in[scene] for scene in scenes))
            for i, land in enumerate(entry.classes):
                if len(scenes) and facts.labels[i] and i not in there and not land.unlabelled:
                    notes.append(f"split {division.name!r}: no {subset} scene holds class {land.name!r}: {effect}")
    return notes


def _leaks(facts: Facts, pairs: list[tuple[str, str, float]], divisions: list[Division]) -> list[str]:
    """What shows the same twice, and which splits put it on both sides."""
    notes = []
    copies = [names for names in facts.copies.values() if len(names) > 1]
    if copies:
        shown = "; ".join(" = ".join(names) for names in copies[:SHOWN])
        notes.append(
            f"{counted(len(copies), 'image')} under more than one name, the same to the byte: {shown}; "
            "remove the copies"
        )
    if pairs:
        shown = ", ".join(f"{a} and {b} ({_percent(share)})" for a, b, share in pairs[:SHOWN])
        notes.append(
            f"{counted(len(pairs), 'pair')} of scenes on the same ground: {shown}; put such scenes together in `groups`"
        )
    both = [names for names in copies] + [[a, b] for a, b, _ in pairs]
    for division in divisions:
        if division.drawn is None or not both:
            continue
        subsets = division.drawn.groupby("scene")["subset"].agg(set).to_dict()
        crossing = sum(1 for names in both if _crosses([subsets.get(name, set()) for name in names]))
        if crossing:
            notes.append(
                f"split {division.name!r} puts {crossing} of these on both sides of training and judging: "
                "its scores flatter"
            )
    return notes


def _crosses(subsets: Iterable[set[str]]) -> bool:
    every = set().union(*subsets)
    return "train" in every and len(every) > 1


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if 0 < share < 0.1 else f"{100 * share:.0f} %"


# --- contact sheet ---------------------------------------------------------------------------------------


def _draw(facts: Facts, entry: Dataset, spec: TileSlice, dataset: str, path: Path) -> None:
    """Some scenes beside their masks; what is no class is magenta."""
    from satseg import plots

    usable = [scene for scene in facts.found if scene.name in facts.shapes]
    bands = Counter(shape[2] for shape in facts.shapes.values()).most_common(1)[0][0]
    usable = [scene for scene in usable if facts.shapes[scene.name][2] == bands]
    shown = [usable[i] for i in np.unique(np.linspace(0, len(usable) - 1, min(SHEET, len(usable))).astype(int))]
    reader = MaskReader(spec)
    thumbnails = [_thumbnail(scene, spec, reader, len(entry.classes)) for scene in shown]
    images, masks = (np.stack(part) for part in zip(*thumbnails, strict=True))
    classes = list(entry.classes)
    if (masks == len(classes)).any():
        classes.append(LandClass(name="no class", color="#FF00FF"))
    panels = plots.Panels(f"{entry.title} ({dataset})", classes, [s.name for s in shown], images, masks)
    with atomic(path) as temporary:
        plots.save(plots.samples([panels]), temporary)


def _thumbnail(scene: Scene, spec: TileSlice, reader: MaskReader, unknown: int) -> tuple[np.ndarray, np.ndarray]:
    """Image uint8 [S, S, C] and class indices uint8 [S, S] of a scene made small; `unknown` where it is no class."""
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


# --- command line ----------------------------------------------------------------------------------------


def scenes_folder(config: Config, dataset: str, data: str | Path) -> Path:
    """The folder a dataset's scenes lie in: the one its `path` names, or what `download` brought.

    Raises:
        UserError: they are not here.
    """
    entry = config.datasets[dataset]
    if entry.path and Path(entry.path).expanduser().is_dir():
        return Path(entry.path).expanduser()
    manifest = Path(data, "raw", dataset, "manifest.json")
    if not manifest.exists():
        if entry.path and not Path(entry.path).expanduser().exists():
            raise UserError(f"datasets.{dataset}.path: {entry.path}: no such folder or zip; correct it")
        raise UserError(f"{dataset}: its scenes are not here yet; run `snakemake --cores 1 {manifest}` first")
    return Path(manifest.parent, read_json(manifest, ["root"])["root"])


def main() -> None:
    """Check a dataset; exit status 1 says that something would stop the pipeline."""
    parser = argparse.ArgumentParser(prog="python -m satseg.check", description=__doc__)
    parser.add_argument("dataset", help="name of the dataset in the configuration")
    parser.add_argument("--configfile", nargs="+", default=[], help="YAML files that go over config/")
    parser.add_argument("--data", default="data", help="folder of raw data; the picture goes to check/ in it")
    arguments = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    log.setLevel(logging.INFO)
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    try:
        config = load_with(arguments.configfile)
        if arguments.dataset not in config.datasets:
            raise UserError(f"no dataset {arguments.dataset!r}; there are {', '.join(config.datasets)}")
        root = scenes_folder(config, arguments.dataset, arguments.data)
        sheet = Path(arguments.data, "check", f"{arguments.dataset}.png")
        found = check(config, arguments.dataset, root, sheet)
    except UserError as error:
        sys.exit(f"error: {error}")
    print(f"{arguments.dataset}: {root}\n\n{report(found)}")
    if sheet.exists():
        print(f"\nThe scenes beside their masks: {sheet}")
    sys.exit(1 if found.problems else 0)


def report(found: Findings) -> str:
    """Everything a check found, to be read in a terminal."""
    parts = [found.text]
    if found.notes:
        parts.append("\n".join(["Worth a look", *(f"  - {note}" for note in found.notes)]))
    if found.problems:
        lines = [f"To be mended: {counted(len(found.problems), 'fault')}"]
        for problem in found.problems:
            lines.append(f"  - {problem.what}; {problem.way}" if problem.way else f"  - {problem.what}")
            lines += [f"      {file}" for file in problem.files[:SHOWN]]
            if len(problem.files) > SHOWN:
                lines.append(f"      … and {len(problem.files) - SHOWN} more")
        parts.append("\n".join(lines))
    else:
        parts.append("Nothing here stops the pipeline.")
    return "\n\n".join(filter(None, parts))


if __name__ == "__main__":
    main()
