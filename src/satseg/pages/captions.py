"""What stands below each figure."""

from typing import NamedTuple


class Caption(NamedTuple):
    """What stands below a figure."""

    title: str
    text: str


# In the order of the page: what a score costs stands beside the answer.
CAPTIONS = {
    "cost": Caption(
        "What a better score costs.",
        "Score against cost. Up and to the left is better; models whose intervals overlap may be taken for "
        "equally good, and then the cheaper one is the better choice.",
    ),
    "losses": Caption(
        "Training and validation loss.",
        "Mean loss of each epoch. The validation loss picks the best epoch where the recipe says so; once it "
        "rises while the training loss still falls, more epochs do not help.",
    ),
    "metrics": Caption(
        "Training, metric by metric.",
        "Each metric after each epoch, on the training and on the validation tiles. A widening gap between "
        "the two is overfitting.",
    ),
    "predictions": Caption(
        "What the models answer.",
        "The same judged tiles for every model: image, mask and prediction. No two come from one scene.",
    ),
    "per_class": Caption(
        "Which classes are hard.",
        "IoU of each class from the pixels of all judged tiles, with its 95 % bootstrap interval. Where two "
        "intervals overlap, the order of the two is not a result.",
    ),
    "leakage": Caption(
        "What the split gives away.",
        "How many of the judged tiles show ground that training tiles show too. A score on such tiles says "
        "how well a model remembers, not how well it will do elsewhere.",
    ),
    "samples": Caption(
        "What the models see.",
        "Tiles of each dataset beside their masks, in the colours of the classes. What the annotators left "
        "open has no colour.",
    ),
    "classes": Caption(
        "How much of each class there is.",
        "Share of the labelled pixels, subset by subset. Where the subsets differ, a score on one says less "
        "about another; where a class is rare, its IoU rests on few pixels.",
    ),
    "architecture": Caption(
        "How the models are built.",
        "Blocks from the image on the left to the class map on the right; width stands for channels, height "
        "for resolution.",
    ),
}
