"""The frame of agreement.csv: what one annotator's masks would score against another's."""

import numpy as np
import pandas as pd

from satseg.metrics.counts import ratio
from satseg.study.inputs import StudyInputs

COLUMNS = ["dataset", "group", "pairs", "metric", "class", "either", "both", "value"]
ALL = "all"  # of groups and of classes


def agreement_frame(inputs: StudyInputs) -> pd.DataFrame:
    """How far two annotations of the same ground agree, per group and over all groups of a dataset;
    no row for a dataset without such ground.

    Classes that the dataset marks as unlabelled are left out.

    Returns:
        dataset, group; pairs of scenes; metric and class: `agreement` is the share of the pixels
        that both give the same class, `iou` that of the pixels of a class in either mask that it
        has in both, `miou_d` its mean over the classes that occur; either and both, in pixels;
        value (NaN for a class that occurs in neither).
    """
    rows = []
    for dataset_name, dataset in inputs.job.datasets.items():
        classes = [land.name for land in dataset.classes if not land.unlabelled]
        pixels = inputs.agreement(dataset_name)
        counted = pixels["first_class"].isin(classes) & pixels["second_class"].isin(classes)
        pixels = pixels[counted]
        groups = {name: own for name, own in pixels.groupby("group", sort=False)}
        if len(groups) > 1:
            groups[ALL] = pixels
        for group, own in groups.items():
            pairs = len(own[["first", "second"]].drop_duplicates())
            rows += [[dataset_name, group, pairs, *row] for row in _agreement(own, classes)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _agreement(pixels: pd.DataFrame, classes: list[str]) -> list[list]:
    """Metric, class, either, both and value of some rows of a tile store's agreement.csv."""
    table = pixels.pivot_table(
        "pixels", "first_class", "second_class", aggfunc="sum", fill_value=0
    ).reindex(index=classes, columns=classes, fill_value=0)
    confusion = table.to_numpy(np.int64)

    both = np.diag(confusion)
    either = confusion.sum(0) + confusion.sum(1) - both
    ious = ratio(both, either)
    alike = int(both.sum())
    total = int(confusion.sum())
    rows = [
        ["agreement", ALL, total, alike, alike / total],
        ["miou_d", ALL, None, None, float(np.nanmean(ious))],
    ]
    for name, *counts, iou in zip(classes, either, both, ious, strict=True):
        rows.append(["iou", name, *map(int, counts), float(iou)])
    return rows
