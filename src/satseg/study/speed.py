"""The order of the models by speed."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd

from satseg.config.papers import Paper, PaperTable
from satseg.statistics.correlation import spearman
from satseg.study.claims.evidence import PROFILED, device_name
from satseg.study.spread import alike

SPEED = [
    "dataset",
    "measure",
    "device",
    "model",
    "value",
    "place",
    "table",
    "published",
    "published_place",
    "rho",
]


def speed_frame(paper: Paper | None, profiles: dict[tuple[str, str], dict]) -> pd.DataFrame:
    """speed.csv: each dataset's models by profiled time, beside the epoch times of each published
    table.

    Args:
        paper: its models are compared, if there are any; without a paper all are, with nothing
            beside them.
        profiles: (dataset, model) → profile.
    """
    rows = []
    for dataset in dict.fromkeys(dataset for dataset, _ in profiles):
        models = [model for name, model in profiles if name == dataset]
        models = paper.own(models) if paper else models
        tables = _published_times(paper, models)
        for measure in PROFILED:
            own = {model: profiles[dataset, model] for model in models}
            times = {model: float(profile[measure]) for model, profile in own.items()}
            for title, published in tables:
                rho = _rank_correlation(times, published)
                for model, time in times.items():
                    device = device_name(own[model]["device"])
                    rows.append(
                        [
                            dataset,
                            measure,
                            device,
                            model,
                            time,
                            _measured_place(model, own, measure),
                            title,
                            published.get(model, math.nan),
                            _place(model, published),
                            rho,
                        ]
                    )
    return pd.DataFrame(rows, columns=SPEED).astype({"place": "Int64", "published_place": "Int64"})


def _published_times(paper: Paper | None, models: list[str]) -> list[tuple[str, dict[str, float]]]:
    """Title and epoch times by model of each published table that has any; without such a table,
    an empty title without times."""
    tables = paper.tables if paper else []
    times = [(t.title, printed_seconds(t, models)) for t in tables if t.column("epoch_seconds")]
    return times or [("", {})]


def printed_seconds(table: PaperTable, models: Iterable[str]) -> dict[str, float]:
    """The published epoch time of each model that the table has."""
    seconds = {}
    for model in models:
        for figure in table.row(model):
            if figure.column.metric == "epoch_seconds":
                seconds[model] = figure.value
    return seconds


def _rank_correlation(times: dict[str, float], published: dict[str, float]) -> float:
    """Spearman's rho over the models that both have; NaN for fewer than three."""
    both = [model for model in times if model in published]
    if len(both) < 3:
        return math.nan
    return spearman([times[model] for model in both], [published[model] for model in both]).rho


def _measured_place(model: str, profiles: dict[str, dict], measure: str) -> int:
    """Place of a model from the fastest: those that the measurements do not tell from it are not
    before it."""
    own = profiles[model]
    return 1 + sum(
        profile[measure] < own[measure] and not alike(profile, own, measure)
        for profile in profiles.values()
    )


def _place(model: str, times: dict[str, float]) -> int | None:
    """Place of a printed time from the fastest; equals share one."""
    if model not in times:
        return None
    return 1 + sum(time < times[model] for time in times.values())
