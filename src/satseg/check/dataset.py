"""Read a whole dataset and say in plain words what is in it, and what would stop the pipeline."""

import logging
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from satseg.check.findings import SHOWN, Division, Findings
from satseg.check.notes import absences, dataset_notes
from satseg.check.sheet import draw_sheet
from satseg.check.survey import Facts, read_dataset, same_ground, tile_grid
from satseg.check.words import classes_text, scenes_text, splits_text, tiles_text
from satseg.config.root import Config
from satseg.config.splits import Split
from satseg.data.groups import scene_groups
from satseg.data.layout import Problem
from satseg.data.official import published_subsets
from satseg.data.splits import draw_split, leakage
from satseg.errors import UserError
from satseg.jobs import slices
from satseg.jobs.slices import TileSlice
from satseg.progress import log, watched
from satseg.readers import read_json
from satseg.text import counted, percent


def check(
    config: Config, dataset: str, root: str | Path, sheet: str | Path | None = None
) -> Findings:
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
    divisions = [
        _divide(config.splits[name], name, table, used)
        for name, used in _splits(config, dataset).items()
    ]
    problems = facts.problems
    if official_error:
        problems.append(Problem(official_error, [], ""))
    # Where the lists are wrong, that there is no official split only follows.
    told = [d for d in divisions if d.error and d.used and not (official_error and d.official)]
    problems += [Problem(f"split {d.name!r}: {d.error}", [], "") for d in told]
    pairs = [
        (a, b, share)
        for a, b, share in same_ground(facts.places)
        if _group(table, a) != _group(table, b)
    ]
    sections = [
        ("Scenes", scenes_text(facts, entry)),
        ("Classes", classes_text(facts, entry)),
        ("Tiles", tiles_text(table, spec)),
        ("Splits", splits_text(divisions)),
    ]
    text = "\n\n".join(f"{title}\n{body}" for title, body in sections if body)
    notes = (
        said
        + dataset_notes(facts, entry, table)
        + absences(facts, entry, divisions)
        + _leaks(facts, pairs, divisions)
    )
    if sheet and facts.shapes:
        draw_sheet(facts, entry, spec, dataset, Path(sheet))
    return Findings(text, notes, problems)


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
    """The splits to try: those that studies of the dataset use; where there is no study, all that
    could be."""
    used = {
        config.recipes[recipe].split
        for study in config.study.values()
        if dataset in study.datasets
        for recipe in study.recipes
    }
    official = config.datasets[dataset].official_here is not None
    possible = [
        name for name, split in config.splits.items() if official or split.unit != "official"
    ]
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


def _leaks(
    facts: Facts, pairs: list[tuple[str, str, float]], divisions: list[Division]
) -> list[str]:
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
        shown = ", ".join(f"{a} and {b} ({percent(share)})" for a, b, share in pairs[:SHOWN])
        notes.append(
            f"{counted(len(pairs), 'pair')} of scenes on the same ground: {shown}; put such scenes together in `groups`"
        )
    both = [names for names in copies] + [[a, b] for a, b, _ in pairs]
    for division in divisions:
        if division.drawn is None or not both:
            continue
        subsets = division.drawn.groupby("scene")["subset"].agg(set).to_dict()
        crossing = sum(
            1 for names in both if _crosses([subsets.get(name, set()) for name in names])
        )
        if crossing:
            notes.append(
                f"split {division.name!r} puts {crossing} of these on both sides of training and judging: "
                "its scores flatter"
            )
    return notes


def _crosses(subsets: Iterable[set[str]]) -> bool:
    every = set().union(*subsets)
    return "train" in every and len(every) > 1


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
            raise UserError(
                f"datasets.{dataset}.path: {entry.path}: no such folder or zip; correct it"
            )
        raise UserError(
            f"{dataset}: its scenes are not here yet; run `snakemake --cores 1 {manifest}` first"
        )
    return Path(manifest.parent, read_json(manifest, ["root"])["root"])
