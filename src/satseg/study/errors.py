"""The frames of what stands beside the scores: errors.csv and brightness.csv."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from satseg.measures import MAJORITY
from satseg.metrics.confusion import BINS, WIDTH
from satseg.metrics.counts import counts_array
from satseg.metrics.errors import brightness_iou, error_metrics
from satseg.study.inputs import StudyInputs
from satseg.study.tables import EvaluatedCounts

ERRORS = ["dataset", "model", "recipe", "seed", "metric", "class", "value"]
BRIGHTNESS = ["dataset", "model", "recipe", "seed", "brightness", "class", "share", "value"]


def errors_frame(evaluated: Sequence[EvaluatedCounts]) -> pd.DataFrame:
    """errors.csv: kappa, the worst tiles and the areas of every run and of the baseline, which has
    seed 0."""
    rows = []
    for counts in evaluated:
        for (model, seed), frame in [*counts.runs.items(), ((MAJORITY, 0), counts.majority)]:
            array, classes, _ = counts_array(frame)
            for (metric, label), value in error_metrics(array, classes).items():
                rows.append([counts.dataset, model, counts.recipe, seed, metric, label, value])
    return pd.DataFrame(rows, columns=ERRORS)


def brightness_frame(inputs: StudyInputs) -> pd.DataFrame:
    """brightness.csv: mIoU of every run, and IoU of each class, among the evaluated pixels of each
    brightness, and their share; a bin begins at `brightness`. The folds of a seed are one run."""
    sums: dict[tuple, np.ndarray] = {}
    for cell in inputs.job.cells:
        run = (cell.dataset, cell.model, cell.recipe, cell.seed)
        sums[run] = sums.get(run, 0) + inputs.confusion(cell)

    rows = []
    for run, confusion in sums.items():
        dataset, _, recipe, _ = run
        classes = [land.name for land in inputs.counted_classes(dataset, recipe)]
        for label, (values, shares) in brightness_iou(confusion, classes).items():
            for place in range(BINS):
                rows.append([*run, WIDTH * place, label, shares[place], values[place]])
    return pd.DataFrame(rows, columns=BRIGHTNESS)


def model_confusions(
    inputs: StudyInputs, dataset_name: str, recipe_name: str
) -> dict[str, np.ndarray]:
    """Model → its confusion matrix [C, C] over all runs, rows for the true classes."""
    sums: dict[str, np.ndarray] = {}
    for cell in inputs.cells(dataset_name, recipe_name):
        matrix = inputs.confusion(cell).sum(0)
        sums[cell.model] = sums.get(cell.model, 0) + matrix
    return sums
