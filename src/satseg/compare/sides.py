"""A finished study as its files tell: its cells, what their runs recorded, what they counted.

Nothing of its configuration is read, so that a state of long ago can be compared with today's.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from satseg.data.ground import independent_groups
from satseg.errors import UserError
from satseg.jobs.cells import Cell
from satseg.measures import MAJORITY
from satseg.paths import Paths
from satseg.readers import AGAIN, read_counts, read_csv, read_json

SCORES = ["dataset", "model", "recipe", "seed", "subset", "metric", "class"]
FOLDS = ["dataset", "model", "recipe", "seed", "fold"]
COUNTS = ["tile", "scene", "class", "tp", "fp", "fn", "tn"]
TILES = ["tile", "scene", "group", "row", "col"]
PLACE = ["scene", "row", "col"]
"""What makes two tiles the same: where they lie, not their number."""


class Row(NamedTuple):
    """What is compared: a model on a dataset under a recipe, over all of its runs."""

    dataset: str
    model: str
    recipe: str

    def __str__(self) -> str:
        return " / ".join(self)


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two studies.

    Every method raises a `UserError` that names the file if it is missing or does not hold what it
    should.
    """

    name: str
    """The study's."""
    title: str
    """What pages call it: its name, or what tells its folder from the other's of this name."""
    paths: Paths
    """Where the files of its project lie."""

    @cached_property
    def scores(self) -> pd.DataFrame:
        """tables/scores.csv, without the baseline."""
        path = self.paths.tables(self.name) / "scores.csv"
        rows = read_csv(path, SCORES)
        rows = rows[rows["model"] != MAJORITY]
        if rows["seed"].isna().any():
            raise UserError(f"{path}: a row does not say its seed; {AGAIN}")
        return rows

    @cached_property
    def rows(self) -> list[Row]:
        """Every dataset, model and recipe, in the study's order."""
        keys = self.scores[list(Row._fields)].drop_duplicates()
        return [Row(*names) for names in keys.itertuples(index=False)]

    def subset(self, row: Row) -> str:
        """Which tiles were evaluated."""
        return str(self._of(self.scores, row)["subset"].iloc[0])

    @cached_property
    def cells(self) -> dict[Row, list[Cell]]:
        """The runs of each row."""
        return {row: self._cells(row) for row in self.rows}

    def _cells(self, row: Row) -> list[Cell]:
        folds = self._folds
        cells = []
        for seed in sorted(self._of(self.scores, row)["seed"].unique()):
            own = self._of(folds, row)
            numbers = sorted(own.loc[own["seed"] == seed, "fold"].unique())
            for fold in numbers or [None]:
                number = None if fold is None else int(fold)
                cells.append(Cell(**row._asdict(), seed=int(seed), fold=number))
        return cells

    @cached_property
    def _folds(self) -> pd.DataFrame:
        """The folds of each run; without rows for studies from before there were any."""
        path = self.paths.tables(self.name) / "folds.csv"
        return read_csv(path, FOLDS) if path.is_file() else pd.DataFrame(columns=FOLDS)

    @staticmethod
    def _of(frame: pd.DataFrame, row: Row) -> pd.DataFrame:
        return frame[(frame[list(Row._fields)] == list(row)).all(axis=1)]

    def record(self, cell: Cell) -> dict:
        """run.json of a run."""
        return read_json(self.paths.run(cell.path) / "run.json", {"slice": dict, "code": dict})

    def seeds(self, row: Row) -> int:
        """How many runs a row is the result of; the folds of a seed are one."""
        return len({cell.seed for cell in self.cells[row]})

    @cached_property
    def tiles(self) -> dict[str, pd.DataFrame]:
        """tiles.csv of every dataset."""
        names = dict.fromkeys(row.dataset for row in self.rows)
        return {name: self._tile_table(name) for name in names}

    def _tile_table(self, dataset: str) -> pd.DataFrame:
        path = self.paths.tiles_table(dataset)
        table = read_csv(path, TILES)
        if table["tile"].duplicated().any():
            raise UserError(f"{path}: a tile is listed twice; delete it and tile again")
        return table

    def counts(self, row: Row) -> list[pd.DataFrame]:
        """The counts of each seed, with where each tile lies: scene, row, col and group beside the
        columns of counts.csv, sorted by place and in the same order of classes."""
        frames: dict[int, list[pd.DataFrame]] = {}
        for cell in self.cells[row]:
            path = self.paths.run(cell.path) / "counts.csv"
            classes = list(dict.fromkeys(read_csv(path, COUNTS)["class"]))
            frames.setdefault(cell.seed, []).append(read_counts(path, classes))
        return [self._placed(row.dataset, pd.concat(parts)) for parts in frames.values()]

    def _placed(self, dataset: str, counts: pd.DataFrame) -> pd.DataFrame:
        tiles = self.tiles[dataset].set_index("tile")
        own = tiles.reindex(counts["tile"])
        if not np.array_equal(own["scene"].to_numpy(str), counts["scene"].to_numpy(str)):
            raise UserError(
                f"{self.paths.tiles_table(dataset)}: not the tiles that study {self.name!r} was "
                "evaluated on; build the study again, or bring its own data/ along"
            )
        columns = {name: own[name].to_numpy() for name in ("row", "col")}
        evaluated = self.tiles[dataset]["tile"].isin(counts["tile"])
        groups = independent_groups(self.tiles[dataset][evaluated])
        columns["group"] = counts["tile"].map(groups).to_numpy()
        return counts.assign(**columns).sort_values(PLACE, kind="stable", ignore_index=True)


