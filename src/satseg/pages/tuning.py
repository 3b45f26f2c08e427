"""The page about the tunings that a study's recipes come from."""

import pandas as pd

from satseg.config.tunings import Range, Tuning
from satseg.jobs.slices import StudySlice
from satseg.measures import MEASURES
from satseg.pages.blocks import Block, Heading, Page, Paragraph, Table, columns, strong
from satseg.pages.cells import number_cell, text_cell
from satseg.study.tuning import TuningResult
from satseg.text import counted, listing

LABEL = f"{MEASURES['miou_d'].label}, validation"
NONE = "No recipe of this study is tuned."
OPTIMISTIC = (
    "The value of the best trial is the largest of many and therefore too high: what the tuned "
    "recipe is worth is its score on the test tiles, beside that of the recipe it started from."
)
FEW = "Too few trials to say which key matters."


def tuning_page(job: StudySlice, results: dict[str, TuningResult]) -> Page:
    """How each tuned recipe was found, and which of its keys matter.

    Args:
        job: the study.
        results: what each tuning found.
    """
    blocks: list[Block] = []
    for name, result in results.items():
        blocks += _tuning_blocks(name, job.tunings[name], result)
    return Page("trials", "Tuning", blocks or [Paragraph(NONE)])


def _tuning_blocks(name: str, tuning: Tuning, result: TuningResult) -> list[Block]:
    trials = result.trials
    best = result.best
    sizes = trials.groupby("rung")["trial"].count()
    steps = [
        f"{counted(size, 'trial')} to epoch {epochs}"
        for size, epochs in zip(sizes, tuning.rungs, strict=True)
    ]
    search = (
        f"{strong(name)} is {tuning.recipe} with the values of trial {best['trial']}, the best of "
        f"{tuning.trials} with {tuning.model} on {tuning.dataset}: {listing(steps)}; the best by "
        f"the validation tiles went on, and no test tile was looked at. {OPTIMISTIC}"
    )
    if tuning.sampler == "tpe":
        search += (
            " Trials were drawn where earlier ones did well (TPE), so that another run of the "
            "tuning may draw others."
        )

    shares = result.importance.set_index("key")["importance"]
    keys = sorted(tuning.space, key=lambda key: -shares.get(key, 0.0))
    rows = [
        [
            text_cell(key),
            text_cell(_space_text(tuning.space[key])),
            text_cell(_value_text(best[key])),
            number_cell(shares.get(key, float("nan")), 2),
        ]
        for key in keys
    ]
    heads = columns(["Key", "Searched", "Found"], ["Importance"])
    blocks: list[Block] = [Heading(name), Paragraph(search), Table(heads, rows)]
    if shares.empty:
        blocks.append(Paragraph(FEW))
    return [*blocks, _trials_block(tuning, trials)]


def _trials_block(tuning: Tuning, trials: pd.DataFrame) -> Table:
    """The values and the last score of every trial, the best first."""
    last = trials.sort_values("rung").groupby("trial", as_index=False).last()
    ordered = last.sort_values(["rung", "kept", "value"], ascending=False)
    rows = []
    for place, row in enumerate(ordered.to_dict("records")):
        values = [text_cell(_value_text(row[key])) for key in tuning.space]
        head = text_cell(f"trial {row['trial']}", strong=place == 0)
        rows.append([head, *values, number_cell(row["epochs"], 0), number_cell(row["value"])])
    return Table(columns(["Trial", *tuning.space], ["Epochs", LABEL]), rows)


def _space_text(values: Range | list) -> str:
    """What was searched, in words."""
    if not isinstance(values, Range):
        return ", ".join(map(str, values))
    return f"{values.low:g} to {values.high:g}" + (", logarithmic" if values.log else "")


def _value_text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
