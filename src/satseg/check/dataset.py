"""Read a whole dataset and report what is in it, and what would stop the pipeline."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from satseg.check.findings import SHOWN, Division, Facts, Findings
from satseg.check.look import idle_groups
from satseg.check.notes import absences, dataset_notes
from satseg.check.sheet import draw_sheet
from satseg.check.survey import read_dataset, same_ground, tile_grid
from satseg.check.words import classes_text, scenes_text, splits_text, tiles_text
from satseg.config.root import Config
from satseg.data.groups import scene_groups
from satseg.data.layout import Problem
from satseg.data.leakage import leakage
from satseg.data.official import published_subsets
from satseg.data.splits import draw_split
from satseg.errors import UserError
from satseg.jobs import slices
from satseg.jobs.slices import TileSlice
from satseg.paths import Paths
from satseg.progress import log, watched
from satseg.readers import read_json
from satseg.text import counted, fold_title, percent


def check(
    config: Config, dataset_name: str, root: str | Path, sheet: str | Path | None = None
) -> Findings:
    """Read a dataset and look for problems.

    Args:
        config: the configuration.
        dataset_name: name of the dataset there.
        root: folder the scenes lie in.
        sheet: where to put a picture of some scenes beside their masks (PNG); None for none.
    """
    dataset = config.datasets[dataset_name]
    job = slices.tile_slice(config, dataset_name)
    facts = read_dataset(
        job, root, lambda scenes: watched(scenes, len(scenes), "reading", "scenes")
    )

    table, official_error, warnings = _tiles(facts, job, root)
    divisions = []
    splits = _splits(config, dataset_name) if len(table) else {}
    for name, used in splits.items():
        for fold in config.splits[name].fold_numbers:
            divisions.append(_divide(config, name, fold, table, used))
    overlaps = [
        (first, second, share)
        for first, second, share in same_ground(facts.places)
        if _group(table, first) != _group(table, second)
    ]

    sections = {
        "Scenes": scenes_text(facts, dataset),
        "Classes": classes_text(facts, dataset),
        "Tiles": tiles_text(table, job),
        "Splits": splits_text(divisions, len(table)) if len(table) else "",
    }
    text = "\n\n".join(f"{title}\n{body}" for title, body in sections.items() if body)
    notes = dataset_notes(facts, dataset, table)
    problems = facts.problems
    # Scenes that are missing or unusable may be all that a split or an official list lacks.
    incomplete = bool(facts.unpaired) or len(facts.shapes) < len(facts.scenes)
    if not incomplete:
        notes = [*warnings, *notes, *absences(facts, dataset, divisions)]
        problems = problems + _split_problems(divisions, official_error)
    notes += _leaks(facts, overlaps, divisions)
    problems += [Problem(mistake, [], "") for mistake in idle_groups(facts.scenes, dataset)]

    if sheet and facts.shapes:
        draw_sheet(facts, dataset, job, dataset_name, Path(sheet))
    elif sheet:
        Path(sheet).unlink(missing_ok=True)  # that of an earlier check
    return Findings(text, notes, problems)


def _tiles(facts: Facts, job: TileSlice, root: str | Path) -> tuple[pd.DataFrame, str, list[str]]:
    """The table of tiles, what is wrong with the official split, and the warnings about it."""
    groups = scene_groups(facts.scenes, job.groups, facts.copied)
    table = tile_grid(facts, job.tile_size, groups)
    usable = [scene for scene in facts.scenes if scene.name in facts.shapes]

    with _captured_log() as messages:
        try:
            subsets = published_subsets(table, usable, root, job.official)
            error = ""
        except UserError as problem:
            subsets = ""
            error = str(problem)

    return table.assign(official_split=subsets), error, messages


@contextmanager
def _captured_log() -> Iterator[list[str]]:
    """Collect what the log would print."""
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    propagate = log.propagate

    log.addHandler(handler)
    log.propagate = False
    try:
        yield messages
    finally:
        log.removeHandler(handler)
        log.propagate = propagate


def _splits(config: Config, dataset_name: str) -> dict[str, bool]:
    """The splits to try → whether studies of the dataset use them; if no study has the dataset, all
    that are possible."""
    used = set()
    for study in config.study.values():
        if dataset_name in study.datasets:
            used |= {config.recipes[recipe].split for recipe in study.recipes}

    has_official = config.datasets[dataset_name].official_here is not None
    possible = {
        name for name, split in config.splits.items() if has_official or split.unit != "official"
    }
    return {name: name in used for name in config.splits if name in (used or possible)}


def _divide(
    config: Config, name: str, fold: int | None, table: pd.DataFrame, used: bool
) -> Division:
    """The tiles divided by a split, or a fold of it, or why that is not possible."""
    split = config.splits[name]
    title = fold_title(name, fold)
    official = split.unit == "official"
    try:
        assigned = draw_split(table, split, config.test_split(name), fold)
        return Division(title, assigned, leakage(table, assigned), "", used, official)
    except UserError as error:
        return Division(title, None, None, str(error), used, official)


def _split_problems(divisions: list[Division], official_error: str) -> list[Problem]:
    """What stops the splits that studies use."""
    problems = []
    if official_error:
        problems.append(Problem(official_error, [], ""))

    for division in divisions:
        # If the lists are wrong, a missing official split is only the consequence.
        follows = official_error and division.official
        if division.error and division.used and not follows:
            problems.append(Problem(f"split {division.name!r}: {division.error}", [], ""))

    return problems


def _group(table: pd.DataFrame, scene: str) -> str:
    """The group of a scene; a scene without tiles is one of its own."""
    groups = table.loc[table["scene"] == scene, "group"]
    return groups.iloc[0] if len(groups) else scene


def _leaks(
    facts: Facts, overlaps: list[tuple[str, str, float]], divisions: list[Division]
) -> list[str]:
    """Scenes that show the same ground, and the splits that put them into different subsets."""
    notes = []
    copies = facts.copied

    if copies:
        shown = "; ".join(" = ".join(names) for names in copies[:SHOWN])
        notes.append(
            f"{counted(len(copies), 'image')} under more than one name, the same to the byte: "
            f"{shown}; remove the copies"
        )
    if overlaps:
        shown = ", ".join(
            f"{first} and {second} ({percent(share)})" for first, second, share in overlaps[:SHOWN]
        )
        notes.append(
            f"{counted(len(overlaps), 'pair')} of scenes on the same ground: {shown}; put such "
            f"scenes together in `groups`"
        )

    same = copies + [[first, second] for first, second, _ in overlaps]
    for division in divisions:
        if division.assigned is None:
            continue

        subsets = division.assigned.groupby("scene")["subset"].agg(set).to_dict()
        crossing = 0
        for names in same:
            crossing += _crosses(subsets.get(name, set()) for name in names)
        if crossing:
            notes.append(
                f"split {division.name!r} puts {crossing} of these on both sides of training and "
                f"evaluation, which may inflate its scores"
            )

    return notes


def _crosses(subsets: Iterable[set[str]]) -> bool:
    """Whether scenes in these subsets are trained on and evaluated too."""
    every = set().union(*subsets)
    return "train" in every and len(every) > 1


def scenes_folder(config: Config, dataset_name: str, data: str | Path) -> Path:
    """The folder a dataset's scenes lie in: the one its `path` names, or that of `download`.

    Raises:
        UserError: they are not here.
    """
    dataset_name = config.files_of(dataset_name)
    path = config.datasets[dataset_name].path
    if path and Path(path).expanduser().is_dir():
        return Path(path).expanduser()

    manifest = Paths(data).manifest(dataset_name)
    if not manifest.exists():
        if path and not Path(path).expanduser().exists():
            raise UserError(
                f"datasets.{dataset_name}.path: {path}: no such folder or zip; correct it"
            )
        raise UserError(
            f"{dataset_name}: its scenes are not here yet; run `snakemake --cores 1 {manifest}` "
            f"first"
        )
    return Path(manifest.parent, read_json(manifest, {"root": str})["root"])
