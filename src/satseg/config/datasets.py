"""Datasets: where scenes come from, and what their classes are."""

import re
from typing import Annotated, Literal

from pydantic import (
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from satseg.config.types import PATTERNS, Checksum, Color, Probability, Strict, Subset, Url


class LandClass(Strict):
    """One class of a dataset; its position in the list is its class index."""

    name: str
    """What the class is called in tables and legends."""
    color: Color
    """Colour in figures and, where `masks` are colours, in the mask files."""
    value: Annotated[int, Field(ge=0, le=65535)] | None = None
    """Value in the mask files, where `masks` are indices; null for its position in the list, from
    0."""
    aliases: list[Color] | list[Annotated[int, Field(ge=0, le=65535)]] = []
    """Further colours (or values) in the mask files that mean this class too."""
    unlabelled: bool = False
    """The annotators' "nothing said here": a recipe decides whether it counts as a class."""


class KaggleSource(Strict):
    """A Kaggle dataset; needs the user's API token."""

    kind: Literal["kaggle"]
    """Which kind of source this is."""
    slug: str
    """`owner/name` of the dataset on Kaggle."""
    bytes: Annotated[int, Field(ge=1)] | None = Field(
        None, exclude=True
    )  # decides nothing: in no slice
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
    """Zip archives on the web, unpacked into one folder; a broken download goes on where it
    stopped."""

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
    """Where the scenes lie. `{field}` matches part of one name, `{field:a|b}` only a or b, `**/`
    any folders."""

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
    scale: Annotated[list[float], Field(min_length=2, max_length=2)] | list[list[float]] | None = (
        None
    )
    """The values that become 0 and 255, as `[0, 10000]`, or such a pair for each band; what lies
    beyond is cut off. null leaves 8-bit images as they are; others need it."""

    @field_validator("scale")
    @classmethod
    def _pairs(cls, scale: list | None) -> list[list[float]] | None:
        return [scale] if scale and not isinstance(scale[0], list) else scale

    @model_validator(mode="after")
    def _rising(self):
        pairs = self.scale or []
        for pair in pairs:
            if len(pair) != 2 or not pair[0] < pair[1]:
                raise ValueError(
                    f"scale: {pair} is not a low value and a higher one, such as [0, 10000]"
                )
        if self.bands and len(pairs) not in (0, 1, len(self.bands)):
            raise ValueError(
                f"scale: {len(pairs)} pairs for {len(self.bands)} bands; give one pair, or one each"
            )
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
    """Name of a tile: `{scene}`, and `{k}`, which counts a scene's tiles from 0, row by row,
    partial ones too."""
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
    """A scene's name in the lists, made of `{scene}` and the layout's fields, such as
    `{scene}.tif`."""

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
                raise ValueError(
                    f"classes: {what} {sorted(twice)[0]!r} occurs twice; each must be unique"
                )
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
            raise ValueError(
                f"{key}: {field!r} is no field of layout.images; allowed: {', '.join(fields)}"
            )

    @model_validator(mode="after")
    def _valued(self):
        if self.layout.mask_values == "color" and any(c.value is not None for c in self.classes):
            raise ValueError("classes: value is for masks of indices; these masks are colours")
        twice = {v for v in self.mask_values if self.mask_values.count(v) > 1}
        if twice:
            raise ValueError(
                f"classes: value {min(twice)} occurs twice; a class without one has its position"
            )
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
