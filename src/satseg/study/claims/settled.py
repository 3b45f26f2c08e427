"""Whether runs were trained for long enough, and often enough, to say how accurate models are."""

from __future__ import annotations

import pandas as pd

from satseg.config.recipes import Recipe
from satseg.study.claims.evidence import UNKNOWN, Evidence, Statistic
from satseg.text import counted

FEWEST_RUNS = 3  # seeds of each model
LAST_SHARE = 0.2  # of the epochs, which bring no further best where a plateau is reached
FEWEST_LAST = 3  # epochs that make up that share at least

Tested = tuple[list[Statistic], str, str]


def settled_only(tested: Tested, evidence: Evidence) -> Tested:
    """A verdict on accuracy, which "cannot tell" replaces unless every model was trained with at
    least three seeds, and each run stopped by itself or reached a plateau."""
    statistics, verdict, why = tested
    reason = unsettled(evidence)
    if not reason or verdict == UNKNOWN:
        return tested
    return statistics, UNKNOWN, f"{why}; {reason}"


def unsettled(evidence: Evidence) -> str:
    """Why the runs do not say how accurate their models are; empty if they do."""
    for model, histories in evidence.histories.items():
        seeds = evidence.seeds(model)
        if seeds < FEWEST_RUNS:
            return f"{model} was trained with {counted(seeds, 'seed')}, fewer than {FEWEST_RUNS}"
        for place, history in enumerate(histories):
            if evidence.recipe and not has_settled(history, evidence.recipe):
                length = counted(len(history), "epoch")
                if model in evidence.steps:
                    length = f"{counted(evidence.steps[model][place], 'step')} ({length})"
                return f"{model} was trained for {length} and still improving"
    return ""


def has_settled(history: pd.DataFrame, recipe: Recipe) -> bool:
    """Whether a run ended before its last epoch, by early stopping, or reached a plateau: the best
    epoch, by what the recipe monitors, lies before the last fifth of them, and before the last
    three."""
    if len(history) < (recipe.stop_after or recipe.epochs):
        return True
    last = max(FEWEST_LAST, round(LAST_SHARE * len(history)))
    values = history[recipe.monitor]
    best = values.idxmin() if recipe.monitor.endswith("loss") else values.idxmax()
    return len(history) - 1 - history.index.get_loc(best) >= last
