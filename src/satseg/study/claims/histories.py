"""The tests of claims about what happens from epoch to epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from satseg.config.claims import AboveClaim, ConvergesClaim, HistoryClaim, ImprovesClaim
from satseg.measures import label
from satseg.statistics.correlation import spearman
from satseg.statistics.differences import differences
from satseg.statistics.multiplicity import holm
from satseg.study.claims.evidence import LEVEL, OPPOSITE, Evidence, Statistic, Untestable
from satseg.study.claims.verdicts import NO_MODEL, Tested, verdict_of
from satseg.text import counted

EASIER = 10
"""Percentage points that make a subset more of one class, and its loss lower."""
FEWEST_EPOCHS = 4
"""Fewer have too few orders for a trend to be told from chance."""


def curves(claim: HistoryClaim, by: str, evidence: Evidence, models: Sequence[str]) -> Tested:
    """Test a claim about a column of history.csv on every run of these models.

    Raises:
        Untestable: there are no runs of them, or their epochs are too few.
    """
    histories = {}
    for model in models:
        own = evidence.histories.get(model, [])
        for number, history in enumerate(own):
            name = model if len(own) == 1 else f"{model}, run {number + 1}"
            histories[name] = history
    if not histories:
        raise Untestable(NO_MODEL)

    if isinstance(claim, AboveClaim):
        return _above(claim, by, histories, evidence)
    return _trend(claim, by, histories)


def _trend(
    claim: ImprovesClaim | ConvergesClaim, by: str, histories: dict[str, pd.DataFrame]
) -> Tested:
    """Rank correlation with the epoch, by permutation of the epochs, in every run."""
    statistics = []
    chances = []
    reverse_chances = []
    steps = []
    for name, history in histories.items():
        if len(history) < FEWEST_EPOCHS:
            raise Untestable(f"a trend needs at least {FEWEST_EPOCHS} epochs")
        progress = _progress(claim, by, history)
        found = spearman(progress, np.arange(len(progress)))
        if not math.isfinite(found.rho):
            raise Untestable("it is the same in every epoch")
        p = found.p_positive
        statistics.append(Statistic(f"rho with epoch, {name}", found.rho, p=p))
        if isinstance(claim, ConvergesClaim):
            gap = (history[by] - history[claim.to]).abs()
            statistics.append(Statistic(f"first gap, {name}", float(gap.iloc[0])))
            statistics.append(Statistic(f"last gap, {name}", float(gap.iloc[-1])))
        chances.append(p)
        reverse_chances.append(found.p_negative)
        steps.append((int((np.diff(progress) > 0).sum()), len(progress) - 1))

    better = sum(number for number, _ in steps)
    of_all = sum(number for _, number in steps)
    rhos = [statistic.value for statistic in statistics if statistic.name.startswith("rho")]
    why = (
        f"rho with the epoch is {min(rhos):.2f} or more in {counted(len(rhos), 'run')}, and "
        f"{better} of {counted(of_all, 'epoch')} are better than the one before"
    )
    # All runs must show it; that one shows the opposite may be chance if there are many.
    holds = max(chances) <= LEVEL
    fails = min(holm(reverse_chances)) <= OPPOSITE
    return statistics, verdict_of(holds, fails), why


def _progress(claim: ImprovesClaim | ConvergesClaim, by: str, history: pd.DataFrame) -> np.ndarray:
    """What should rise with the epoch: float64 [epochs]."""
    if isinstance(claim, ConvergesClaim):
        return -(history[by] - history[claim.to]).abs().to_numpy(float)
    sign = -1 if by.endswith("loss") else 1
    return sign * history[by].to_numpy(float)


def _above(
    claim: AboveClaim, by: str, histories: dict[str, pd.DataFrame], evidence: Evidence
) -> Tested:
    """How often one curve lies above the other in the first epochs."""
    statistics = []
    shares = []
    for name, history in histories.items():
        first = history.iloc[: claim.epochs]
        higher = first[by] > first[claim.than]
        difference = float((first[by] - first[claim.than]).mean())
        statistics.append(Statistic(f"mean difference, {name}", difference))
        shares.append(float(higher.mean()))

    epochs = min(claim.epochs, *(len(history) for history in histories.values()))
    often = f"{100 * min(shares):.0f}"
    if max(shares) > min(shares):
        often += f" to {100 * max(shares):.0f}"
    why = (
        f"the {label(by).lower()} lies above the {label(claim.than).lower()} in {often} % of the "
        f"first {counted(epochs, 'epoch')} of a run; {_majority(evidence)}"
    )
    return statistics, verdict_of(min(shares) == 1, max(shares) == 0), why


def _majority(evidence: Evidence) -> str:
    """How easy the validation tiles are: the share of their most frequent class."""
    pixels = evidence.val_pixels
    name = max(pixels, key=pixels.get)
    val_share = 100 * pixels[name] / max(sum(pixels.values()), 1)
    train_share = 100 * evidence.pixels[name] / max(sum(evidence.pixels.values()), 1)
    shares = (
        f"{name} holds {val_share:.1f} % of the validation pixels and {train_share:.1f} % of the "
        f"training pixels"
    )
    if val_share < train_share + EASIER:
        return shares
    return f"{shares}, so the validation set is the easier one, and its loss lies lower"


def beats_majority(by: str, evidence: Evidence, models: Sequence[str]) -> Tested:
    """Whether every model scores above the answer that is always the most frequent class.

    Raises:
        Untestable: none of the models is there.
    """
    results = [result for result in evidence.comparison.results if result.model in models]
    if not results:
        raise Untestable(NO_MODEL)

    majority = evidence.comparison.majority
    rows = {r.model: r.replicates[by] for r in [*results, majority]}
    pairs = [(result.model, majority.model) for result in results]
    compared = differences(rows, pairs)
    always = majority.scores[by, "all"].value
    lowest = min(result.scores[by, "all"].value for result in results)

    statistics = [Statistic("always the majority", always)]
    for row in compared:
        ends = (row.difference, row.low, row.high, row.p)
        statistics.append(Statistic(f"{row.first} − majority", *ends))
    why = (
        f"the lowest score is {lowest:.3f}, and always answering "
        f"{evidence.comparison.majority_class} reaches {always:.3f} on the same tiles"
    )
    unknown = [row for row in compared if not row.known]
    if unknown:
        groups = counted(unknown[0].units, "group")
        why += f"; {groups} of tiles are too few for an interval of the difference"
    holds = all(row.sign > 0 for row in compared)
    fails = any(row.sign < 0 for row in compared)
    return statistics, verdict_of(holds, fails), why
