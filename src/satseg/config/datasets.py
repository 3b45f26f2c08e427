"""Datasets: where their scenes come from, and which classes they have."""

import re
from typing import Annotated, Literal

from pydantic import (
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from satseg.config.layout import Layout
from satseg.config.sources import DEMO_BANDS, DemoSource, Source
from satseg.config.types import (
    PATTERNS,
    Color,
    Label,
    Probability,
    Size,
    Strict,
    Subset,
    Total,
)
from satseg.text import counted

MOST_BANDS = 2**16  # what GDAL reads
WIDEST = 1e30  # values of a pixel: beyond, their differences overflow

# Of signed and of unsigned 16 bits.
LOWEST_MASK_VALUE = -32768
HIGHEST_MASK_VALUE = 65535
MaskValue = Annotated[int, Field(ge=LOWEST_MASK_VALUE, le=HIGHEST_MASK_VALUE)]


class LandClass(Strict):
    """One class of a dataset; its position in the list is its class index."""

    name: Label
    """Name in tables and legends; any but `all`, however written: the mean over the classes."""
    color: Color
    """Colour in the mask files if `mask_values` is `color`, and in figures and maps unless there is
    a `display_color`."""
    display_color: Color | None = None
    """Colour in figures and maps, if that of the mask files is hard to tell from another class's;
    null for `color`."""
    value: MaskValue | None = None
    """Value in the mask files if `mask_values` is `index`; null for its position in the list,
    counted from 0."""
    aliases: list[Color] | list[MaskValue] = []
    """Further colours or values in the mask files that mean this class."""
    unlabelled: bool = False
    """Pixels the annotators left open; each recipe decides whether they count as a class."""

    @property
    def shown_color(self) -> str:
        """The colour that people see."""
        return self.display_color or self.color


class Pixels(Strict):
    """How the pixels of an image become the uint8 bands that models see."""

    bands: (
        Annotated[list[Annotated[int, Field(ge=1, le=MOST_BANDS)]], Field(min_length=1)] | None
    ) = None
    """Bands to use, in this order, counted from 1; null for all."""
    scale: Annotated[list[float], Field(min_length=2, max_length=2)] | list[list[float]] | None = (
        None
    )
    """Values that map to 0 and 255, such as `[0, 10000]`, or one such pair per band; values beyond
    are clipped. null keeps 8-bit images as they are; any other images need a scale."""

    @field_validator("scale")
    @classmethod
    def _pairs(cls, scale: list | None) -> list[list[float]] | None:
        return [scale] if scale and not isinstance(scale[0], list) else scale

    @model_validator(mode="after")
    def _rising(self):
        pairs = self.scale or []
        for pair in pairs:
            if len(pair) != 2 or not -WIDEST < pair[0] < pair[1] < WIDEST:
                raise ValueError(
                    f"scale: {pair} is not a low value and a higher one, such as [0, 10000]"
                )
        if self.bands and len(pairs) not in (0, 1, len(self.bands)):
            raise ValueError(
                f"scale: {len(pairs)} pairs for {counted(len(self.bands), 'band')}; give one pair, "
                "or one each"
            )
        return self


class OfficialScenes(Strict):
    """An official split by scene, recognised by part of the scene's path."""

    by: Literal["scenes"]
    """Kind of official split."""
    field: str
    """Field of `layout.images` that names the subset."""
    values: dict[str, Subset]
    """Value of the field → subset; scenes with other values belong to none."""

    @property
    def subsets(self) -> set[str]:
        """Subsets this split has."""
        return set(self.values.values())


class OfficialTiles(Strict):
    """An official split by tile, as lists of tile names."""

    by: Literal["tiles"]
    """Kind of official split."""
    lists: dict[Subset, str]
    """Subset → path pattern of its list of tiles."""
    tile: Annotated[str, StringConstraints(pattern=PATTERNS["tile"][0])]
    """Name of a tile, with `{scene}` and `{k}`: the tile's number within its scene, from 0, row by
    row, partial tiles included."""
    tile_size: Size
    """Size of the listed tiles; at any other size there is no official split."""

    @property
    def subsets(self) -> set[str]:
        """Subsets this split has."""
        return set(self.lists)


class OfficialLists(Strict):
    """An official split by scene, as lists of scene names, one per line."""

    by: Literal["lists"]
    """Kind of official split."""
    lists: dict[Subset, str]
    """Subset → path pattern of its list of scenes."""
    name: str = "{scene}"
    """How the lists name a scene, made of `{scene}` and the layout's fields, such as
    `{scene}.tif`."""

    @property
    def subsets(self) -> set[str]:
        """Subsets this split has."""
        return set(self.lists)


Official = Annotated[OfficialScenes | OfficialTiles | OfficialLists, Field(discriminator="by")]


class Tiling(Strict):
    """What decides the content of the tile store."""

    layout: Layout
    """Where images and masks lie."""
    classes: Annotated[list[LandClass], Field(min_length=2, max_length=254)]
    """The classes, in the order of their index."""
    pixels: Pixels = Pixels()
    """Bands of the images to use, and how to scale them."""
    gaps: list[Color] | list[MaskValue] = []
    """Mask colours (or indices) of pixels without any label; stored as 255."""
    tile_size: Size
    """Height and width of a tile in pixels."""
    groups: list[list[str]] = []
    """Groups of scenes that show the same ground, or ground that adjoins, as name patterns; any
    other scene is a group of its own."""
    official: Official | None = None
    """The publishers' split, if there is one."""

    @model_validator(mode="after")
    def _distinct(self):
        if any(land.name.lower() == "all" for land in self.classes):
            raise ValueError(
                "classes: name 'all' stands for the mean over the classes; choose another"
            )
        for key in ("name", "color"):
            values = [getattr(land, key) for land in self.classes]
            repeated = sorted(value for value in set(values) if values.count(value) > 1)
            if repeated:
                raise ValueError(
                    f"classes: {key} {repeated[0]!r} occurs twice; each must be unique"
                )
        return self

    @model_validator(mode="after")
    def _divided(self):
        if self.official and not {"train", "val"} <= self.official.subsets:
            raise ValueError("official: it needs both train and val; training uses both")

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
                f"{key}: {field!r} is not a field of layout.images; allowed: {', '.join(fields)}"
            )

    @model_validator(mode="after")
    def _valued(self):
        by_color = self.layout.mask_values == "color"
        if by_color and any(land.value is not None for land in self.classes):
            raise ValueError("classes: value is for masks of indices; these masks are colours")

        lists = {"gaps": self.gaps}
        for land in self.classes:
            lists[f"classes: {land.name}: aliases"] = land.aliases
        for key, listed in lists.items():
            if any(isinstance(value, str) != by_color for value in listed):
                kind = "colours such as '#3C1098'" if by_color else "whole numbers"
                raise ValueError(f"{key}: must be {kind}, as layout.mask_values says")
        self._distinct_values(lists)

        values = self.mask_values
        repeated = [value for value in set(values) if values.count(value) > 1]
        if repeated:
            raise ValueError(
                f"classes: value {min(repeated)} occurs twice; a class without one has its position"
            )
        return self

    def _distinct_values(self, lists: dict[str, list]) -> None:
        """No colour or value of a mask means two things."""
        by_color = self.layout.mask_values == "color"
        own = [land.color for land in self.classes] if by_color else self.mask_values
        meanings = {}
        for key, listed in {"classes": own, **lists}.items():
            for value in listed:
                if value in meanings and key != "classes":
                    raise ValueError(f"{key}: {value!r} stands under {meanings[value]} too")
                meanings[value] = key

    @property
    def mask_values(self) -> list[int]:
        """Value of each class in masks of indices."""
        return [
            position if land.value is None else land.value
            for position, land in enumerate(self.classes)
        ]

    @property
    def official_here(self) -> OfficialScenes | OfficialTiles | OfficialLists | None:
        """The publishers' own split, if it applies to tiles of this size."""
        by_tile = isinstance(self.official, OfficialTiles)
        if by_tile and self.official.tile_size != self.tile_size:
            return None
        return self.official


