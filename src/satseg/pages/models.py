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
from satseg.pages.cells import NONE, definitions, labels, measure_cell, number, shown, text_cell
from satseg.study.inputs import TRAINED_COSTS
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
    defined = [*shown(COSTS, job), "train_step_ms"]
    blocks: list[Block] = []
    for dataset_name, dataset in job.datasets.items():
        own_profiles = [profile for (name, _), profile in profiles.items() if name == dataset_name]
        setups = listing(list(dict.fromkeys(map(_setup, own_profiles))))
        own_costs = costs[costs["dataset"] == dataset_name]
        several = len(job.recipes) > 1
        names = ["Model", "Recipe"] if several else ["Model"]
        rows = [_cost_row(row, several, job) for row in own_costs.itertuples()]
        blocks += [
            Heading(dataset.title),
            Paragraph(f"Profiled with a single input of {setups}. {_rounds(own_profiles)}"),
            Table(columns(names, ["Classes", *labels(shown(COSTS, job))]), rows),
            *_trained_blocks(own_costs),
            *_speed_blocks(speed[speed["dataset"] == dataset_name]),
        ]
    return Page("models", "What the models cost", blocks, definitions(defined))


def _trained_blocks(costs: pd.DataFrame) -> list[Block]:
    """What one tile of the dataset costs, as the models are trained."""
    names = [f"tile_{name}" for name in TRAINED_COSTS]
    rows = []
    for row in costs.drop_duplicates("model").itertuples():
        values = zip(TRAINED_COSTS, names, strict=True)
        cells = [measure_cell(name, getattr(row, column)) for name, column in values]
        rows.append([text_cell(row.model), text_cell(row.tile), *cells])
    return [
        Heading("The cost of a tile in training", level=3),
        Paragraph("The same of one tile of the dataset, with its bands and its size."),
        Table(columns(["Model", "Tile"], labels(TRAINED_COSTS)), rows),
    ]


def _cost_row(row, with_recipe: bool, job: StudySlice) -> list[TableCell]:
    """What a model costs, from its row of models.csv."""
    names = [row.model, row.recipe] if with_recipe else [row.model]
    classes = TableCell(str(row.classes), float(row.classes))
    return [
        *map(text_cell, names),
        classes,
        *(measure_cell(name, getattr(row, name)) for name in shown(COSTS, job)),
    ]


def _rounds(profiles: list[dict]) -> str:
    """How far the rounds spread in which the models took turns, and how busy the machine was."""
    spreads = []
    loads = []
    for profile in profiles:
        for name in ("latency", "train_step"):
            spreads.append(profile[f"{name}_high_ms"] / profile[f"{name}_low_ms"] - 1)
        loads += profile["load"]
    rounds = max(profile["rounds"] for profile in profiles)
    timed = "All models were timed in turns, in" if len(profiles) > 1 else "It was timed in"
    return (
        f"{timed} {rounds} rounds, whose times of one model differ by "
        f"up to {100 * max(spreads):.0f} %; the load average of the machine was {min(loads):.1f} "
        f"to {max(loads):.1f}."
    )


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
        Heading("Which model is faster", level=3),
        Paragraph(
            "In brackets: the rank, fastest first. Of profiled times, a model ranks behind those "
            "that are faster by more than the measurements spread, so several may share a rank."
        ),
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
