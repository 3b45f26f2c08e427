"""The one place where a configuration key is declared, typed, documented and checked.

`python -m satseg.config` checks `config/`; `python -m satseg.config_docs` writes its README and JSON schema.
"""

import argparse
import difflib
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

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
TABLES = ("scores", "per_class", "models", "splits", "published")


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
    unlabelled: bool = False
    """The annotators' "nothing said here": a recipe decides whether it counts as a class."""


class KaggleSource(Strict):
    """A Kaggle dataset; needs the user's API token."""

    kind: Literal["kaggle"]
    """Which kind of source this is."""
    slug: str
    """`owner/name` of the dataset on Kaggle."""


class HttpFile(Strict):
    """A zip archive on the web."""

    url: Url
    """Where it lies."""
    checksum: Checksum
    """`md5:…` or `sha256:…`; what came over counts only if it agrees."""


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


Official = Annotated[OfficialScenes | OfficialTiles, Field(discriminator="by")]


class Tiling(Strict):
    """What decides the content of the tile store."""

    layout: Layout
    """Where images and masks lie."""
    classes: Annotated[list[LandClass], Field(min_length=2, max_length=254)]
    """The classes, in the order of their index."""
    gaps: list[Color] | list[Annotated[int, Field(ge=0, le=255)]] = []
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
            fields = re.findall(r"\{(\w+)", self.layout.images)
            if self.official.field not in fields:
                raise ValueError(
                    f"official.field: {self.official.field!r} is no field of layout.images; "
                    f"allowed: {', '.join(sorted(set(fields)))}"
                )
        return self

    @property
    def official_here(self) -> OfficialScenes | OfficialTiles | None:
        """The publishers' own split, where it holds for tiles of this size."""
        listed = isinstance(self.official, OfficialTiles)
        return None if listed and self.official.tile_size != self.tile_size else self.official


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

    def official_subsets(self, official: OfficialScenes | OfficialTiles) -> set[str]:
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


ModelSpec = Annotated[UNetSpec | SmpSpec, Field(discriminator="family")]


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
    """Tiles per forward pass."""
    accumulate: Annotated[int, Field(ge=1)] = 1
    """Forward passes per optimizer step."""
    monitor: Literal["val_loss", "val_jaccard"] = "val_loss"
    """What picks the best epoch and drives early stopping and the plateau schedule."""
    early_stopping: Annotated[int, Field(ge=1)] | None = None
    """Stop after this many epochs without improvement; null for never."""
    precision: Literal["auto", "32", "bf16", "fp16"] = "auto"
    """`auto` is bf16 where the hardware has it, else 32-bit."""


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


class Config(Strict):
    """Everything under `config/`, put together."""

    studies: list[str] = []
    """Studies that plain `snakemake` builds."""
    datasets: dict[Name, Dataset]
    """Datasets by name."""
    splits: dict[Name, Split]
    """Splits by name."""
    models: dict[Name, ModelSpec]
    """Models by name."""
    recipes: dict[Name, Recipe]
    """Recipes by name."""
    study: dict[Name, Study] = {}
    """Studies by name, one file each in `studies/`."""


# --- reading ---------------------------------------------------------------------------------------------

FILES = {
    "studies": "config.yaml",
    "datasets": "datasets.yaml",
    "splits": "splits.yaml",
    "models": "models.yaml",
    "recipes": "recipes.yaml",
}
ROOT = Path(__file__).resolve().parents[2]


def load(folder: str | Path = ROOT / "config", overrides: dict | None = None, origin: str = "--configfile") -> Config:
    """Read, merge and check the configuration.

    Args:
        folder: the folder of `config.yaml` and its siblings.
        overrides: values that go over those of the files (what `--configfile` brought).
        origin: how messages name the place the overrides came from.

    Raises:
        UserError: one line per mistake: file, key, value, what is allowed, nearest match.
    """
    folder = Path(folder)
    raw: dict[str, Any] = {}
    for key, name in FILES.items():
        raw |= _read(folder / name, key)
    raw["study"] = {path.stem: _parse(path) for path in sorted((folder / "studies").glob("*.yaml"))}

    def place(key: tuple) -> str:
        if _holds(overrides or {}, key):
            return origin
        if key and key[0] == "study":
            return f"{_shown(folder)}/studies/{key[1]}.yaml"
        return f"{_shown(folder)}/{FILES.get(key[0], 'config.yaml') if key else 'config.yaml'}"

    for key in overrides or {}:
        if key not in FILES:
            raise UserError(_line(origin, (key,), (overrides or {})[key], "unknown key", list(FILES)))
    raw = _merge(raw, overrides or {})
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        raise UserError("\n".join(_explain(error.errors(), raw, place))) from None
    _check_names(config, place)
    _check_cells(config, place)
    return config


def read_yaml(path: str | Path) -> Any:
    """Parse one YAML file, safely; a mistake in it is a `UserError` with file and line."""
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{_shown(Path(path))}: no such file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{_shown(Path(path))}{where}: not valid YAML: {getattr(error, 'problem', error)}") from None


def _parse(path: Path) -> dict:
    value = read_yaml(path)
    if not isinstance(value, dict):
        found = "nothing" if value is None else type(value).__name__
        raise UserError(f"{_shown(path)}: expected keys and values, found {found}")
    return value


def _read(path: Path, key: str) -> dict:
    values = _parse(path)
    for found in values:
        if found != key:
            raise UserError(_line(_shown(path), (found,), values[found], "unknown key", [key]))
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


def _check_cells(config: Config, place: Any) -> None:
    for name, study in config.study.items():
        for dataset_name in study.datasets:
            dataset = config.datasets[dataset_name]
            if dataset.path is None and dataset.source is None:
                key = ("datasets", dataset_name, "path")
                raise UserError(_line(place(key), key, None, "give the folder or zip of the data, or a source"))
            for model_name in study.models:
                stride = config.models[model_name].stride
                if dataset.tile_size % stride:
                    key = ("datasets", dataset_name, "tile_size")
                    raise UserError(
                        _line(place(key), key, dataset.tile_size, f"study {name!r} trains {model_name!r} on it")
                        + f"; allowed: multiples of {stride}"
                        + f"; nearest: {max(stride, round(dataset.tile_size / stride) * stride)}"
                    )
            for recipe_name in study.recipes:
                recipe = config.recipes[recipe_name]
                _check_official(config, name, dataset_name, recipe_name, place)
                if len(counted_classes(dataset, recipe)) < 2:
                    key = ("datasets", dataset_name, "classes")
                    raise UserError(
                        f"{place(key)}: {_dotted(key)}: fewer than two classes count under recipe "
                        f"{recipe_name!r}; add classes that are not `unlabelled`, or set the recipe's "
                        f"count_unlabelled: true"
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
