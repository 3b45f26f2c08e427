"""Which of the kept tiles are shown: those that stand for the others."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

TARGETS = (10, 50, 90)  # percentiles
MOST_GROUPS = 3  # that each show tiles at all targets


class ChosenTile(NamedTuple):
    """A tile to show."""

    tile: int
    percentile: float
    """Among all evaluated tiles, 0 to 100: the share that scores lower, ties counted half."""


def percentile_ranks(scores: pd.Series) -> pd.Series:
    """The share of scores below each one, 0 to 100; equal ones, itself included, count half."""
    return 100 * (scores.rank() - 0.5) / scores.count()


def representative_tiles(
    scores: pd.Series, groups: pd.Series, kept: Sequence[int]
) -> list[ChosenTile]:
    """The tiles nearest to the 10th, 50th and 90th percentile of the models' mean.

    Up to three groups of tiles are asked one by one, and each shows its own percentiles; of more
    groups, three tiles at each percentile of all tiles are shown, no two of one group as long as
    there are others.

    Args:
        scores: models' mean of each evaluated tile (index); NaN for one without a counted pixel.
        groups: group of each of these tiles.
        kept: the tiles that can be shown.
    """
    known = scores.dropna()
    frame = pd.DataFrame({"score": known, "group": groups.reindex(known.index)})
    frame["overall"] = percentile_ranks(frame["score"])
    frame["inside"] = frame.groupby("group")["score"].transform(percentile_ranks)
    names = frame["group"].drop_duplicates().tolist()
    left = frame[frame.index.isin(kept)]

    chosen = []
    each = len(names) <= MOST_GROUPS
    wanted = [(name, target) for name in names for target in TARGETS]
    if not each:
        wanted = [(None, target) for target in TARGETS for _ in range(MOST_GROUPS)]
    shown: set = set()
    for name, target in wanted:
        own = left[left["group"] == name] if each else left[~left["group"].isin(shown)]
        candidates = own if each or len(own) else left
        if candidates.empty:
            continue
        ranks = candidates["inside" if each else "overall"]
        tile = (ranks - target).abs().idxmin()
        chosen.append(ChosenTile(int(tile), float(frame.loc[tile, "overall"])))
        shown.add(frame.loc[tile, "group"])
        left = left.drop(tile)
    return chosen


def models_mean(tile_scores: Sequence[pd.Series]) -> pd.Series:
    """The mean score of each tile over models and runs, by tile; NaN where none has one."""
    return pd.concat(tile_scores, axis=1).mean(axis=1)


def percentile_text(percentile: float) -> str:
    """What is written of a shown tile."""
    return f"percentile {np.floor(percentile):.0f}"
