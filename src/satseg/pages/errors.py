"""The page of errors: what the scores do not say."""

from collections.abc import Sequence

import pandas as pd

from satseg.measures import ERRORS, MEASURES
from satseg.metrics.confusion import WIDTH
from satseg.pages.blocks import Block, Heading, Page, Paragraph, Table, columns
from satseg.pages.cells import (
    comparison_title,
    definitions,
    labels,
    measure_cell,
    number_cell,
    result_name,
    text_cell,
)
from satseg.study.comparison import Comparison
from satseg.text import percent

OVERALL = [name for name in ERRORS if name != "area"]
MEANS = "Means over runs. These numbers have no interval: they say where to look, not who is ahead."
AREA = (
    "Predicted over true area of each class. Above 1, the model predicts the class too often; a "
    "rare class far above 1 is over-predicted. A dash: no mask has the class."
)
BRIGHTNESS = (
    "mIoUᴰ among the pixels of each brightness, the mean of a pixel's bands from 0 to 255, and in "
    "brackets their share of all evaluated pixels. A model that fails in shadow falls off to the "
    "left."
)
BY_CLASS = (
    "IoU of each class among the same pixels, mean over the models: a class that is lost in "
    "shadow, such as a road between buildings, falls off to the left, whatever else is dark. A "
    "dash: the class is neither there nor predicted."
)


def errors_page(
    comparisons: Sequence[Comparison], errors: pd.DataFrame, brightness: pd.DataFrame
) -> Page:
    """errors.md: worst tiles, chance, areas and dark pixels.

    Args:
        comparisons: the models of each dataset × recipe.
        errors: the frame of errors.csv.
        brightness: the frame of brightness.csv.
    """
    blocks: list[Block] = []
    for comparison in comparisons:
        blocks += [
            Heading(comparison_title(comparison)),
            Paragraph(MEANS),
            _overall_table(comparison, _of(errors, comparison)),
            Heading("Too much or too little of a class", level=3),
            Paragraph(AREA),
            _area_table(comparison, _of(errors, comparison)),
            Heading("In shadow and in bright light", level=3),
            Paragraph(BRIGHTNESS),
            _brightness_table(comparison, _of(brightness, comparison)),
            Paragraph(BY_CLASS),
            _class_brightness_table(comparison, _of(brightness, comparison)),
        ]
    return Page("errors", "Where the models fail", blocks, definitions(ERRORS))


def _of(frame: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
    """The rows of a comparison."""
    same_dataset = frame["dataset"] == comparison.dataset
    return frame[same_dataset & (frame["recipe"] == comparison.recipe)]


def _overall_table(comparison: Comparison, errors: pd.DataFrame) -> Table:
    """A row per model, a column per number over all classes."""
    means = errors.groupby(["model", "metric"])["value"].mean()
    rows = []
    for result in [*comparison.results, comparison.majority]:
        cells = [measure_cell(name, means[result.model, name]) for name in OVERALL]
        rows.append([text_cell(result_name(comparison, result)), *cells])
    return Table(columns(["Model"], labels(OVERALL)), rows)


def _area_table(comparison: Comparison, errors: pd.DataFrame) -> Table:
    """A row per model, a column per class."""
    areas = errors[errors["metric"] == "area"].groupby(["model", "class"])["value"].mean()
    digits = MEASURES["area"].digits
    rows = []
    for result in comparison.results:
        cells = [number_cell(areas[result.model, name], digits) for name in comparison.classes]
        rows.append([text_cell(result.model), *cells])
    return Table(columns(["Model"], comparison.classes), rows)


def _brightness_table(comparison: Comparison, brightness: pd.DataFrame) -> Table:
    """A row per model, a column per brightness that occurs."""
    seen = _seen(brightness)
    shares = seen.groupby("brightness")["share"].mean()
    means = seen.groupby(["model", "brightness"])["value"].mean()
    heads = [f"{low}–{low + WIDTH - 1} ({percent(share)})" for low, share in shares.items()]
    rows = []
    for result in comparison.results:
        cells = [number_cell(means[result.model, low]) for low in shares.index]
        rows.append([text_cell(result.model), *cells])
    return Table(columns(["Model"], heads), rows)


def _class_brightness_table(comparison: Comparison, brightness: pd.DataFrame) -> Table:
    """A row per class, a column per brightness that occurs."""
    levels = sorted(_seen(brightness)["brightness"].unique())
    means = brightness.groupby(["class", "brightness"])["value"].mean()
    rows = []
    for name in comparison.classes:
        cells = [number_cell(means[name, low]) for low in levels]
        rows.append([text_cell(name), *cells])
    return Table(columns(["Class"], [f"{low}–{low + WIDTH - 1}" for low in levels]), rows)


def _seen(brightness: pd.DataFrame) -> pd.DataFrame:
    """The rows over all classes of the brightnesses that occur."""
    return brightness[(brightness["class"] == "all") & (brightness["share"] > 0)]
