"""Every measure that models are compared by: what it is called, how it is written, what it is."""

from __future__ import annotations

from typing import Literal, NamedTuple

MAJORITY = "majority"  # the baseline's name in tables and figures


class Measure(NamedTuple):
    """One measure, wherever it is shown."""

    label: str
    """What tables and figures call it."""
    definition: str
    """What it is, in a sentence."""
    kind: Literal[
        "size", "time", "cost", "metric", "class metric", "both", "curve", "interval", "error"
    ]
    """`size` and `time`: what papers print of a model. `cost`: what else it takes. `metric`: a
    metric of scores.csv over all classes, `class metric`: of one class, `both`: of either.
    `curve`: a metric of history.csv alone. `interval`: what stands beside a metric.
    `error`: a number of errors.csv."""
    digits: int = 3
    """Decimals in a table."""


MEASURES = {
    "parameters": Measure("Parameters", "Trainable weights.", "size", 0),
    "memory_mb": Measure(
        "Memory (MB)",
        "The published tables' bookkeeping: the outputs of all modules, with containers counted "
        "again beside their parts, times two for the backward pass. Not a measurement.",
        "size",
        2,
    ),
    "epoch_seconds": Measure(
        "Epoch (s)", "Training plus validation, mean over all epochs.", "time", 1
    ),
    "train_step_ms": Measure(
        "Training step (ms)",
        "Median time of a forward pass and a backward pass of one image and a step of the "
        "optimizer, in 32-bit, measured.",
        "time",
        1,
    ),
    "latency_ms": Measure(
        "Latency (ms)",
        "Median time of one forward pass of one image in 32-bit, measured.",
        "time",
        1,
    ),
    "activations_mb": Measure(
        "Activations (MB)",
        "The outputs of the layers in one forward pass, each counted once.",
        "cost",
        1,
    ),
    "gflops": Measure(
        "GFLOP",
        "Billions of floating-point operations in one forward pass; a multiply-add counts as two.",
        "cost",
        1,
    ),
    "peak_memory_mb": Measure(
        "Peak memory (MB)",
        "Peak memory of a forward pass of one image, weights included, measured.",
        "cost",
        1,
    ),
    "training_memory_mb": Measure(
        "Training memory (MB)", "Peak memory of a training, measured.", "cost", 1
    ),
    "miou_d": Measure(
        "mIoUᴰ",
        "D for data set: IoU of each class from the pixels of all evaluated tiles together, then "
        "the mean over the classes that occur in the masks or in the predictions; a class that "
        "occurs in neither is left out.",
        "metric",
    ),
    "miou_i": Measure(
        "mIoUᴵ",
        "I for image: in each tile, the mean IoU of the classes present in its mask; then the mean "
        "over the tiles that have a labelled pixel.",
        "metric",
    ),
    "miou_c": Measure(
        "mIoUᶜ",
        "C for class: for each class, the mean IoU over the tiles whose mask contains it; then the "
        "mean over the classes that some mask contains.",
        "metric",
    ),
    "miou_published": Measure(
        "Published rule",
        "For each class, the mean IoU over the tiles where it is present in the mask or in the "
        "prediction; then the plain mean over all counted classes, where one that is never present "
        "counts as 0.",
        "metric",
    ),
    "pixel_accuracy": Measure(
        "Pixel accuracy",
        "Share of all labelled pixels that are assigned their class.",
        "metric",
    ),
    "iou": Measure(
        "IoU",
        "True positives over the union of mask and prediction, from the pixels of all evaluated "
        "tiles.",
        "class metric",
    ),
    "iou_published": Measure(
        "Published rule",
        "Mean of the class's IoU over the tiles where it is present in the mask or in the "
        "prediction; 0 if it never is.",
        "class metric",
    ),
    "dice": Measure(
        "F1 (Dice)",
        "Twice the true positives over the sum of mask and prediction, from the pixels of all "
        "evaluated tiles; as a mean, over the classes that occur.",
        "both",
    ),
    "precision": Measure(
        "User's accuracy (precision)",
        "Share of the pixels predicted as the class that belong to it; as a mean, over the classes "
        "that occur, where one that is never predicted counts as 0.",
        "both",
    ),
    "recall": Measure(
        "Producer's accuracy (recall)",
        "Share of the class's pixels that are predicted as it; as a mean, over the classes that "
        "occur, where one that no mask contains counts as 0.",
        "both",
    ),
    "interval": Measure(
        "95 % interval",
        "Of the score on other ground: the score ± t standard errors on the logit scale, from the "
        "jackknife that leaves out one group of evaluated tiles at a time (the tiles of a group "
        "show the same ground) and, if there are several runs, from their variance; a single run "
        "shows none of the variance of training. A dash: the score rests on fewer than six groups. "
        "Models are compared by their differences, not by these intervals.",
        "interval",
    ),
    "kappa": Measure(
        "Kappa",
        "Cohen's kappa: by how much mask and prediction agree beyond chance, as a share of the "
        "most they could. 0 is chance, 1 is perfect.",
        "error",
    ),
    "miou_i_5": Measure(
        "mIoUᴵ, worst 5 %",
        "Mean over the 5 % of the tiles with the lowest mean IoU, at least one tile.",
        "error",
    ),
    "miou_i_10": Measure(
        "mIoUᴵ, worst 10 %",
        "The same over the lowest 10 %.",
        "error",
    ),
    "miou_c_5": Measure(
        "mIoUᶜ, worst 5 %",
        "For each class, the mean over the 5 % of the tiles that contain it with its lowest IoU, "
        "at least one tile; then the mean over the classes.",
        "error",
    ),
    "miou_c_10": Measure(
        "mIoUᶜ, worst 10 %",
        "The same over the lowest 10 % of each class.",
        "error",
    ),
    "area": Measure(
        "Predicted / true area",
        "Pixels predicted as the class over pixels that are it: above 1, the model predicts it too "
        "often.",
        "error",
        2,
    ),
    "jaccard": Measure(
        "Jaccard",
        "The mean IoU over the classes that occur, from the pixels of an epoch's tiles.",
        "curve",
    ),
}


