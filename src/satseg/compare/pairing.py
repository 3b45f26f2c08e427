"""Which rows of two studies belong together, and the tiles that both evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from satseg.compare.sides import PLACE, Row, Side
from satseg.errors import UserError

COUNTED = ["tp", "fp", "fn", "tn"]


def matched(
    first: Sequence[Row], second: Sequence[Row], same: Sequence[str] = ()
) -> list[tuple[Row, Row]]:
    """The rows of two studies that belong together: of one dataset, model and recipe.

    Where both studies have a single dataset, model or recipe, these two belong together whatever
    they are called.

    Args:
        first, second: the rows of each.
        same: further names that belong together, as `first=second`.

    Raises:
        UserError: a name of `same` is none.
    """
    renamed = [dict(_given(first, second, same, place)) for place in Row._fields]
    for names, place in zip(renamed, Row._fields, strict=True):
        own = {getattr(row, place) for row in first}
        others = {getattr(row, place) for row in second}
        if len(own) == len(others) == 1:
            names[own.pop()] = others.pop()

    pairs = []
    for row in first:
        names = zip(renamed, row, strict=True)
        other = Row(*(known.get(name, name) for known, name in names))
        if other in second:
            pairs.append((row, other))
    return pairs


def _given(
    first: Sequence[Row], second: Sequence[Row], same: Sequence[str], place: str
) -> list[tuple[str, str]]:
    """Those of the given names that are of one kind in both studies."""
    pairs = []
    for text in same:
        own, _, other = text.partition("=")
        if {own} <= {name for row in first for name in row} and other in {
            name for row in second for name in row
        }:
            in_first = any(getattr(row, place) == own for row in first)
            in_second = any(getattr(row, place) == other for row in second)
            if in_first and in_second:
                pairs.append((own, other))
            continue
        raise UserError(
            f"--same {text}: not `A=B` with a dataset, model or recipe of the first study and one "
            "of the second"
        )
    return pairs


@dataclass(frozen=True, eq=False)
class Pair:
    """A row of each study, with the counts of both on the tiles that both evaluated."""

    first: Row
    second: Row
    runs: tuple[list[pd.DataFrame], list[pd.DataFrame]]
    """The counts of each run; `tile` is numbered alike on both sides. All tiles of each side if
    there is nothing to pair."""
    units: dict[int, int]
    """The unit of each common tile: tiles of two units share a group in neither study."""
    tiles: tuple[int, int]
    """How many tiles each side evaluated."""
    relabelled: int
    """How many tiles both have, with other masks."""
    why: str = ""
    """Why they cannot be paired."""

    @property
    def classes(self) -> list[str]:
        """Names of the classes that count."""
        return list(self.runs[0][0]["class"].unique())

    @property
    def is_equal(self) -> bool:
        """Whether both counted the same on every tile."""
        first, second = self.runs
        return len(first) == len(second) and all(
            np.array_equal(a[COUNTED], b[COUNTED]) for a, b in zip(first, second, strict=True)
        )


def pair_up(sides: tuple[Side, Side], first: Row, second: Row) -> Pair:
    """Read the counts of two rows, and keep the tiles that both evaluated with the same masks."""
    runs = (sides[0].counts(first), sides[1].counts(second))
    tiles = tuple(frames[0]["tile"].nunique() for frames in runs)
    classes = [list(frames[0]["class"].unique()) for frames in runs]
    if sorted(classes[0]) != sorted(classes[1]):
        return Pair(first, second, runs, {}, tiles, 0, "other classes are counted")

    keys = [_masks(frames[0], classes[0]) for frames in runs]
    both = keys[0].index.intersection(keys[1].index)
    alike = (keys[0].loc[both].to_numpy() == keys[1].loc[both].to_numpy()).all(axis=1)
    common = both[alike].sort_values()
    relabelled = int((~alike).sum())
    if not len(common):
        why = "the masks of all tiles differ" if relabelled else "no tile was evaluated in both"
        return Pair(first, second, runs, {}, tiles, relabelled, why)

    numbers = pd.Series(np.arange(len(common)), index=common)
    first_kept, second_kept = (_all_kept(frames, numbers, classes[0]) for frames in runs)
    kept = (first_kept, second_kept)
    groups = [frames[0].drop_duplicates("tile")["group"].to_numpy(str) for frames in kept]
    units = dict(enumerate(_units(*groups)))
    return Pair(first, second, kept, units, tiles, relabelled)


def _masks(counts: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    """Pixels of each class in the mask of each tile, and those of all: a row per place."""
    truth = counts.assign(truth=counts["tp"] + counts["fn"])
    table = truth.pivot(index=PLACE, columns="class", values="truth")[classes]
    return table.assign(labelled=counts.groupby(PLACE)[COUNTED].sum().sum(axis=1) // len(classes))


def _all_kept(
    frames: list[pd.DataFrame], numbers: pd.Series, classes: list[str]
) -> list[pd.DataFrame]:
    """`_kept` of every run."""
    return [_kept(frame, numbers, classes) for frame in frames]


def _kept(counts: pd.DataFrame, numbers: pd.Series, classes: list[str]) -> pd.DataFrame:
    """The counts of the common tiles, numbered alike, in one order of classes."""
    places = pd.MultiIndex.from_frame(counts[PLACE])
    kept = counts.assign(tile=numbers.reindex(places).to_numpy()).dropna(subset="tile")
    order = kept["class"].map(classes.index)
    kept = kept.assign(tile=kept["tile"].astype(int), order=order)
    return kept.sort_values(["tile", "order"]).drop(columns="order").reset_index(drop=True)


def _units(first: np.ndarray, second: np.ndarray) -> list[int]:
    """Tiles that share a group in either study, directly or through others, are one unit."""
    _, a = np.unique(first, return_inverse=True)
    _, b = np.unique(second, return_inverse=True)
    size = a.max() + 1 + b.max() + 1
    links = coo_matrix((np.ones(len(a)), (a, b + a.max() + 1)), shape=(size, size))
    _, labels = connected_components(links, directed=False)
    return labels[a].tolist()
