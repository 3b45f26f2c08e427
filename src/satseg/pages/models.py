"""The page of models: what they cost."""

import pandas as pd

from satseg.jobs.slices import StudySlice
from satseg.measures import MEASURES
from satseg.pages.blocks import (
    Block,
    Bullets,
    Heading,
    Page,
    Paragraph,
    Table,
    TableCell,
    columns,
)
from satseg.pages.cells import NONE, definitions, labels, measure_cell, number, text_cell
from satseg.text import listing, signed

COSTS = [
    "parameters",
    "memory_mb",
    "activations_mb",
    "gflops",
    "latency_ms",
    "peak_memory_mb",
    "epoch_seconds",
]


def models_page(
    job: StudySlice,
    costs: pd.DataFrame,
    profiles: dict[tuple[str, str], dict],
    speed: pd.DataFrame,
) -> Page:
    """models.md: what each model costs, and the order of the models by speed.

    Args:
        job: the study.
        costs: the frame of models.csv.
        profiles: (dataset, model) → profile.
        speed: the frame of speed.csv.
    """
    blocks: list[Block] = []
    for dataset_name, dataset in job.datasets.items():
        own_profiles = [profile for (name, _), profile in profiles.items() if name == dataset_name]
        setups = listing(list(dict.fromkeys(map(_setup, own_profiles))))
        own_costs = costs[costs["dataset"] == dataset_name]
        rows = [_cost_row(row) for row in own_costs.itertuples()]
        blocks += [
            Heading(dataset.title),
            Paragraph(f"Profiled with a single input of {setups}."),
            Table(columns(["Model"], ["Classes", *labels(COSTS)]), rows),
            *_speed_blocks(speed[speed["dataset"] == dataset_name]),
        ]
    return Page("models", "Models", blocks, definitions([*COSTS, "train_step_ms"]))


def _cost_row(row) -> list[TableCell]:
    """What a model costs, from its row of models.csv."""
    classes = TableCell(str(row.classes), float(row.classes))
    return [
        text_cell(row.model),
        classes,
        *(measure_cell(name, getattr(row, name)) for name in COSTS),
    ]


def _setup(profile: dict) -> str:
    return f"{'×'.join(map(str, profile['input']))} on {profile['device']['name']}"


def _speed_blocks(speed: pd.DataFrame) -> list[Block]:
    """The models by profiled time, each with its place, beside the epoch times of each published
    table."""
    if speed.empty:
        return []
    measures = list(speed["measure"].unique())
    titles = [title for title in speed["table"].unique() if title]

    rows = {model: [text_cell(model)] for model in speed["model"].unique()}
    for measure in measures:
        for row in speed[speed["measure"] == measure].drop_duplicates("model").itertuples():
            rows[row.model].append(_placed_cell(measure, row.value, row.place))
    for title in titles:
        for row in speed[speed["table"] == title].drop_duplicates("model").itertuples():
            cell = _placed_cell("epoch_seconds", row.published, row.published_place)
            rows[row.model].append(cell)

    epoch = MEASURES["epoch_seconds"].label.lower()
    heads = [*labels(measures), *(f"{title}, {epoch}" for title in titles)]
    blocks: list[Block] = [
        Heading("Order of speed", level=3),
        Paragraph("In brackets: the rank, fastest first."),
        Table(columns(["Model"], heads), list(rows.values())),
    ]
    compared = speed[speed["rho"].notna()].drop_duplicates(["measure", "table"])
    if not compared.empty:
        blocks.append(Bullets([_rho_sentence(row) for row in compared.itertuples()]))
    return blocks


def _placed_cell(measure: str, value: float, place: int) -> TableCell:
    """A time and its place from the fastest."""
    if pd.isna(value):
        return TableCell(NONE, None)
    return TableCell(f"{number(value, MEASURES[measure].digits)} ({place})", float(value))


def _rho_sentence(row) -> str:
    return (
        f"{MEASURES[row.measure].label} on {row.device} against the epoch times of {row.table}: "
        f"Spearman's rho {signed(row.rho)}."
    )
