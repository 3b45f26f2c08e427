"""Recipes: how to train, and how to evaluate."""

from typing import Annotated, Literal

from pydantic import (
    Field,
    model_validator,
)

from satseg.config.datasets import Dataset
from satseg.config.evaluation import Evaluation
from satseg.config.types import (
    Count,
    Probability,
    Seed,
    Strict,
    Total,
    Weight,
    WeightsFile,
)


class Loss(Strict):
    """The training loss."""

    name: Literal["cross_entropy", "jdt"]
    """`cross_entropy`, or `jdt`: the Jaccard metric losses, with Dice and Tversky as special
    cases."""
    miou_d: Weight = 1.0
    """jdt: weight of the dataset-level term."""
    miou_i: Weight = 0.0
    """jdt: weight of the per-image term."""
    miou_c: Weight = 0.0
    """jdt: weight of the per-class term."""
    alpha: Weight = 1.0
    """jdt: weight of false positives."""
    beta: Weight = 1.0
    """jdt: weight of false negatives."""
    gamma: Annotated[float, Field(gt=0, le=100)] = 1.0
    """jdt: focusing exponent."""
    smooth: Weight = 1.0
    """jdt: added to numerator and denominator."""
    cross_entropy: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """jdt: share of the loss that is cross-entropy; 0.5 is half of each. Often steadier at the
    start than jdt alone."""
    class_weights: Literal["none", "inverse", "inverse_root"] = "none"
    """Class weights, from the class frequencies of the training tiles; 0 for a class that no
    training pixel holds."""
    class_weights_scale: Literal["mean", "sum"] = "mean"
    """What of the class weights is 1: their `mean` or their `sum`. Cross-entropy divides by the
    weights again, so that only jdt's loss depends on it."""

    @model_validator(mode="after")
    def _anything(self):
        if self.name == "jdt" and not (self.miou_d or self.miou_i or self.miou_c):
            raise ValueError("miou_d, miou_i and miou_c are all 0; give jdt one term to learn from")
        if self.name == "jdt" and not (self.alpha or self.beta):
            raise ValueError("alpha and beta are both 0; jdt would then punish no error")
        return self


class Optimizer(Strict):
    """The optimizer."""

    name: Literal["adam", "adamw", "sgd"] = "adam"
    """Optimizer of torch.optim; `sgd` uses a momentum of 0.9."""
    lr: Annotated[float, Field(gt=0, le=1e30)] = 1e-3
    """Learning rate."""
    weight_decay: Weight = 0.0
    """Weight decay (L2 for adam and sgd, decoupled for adamw)."""
    encoder_lr: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Learning rate of the model's encoder, as a share of `lr`; below 1, such as 0.1, pretrained
    weights keep more of what they know. A model without a part `encoder` trains at `lr`."""


class PlateauScheduler(Strict):
    """Lower the learning rate when `monitor` stops improving."""

    name: Literal["plateau"]
    """Kind of schedule."""
    patience: Annotated[int, Field(ge=0, le=10**6)] = 2
    """Epochs without improvement before the learning rate is lowered."""
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Factor the learning rate is multiplied by."""


class CosineScheduler(Strict):
    """Lower the learning rate along half a cosine over all epochs, after a linear warm-up."""

    name: Literal["cosine"]
    """Kind of schedule."""
    warmup: Annotated[int, Field(ge=0, le=10**6)] = 0
    """Epochs of linear warm-up."""


class Augmentation(Strict):
    """Random changes of training tiles; each is applied with its own probability."""

    probability: Probability = 0.5
    """Probability of each change."""
    hflip: bool = False
    """Mirror left to right."""
    vflip: bool = False
    """Mirror top to bottom."""
    rot90: bool = False
    """Turn by one, two or three quarters."""
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Zoom factor, uniform in 1 ± this, into or around any place of the tile; what a smaller tile
    leaves of its frame is padding, which never counts."""
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Hue shift, uniform in ± this (of a full turn); RGB only."""
    brightness: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Brightness factor, uniform in 1 ± this."""
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Contrast factor, uniform in 1 ± this."""
    saturation: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Saturation factor, uniform in 1 ± this; RGB only."""
    gamma: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Exponent of the pixel values, uniform in 1 ± this."""
    season: Probability = 0.0
    """Another season, of a strength uniform up to this; RGB only. One of autumn (vegetation turns
    brown and loses saturation), winter (vegetation and bare ground become paler) and a low sun
    (more contrast, warmer and darker). The figure `augmentations` shows the extremes."""
    exchange: Probability = 0.0
    """The colours of a training tile of another scene (mean and deviation along axes that hardly
    correlate), blended in up to this share; RGB only. At the start of a run, every training tile is
    read once."""
    everywhere: bool = False
    """Change validation and test tiles too. Some published protocols do so by mistake: scores then
    depend on the random draw."""


class Teacher(Strict):
    """Another cell on the same dataset whose predictions a model learns beside the labels: it is
    trained first. Each training step also takes a forward pass of the teacher."""

    model: str
    """Its model; usually a larger one."""
    recipe: str
    """Its recipe, with the same split and the same classes."""
    seed: Seed = 0
    """Its seed."""
    weights: Literal["best", "final"] = "best"
    """Weights of its best epoch, or of its last."""
    share: Probability = 0.5
    """Share of its probabilities in the target of each labelled pixel; the rest is the label."""


class EpochMeans(Strict):
    """How the values of a row of history.csv are averaged over its epoch."""

    train: Literal["tiles", "batches"] = "tiles"
    """Training: `tiles` gives every tile the same weight (loss: mean over tiles; metrics: from the
    counts of the whole epoch), `batches` every batch, a small last one included."""
    val: Literal["tiles", "batches"] = "tiles"
    """Validation, likewise."""
    classes: Literal["macro", "micro"] = "macro"
    """Jaccard, Dice, precision and recall: `macro`, the mean over the classes that occur; `micro`,
    from all pixels at once, so that Dice, precision and recall equal the pixel accuracy."""


