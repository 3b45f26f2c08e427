"""Every measure that models are compared by."""

from __future__ import annotations

# What models are compared by: sizes, measured times, and the metrics of scores.csv, over all
# classes and of one.
SIZES = ("parameters", "memory_mb")


TIMES = ("epoch_seconds", "train_step_ms", "latency_ms")


METRICS = (
    "miou_d",
    "miou_i",
    "miou_c",
    "miou_published",
    "pixel_accuracy",
    "dice",
    "precision",
    "recall",
)


CLASS_METRICS = ("iou", "iou_published", "dice", "precision", "recall")


DEFINITIONS = {
    "miou_d": "IoU of each class from the pixels of all judged tiles together, then the mean over the "
    "classes that occur in the masks or in the predictions; a class that occurs in neither is left out.",
    "miou_i": "In each tile, the mean IoU of the classes present in its mask; then the mean over the tiles "
    "that have a labelled pixel.",
    "miou_c": "For each class, the mean IoU over the tiles whose mask holds it; then the mean over the "
    "classes that some mask holds.",
    "miou_published": "For each class, the mean IoU over the tiles where it is present in the mask or in the "
    "prediction; then the plain mean over all counted classes, one that is never present counting as 0.",
    "pixel_accuracy": "Share of all labelled pixels that are given their class.",
    "iou": "True positives over the union of mask and prediction, from the pixels of all judged tiles.",
    "iou_published": "Mean of the class's IoU over the tiles where it is present in the mask or in the "
    "prediction; 0 where it never is.",
    "dice": "Twice the true positives over the sum of mask and prediction, from the pixels of all judged "
    "tiles; as a mean, over the classes that occur.",
    "precision": "Share of the pixels predicted as the class that are of it; as a mean, over the classes "
    "that occur, one that is never predicted counting as 0.",
    "recall": "Share of the class's pixels that are predicted as it; as a mean, over the classes that occur, "
    "one that no mask holds counting as 0.",
}
"""What each metric of scores.csv is, in a sentence."""


MEANINGS = DEFINITIONS | {
    "interval": "Percentiles of 1,000 bootstrap resamples of the judged scenes (of the tiles, where there "
    "are fewer than ten scenes) and, where there are several, of the trainings. Where the intervals of two "
    "models overlap, their order is not a result.",
    "parameters": "Trainable weights.",
    "memory_mb": "The published tables' bookkeeping: the outputs of all modules, containers counted again "
    "beside their parts, times two for the backward pass. Not a measurement.",
    "activations_mb": "The outputs of the layers in one forward pass, each counted once.",
    "gflops": "Billions of floating-point operations of one forward pass; a multiply-add is two.",
    "latency_ms": "Median time of one forward pass of one image in 32-bit, measured.",
    "train_step_ms": "Median time of a forward and a backward pass of one image and a step of the optimizer, in "
    "32-bit, measured.",
    "peak_memory_mb": "Most memory a forward pass of one image takes, weights included, measured.",
    "epoch_seconds": "Training plus validation, mean over all epochs.",
}


LABELS = {
    "miou_d": "mIoU^D",
    "miou_i": "mIoU^I",
    "miou_c": "mIoU^C",
    "miou_published": "Published rule",
    "pixel_accuracy": "Pixel accuracy",
    "iou": "IoU",
    "iou_published": "Published rule",
    "dice": "Dice",
    "precision": "Precision",
    "recall": "Recall",
    "interval": "95 % interval",
    "parameters": "Parameters",
    "memory_mb": "Memory (MB)",
    "activations_mb": "Activations (MB)",
    "gflops": "GFLOP",
    "latency_ms": "Latency (ms)",
    "train_step_ms": "Training step (ms)",
    "peak_memory_mb": "Peak memory (MB)",
    "epoch_seconds": "Epoch (s)",
}
