"""What is written below each figure."""

from typing import NamedTuple


class Caption(NamedTuple):
    """A figure's title and what it shows."""

    title: str
    text: str


FIRST_FOLD = (
    " Of a split with folds, these are tiles of the first fold, seen by models trained without "
    "them; the tables count those of all folds."
)
ONE_FOLD = {"predictions"}  # the figures that show no other

# In the order of the report: the cost of a score is shown beside the answer.
CAPTIONS = {
    "cost": Caption(
        "What a better score costs.",
        "Score against cost. Up and to the left is better; of models that the scores do not tell "
        "apart (≈), the cheapest is the best choice. Latencies within the spread of the "
        "measurements count as equal. A model that does not beat always answering the most "
        "frequent class (majority) is no choice at all. Lines are the 95 % intervals of the "
        "tables; whether two models differ is tested in the section on scores, not by where they "
        "overlap. Where costs differ more than tenfold, their axis is logarithmic and says so.",
    ),
    "losses": Caption(
        "Training and validation loss.",
        "Mean loss of each epoch. The validation loss chooses the best epoch if the recipe says "
        "so; once it rises while the training loss still falls, more epochs do not help.",
    ),
    "metrics": Caption(
        "Training, metric by metric.",
        "Each metric after each epoch, on the training and on the validation tiles. A widening gap "
        "between the two is overfitting.",
    ),
    "predictions": Caption(
        "What the models predict.",
        "The same evaluated tiles for every model: image, mask and prediction by the first seed. "
        "They are tiles at the 10th, 50th and 90th percentile of the models' mean mIoU, in each "
        "group of tiles that show the same ground if there are up to three such groups, else in "
        "different groups; the percentile written is that among all evaluated tiles. The hard "
        "tiles stand apart: in each, the class named looks least like itself elsewhere.",
    ),
    "per_class": Caption(
        "Which classes are hard.",
        "IoU of each class from the pixels of all evaluated tiles, over all runs, with the 95 % "
        "interval of the tables, which holds no variance of training if there is a single run. A "
        "class that occurs in fewer than six groups of tiles has none. "
        "Lines that overlap do not make two models equal, nor lines apart different: their "
        "differences are tested in the section on scores.",
    ),
    "confusion": Caption(
        "Which class is taken for which.",
        "Of the pixels of each true class, the share that each model predicts as each class, over "
        "all runs. The diagonal is the producer's accuracy (recall); a dark cell beside it is a "
        "class mistaken for another.",
    ),
    "calibration": Caption(
        "Whether probabilities hold.",
        "Of the pixels of each confidence, the highest probability, the share that is right. Below "
        "the diagonal a model is surer than it is right. One temperature per run, fitted to the "
        "validation tiles, moves the confidence and changes no class. The error is the mean "
        "distance from the diagonal, over the pixels of the evaluated tiles and the runs.",
    ),
    "leakage": Caption(
        "What the split gives away.",
        "How many of the evaluated tiles show ground that training tiles show too. A score on such "
        "tiles may tell how well a model remembers rather than how well it will do elsewhere. What "
        "leakage adds is the paired difference in the section on splits, not what the lines "
        "overlap.",
    ),
    "trials": Caption(
        "What the tuning tried.",
        "Each line and dot is a trial, by its score on the validation tiles: first over the epochs "
        "at which trials were compared, then, after the first of these, over each key. Grey ones "
        "were dropped there, blue ones went on, and the values of the orange one were kept. The "
        "percentages say how much each key matters.",
    ),
    "samples": Caption(
        "What the models see.",
        "Tiles of each dataset beside their masks: those with the most even mix of classes, one "
        "per scene, not typical ones. Pixels without a label, if there are any, are striped grey.",
    ),
    "augmentations": Caption(
        "What training makes of a tile.",
        "One tile under each change by itself, as far as any recipe lets it go; in training "
        "several may come together, mostly weaker. The masks stay, or move with the ground.",
    ),
    "classes": Caption(
        "How much of each class there is.",
        "Share of the labelled pixels, subset by subset. If the subsets differ, a score on one "
        "says less about another; if a class is rare, its IoU rests on few pixels.",
    ),
    "architecture": Caption(
        "How the models are built.",
        "Blocks from the image on the left to the class map on the right; width stands for "
        "channels, height for resolution.",
    ),
}


def caption(name: str, folds: bool) -> Caption:
    """The caption of a figure in a study that has recipes with folds, or none."""
    if not folds or name not in ONE_FOLD:
        return CAPTIONS[name]
    return CAPTIONS[name]._replace(text=CAPTIONS[name].text + FIRST_FOLD)
