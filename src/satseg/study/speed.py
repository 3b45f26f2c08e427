"""The order of the models by speed."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd

from satseg.config.papers import Paper, PaperTable
from satseg.study.claims.correlation import spearman
from satseg.study.claims.evidence import PROFILED
from satseg.study.claims.measured import device_name

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
        paper: its models are compared, where there are any; without a paper all are, with nothing
            beside them.
        profiles: (dataset, model) → profile.
    """
    rows = []
    for dataset in dict.fromkeys(dataset for dataset, _ in profiles):
        mine = {model: profile for (d, model), profile in profiles.items() if d == dataset}
        mine = {m: mine[m] for m in paper.own(mine)} if paper else mine
        for measure in PROFILED:
            values = {model: float(profile[measure]) for model, profile in mine.items()}
            tables = [t for t in (paper.tables if paper else []) if t.column("epoch_seconds")]
            for title, other in [(t.title, printed_seconds(t, values)) for t in tables] or [
                ("", {})
            ]:
                both = [m for m in values if m in other]
                rho = (
                    spearman([values[m] for m in both], [other[m] for m in both])
                    if len(both) > 2
                    else math.nan
                )
                for model, value in values.items():
                    ours = [
                        dataset,
                        measure,
                        device_name(mine[model]["device"]),
                        model,
                        value,
                        _place(model, values),
                    ]
                    rows.append(
                        [*ours, title, other.get(model, math.nan), _place(model, other), rho]
                    )
    return pd.DataFrame(rows, columns=SPEED).astype({"place": "Int64", "published_place": "Int64"})


def printed_seconds(table: PaperTable, models: Iterable[str]) -> dict[str, float]:
    """The printed epoch time of each model the table has."""
    return {m: f.value for m in models for f in table.row(m) if f.column.metric == "epoch_seconds"}


def _place(model: str, values: dict[str, float]) -> int | None:
    """Place of a model from the fastest; equals share one."""
    return 1 + sum(v < values[model] for v in values.values()) if model in values else None