class Expected(Strict):
    """How large a dataset is, for estimating a study before its data are here."""

    scenes: Total
    """Number of scenes."""
    pixels: Total
    """Total number of pixels of all images, per band."""
    bands: Annotated[int, Field(ge=1, le=MOST_BANDS)] = 3
    """Number of bands."""
    official: dict[Subset, Probability] = {}
    """Share of each subset of the official split."""


class Dataset(Tiling):
    """Where scenes come from, and which classes they have."""

    title: str
    """Name in tables and figures."""
    licence: str
    """Licence of the data."""
    url: str | None = None
    """Web page that describes the data."""
    path: str | None = None
    """Folder or zip of a copy you already have; used instead of `source`."""
    scenes_of: str | None = None
    """Name of another dataset whose files these are, so that they are downloaded once; used instead
    of `path` and `source`."""
    source: Source | None = None
    """Where to download the scenes from."""
    expected: Expected | None = None
    """Published size, for `satseg estimate` until the scenes are here."""

    @property
    def known_bands(self) -> int | None:
        """Bands of its tiles, if the configuration says how many."""
        if self.pixels.bands:
            return len(self.pixels.bands)
        if isinstance(self.source, DemoSource) and not self.path:
            return DEMO_BANDS
        return self.expected.bands if self.expected else None