def _of_kind(*kinds: str) -> tuple[str, ...]:
    return tuple(name for name, measure in MEASURES.items() if measure.kind in kinds)


SIZES = _of_kind("size")
TIMES = _of_kind("time")
METRICS = _of_kind("metric", "both")
"""Of scores.csv over all classes, in its order."""
CLASS_METRICS = _of_kind("class metric", "both")
"""Of scores.csv for one class, in its order."""
ERRORS = _of_kind("error")
"""Of errors.csv."""
CURVES = ("jaccard", "dice", "pixel_accuracy", "precision", "recall")
"""Of history.csv, for the training and for the validation tiles."""
HISTORY = tuple(f"{subset}_{curve}" for curve in ("loss", *CURVES) for subset in ("train", "val"))
"""Columns of history.csv that a claim may be about."""
LEVELS = "activations_mb"
"""What a profile holds for each resolution of a model's feature maps."""
TRAINING_MEMORY = "training_memory_mb"
PRINTED = ("memory_mb", "miou_published", "iou_published")
"""Computed as papers did, to stand beside what they printed; of no use otherwise."""
UNMEASURED = "text"
"""What a claim is about that nothing here can decide."""


def label(name: str) -> str:
    """What a measure, or a column of history.csv, is called."""
    if name == UNMEASURED:
        return "Nothing measured"
    if name not in HISTORY:
        return MEASURES[name].label
    subset, curve = name.split("_", 1)
    where = "Training" if subset == "train" else "Validation"
    if curve == "loss":
        return f"{where} loss"
    return f"{MEASURES[curve].label} in {where.lower()}"
