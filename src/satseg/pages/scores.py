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
    shown,
    text_cell,
)
from satseg.pages.differences import difference_blocks
from satseg.pages.folds import fold_blocks
from satseg.pages.sentences import answer_sentence, choice_sentence, gap_sentence, terms
from satseg.statistics.jackknife import FEWEST_UNITS
from satseg.study.comparison import Comparison, Gap, Result
from satseg.text import counted

MARKS = (
    "Bold: the highest mIoUᴰ. ≈: not distinguishable from it, because the interval of the paired "
    "difference holds zero, or because there are too few groups of tiles for one. "
    "Models are listed in the order of the study, not of their scores."
)
VARIANTS = (
    "The mean IoU is taken in three ways: mIoUᴰ from the pixels of the whole data set (D) at once, "
    "mIoUᴵ image by image (I), an image being a tile, and mIoUᶜ class by class (C), each over the "
    "tiles that contain it."
)
NO_VARIANCE = "A single run does not show what chance in training does to the scores."
OTHER_SCORES = ["miou_i", "miou_c", "miou_published", "pixel_accuracy"]
COSTS = ["epoch_seconds", "latency_ms", "memory_mb", "peak_memory_mb"]
SCORE_COLUMNS = ["miou_d", "interval", *OTHER_SCORES, *COSTS]
OTHER_CLASS_SCORES = ["dice", "precision", "recall", "iou_published"]


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
            _score_row(job, comparison, result)
            for result in [*comparison.results, comparison.majority]
        ]
        blocks += [
            Heading(comparison_title(comparison)),
            Paragraph(_evaluation(job, comparison)),
        ]
        if comparison is comparisons[0]:
            blocks.append(Paragraph(VARIANTS))
        blocks.append(Table(columns(["Model"], labels(shown(SCORE_COLUMNS, job))), rows))
        if len(comparison.results) > 1:
            blocks.append(Paragraph(MARKS))
        blocks += fold_blocks(comparison, folds)
        blocks += difference_blocks(comparison)
    for name, dataset in job.datasets.items():
        own = agreement[agreement["dataset"] == name]
        blocks += agreement_blocks(dataset.title, dataset.classes, own)

    answer = []
    for comparison in comparisons:
        answer.append(answer_sentence(comparison))
        if len(comparison.results) > 1 and comparison.choices:
            answer.append(choice_sentence(comparison))
    answer += [*map(gap_sentence, gaps), terms(comparisons)]
    return Page("scores", "Results", blocks, definitions(shown(SCORE_COLUMNS, job)), answer)


def _score_row(job: StudySlice, comparison: Comparison, result: Result) -> list[TableCell]:
    return [
        result_cell(comparison, result),
        score_cell(result.main, strong=leads(comparison, result)),
        interval_cell(result.main),
        *(score_cell(result.scores[name, "all"]) for name in shown(OTHER_SCORES, job)),
        *(measure_cell(name, getattr(result, name)) for name in shown(COSTS, job)),
    ]


def per_class_page(job: StudySlice, comparisons: list[Comparison]) -> Page:
    """per_class.md: IoU by model and class, then every metric of each class.

    Args:
        job: the study.
        comparisons: the models of each dataset × recipe.
    """
    names = shown(OTHER_CLASS_SCORES, job)
    blocks: list[Block] = []
    for comparison in comparisons:
        blocks += [
            Heading(comparison_title(comparison)),
            Paragraph(
                "IoU of each class. A dash: the class occurs neither in the masks nor in the "
                "predictions."
            ),
            _iou_table(comparison),
            Heading("Every metric of each class", level=3),
            _class_table(comparison, names),
        ]
    defined = definitions(["iou", "interval", *names])
    return Page("per_class", "Results class by class", blocks, defined)


def _iou_table(comparison: Comparison) -> Table:
    """A row per model, a column per class."""
    rows = []
    for result in [*comparison.results, comparison.majority]:
        ious = [score_cell(result.scores["iou", name]) for name in comparison.classes]
        rows.append([text_cell(result_name(comparison, result)), *ious])
    return Table(columns(["Model"], comparison.classes), rows)


def _class_table(comparison: Comparison, names: list[str]) -> Table:
    """A row per class and model, a column per metric."""
    rows = []
    for class_name in comparison.classes:
        for result in comparison.results:
            iou = result.scores["iou", class_name]
            others = [result.scores[metric, class_name] for metric in names]
            rows.append(
                [
                    text_cell(class_name),
                    text_cell(result.model),
                    score_cell(iou),
                    interval_cell(iou),
                    *map(score_cell, others),
                ]
            )
    return Table(columns(["Class", "Model"], labels(["iou", "interval", *names])), rows)


def _evaluation(job: StudySlice, comparison: Comparison) -> str:
    """What was evaluated, and what the intervals rest on."""
    recipe = job.recipes[comparison.recipe]
    runs = len(job.study.seeds)
    weights = {"best": f"best epoch by {recipe.monitor}", "final": "last epoch"}

    sentences = [recipe.about] if recipe.about else []
    apart = "; no two groups share ground, as far as is known" if comparison.groups > 1 else ""
    sentences.append(
        f"Weights of the {weights[recipe.evaluate.weights]}, evaluated on "
        f"{counted(comparison.tiles, f'{comparison.subset} tile')} of "
        f"{counted(comparison.scenes, 'scene')} in {counted(comparison.groups, 'group')}{apart}."
    )
    if comparison.folds:
        sentences.append(
            f"Each group is tested in one of {comparison.folds} folds, by a model trained without "
            f"it: {_trainings(comparison)}."
        )
    if runs > 1:
        sentences.append(f"Mean ± standard deviation over {runs} runs.")
    sentences.append(_intervals(comparison.groups, runs, comparison.folds))
    return " ".join(sentences)


def _trainings(comparison: Comparison) -> str:
    """How much of the variance of training the spread over groups shows, if there are folds."""
    if comparison.groups == comparison.folds:
        return "what chance in training does is part of the spread over groups"
    return (
        "groups of one fold share its training, so that the spread over groups shows only a part "
        "of what chance in training does"
    )


def _intervals(groups: int, runs: int, folds: int) -> str:
    """What the intervals rest on, or why there are none."""
    if groups < FEWEST_UNITS:
        few = (
            f"No interval: {counted(groups, 'group')} {'is' if groups == 1 else 'are'} too few; "
            f"below {FEWEST_UNITS}, chance alone can make them all favour one model."
        )
        return few if runs > 1 or folds else f"{few} {NO_VARIANCE}"
    if runs > 1:
        return "The intervals are for other ground and other runs: they rest on groups and runs."
    if folds:
        return "The intervals are for other ground: they rest on groups."
    return (
        "The intervals are for other ground: they rest on groups. They hold no variance of "
        "training, which a single run does not show."
    )