class Training(Strict):
    """What decides the result of a training run."""

    padded_tiles: bool = True
    """Use tiles that extend beyond the edge of a scene; their padding never counts."""
    count_unlabelled: bool = False
    """Treat classes marked `unlabelled` as classes, in the loss and in the metrics."""
    scaling: Literal["unit", "imagenet"] = "unit"
    """`unit`: scale pixels to [0, 1]; `imagenet`: then also normalise by ImageNet mean and standard
    deviation."""
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
    epochs: Count
    """Maximum number of epochs."""
    stop_after: Count | None = None
    """Stop after this many epochs, although the learning-rate schedule runs over `epochs`; the
    state is kept, and a longer run of the same settings can go on from it, as those of a tuning do.
    Null for all epochs."""
    epoch_tiles: Total | None = None
    """Training tiles per epoch, drawn again for each; null for all."""
    batch_size: Count
    """Tiles per forward pass, across all `devices`."""
    accumulate: Count = 1
    """Forward passes per optimizer step. More passes of fewer tiles need less memory, but do not
    make quite the same step: batch normalisation and jdt see one batch at a time."""
    monitor: Literal["val_loss", "val_jaccard"] = "val_loss"
    """Quantity that selects the best epoch and drives early stopping and the plateau schedule."""
    early_stopping: Count | None = None
    """Stop after this many epochs without improvement; null for never."""
    means: EpochMeans = EpochMeans()
    """How losses and metrics are averaged over an epoch."""
    precision: Literal["auto", "32", "bf16", "fp16"] = "auto"
    """`auto` is bf16 if the hardware supports it, otherwise 32-bit."""
    compile: bool = False
    """Compile the model with torch.compile: takes about a minute at the start of a run, needs a C++
    compiler, and shortens the steps of most models on a GPU. Runs resume exactly on the same
    device; results differ by rounding from those of a model that is not compiled."""
    deterministic: bool = True
    """`true`: the same seed gives the same weights on the same device, on a CPU with the same
    number of threads, wherever PyTorch has an algorithm that repeats (it warns where not).
    `false`: on a GPU, cuDNN tries its algorithms on the first batches and keeps the fastest; runs
    then differ by rounding. On a CPU, no difference."""
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Average the weights over training steps; an average keeps this share of itself in a step, for
    example 0.999. The averaged weights are what is validated, kept as best and last, and tested.
    Usually steadier and slightly better in long trainings; takes the memory of the weights once
    more. Null for none."""
    auxiliary: Weight = 0.0
    """Weight of the loss of a second head, at an eighth of the tile's size in the decoder, beside
    that of the model's own; the head is dropped after training. It costs next to nothing and helps
    deep levels to learn. 0 for none."""
    teacher: Teacher | None = None
    """Distillation: the cell whose predictions are learned beside the labels; null for none."""
    init_from: WeightsFile | None = None
    """Fine-tuning: weights to start from in place of random or ImageNet's, of the same model: a
    weights file of a cell (which is trained first if it lies in `results/runs`) or a bundle. With
    other classes the head is new. Ground that they were trained on is no test."""
    full_precision_evaluation: bool = False
    """Validate and evaluate in 32-bit, whatever the precision of the training."""
    devices: Annotated[int, Field(ge=1, le=10**4)] = 1
    """Number of GPUs that train one model together, each with its share of every batch; without a
    GPU, number of processes. Batch normalisation uses the statistics of the whole batch on GPUs, of
    each process's share on a CPU."""

    @model_validator(mode="after")
    def _shared_evenly(self):
        if self.batch_size % self.devices:
            raise ValueError(
                f"batch_size: {self.batch_size} tiles cannot be shared evenly by devices: "
                f"{self.devices}; use a multiple of {self.devices}"
            )
        return self

    @model_validator(mode="after")
    def _stopped_within(self):
        if self.stop_after is not None and self.stop_after > self.epochs:
            raise ValueError(
                f"stop_after: {self.stop_after} is beyond epochs: {self.epochs}; give at most that"
            )
        return self

    @model_validator(mode="after")
    def _compiled_whole(self):
        if self.compile and self.auxiliary:
            raise ValueError("auxiliary: cannot be compiled; use compile: false, or auxiliary: 0")
        return self

    @property
    def rgb_only(self) -> dict[str, str]:
        """Keys whose values need images of three bands, and what to set instead."""
        colours = ("hue", "saturation", "season", "exchange")
        used = [key for key in colours if getattr(self.augmentation, key)]
        alternatives = {f"augmentation.{key}": "0" for key in used}
        if self.scaling == "imagenet":
            alternatives["scaling"] = "unit"
        return alternatives

    @property
    def logical_batch_size(self) -> int:
        """Tiles per optimizer step."""
        return self.batch_size * self.accumulate


class Recipe(Training):
    """How to train and how to evaluate."""

    about: str = ""
    """Description for the report, in one sentence."""
    split: str
    """Name of a split in splits.yaml."""
    head_dropout: Probability | None = None
    """Dropout before the head of every model; null keeps each model's own."""
    head_dropout_channels: bool = False
    """Whether that dropout drops whole channels of a tile (Dropout2d), not single values."""
    evaluate: Evaluation = Evaluation()
    """What is evaluated."""


def counted_classes(dataset: Dataset, recipe: Training) -> list[int]:
    """Class indices that count in the loss and in the metrics."""
    return [
        index
        for index, land in enumerate(dataset.classes)
        if recipe.count_unlabelled or not land.unlabelled
    ]
