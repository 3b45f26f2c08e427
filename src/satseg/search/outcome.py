"""What comes of a tuning: the table of its trials, the importance of each key, the recipe."""

import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
import pandas as pd
import yaml
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from satseg.nested import with_keys
from satseg.search.drawing import Space, distributions, study_of, to_points

FEWEST = 8  # trials that an importance is computed from
IMPORTANCE = ["key", "importance"]


def trials_table(
    rungs: Sequence[pd.DataFrame], settings: Mapping[int, Mapping[str, Any]]
) -> pd.DataFrame:
    """trials.csv: a row per trial and rung, by rung and then by trial: trial, rung, epochs, each
    key, value, kept.

    Args:
        rungs: the table of each rung, the first one first.
        settings: the values drawn for each trial.
    """
    rows = []
    for number, table in enumerate(rungs, start=1):
        for row in table.itertuples():
            keys = {key: as_text(value) for key, value in settings[row.trial].items()}
            rows.append(
                {"trial": row.trial, "rung": number, "epochs": row.epochs}
                | keys
                | {"value": row.value, "kept": row.kept}
            )
    return pd.DataFrame(rows)


def as_text(value: Any) -> Any:
    """A value in a cell of a table: a number as it is, anything else as a person writes it."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def importances(
    space: Space,
    whole: Sequence[str],
    settings: Mapping[int, Mapping[str, Any]],
    first_rung: pd.DataFrame,
) -> pd.DataFrame:
    """importance.csv: how much of what sets the best tenth of the trials apart at the first rung,
    the only one that all reach, lies in each key: shares of 1, the largest first (PED-ANOVA,
    arXiv 2304.10255). No row below eight trials.

    Args:
        space: the range or the values of each key.
        whole: keys that take whole numbers only.
        settings: the values drawn for each trial.
        first_rung: its table.
    """
    known = first_rung.dropna(subset="value")
    if len(known) < FEWEST:
        return pd.DataFrame(columns=IMPORTANCE)
    finished = [(to_points(space, settings[row.trial]), row.value) for row in known.itertuples()]
    study = study_of(distributions(space, whole), finished)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        shares = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    return pd.DataFrame(shares.items(), columns=IMPORTANCE)


def recipe_text(name: str, recipe: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """The tuned recipe as a configuration file holds it."""
    tuned = {"recipes": {name: with_keys(recipe, settings)}}
    return yaml.safe_dump(tuned, sort_keys=False, allow_unicode=True)
