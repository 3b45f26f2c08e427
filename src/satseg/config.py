"""The one place where a configuration key is declared, typed, documented and checked.

`python -m satseg.config` checks `config/`; `python -m satseg.config_docs` writes its README and JSON schema.
"""

import argparse
import difflib
import fnmatch
import re
import sys
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticKnownError

from satseg.errors import UserError

# What a text may look like, and how messages say so.
PATTERNS = {
    "name": (r"^[a-z0-9][a-z0-9_]*$", "a name of a-z, 0-9 and _"),
    "color": (r"^#[0-9A-Fa-f]{6}$", "a colour such as '#3C1098'"),
    "url": (r"^https?://\S+/[^/\s]+$", "the http or https address of a file"),
    "tile": (r"^[^{}]*\{scene\}[^{}]*\{k\}[^{}]*$", "a name with {scene} and after it {k}"),
    "python": (r"^(\w[\w. -]*/)*\w[\w. -]*\.py$", "the path of a .py file below the working folder"),
    "identifier": (r"^[A-Za-z_]\w*$", "the name of a class or function"),
    "checksum": (r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$", "md5: or sha256: and the digest in hex"),
}
Name = Annotated[str, StringConstraints(pattern=PATTERNS["name"][0])]
Color = Annotated[str, StringConstraints(pattern=PATTERNS["color"][0], to_upper=True)]
Url = Annotated[str, StringConstraints(pattern=PATTERNS["url"][0])]
Checksum = Annotated[str, StringConstraints(pattern=PATTERNS["checksum"][0], to_lower=True)]
Fraction = Annotated[float, Field(gt=0, le=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
Subset = Literal["train", "val", "test"]

# What a study may show, and the format each is drawn in: photographs as PNG, drawings as SVG.
FIGURES = {
    "samples": "png",
    "classes": "svg",
    "architecture": "svg",
    "metrics": "svg",
    "losses": "svg",
    "predictions": "png",
    "per_class": "svg",
    "leakage": "svg",
    "cost": "svg",
}
PANELS = "panels.json"  # the pictures of `predictions` apart, for the page
TABLES = ("scores", "per_class", "models", "splits", "published", "claims")
# What models are compared by: sizes, measured times, and the metrics of scores.csv, over all classes and of one.
SIZES = ("parameters", "memory_mb")
TIMES = ("epoch_seconds", "train_step_ms", "latency_ms")
METRICS = ("miou_d", "miou_i", "miou_c", "miou_published", "pixel_accuracy", "dice", "precision", "recall")
CLASS_METRICS = ("iou", "iou_published", "dice", "precision", "recall")


class Strict(BaseModel):
    """A configuration section: unknown keys are rejected, values are not changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


# --- datasets --------------------------------------------------------------------------------------------


class LandClass(Strict):
    """One class of a dataset; its position in the list is its class index."""

    name: str
    """What the class is called in tables and legends."""
    color: Color
    """Colour in figures and, where `masks` are colours, in the mask files."""
    value: Annotated[int, Field(ge=0, le=65535)] | None = None
    """Value in the mask files, where `masks` are indices; null for its position in the list, from 0."""
    unlabelled: bool = False
    """The annotators' "nothing said here": a recipe decides whether it counts as a class."""


class KaggleSource(Strict):
    """A Kaggle dataset; needs the user's API token."""

    kind: Literal["kaggle"]
    """Which kind of source this is."""
    slug: str
    """`owner/name` of the dataset on Kaggle."""
    bytes: Annotated[int, Field(ge=1)] | None = Field(None, exclude=True)  # decides nothing: in no slice
    """Size of the download, for `snakemake estimate`; null where it is not known."""


class HttpFile(Strict):
    """A zip archive on the web."""

    url: Url
    """Where it lies."""
    checksum: Checksum
    """`md5:…` or `sha256:…`; what came over counts only if it agrees."""
    bytes: Annotated[int, Field(ge=1)] | None = Field(None, exclude=True)
    """Size of the archive, for `snakemake estimate`; null where it is not known."""


class HttpSource(Strict):
    """Zip archives on the web, unpacked into one folder; a broken download goes on where it stopped."""

    kind: Literal["http"]
    """Which kind of source this is."""
    files: Annotated[list[HttpFile], Field(min_length=1)]
    """The archives."""
    fallback: KaggleSource | None = None
    """Second source, for when an archive cannot be had."""


class DemoSource(Strict):
    """Generated scenes: made here, the same bytes for the same seed."""

    kind: Literal["demo"]
    """Which kind of source this is."""
    scenes: Annotated[int, Field(ge=3)] = 12
    """Number of scenes."""
    size: Annotated[int, Field(ge=128)] = 512
    """Height and width of a scene in pixels."""
    seed: int = 0
    """Seed of the generator."""


Source = Annotated[HttpSource | KaggleSource | DemoSource, Field(discriminator="kind")]


class Layout(Strict):
    """Where the scenes lie. `{field}` matches part of one name, `{field:a|b}` only a or b, `**/` any folders."""

    images: str
    """Path pattern of the images."""
    masks: str
    """Path pattern of the masks; the same fields as `images`."""
    scene: str
    """Scene name made of the pattern's fields."""
    mask_values: Literal["color", "index"]
    """Mask pixels are class colours, or class indices."""


class Pixels(Strict):
    """How the pixels of an image become the bands that models see: uint8, as they are or scaled."""

    bands: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] | None = None
    """Bands to take, in this order, counted from 1; null for all."""
    scale: Annotated[list[float], Field(min_length=2, max_length=2)] | list[list[float]] | None = None
    """The values that become 0 and 255, as `[0, 10000]`, or such a pair for each band; what lies beyond is cut off.
    null leaves 8-bit images as they are; others need it."""

    @field_validator("scale")
    @classmethod
    def _pairs(cls, scale: list | None) -> list[list[float]] | None:
        return [scale] if scale and not isinstance(scale[0], list) else scale

    @model_validator(mode="after")
    def _rising(self):
        pairs = self.scale or []
        for pair in pairs:
            if len(pair) != 2 or not pair[0] < pair[1]:
                raise ValueError(f"scale: {pair} is not a low value and a higher one, such as [0, 10000]")
        if self.bands and len(pairs) not in (0, 1, len(self.bands)):
            raise ValueError(f"scale: {len(pairs)} pairs for {len(self.bands)} bands; give one pair, or one each")
        return self


class OfficialScenes(Strict):
    """The publishers divided the scenes, and where a scene lies says how."""

    by: Literal["scenes"]
    """Which kind of official split this is."""
    field: str
    """Field of `layout.images`."""
    values: dict[str, Subset]
    """Subset of each value of the field; scenes of other values belong to none."""

    @property
    def subsets(self) -> set[str]:
        """Subsets there are."""
        return set(self.values.values())


class OfficialTiles(Strict):
    """The publishers divided the tiles, and list them by name."""

    by: Literal["tiles"]
    """Which kind of official split this is."""
    lists: dict[Subset, str]
    """Path pattern of each subset's list of tile names."""
    tile: Annotated[str, StringConstraints(pattern=PATTERNS["tile"][0])]
    """Name of a tile: `{scene}`, and `{k}`, which counts a scene's tiles from 0, row by row, partial ones too."""
    tile_size: Annotated[int, Field(ge=32)]
    """Size of the tiles listed; tiles of another size have no official split."""

    @property
    def subsets(self) -> set[str]:
        """Subsets there are."""
        return set(self.lists)


class OfficialLists(Strict):
    """The publishers divided the scenes, and list them by name, one a line."""

    by: Literal["lists"]
    """Which kind of official split this is."""
    lists: dict[Subset, str]
    """Path pattern of each subset's list of scenes."""
    name: str = "{scene}"
    """A scene's name in the lists, made of `{scene}` and the layout's fields, such as `{scene}.tif`."""

    @property
    def subsets(self) -> set[str]:
        """Subsets there are."""
        return set(self.lists)


Official = Annotated[OfficialScenes | OfficialTiles | OfficialLists, Field(discriminator="by")]


class Tiling(Strict):
    """What decides the content of the tile store."""

    layout: Layout
    """Where images and masks lie."""
    classes: Annotated[list[LandClass], Field(min_length=2, max_length=254)]
    """The classes, in the order of their index."""
    pixels: Pixels = Pixels()
    """Which bands of the images, and how they are scaled."""
    gaps: list[Color] | list[Annotated[int, Field(ge=0, le=65535)]] = []
    """Mask colours (or indices) that mean no label at all; stored as 255."""
    tile_size: Annotated[int, Field(ge=32)]
    """Height and width of a tile in pixels."""
    groups: list[list[str]] = []
    """Scenes that show the same ground, as name patterns; a scene in none is a group of its own."""
    official: Official | None = None
    """The publishers' own split."""

    @model_validator(mode="after")
    def _distinct(self):
        for what in ("name", "color"):
            values = [getattr(c, what) for c in self.classes]
            twice = {v for v in values if values.count(v) > 1}
            if twice:
                raise ValueError(f"classes: {what} {sorted(twice)[0]!r} occurs twice; each must be unique")
        return self

    @model_validator(mode="after")
    def _divided(self):
        if self.official and not {"train", "val"} <= self.official.subsets:
            raise ValueError("official: has no train or no val; a training needs both")
        if isinstance(self.official, OfficialScenes):
            self._field_of_images("official.field", self.official.field)
        if isinstance(self.official, OfficialLists):
            for field in set(re.findall(r"\{(\w*)", self.official.name)) - {"scene"}:
                self._field_of_images("official.name", field)
        for field in re.findall(r"\{(\w*)", self.layout.scene):
            self._field_of_images("layout.scene", field)
        return self

    def _field_of_images(self, key: str, field: str) -> None:
        fields = sorted(set(re.findall(r"\{(\w+)", self.layout.images)))
        if field not in fields:
            raise ValueError(f"{key}: {field!r} is no field of layout.images; allowed: {', '.join(fields)}")

    @model_validator(mode="after")
    def _valued(self):
        if self.layout.mask_values == "color" and any(c.value is not None for c in self.classes):
            raise ValueError("classes: value is for masks of indices; these masks are colours")
        twice = {v for v in self.mask_values if self.mask_values.count(v) > 1}
        if twice:
            raise ValueError(f"classes: value {min(twice)} occurs twice; a class without one has its position")
        return self

    @property
    def mask_values(self) -> list[int]:
        """Value of each class in masks of indices."""
        return [i if c.value is None else c.value for i, c in enumerate(self.classes)]

    @property
    def official_here(self) -> OfficialScenes | OfficialTiles | OfficialLists | None:
        """The publishers' own split, where it holds for tiles of this size."""
        listed = isinstance(self.official, OfficialTiles)
        return None if listed and self.official.tile_size != self.tile_size else self.official


class Expected(Strict):
    """How large a dataset is, for telling beforehand what a study takes."""

    scenes: Annotated[int, Field(ge=1)]
    """Number of scenes."""
    pixels: Annotated[int, Field(ge=1)]
    """Pixels of all images together, per band."""
    bands: Annotated[int, Field(ge=1)] = 3
    """Bands."""
    official: dict[Subset, Probability] = {}
    """Shares of the publishers' own split."""


class Dataset(Tiling):
    """Where scenes come from and what their classes are."""

    title: str
    """Name in tables and figures."""
    licence: str
    """Licence of the data."""
    url: str | None = None
    """Page that describes the data."""
    path: str | None = None
    """A folder or zip the user already has; used instead of `source`."""
    source: Source | None = None
    """Where to get the scenes."""
    expected: Expected | None = None
    """What the publishers say of its size; for `snakemake estimate`, until the scenes are here."""


class Split(Strict):
    """How tiles are divided; shares are of the number of tiles."""

    unit: Literal["tile", "group", "official"]
    """What stays together: the tile alone, or all scenes of the same ground; `official` takes the publishers' split."""
    train: Fraction | None = Field(None, validate_default=True)
    """Share of the training tiles; needed unless official."""
    val: Fraction | None = Field(None, validate_default=True)
    """Share of the validation tiles; needed unless official."""
    test: Probability = 0.0
    """Share of the test tiles; 0 for none."""
    keep_official: bool = False
    """group: where the publishers divided whole groups, their subsets stand and the shares are not used."""
    test_from_val: Probability = 0.0
    """Share of the publishers' validation scenes that become the test set, where theirs is not public."""
    train_scenes: Annotated[int, Field(ge=1)] | None = None
    """At most this many training scenes, drawn by seed; the others are left out. null for all."""
    seed: int = 0
    """Seed of the draw."""

    @field_validator("train", "val", "test")
    @classmethod
    def _share(cls, share: float | None, info: ValidationInfo) -> float | None:
        if info.data.get("unit") == "official" and share:
            raise ValueError("an official split has its own shares; leave this out")
        if info.data.get("unit") in ("tile", "group") and share is None:
            raise PydanticKnownError("missing")
        return share

    @model_validator(mode="after")
    def _whole(self):
        if self.unit == "official":
            return self
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train + val + test is {total:g}; it must be 1")
        return self

    @property
    def subsets(self) -> list[str]:
        """Names of the subsets this split has; those an official one may have, for each dataset has its own."""
        return ["train", "val"] + (["test"] if self.test or self.unit == "official" else [])

    def official_subsets(self, official: OfficialScenes | OfficialTiles | OfficialLists) -> set[str]:
        """Subsets this split makes of the publishers' own."""
        return official.subsets | ({"test"} if self.test_from_val else set())


# --- models ----------------------------------------------------------------------------------------------


class Bottleneck(Strict):
    """The deepest block of a U-Net."""

    width: Annotated[int, Field(ge=1)]
    """Channels."""
    convs: Annotated[int, Field(ge=1)]
    """Number of 3×3 convolutions."""


class UNetSpec(Strict):
    """A U-Net, level by level."""

    family: Literal["unet"]
    """Which kind of model this is."""
    widths: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
    """Channels of each encoder level, shallow to deep."""
    convs: list[Annotated[int, Field(ge=1)]]
    """3×3 convolutions of each encoder level, shallow to deep."""
    bottleneck: Bottleneck
    """The deepest block."""
    decoder_convs: list[Annotated[int, Field(ge=1)]]
    """3×3 convolutions of each decoder level, deep to shallow."""
    batch_norm: bool = True
    """Batch normalisation after each convolution."""
    dropout: Probability = 0.0
    """Dropout after each ReLU."""
    head_dropout: Probability = 0.0
    """Dropout before the 1×1 head."""

    @model_validator(mode="after")
    def _levels(self):
        for key in ("convs", "decoder_convs"):
            if len(getattr(self, key)) != len(self.widths):
                raise ValueError(f"{key} has {len(getattr(self, key))} entries; widths has {len(self.widths)}")
        return self

    @property
    def stride(self) -> int:
        """Tile sizes must be a multiple of this."""
        return 2 ** len(self.widths)


class SmpSpec(Strict):
    """An architecture × encoder of segmentation_models_pytorch."""

    family: Literal["smp"]
    """Which kind of model this is."""
    architecture: str
    """Class of segmentation_models_pytorch, such as `UnetPlusPlus`."""
    encoder: str
    """Encoder name, such as `resnet34`."""
    encoder_weights: str | None = None
    """Pretrained encoder weights: a name such as `imagenet`, fetched once, or the path of a file of weights (a
    state dict, `.pt`, `.pth` or `.safetensors`); null starts from random weights."""
    head_dropout: Probability = 0.0
    """Dropout before the head."""

    @property
    def weights_file(self) -> Path | None:
        """The file the encoder's weights come from, where they come from one."""
        named = Path(self.encoder_weights or "")
        return named if named.suffix in (".pt", ".pth", ".safetensors") else None

    @property
    def stride(self) -> int:
        """Tile sizes must be a multiple of this."""
        return 32


class PythonSpec(Strict):
    """A model of your own: a class, or a function that makes it, in a Python file."""

    family: Literal["python"]
    """Which kind of model this is."""
    file: Annotated[str, StringConstraints(pattern=PATTERNS["python"][0])]
    """The file, relative to the folder Snakemake runs in; an edit of it trains anew."""
    name: Annotated[str, StringConstraints(pattern=PATTERNS["identifier"][0])]
    """Class or function in it, called as `name(num_classes=…, in_channels=…, **arguments)`."""
    arguments: dict[str, Any] = {}
    """Further arguments."""
    stride: Annotated[int, Field(ge=1)] = 1
    """Tile sizes must be a multiple of this."""


ModelSpec = Annotated[UNetSpec | SmpSpec | PythonSpec, Field(discriminator="family")]


# --- recipes ---------------------------------------------------------------------------------------------


class Loss(Strict):
    """The training loss."""

    name: Literal["cross_entropy", "jdt"]
    """`cross_entropy`, or `jdt`: the Jaccard metric losses (Dice and Tversky are settings of it)."""
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
    """Change validation and test tiles too. A fault of some published protocols: scores then hang on the draw."""


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
    scheduler: Annotated[PlateauScheduler | CosineScheduler, Field(discriminator="name")] | None = None
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
    precision: Literal["auto", "32", "bf16", "fp16"] = "auto"
    """`auto` is bf16 where the hardware has it, else 32-bit."""
    devices: Annotated[int, Field(ge=1)] = 1
    """GPUs that train one model together, each with its share of every batch; without a GPU, as many processes. Batch
    normalisation takes its statistics over the whole batch on GPUs, over each process's share on a CPU."""

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


# --- papers ----------------------------------------------------------------------------------------------


class ProtocolLine(Strict):
    """A line of the training configuration a paper printed."""

    what: str
    """What the paper calls it."""
    printed: str
    """What it says."""
    keys: Annotated[dict[str, bool | int | float | str | None], Field(min_length=1)]
    """The same as keys of a recipe (dotted) and their values."""


class PaperMetric(Strict):
    """A figure as a paper explains it."""

    what: str
    """What the paper calls it."""
    printed: str
    """How it explains it."""
    ours: Literal[*SIZES, *TIMES, *METRICS, *CLASS_METRICS]
    """What it is called here."""
    note: str = ""
    """Where the two differ."""


class PaperColumn(Strict):
    """A column of a published table of results."""

    metric: Literal[*SIZES, "epoch_seconds", *METRICS, *CLASS_METRICS]
    """What it holds."""
    class_name: str = "all"
    """Class, for a metric of one class."""
    classes: Annotated[int, Field(ge=2)] | None = None
    """Number of classes that printed sizes were counted with; for sizes only, and needed there."""

    @model_validator(mode="after")
    def _complete(self):
        if (self.classes is None) == (self.metric in SIZES):
            raise ValueError(f"{self.metric}: `classes` is for {' and '.join(SIZES)}, and needed there")
        if self.metric not in (CLASS_METRICS if self.class_name != "all" else (*SIZES, *TIMES, *METRICS)):
            raise ValueError(f"{self.metric}: there is none of class {self.class_name!r}")
        return self


class PrintedSize(Strict):
    """A size that was counted with another number of classes than the others of its column."""

    value: float
    """The printed figure."""
    classes: Annotated[int, Field(ge=2)]
    """Number of classes it was counted with."""


class Printed(NamedTuple):
    """One printed figure."""

    column: PaperColumn
    value: float
    classes: int | None


class PaperTable(Strict):
    """A published table of results, a row per model."""

    title: str
    """Number and name of the table."""
    device: str
    """Where it was measured."""
    dataset: str
    """Dataset it is about."""
    recipe: str
    """Recipe whose cells it is compared with."""
    columns: Annotated[list[PaperColumn], Field(min_length=1)]
    """What the columns hold."""
    rows: Annotated[dict[str, list[float | PrintedSize]], Field(min_length=1)]
    """Figures of each model (of `models`), in the order of the columns."""

    @model_validator(mode="after")
    def _full(self):
        for model, figures in self.rows.items():
            if len(figures) != len(self.columns):
                raise ValueError(f"rows: {model} has {len(figures)} figures; there are {len(self.columns)} columns")
            for column, figure in zip(self.columns, figures, strict=True):
                if isinstance(figure, PrintedSize) and column.metric not in SIZES:
                    raise ValueError(f"rows: {model}: {column.metric} does not depend on the number of classes")
        return self

    def row(self, model: str) -> list[Printed]:
        """The printed figures of a model; none where the table has no such row."""
        found = next((figures for name, figures in self.rows.items() if fnmatchcase(model, name)), [])
        sized = [f if isinstance(f, PrintedSize) else None for f in found]
        return [
            Printed(column, size.value if size else figure, size.classes if size else column.classes)
            for column, figure, size in zip(self.columns, found, sized, strict=False)
        ]

    def column(self, metric: str) -> dict[str, float]:
        """Row → printed figure of all classes together; empty where the table has no such column."""
        printed = ((name, figure) for name in self.rows for figure in self.row(name))
        return {n: f.value for n, f in printed if (f.column.metric, f.column.class_name) == (metric, "all")}


class Claim(Strict):
    """What every claim has."""

    text: str
    """The claim, in a sentence."""


class RankClaim(Claim):
    """Which place a model takes among the paper's."""

    test: Literal["rank"]
    """Which kind of claim this is."""
    by: Annotated[list[Literal[*TIMES, *METRICS]], Field(min_length=1)]
    """What it is about; each is tested by itself."""
    model: str
    """The model, as in `models`."""
    order: Literal["lowest", "highest"]
    """Which end the places count from."""
    place: Annotated[int, Field(ge=1)]
    """The place."""
    or_better: bool = False
    """A place nearer to that end will do too."""


class FollowsClaim(Claim):
    """A time follows one size of the models rather than another."""

    test: Literal["follows"]
    """Which kind of claim this is."""
    by: Annotated[list[Literal[*TIMES]], Field(min_length=1)]
    """The time; each is tested by itself."""
    size: Literal[*SIZES]
    """The size it follows."""
    rather_than: Literal[*SIZES]
    """The size it does not follow."""


class RareClassesClaim(Claim):
    """Classes with few training pixels score lowest."""

    test: Literal["rare_classes"]
    """Which kind of claim this is."""
    by: Annotated[list[Literal[*CLASS_METRICS]], Field(min_length=1)]
    """What it is about; each is tested by itself."""


class NoGainClaim(Claim):
    """None of these recipes is better than the baseline on every dataset."""

    test: Literal["no_gain"]
    """Which kind of claim this is."""
    by: Annotated[list[Literal[*METRICS]], Field(min_length=1)]
    """What it is about; each is tested by itself."""
    baseline: str
    """Recipe they are compared with."""
    recipes: str
    """Names of the recipes that were tried, as a pattern."""
    gain: Annotated[float, Field(gt=0)] = 0.01
    """Less than this is no gain."""


class Paper(Strict):
    """What a paper printed and claims, to be compared with our own results."""

    title: str
    """Title and authors."""
    models: Annotated[list[str], Field(min_length=1)]
    """Its models, by their names here; a pattern such as `unet*` takes in variants."""
    protocol: list[ProtocolLine] = []
    """Its training configuration."""
    metrics: list[PaperMetric] = []
    """Its explanations of what it measures."""
    tables: list[PaperTable] = []
    """Its tables of results."""
    claims: dict[
        Name, Annotated[RankClaim | FollowsClaim | RareClassesClaim | NoGainClaim, Field(discriminator="test")]
    ] = {}
    """Its claims, by name."""

    @model_validator(mode="after")
    def _own_models(self):
        named = [(f"tables.{i}.rows", name) for i, table in enumerate(self.tables) for name in table.rows]
        named += [(f"claims.{n}.model", c.model) for n, c in self.claims.items() if isinstance(c, RankClaim)]
        for key, name in named:
            if name not in self.models:
                raise ValueError(f"{key}: {name!r} is not among models ({', '.join(self.models)})")
        return self

    def own(self, models: Iterable[str]) -> list[str]:
        """Those of `models` that are the paper's."""
        return [m for m in models if any(fnmatchcase(m, pattern) for pattern in self.models)]


# --- studies ---------------------------------------------------------------------------------------------


class PublishedFigure(Strict):
    """A number a report printed, to be shown beside ours."""

    dataset: str
    """Dataset it is about."""
    model: str
    """Model it is about."""
    recipe: str
    """Recipe whose cell it is compared with."""
    metric: str
    """A column of history.csv (with `epoch`) or a metric of scores.csv."""
    epoch: Annotated[int, Field(ge=1)] | None = None
    """Epoch, for a column of history.csv."""
    class_name: str = "all"
    """Class, for a metric of scores.csv."""
    value: float
    """The published figure."""


class Study(Strict):
    """A selection of cells and how they are laid out; it never changes a cell."""

    title: str = ""
    """Heading of the report."""
    about: str = ""
    """What the study asks, in a sentence or two."""
    datasets: Annotated[list[str], Field(min_length=1)]
    """Names from datasets.yaml."""
    models: Annotated[list[str], Field(min_length=1)]
    """Names from models.yaml."""
    recipes: Annotated[list[str], Field(min_length=1)]
    """Names from recipes.yaml."""
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = [0]
    """Seeds; each is a training of its own."""
    figures: list[Literal[*FIGURES]] = list(FIGURES)
    """Figures of the report, in order."""
    published: list[PublishedFigure] = []
    """Numbers to compare with."""
    paper: str | None = None
    """Name from papers.yaml: what that paper printed and claims is shown beside our results."""
    claims: list[str] | None = None
    """Which of the paper's claims to test; null for all."""


# --- predictions -----------------------------------------------------------------------------------------


class Prediction(Strict):
    """Scenes that `snakemake predict` turns into class maps with a trained cell."""

    scenes: str
    """Path pattern of the scenes, such as `/data/new/*.tif`; maps are named like them, but for the ending."""
    dataset: str
    """Dataset the model was trained on."""
    model: str
    """The model."""
    recipe: str
    """Recipe it was trained with."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the training."""
    weights: Literal["best", "final"] = "best"
    """Weights of the best epoch, or of the last."""


class Config(Strict):
    """Everything under `config/`, put together."""

    studies: list[str] = []
    """Studies that plain `snakemake` builds."""
    predictions: dict[Name, Prediction] = {}
    """What `snakemake predict` makes, by name: `results/predictions/<name>/<scene>.tif`."""
    datasets: dict[Name, Dataset]
    """Datasets by name."""
    splits: dict[Name, Split]
    """Splits by name."""
    models: dict[Name, ModelSpec]
    """Models by name."""
    recipes: dict[Name, Recipe]
    """Recipes by name."""
    papers: dict[Name, Paper] = {}
    """Papers by name."""
    study: dict[Name, Study] = {}
    """Studies by name, one file each in `studies/`."""


# --- reading ---------------------------------------------------------------------------------------------

FILES = {
    "studies": "config.yaml",
    "predictions": "config.yaml",
    "datasets": "datasets.yaml",
    "splits": "splits.yaml",
    "models": "models.yaml",
    "recipes": "recipes.yaml",
    "papers": "papers.yaml",
}
ROOT = Path(__file__).resolve().parents[2]


def load(folder: str | Path | None = None, overrides: dict | None = None, origin: str = "--configfile") -> Config:
    """Read, merge and check the configuration.

    Args:
        folder: the folder of `config.yaml` and its siblings; by default `config/` of the working directory,
            or the project's own where that has none.
        overrides: values that go over those of the files (what `--configfile` brought).
        origin: how messages name the place the overrides came from.

    Raises:
        UserError: one line per mistake: file, key, value, what is allowed, nearest match.
    """
    here = Path("config")
    folder = Path(folder or (here if (here / FILES["studies"]).is_file() else ROOT / "config"))
    raw: dict[str, Any] = {}
    for name in dict.fromkeys(FILES.values()):
        raw |= _read(folder / name, [key for key, file in FILES.items() if file == name])
    raw["study"] = {path.stem: _parse(path) for path in sorted((folder / "studies").glob("*.yaml"))}

    def place(key: tuple) -> str:
        if _holds(overrides or {}, key):
            return f"{origin}: study.{key[1]}" if key[0] == "study" and len(key) > 1 else origin
        if key and key[0] == "study":
            return f"{_shown(folder)}/studies/{key[1]}.yaml"
        return f"{_shown(folder)}/{FILES.get(key[0], 'config.yaml') if key else 'config.yaml'}"

    for key in overrides or {}:
        if key not in Config.model_fields:
            raise UserError(_line(origin, (key,), (overrides or {})[key], "unknown key", list(Config.model_fields)))
    raw = _merge(raw, overrides or {})
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        raise UserError("\n".join(_explain(error.errors(), raw, place))) from None
    _check_names(config, place)
    _check_cells(config, place)
    return config


def load_with(files: list[str]) -> Config:
    """The configuration with these YAML files over it, as `snakemake --configfile` reads them.

    Raises:
        UserError: as `load`.
    """
    overrides: dict = {}
    for file in files:
        overrides = _merge(overrides, _parse(Path(file)))
    return load(overrides=overrides, origin=", ".join(files))


MERGE = "tag:yaml.org,2002:merge"  # what `<<` is


class _Loader(yaml.SafeLoader):
    """YAML as data: no tag runs code, and no key may occur twice, for the first would be lost without a word."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        """A mapping of distinct keys, as it stands in the file: merge keys are resolved later."""
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.tag != MERGE):
            if key.value in seen:
                problem = f"key {key.value!r} occurs twice; keep one of them"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return node

    def construct_undefined(self, node: yaml.Node) -> None:
        """A tag such as `!!python/object`."""
        raise yaml.MarkedYAMLError(
            problem=f"tag {node.tag!r} is not read; write plain text, numbers, lists and keys",
            problem_mark=node.start_mark,
        )


_Loader.add_constructor(None, _Loader.construct_undefined)


def read_yaml(path: str | Path) -> Any:
    """Parse one YAML file, safely; a mistake in it is a `UserError` with file and line."""
    shown = _shown(Path(path))
    try:
        return yaml.load(Path(path).read_text(encoding="utf-8"), Loader=_Loader)
    except FileNotFoundError:
        raise UserError(f"{shown}: no such file; put it there, or correct the path") from None
    except OSError as error:
        raise UserError(f"{shown}: not a readable file: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{shown}: not UTF-8 text; save it as UTF-8") from None
    except RecursionError:
        raise UserError(f"{shown}: not valid YAML: nested too deeply") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise UserError(f"{shown}{where}: not valid YAML: {problem}") from None


def _parse(path: Path) -> dict:
    value = read_yaml(path)
    if not isinstance(value, dict):
        found = "nothing" if value is None else type(value).__name__
        raise UserError(f"{_shown(path)}: expected keys and values, found {found}")
    return value


def _read(path: Path, keys: list[str]) -> dict:
    values = _parse(path)
    for found in values:
        if found not in keys:
            raise UserError(_line(_shown(path), (found,), values[found], "unknown key", keys))
    return values


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _merge(base: Any, over: Any) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        return base | {key: _merge(base.get(key), value) for key, value in over.items()}
    return over


def _holds(tree: dict, key: tuple) -> bool:
    """Whether the value at `key` came from the overrides `tree`; all but mappings is replaced as a whole."""
    for part in key:
        if not isinstance(tree, dict):
            return True
        if part not in tree:
            return False
        tree = tree[part]
    return bool(key)


def _dotted(key: tuple) -> str:
    # A study's file holds the study itself, so its own name is no key.
    return ".".join(str(part) for part in (key[2:] if key[0] == "study" and len(key) > 1 else key))


def _line(place: str, key: tuple, value: Any, problem: str, allowed: list[str] | None = None) -> str:
    text = ": ".join(filter(None, (place, _dotted(key), problem)))
    if not isinstance(value, dict | list) and problem != "unknown key":
        text += f", got {value!r}"
    if allowed:
        wanted = str(key[-1]) if problem == "unknown key" else str(value)
        near = difflib.get_close_matches(wanted, allowed, n=1, cutoff=0.5)
        text += f"; allowed: {', '.join(sorted(allowed))}" + (f"; did you mean {near[0]!r}?" if near else "")
    return text


def _explain(errors: list, raw: dict, place: Any) -> list[str]:
    """One line for each key that is wrong."""
    lines = {}
    # Where a key takes this or that, each alternative complains: the one whose type fits knows best.
    for error in sorted(errors, key=lambda e: e["type"].endswith(("_type", "_parsing"))):
        key, section, kinds = _locate(error["loc"], raw)
        lines.setdefault(key, _problem(error, key, section, kinds, place))
    return list(lines.values())


def _problem(error: Any, key: tuple, section: type[BaseModel] | None, kinds: list, place: Any) -> str:
    kind, context, where = error["type"], error.get("ctx", {}), place(key)
    if kind == "extra_forbidden":
        return _line(where, key, error["input"], "unknown key", list(section.model_fields) if section else None)
    if kind == "missing":
        return f"{place(key[:-1] or key)}: {_dotted(key)}: missing; it has no default"
    if kind == "literal_error":
        return _line(where, key, error["input"], "unknown value", _quoted(context["expected"]))
    if kind == "union_tag_invalid":
        key = (*key, *_quoted(context["discriminator"]))
        return _line(where, key, context["tag"], "unknown value", _quoted(context["expected_tags"]))
    if kind == "union_tag_not_found":
        allowed = sorted(tag for k in kinds for m in _models(k) for tag in _tags(m))
        key = (*key, *_quoted(context["discriminator"]))
        return f"{where}: {_dotted(key)}: missing; allowed: {', '.join(allowed)}"
    if kind == "string_pattern_mismatch":
        return _line(where, key, error["input"], f"expected {dict(PATTERNS.values())[context['pattern']]}")
    if kind in ("dict_type", "model_type", "model_attributes_type"):
        return _line(where, key, error["input"], "expected keys and values")
    problem = error["msg"].removeprefix("Value error, ").replace("Input should be", "must be").split(", unable")[0]
    return _line(where, key, error["input"], problem[0].lower() + problem[1:])


def _quoted(text: str) -> list[str]:
    """The names in pydantic's "'a', 'b' or 'c'"."""
    return re.findall(r"'([^']*)'", text)


def _locate(location: tuple, raw: dict) -> tuple[tuple, type[BaseModel] | None, list]:
    """The path of keys as the user wrote it, the class that declares the last of them, and its annotation."""
    tree, kinds, section, key = raw, [Config], Config, []
    for part in location:
        if part == "[key]":  # what is wrong is the name itself
            continue
        if isinstance(tree, dict) and part not in tree:
            # The tag of a discriminated union is in pydantic's location, but is no key of the file.
            tagged = [m for k in kinds for m in _models(k) if part in _tags(m) and part in tree.values()]
            if tagged:
                kinds = tagged
                continue
        elif not isinstance(tree, dict) and not isinstance(part, int):
            continue
        key.append(part)
        section = next((m for k in kinds for m in _models(k)), None)
        kinds = [k for kind in kinds for k in _step(kind, part)]
        tree = tree.get(part) if isinstance(tree, dict) else tree[part] if isinstance(tree, list) else None
    return tuple(key), section, kinds


def _step(kind: Any, part: Any) -> list:
    """The annotations one key or index below `kind`."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind.model_fields[part].annotation] if part in kind.model_fields else []
    arguments = get_args(kind)
    if get_origin(kind) is dict:
        return [arguments[1]]
    if get_origin(kind) is list:
        return [arguments[0]]
    return [below for argument in arguments for below in _step(argument, part)]


def _models(kind: Any) -> list[type[BaseModel]]:
    """The section classes among the alternatives of an annotation."""
    if isinstance(kind, type):
        return [kind] if issubclass(kind, BaseModel) else []
    return [] if get_origin(kind) in (dict, list) else [m for a in get_args(kind) for m in _models(a)]


def _tags(model: type[BaseModel]) -> list:
    return [
        v for f in model.model_fields.values() if get_origin(f.annotation) is Literal for v in get_args(f.annotation)
    ]


def _check_names(config: Config, place: Any) -> None:
    def known(key: tuple, value: str, allowed: Any, what: str) -> None:
        if value not in allowed:
            raise UserError(_line(place(key), key, value, f"unknown {what}", list(allowed)))

    for i, name in enumerate(config.studies):
        known(("studies", i), name, config.study, "study")
    for name, prediction in config.predictions.items():
        for kind in ("dataset", "model", "recipe"):
            known(("predictions", name, kind), getattr(prediction, kind), getattr(config, f"{kind}s"), kind)
    for name, recipe in config.recipes.items():
        known(("recipes", name, "split"), recipe.split, config.splits, "split")
        key = ("recipes", name, "evaluate", "subset")
        known(
            key,
            recipe.evaluate.subset,
            config.splits[recipe.split].subsets,
            f"subset of split {recipe.split!r}",
        )
    for name, study in config.study.items():
        for kind in ("datasets", "models", "recipes", "seeds"):
            values = getattr(study, kind)
            twice = [i for i, value in enumerate(values) if value in values[:i]]
            if twice:
                key = ("study", name, kind, twice[0])
                raise UserError(_line(place(key), key, values[twice[0]], "listed twice"))
        for kind in ("datasets", "models", "recipes"):
            for i, value in enumerate(getattr(study, kind)):
                known(("study", name, kind, i), value, getattr(config, kind), kind[:-1])
        for i, figure in enumerate(study.published):
            for kind in ("dataset", "model", "recipe"):
                key = ("study", name, "published", i, kind)
                known(key, getattr(figure, kind), getattr(study, f"{kind}s"), f"{kind} in this study")
        if study.paper is not None:
            known(("study", name, "paper"), study.paper, config.papers, "paper")
        claims = config.papers[study.paper].claims if study.paper else {}
        for i, claim in enumerate(study.claims or []):
            known(("study", name, "claims", i), claim, claims, "claim of this study's paper")
    for name, paper in config.papers.items():
        _check_paper(config, ("papers", name), paper, known)


def _check_paper(config: Config, at: tuple, paper: Paper, known: Any) -> None:
    """Every name a paper's entry mentions is there: models, recipes and their keys, datasets and their classes."""
    for i, pattern in enumerate(paper.models):
        found = [pattern, *config.models] if fnmatch.filter(config.models, pattern) else config.models
        known((*at, "models", i), pattern, found, "model")
    for i, line in enumerate(paper.protocol):
        for key in line.keys:
            found = [key] if recipe_key(key) else Recipe.model_fields
            known((*at, "protocol", i, "keys", key), key, found, "key of a recipe")
    for i, table in enumerate(paper.tables):
        here = (*at, "tables", i)
        known((*here, "dataset"), table.dataset, config.datasets, "dataset")
        known((*here, "recipe"), table.recipe, config.recipes, "recipe")
        dataset = config.datasets[table.dataset]
        classes = [dataset.classes[k].name for k in counted_classes(dataset, config.recipes[table.recipe])]
        for k, column in enumerate(table.columns):
            key = (*here, "columns", k, "class_name")
            known(key, column.class_name, ["all", *classes], f"class that counts in {table.dataset!r}")
    for name, claim in paper.claims.items():
        if isinstance(claim, NoGainClaim):
            here = (*at, "claims", name)
            known((*here, "baseline"), claim.baseline, config.recipes, "recipe")
            matching = fnmatch.filter(config.recipes, claim.recipes)
            known((*here, "recipes"), claim.recipes, [claim.recipes] if matching else config.recipes, "recipe")


def recipe_key(key: str) -> bool:
    """Whether a dotted key is one of a recipe's, or a property of it."""
    kinds: list = [Recipe]
    for part in key.split("."):
        kinds = [below for kind in kinds for below in _step(kind, part)]
    return bool(kinds) or isinstance(getattr(Recipe, key, None), property)


def _check_cells(config: Config, place: Any) -> None:
    for name, study in config.study.items():
        for dataset_name in study.datasets:
            dataset = config.datasets[dataset_name]
            if dataset.path is None and dataset.source is None:
                key = ("datasets", dataset_name, "path")
                raise UserError(_line(place(key), key, None, "give the folder or zip of the data, or a source"))
            for model_name in study.models:
                _check_model(config, name, dataset_name, model_name, place)
            for recipe_name in study.recipes:
                _check_official(config, name, dataset_name, recipe_name, place)
                _check_recipe(config, name, dataset_name, recipe_name, place)


def _check_model(config: Config, study: str, dataset: str, model: str, place: Any) -> None:
    """A study's model needs tiles it can halve often enough; one of the user's own needs its file."""
    spec, size = config.models[model], config.datasets[dataset].tile_size
    if size % spec.stride:
        key = ("datasets", dataset, "tile_size")
        raise UserError(
            _line(place(key), key, size, f"study {study!r} trains {model!r} on it")
            + f"; allowed: multiples of {spec.stride}"
            + f"; nearest: {max(spec.stride, round(size / spec.stride) * spec.stride)}"
        )
    if isinstance(spec, PythonSpec) and not Path(spec.file).is_file():
        key = ("models", model, "file")
        raise UserError(_line(place(key), key, spec.file, f"no such file in {Path.cwd()}"))


def _check_recipe(config: Config, study: str, dataset: str, recipe: str, place: Any) -> None:
    """A study's recipe must leave two classes, and fit the bands and the models."""
    entry, chosen = config.datasets[dataset], config.recipes[recipe]
    if len(counted_classes(entry, chosen)) < 2:
        key = ("datasets", dataset, "classes")
        raise UserError(
            f"{place(key)}: {_dotted(key)}: fewer than two classes count under recipe {recipe!r}; add classes that "
            f"are not `unlabelled`, or set the recipe's count_unlabelled: true"
        )
    if entry.pixels.bands:
        check_bands(chosen, len(entry.pixels.bands), f"{place(('recipes', recipe))}: recipes.{recipe}", dataset)
    for model in config.study[study].models:
        if chosen.head_dropout is not None and isinstance(config.models[model], PythonSpec):
            key = ("recipes", recipe, "head_dropout")
            problem = f"study {study!r} trains {model!r} with it, whose own file decides that; use another recipe"
            raise UserError(_line(place(key), key, chosen.head_dropout, problem))


def check_bands(recipe: Training, bands: int, where: str, dataset: str) -> None:
    """Refuse a recipe that needs images of three bands for a dataset of another number.

    Raises:
        UserError: it needs three; `where` says which recipe of which file it is.
    """
    if bands != 3:
        for key, other in recipe.rgb_only.items():
            raise UserError(
                f"{where}.{key}: needs images of 3 bands; {dataset!r} has {bands}; use {other}, "
                f"or choose three with the dataset's pixels.bands"
            )


def _check_official(config: Config, study: str, dataset: str, recipe: str, place: Any) -> None:
    """A recipe with an official split needs a dataset that has one, and the subset to be judged in it."""
    entry, chosen = config.datasets[dataset], config.recipes[recipe]
    if config.splits[chosen.split].unit != "official":
        return
    if entry.official_here is None:
        key, size = ("datasets", dataset, "official"), entry.tile_size
        raise UserError(
            f"{place(key)}: {_dotted(key)}: the dataset has no official split of {size}² tiles, but recipe {recipe!r} "
            f"of study {study!r} wants it; give the recipe a split by tile or group"
            + (f", or set tile_size: {entry.official.tile_size}" if entry.official else "")
        )
    subsets = config.splits[chosen.split].official_subsets(entry.official_here)
    if chosen.evaluate.subset not in subsets:
        key, what = ("recipes", recipe, "evaluate", "subset"), f"subset of the official split of {dataset!r}"
        raise UserError(_line(place(key), key, chosen.evaluate.subset, f"unknown {what}", list(subsets)))


def counted_classes(dataset: Dataset, recipe: Training) -> list[int]:
    """Class indices that count, in the loss and in the metrics."""
    return [i for i, c in enumerate(dataset.classes) if recipe.count_unlabelled or not c.unlabelled]


def main() -> None:
    """Check the configuration under config/ and say what it holds."""
    argparse.ArgumentParser(prog="python -m satseg.config", description=main.__doc__).parse_args()
    try:
        config = load()
    except UserError as error:
        sys.exit(str(error))
    print(f"{len(config.study)} studies, {len(config.datasets)} datasets, {len(config.models)} models: ok")


if __name__ == "__main__":
    main()
