"""The pages of scores."""

import pandas as pd

from satseg.jobs.slices import StudySlice
from satseg.pages.agreement import agreement_blocks
from satseg.pages.blocks import Block, Heading, Page, Paragraph, Table, TableCell, columns
from satseg.pages.cells import (
    comparison_title,
    definitions,
    interval_cell,
    labels,
    leads,
    measure_cell,
    result_cell,
    result_name,
    score_cell,
    text_cell,
)
from satseg.pages.differences import difference_blocks
from satseg.pages.folds import fold_blocks
from satseg.pages.sentences import answer_sentence, gap_sentence
from satseg.statistics.jackknife import FEWEST_UNITS
from satseg.study.comparison import Comparison, Gap, Result
from satseg.text import counted

MARKS = (
    "Bold: the highest mIoUᴰ. ≈: not distinguishable from it, because the interval of the paired "
    "difference holds zero, or because there are too few groups of tiles for one. "
    "Models are listed in the order of the study, not of their scores."
)
OTHER_SCORES = ["miou_i", "miou_c", "miou_published", "pixel_accuracy"]
COSTS = ["epoch_seconds", "latency_ms", "memory_mb", "peak_memory_mb"]
SCORE_COLUMNS = ["miou_d", "interval", *OTHER_SCORES, *COSTS]
OTHER_CLASS_SCORES = ["dice", "precision", "recall", "iou_published"]
CLASS_COLUMNS = ["iou", "interval", *OTHER_CLASS_SCORES]


def scores_page(
    job: StudySlice,
    comparisons: list[Comparison],
    gaps: list[Gap],
    folds: pd.DataFrame,
    agreement: pd.DataFrame,
) -> Page:
    """scores.md: the answer, the main table of each dataset × recipe, and what
    annotators reach.

    Args:
        job: the study.
        comparisons: the models of each dataset × recipe.
        gaps: pairs of comparisons that show what leakage adds.
        folds: the frame of folds.csv.
        agreement: the frame of agreement.csv.
    """
    blocks: list[Block] = []
    for comparison in comparisons:
        rows = [
            _score_row(comparison, result) for result in [*comparison.results, comparison.majority]
        ]
        blocks += [
            Heading(comparison_title(comparison)),
            Paragraph(_evaluation(job, comparison)),
            Table(columns(["Model"], labels(SCORE_COLUMNS)), rows),
        ]
        if len(comparison.results) > 1:
            blocks.append(Paragraph(MARKS))
        blocks += fold_blocks(comparison, folds)
        blocks += difference_blocks(comparison)
    for name, dataset in job.datasets.items():
        own = agreement[agreement["dataset"] == name]
        blocks += agreement_blocks(dataset.title, dataset.classes, own)

    answer = [*map(answer_sentence, comparisons), *map(gap_sentence, gaps)]
    return Page("scores", "Scores", blocks, definitions(SCORE_COLUMNS), answer)


def _score_row(comparison: Comparison, result: Result) -> list[TableCell]:
    return [
        result_cell(comparison, result),
        score_cell(result.main, strong=leads(comparison, result)),
        interval_cell(result.main),
        *(score_cell(result.scores[name, "all"]) for name in OTHER_SCORES),
        *(measure_cell(name, getattr(result, name)) for name in COSTS),
    ]


def per_class_page(comparisons: list[Comparison]) -> Page:
    """per_class.md: IoU by model and class, then every metric of each class."""
    blocks: list[Block] = []
    for comparison in comparisons:
        title = comparison_title(comparison)
        blocks += [
            Heading(title),
            Paragraph(
                "IoU of each class. A dash: the class occurs neither in the masks nor in the "
                "predictions."
            ),
            _iou_table(comparison),
            Heading(f"Every metric: {title}", level=3),
            _class_table(comparison),
        ]
    return Page("per_class", "Scores per class", blocks, definitions(CLASS_COLUMNS))


def _iou_table(comparison: Comparison) -> Table:
    """A row per model, a column per class."""
    rows = []
    for result in [*comparison.results, comparison.majority]:
        ious = [score_cell(result.scores["iou", name]) for name in comparison.classes]
        rows.append([text_cell(result_name(comparison, result)), *ious])
    return Table(columns(["Model"], comparison.classes), rows)


def _class_table(comparison: Comparison) -> Table:
    """A row per class and model, a column per metric."""
    rows = []
    for class_name in comparison.classes:
        for result in comparison.results:
            iou = result.scores["iou", class_name]
            others = [result.scores[metric, class_name] for metric in OTHER_CLASS_SCORES]
            rows.append(
                [
                    text_cell(class_name),
                    text_cell(result.model),
                    score_cell(iou),
                    interval_cell(iou),
                    *map(score_cell, others),
                ]
            )
    return Table(columns(["Class", "Model"], labels(CLASS_COLUMNS)), rows)


def _evaluation(job: StudySlice, comparison: Comparison) -> str:
    """What was evaluated, and what the intervals rest on."""
    recipe = job.recipes[comparison.recipe]
    runs = len(job.study.seeds)
    weights = {"best": f"best epoch by {recipe.monitor}", "final": "last epoch"}

    sentences = [recipe.about] if recipe.about else []
    apart = "; no two groups share ground" if comparison.groups > 1 else ""
    sentences.append(
        f"Weights of the {weights[recipe.evaluate.weights]}, evaluated on "
        f"{counted(comparison.tiles, f'{comparison.subset} tile')} of "
        f"{counted(comparison.scenes, 'scene')} in {counted(comparison.groups, 'group')}{apart}."
    )
    if comparison.folds:
        sentences.append(
            f"Each group is tested in one of {comparison.folds} folds, by a model trained without "
            "it: what chance in training does is part of the spread over groups."
        )
    if runs > 1:
        sentences.append(f"Mean ± standard deviation over {runs} runs.")
    sentences.append(_intervals(comparison.groups, runs, comparison.folds))
    return " ".join(sentences)


def _intervals(groups: int, runs: int, folds: int) -> str:
    """What the intervals rest on, or why there are none."""
    if groups < FEWEST_UNITS:
        return (
            f"No interval: {counted(groups, 'group')} {'is' if groups == 1 else 'are'} too few; "
            f"below {FEWEST_UNITS}, chance alone can make them all favour one model."
        )
    if runs > 1:
        return "The intervals are for other ground and other runs: they rest on groups and runs."
    if folds:
        return "The intervals are for other ground: they rest on groups."
    return (
        "The intervals are for other ground: they rest on groups. They hold no variance of "
        "training, which a single run does not show."
    )
