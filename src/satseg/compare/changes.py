"""What is different about two studies: configuration, code, data, machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from satseg.compare.pairing import Pair
from satseg.compare.sides import Row, Side
from satseg.jobs.cells import Cell
from satseg.provenance import commits_between
from satseg.readers import read_json
from satseg.text import counted, listing

ABSENT = "–"
LONGEST = 60  # characters of a value that is shown
SHOWN = 8  # names that are listed
MACHINE = ("device", "versions", "precision", "lock_sha256", "world_size")
"""What run.json says of where a run was made."""


class Change(NamedTuple):
    """A value that is another in the second study."""

    key: str
    first: str
    second: str
    rows: list[Row]
    """Those of the first study that it is true of."""


class Changes(NamedTuple):
    """Everything that is different, in sentences or values."""

    rows: list[str]
    configuration: list[Change]
    code: list[str]
    data: list[str]
    machine: list[Change]


def changes(sides: tuple[Side, Side], pairs: Sequence[Pair]) -> Changes:
    """Compare what the runs of each pair recorded, those of the same seed and fold with each
    other."""
    configuration: dict[tuple[str, str, str], list[Row]] = {}
    machine: dict[tuple[str, str, str], list[Row]] = {}
    for pair in pairs:
        records = _records(sides, pair)
        for value in _differing(_slices(sides, pair, records)):
            configuration.setdefault(value, []).append(pair.first)
        for value in _differing([_machine(record) for record in records]):
            machine.setdefault(value, []).append(pair.first)
    return Changes(
        rows=_rows(sides, pairs),
        configuration=[Change(*key, rows) for key, rows in configuration.items()],
        code=_code(sides),
        data=_data(sides, pairs),
        machine=[Change(*key, rows) for key, rows in machine.items()],
    )


def _machine(record: dict) -> dict:
    """Where a run was made."""
    return {key: record.get(key) for key in MACHINE}


def _records(sides: tuple[Side, Side], pair: Pair) -> list[dict]:
    """run.json of a run of each side, of the same seed and fold if there is one."""
    grids = [side.cells[row] for side, row in zip(sides, (pair.first, pair.second), strict=True)]
    places = [dict(zip(map(_place, cells), cells, strict=True)) for cells in grids]
    shared = [place for place in places[0] if place in places[1]]
    cells = [own[shared[0]] if shared else grid[0] for own, grid in zip(places, grids, strict=True)]
    return [side.record(cell) for side, cell in zip(sides, cells, strict=True)]


def _place(cell: Cell) -> tuple[int, int]:
    return cell.seed, cell.fold or 0


def _slices(sides: tuple[Side, Side], pair: Pair, records: list[dict]) -> list[dict]:
    """The configuration that each run was made with, without what only names it."""
    slices = []
    for side, row, record in zip(sides, (pair.first, pair.second), records, strict=True):
        kept = {key: value for key, value in record["slice"].items() if key != "cell"}
        seeds = sorted({cell.seed for cell in side.cells[row]})
        folds = len({cell.fold for cell in side.cells[row]} - {None})
        slices.append(kept | {"evaluated tiles": side.subset(row), "seeds": seeds, "folds": folds})
    return slices


def _differing(values: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Each key with its two values, where these differ."""
    first, second = (dict(_flat(value)) for value in values)
    for key in dict.fromkeys([*first, *second]):
        before = first.get(key, ABSENT)
        after = second.get(key, ABSENT)
        if before != after:
            yield key, before, after


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Nested values as (`outer.inner`, text), in their order."""
    if isinstance(value, Mapping) and value:
        for name, below in value.items():
            yield from _flat(below, f"{key}.{name}".strip("."))
        return
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    yield key, text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _rows(sides: tuple[Side, Side], pairs: Sequence[Pair]) -> list[str]:
    """The rows that only one of the two has."""
    sentences = []
    for side, place in zip(sides, ("first", "second"), strict=True):
        known = {getattr(pair, place) for pair in pairs}
        alone = [str(row) for row in side.rows if row not in known]
        if alone:
            sentences.append(f"Only {side.title} has {_short_list(alone)}.")
    return sentences


def _code(sides: tuple[Side, Side]) -> list[str]:
    """Commits, and what changed between them."""
    commits: list[dict[str, None]] = []
    sentences = []
    for side in sides:
        codes = [side.record(cell)["code"] for cells in side.cells.values() for cell in cells]
        found = dict.fromkeys(str(code.get("commit") or "none")[:10] for code in codes)
        commits.append(found)
        dirty = sum(bool(code.get("dirty")) for code in codes)
        text = f"{side.title} was trained with commit {_short_list(list(found))}"
        if dirty:
            text += f", {counted(dirty, 'run')} of {len(codes)} with uncommitted changes"
        sentences.append(f"{text}.")
    if commits[0] == commits[1]:
        return sentences

    if len(commits[0]) == len(commits[1]) == 1:
        between = commits_between(next(iter(commits[0])), next(iter(commits[1])))
        if between is None:
            sentences.append("This checkout does not have both commits, so no files are listed.")
        else:
            number, files = between
            changed = f"{counted(len(files), 'file')} of src, config and workflow"
            named = f": {_short_list(files)}" if files else ""
            sentences.append(f"Between them: {counted(number, 'commit')}, {changed}{named}.")
    return sentences


def _data(sides: tuple[Side, Side], pairs: Sequence[Pair]) -> list[str]:
    """Files, splits and tiles of each dataset."""
    sentences = []
    for own, other in dict.fromkeys((pair.first.dataset, pair.second.dataset) for pair in pairs):
        name = own if own == other else f"{own} and {other}"
        files = [_files(side, dataset) for side, dataset in zip(sides, (own, other), strict=True)]
        if None in files:
            sentences.append(f"{name}: a list of files is missing, so they were not compared.")
        else:
            sentences.append(f"{name}: {_file_changes(*files)}.")
    for pair in pairs:
        text = _tile_changes(sides, pair)
        if text:
            sentences.append(f"{pair.first}: {text}.")
    return sentences


def _files(side: Side, dataset: str) -> dict[str, str] | None:
    """Path → sha256 of the files of a dataset; None if its manifest is not there."""
    path = side.paths.manifest(dataset)
    if not path.is_file():
        return None
    files = read_json(path, {"files": [{"path": str, "sha256": str}]})["files"]
    return {file["path"]: file["sha256"] for file in files}


def _file_changes(first: dict[str, str], second: dict[str, str]) -> str:
    added = len(second.keys() - first.keys())
    gone = len(first.keys() - second.keys())
    other = sum(first[path] != second[path] for path in first.keys() & second.keys())
    if not (added or gone or other):
        return f"the same {counted(len(first), 'file')}"
    parts = [f"{added:,} added", f"{gone:,} removed", f"{other:,} with another content"]
    numbers = zip((added, gone, other), parts, strict=True)
    return f"files: {listing([part for number, part in numbers if number])}"


def _tile_changes(sides: tuple[Side, Side], pair: Pair) -> str:
    """How the evaluated tiles of a pair differ; empty if they do not."""
    parts = []
    if not pair.why and set(pair.tiles) != {len(pair.units)}:
        totals = f"evaluated before: {counted(pair.tiles[0], 'tile')}, after: {pair.tiles[1]:,}"
        parts.append(f"{totals}, {len(pair.units):,} of them in both with the same masks")
    if pair.relabelled:
        parts.append(f"{counted(pair.relabelled, 'tile')} with other masks")
    splits = [record.get("data", {}).get("split_sha256") for record in _records(sides, pair)]
    if splits[0] != splits[1]:
        parts.append("other tiles in the training, validation or test set")
    return "; ".join(parts)


def _short_list(names: Sequence[str]) -> str:
    """The first few names."""
    if len(names) <= SHOWN:
        return listing(names)
    return f"{', '.join(names[:SHOWN])} and {len(names) - SHOWN} more"
