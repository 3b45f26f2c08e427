"""The scores of two studies side by side, and their paired differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from satseg.compare.pairing import Pair
from satseg.metrics.scores import jackknifed
from satseg.statistics.differences import Difference, differences
from satseg.statistics.intervals import ScoreInterval, score_interval
from satseg.statistics.jackknife import FEWEST_UNITS, Jackknife
from satseg.text import counted

COLUMNS = [
    "dataset",
    "model",
    "recipe",
    "second_dataset",
    "second_model",
    "second_recipe",
    "metric",
    "class",
    "first",
    "second",
    "difference",
    "low",
    "high",
    "p",
    "units",
    "tiles",
    "first_seeds",
    "second_seeds",
    "why",
]
FIRST = "first"
SECOND = "second"


class Compared(NamedTuple):
    """One metric of a pair."""

    pair: Pair
    metric: str
    label: str
    """A class, or `all`."""
    first: ScoreInterval
    second: ScoreInterval
    difference: Difference | None
    """Second minus first; None if the two cannot be paired."""
    why: str
    """Why there is no interval; empty if there is one."""


def compared(pairs: Sequence[Pair]) -> list[Compared]:
    """Every metric of every pair, in the order of the pairs.

    All differences of one metric on the same tiles are one family, whose intervals hold at once.
    """
    metrics = [_metrics(pair) for pair in pairs]
    found: dict[tuple[int, str, str], Difference] = {}
    for family in _families(pairs):
        for key in metrics[family[0]][0]:
            found |= _differences(metrics, family, key)

    rows = []
    for index, pair in enumerate(pairs):
        for key, first in metrics[index][0].items():
            if key not in metrics[index][1]:
                continue
            difference = found.get((index, *key))
            scores = [score_interval(first), score_interval(metrics[index][1][key])]
            rows.append(Compared(pair, *key, *scores, difference, _why(pair, difference)))
    return rows


def _metrics(pair: Pair) -> list[dict[tuple[str, str], Jackknife]]:
    """Every metric of both sides."""
    return [jackknifed(runs, _units(pair, runs)) for runs in pair.runs]


def _units(pair: Pair, runs: list[pd.DataFrame]) -> dict[int, object]:
    """The unit of each tile: that of the pair, or else its group."""
    if pair.units:
        return pair.units
    tiles = runs[0].drop_duplicates("tile")
    return dict(zip(tiles["tile"], tiles["group"], strict=True))


def _families(pairs: Sequence[Pair]) -> list[list[int]]:
    """The pairs that were evaluated on the same tiles with the same classes, by index."""
    families: dict[tuple, list[int]] = {}
    for index, pair in enumerate(pairs):
        if pair.why:
            continue
        places = pair.runs[0][0].drop_duplicates("tile")[["scene", "row", "col"]]
        key = (
            pair.first.dataset,
            pair.second.dataset,
            tuple(pair.classes),
            tuple(places.itertuples(index=False, name=None)),
            tuple(pair.units.values()),
        )
        families.setdefault(key, []).append(index)
    return list(families.values())


def _differences(
    metrics: list[list[dict[tuple[str, str], Jackknife]]], family: list[int], key: tuple[str, str]
) -> dict[tuple[int, str, str], Difference]:
    """Second minus first of one metric, for each pair of a family."""
    replicates = {}
    sides = []
    for index in family:
        replicates[f"{index} {FIRST}"] = metrics[index][0][key]
        replicates[f"{index} {SECOND}"] = metrics[index][1][key]
        sides.append((f"{index} {SECOND}", f"{index} {FIRST}"))
    rows = differences(replicates, sides)
    return {(index, *key): row for index, row in zip(family, rows, strict=True)}


def _why(pair: Pair, difference: Difference | None) -> str:
    """Why a difference has no interval; empty if it has one."""
    if difference is None:
        return pair.why
    if difference.known:
        return ""
    if pair.is_equal:
        return "the same on every tile"
    if not math.isfinite(difference.difference):
        return "not defined for one of the two"
    return f"rests on {counted(difference.units, 'group')} of tiles; {FEWEST_UNITS} are needed"


def scores_frame(rows: Sequence[Compared]) -> pd.DataFrame:
    """scores.csv: a row per pair, metric and class."""
    table = []
    for row in rows:
        pair = row.pair
        numbers = [math.nan] * 4
        units = 0
        if row.difference:
            numbers = list(row.difference[2:6])
            units = row.difference.units
        tiles = len(pair.units)
        seeds = [len(runs) for runs in pair.runs]
        values = [row.first.value, row.second.value, *numbers]
        names = [*pair.first, *pair.second, row.metric, row.label]
        table.append([*names, *values, units, tiles, *seeds, row.why])
    return pd.DataFrame(table, columns=COLUMNS)
