"""The page of models: what they cost."""

import pandas as pd

from satseg.jobs.slices import StudySlice
from satseg.measures import LABELS
from satseg.pages.cells import definitions, number
from satseg.pages.markdown import bullets, escape, table
from satseg.text import listing, signed


def models_page(
    spec: StudySlice,
    costs: pd.DataFrame,
    profiles: dict[tuple[str, str], dict],
    speed: pd.DataFrame,
) -> str:
    """models.md: what each model costs, and their order by speed, from the frames of models.csv and
    speed.csv."""
    digits = {"parameters": 0, "memory_mb": 2, "activations_mb": 1, "gflops": 1, "latency_ms": 1}
    digits |= {"peak_memory_mb": 1, "epoch_seconds": 1}
    parts = ["# Models"]
    for dataset, title in ((name, d.title) for name, d in spec.datasets.items()):
        rows = [
            [
                escape(row.model),
                str(row.classes),
                *(number(getattr(row, name), n) for name, n in digits.items()),
            ]
            for row in costs[costs["dataset"] == dataset].itertuples()
        ]
        setups = [
            f"{'×'.join(map(str, p['input']))} on {p['device']['name']}"
            for (d, _), p in profiles.items()
            if d == dataset
        ]
        parts += [
            f"## {escape(title)}",
            f"Profiled with one input of {escape(listing(list(dict.fromkeys(setups))))}.",
            table(["Model", "Classes", *(LABELS[name] for name in digits)], rows),
            *speed_order(speed[speed["dataset"] == dataset]),
        ]
    return "\n\n".join([*parts, definitions([*digits, "train_step_ms"])])


def speed_order(speed: pd.DataFrame) -> list[str]:
    """The models by profiled time, each with its place, beside the epoch times of each published
    table."""
    if speed.empty:
        return []
    names, measures = list(speed["model"].unique()), list(speed["measure"].unique())
    titles = [title for title in speed["table"].unique() if title]
    rows = {name: [escape(name)] for name in names}
    for measure in measures:
        for row in speed[speed["measure"] == measure].drop_duplicates("model").itertuples():
            rows[row.model].append(f"{number(row.value, 1)} ({row.place})")
    for title in titles:
        for row in speed[speed["table"] == title].drop_duplicates("model").itertuples():
            known = f"{number(row.published, 1)} ({row.published_place})"
            rows[row.model].append("–" if pd.isna(row.published) else known)
    compared = [
        f"{LABELS[r.measure]} on {escape(r.device)} against the epoch times of {escape(r.table)}: "
        f"Spearman's rho {signed(r.rho)}."
        for r in speed[speed["rho"].notna()].drop_duplicates(["measure", "table"]).itertuples()
    ]
    header = [
        "Model",
        *(LABELS[measure] for measure in measures),
        *(f"{escape(t)}, epoch (s)" for t in titles),
    ]
    parts = [
        "### Order of speed",
        "In brackets: the place, from the fastest.",
        table(header, rows.values()),
    ]
    return [*parts, bullets(compared)] if compared else parts