def find_sides(first: str, second: str) -> tuple[Side, Side]:
    """The two studies that a person named.

    Args:
        first, second: a study, or the folder of one such as `../before/results/demo`, whose data
            lie in `../before/data`, or here if there are none.

    Raises:
        UserError: there is no such study, or its tables have not been written.
    """
    sides = [_find(text) for text in (first, second)]
    if sides[0].name != sides[1].name:
        return sides[0], sides[1]
    folders = [side.paths.tables(side.name).parent for side in sides]
    if folders[0].resolve() == folders[1].resolve():
        raise UserError(f"{first} and {second}: one and the same study; name two")
    named = zip(sides, _told_apart(*folders), strict=True)
    first_side, second_side = [Side(side.name, title, side.paths) for side, title in named]
    return first_side, second_side


def _told_apart(first: Path, second: Path) -> list[str]:
    """What two paths do not share, at the front or at the end."""
    parts = [list(path.parts) for path in (first, second)]
    for end in (-1, 0):
        while all(parts) and parts[0][end] == parts[1][end]:
            for own in parts:
                own.pop(end)
    return [str(Path(*own)) if own else "here" for own in parts]


def _find(text: str) -> Side:
    is_name = not Path(text).is_dir() and len(Path(text).parts) == 1
    folder = Path("results", text) if is_name else Path(text)
    if not (folder / "tables" / "scores.csv").is_file():
        raise UserError(_missing(text, folder, is_name))

    results = folder.parent
    data = results.parent / "data"
    return Side(folder.name, folder.name, Paths(data if data.is_dir() else "data", results))


def _missing(text: str, folder: Path, is_name: bool) -> str:
    """Why there is nothing to compare."""
    if not is_name:
        return f"{folder}: no tables/scores.csv; name a study, or its folder in results/"
    there = sorted(path.parents[1].name for path in Path("results").glob("*/tables/scores.csv"))
    nearest = difflib.get_close_matches(text, there, n=1, cutoff=0.5)
    if nearest:
        return f"results/{text}: no finished study; did you mean {nearest[0]!r}?"
    advice = f"choose from {', '.join(there)}" if there else f"run it first: satseg run {text}"
    return f"results/{text}: no finished study; {advice}"
