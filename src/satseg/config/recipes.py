"""Recipes: how to train, and how to evaluate."""

from typing import Annotated, Literal

from pydantic import (
    Field,
    model_validator,
)

from satseg.config.datasets import Dataset
from satseg.config.types import Probability, Strict, Subset


class Loss(Strict):
    """The training loss."""

    name: Literal["cross_entropy", "jdt"]
    """`cross_entropy`, or `jdt`: the Jaccard metric losses (Dice and Tversky are settings of
    it)."""
    miou_d: Annotated[float, Field(ge=0)] = 1.0
    """jdt: weight of the data-set level part."""
    miou_i: Annotated[float, Field(ge=0)] = 0.0
    """jdt: weight of the per-image part."""
    miou_c: Annotated[float, Field(ge=0)] = 0.0
    """jdt: weight of the per-class part."""
    alpha: Annotated[float, Field(ge=0)] = 1.0
    """jdt: cost of false positives."""
    beta: Annotated[float, Field(ge=0)] = 1.0
    """jdt: cost of false negatives."""
    gamma: Annotated[float, Field(gt=0)] = 1.0
    """jdt: focusing exponent."""
    smooth: Annotated[float, Field(ge=0)] = 1.0
    """jdt: added to numerator and denominator."""
    class_weights: Literal["none", "inverse", "inverse_root"] = "none"
    """Weights from the training tiles' class frequencies."""


class Optimizer(Strict):
    """The optimizer."""

    name: Literal["adam", "adamw", "sgd"] = "adam"
    """Class of torch.optim; sgd uses momentum 0.9."""
    lr: Annotated[float, Field(gt=0)] = 1e-3
    """Learning rate."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Weight decay (L2 for adam and sgd, decoupled for adamw)."""


class PlateauScheduler(Strict):
    """Lower the learning rate when `monitor` stops improving."""

    name: Literal["plateau"]
    """Which kind of schedule this is."""
    patience: Annotated[int, Field(ge=0)] = 2
    """Epochs without improvement before the rate is lowered."""
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """What the rate is multiplied by."""


class CosineScheduler(Strict):
    """Lower the learning rate along half a cosine, after a linear warm-up, over all epochs."""

    name: Literal["cosine"]
    """Which kind of schedule this is."""
    warmup: Annotated[int, Field(ge=0)] = 0
    """Epochs of linear warm-up."""


class Augmentation(Strict):
    """Random changes of training tiles; each is applied with its own probability."""

    probability: Probability = 0.5
    """Probability of each change."""
    hflip: bool = False
    """Mirror left to right."""
    vflip: bool = False
    """Mirror top to bottom."""
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Hue shift, uniform in ± this (of a full turn); RGB only."""
    brightness: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Brightness factor, uniform in 1 ± this."""
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Contrast factor, uniform in 1 ± this."""
    everywhere: bool = False
    """Change validation and test tiles too. A fault of some published protocols: scores then hang
    on the draw."""


class EpochMeans(Strict):
    """How the figures of history.csv are averaged over an epoch."""

    train: Literal["tiles", "batches"] = "tiles"
    """Training figures: `tiles`, loss as the mean over tiles and metrics from the counts of the whole
    epoch; `batches`, the mean of what each batch gives, a small last batch weighing as much as a full
    one."""
    val: Literal["tiles", "batches"] = "tiles"
    """Validation figures, likewise."""
    classes: Literal["macro", "micro"] = "macro"
    """Jaccard, Dice, precision and recall: `macro`, the mean over the classes that occur; `micro`, from
    the pixels of all classes together, where the last three equal the pixel accuracy."""


class Training(Strict):
    """What decides the result of a training."""

    padded_tiles: bool = True
    """Use tiles that reach over a scene's edge (their padding never counts)."""
    count_unlabelled: bool = False
    """Treat classes marked `unlabelled` as classes, in the loss and in the metrics."""
    scaling: Literal["unit", "imagenet"] = "unit"
    """Pixel values to [0, 1], or besides to ImageNet mean and deviation."""
    augmentation: Augmentation = Augmentation()
    """Random changes of training tiles."""
    loss: Loss
    """The training loss."""
    optimizer: Optimizer = Optimizer()
    """The optimizer."""
    scheduler: Annotated[PlateauScheduler | CosineScheduler, Field(discriminator="name")] | None = (
        None
    )
    """Learning-rate schedule; null for none."""
    epochs: Annotated[int, Field(ge=1)]
    """Number of epochs, at most."""
    epoch_tiles: Annotated[int, Field(ge=1)] | None = None
    """Training tiles per epoch, drawn anew for each; null for all there are."""
    batch_size: Annotated[int, Field(ge=1)]
    """Tiles per forward pass, of all `devices` together."""
    accumulate: Annotated[int, Field(ge=1)] = 1
    """Forward passes per optimizer step."""
    monitor: Literal["val_loss", "val_jaccard"] = "val_loss"
    """What picks the best epoch and drives early stopping and the plateau schedule."""
    early_stopping: Annotated[int, Field(ge=1)] | None = None
    """Stop after this many epochs without improvement; null for never."""
    means: EpochMeans = EpochMeans()
    """How losses and metrics are averaged over an epoch."""
    precision: Literal["auto", "32", "bf16", "fp16"] = "auto"
    """`auto` is bf16 where the hardware has it, else 32-bit."""
    devices: Annotated[int, Field(ge=1)] = 1
    """GPUs that train one model together, each with its share of every batch; without a GPU, as
    many processes. Batch normalisation takes its statistics over the whole batch on GPUs, over each
    process's share on a CPU."""

    @model_validator(mode="after")
    def _shared_evenly(self):
        if self.batch_size % self.devices:
            raise ValueError(
                f"batch_size: {self.batch_size} tiles cannot be shared evenly by devices: {self.devices}; "
                f"use a multiple of {self.devices}"
            )
        return self

    @property
    def rgb_only(self) -> dict[str, str]:
        """Keys whose values need images of three bands, and what to set in their place."""
        needs = {"augmentation.hue": "0"} if self.augmentation.hue else {}
        return needs | ({"scaling": "unit"} if self.scaling == "imagenet" else {})

    @property
    def logical_batch_size(self) -> int:
        """Tiles per optimizer step."""
        return self.batch_size * self.accumulate


class Evaluation(Strict):
    """What is judged."""

    subset: Subset = "test"
    """Subset the metrics are computed on."""
    weights: Literal["best", "final"] = "best"
    """Weights of the best epoch by `monitor`, or of the last."""


class Recipe(Training):
    """How to train and how to judge."""

    about: str = ""
    """One sentence for the report."""
    split: str
    """Name of a split."""
    head_dropout: Probability | None = None
    """Dropout before the head of every model; null leaves each model its own."""
    evaluate: Evaluation = Evaluation()
    """What is judged."""


def counted_classes(dataset: Dataset, recipe: Training) -> list[int]:
    """Class indices that count, in the loss and in the metrics."""
    return [i for i, c in enumerate(dataset.classes) if recipe.count_unlabelled or not c.unlabelled]
