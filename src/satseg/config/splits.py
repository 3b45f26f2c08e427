"""Splits: how tiles are divided into training, validation and test."""

from typing import Annotated, Literal

from pydantic import (
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticKnownError

from satseg.config.datasets import OfficialLists, OfficialScenes, OfficialTiles
from satseg.config.types import Fraction, Probability, Strict, Subset


class Split(Strict):
    """How tiles are divided; shares are fractions of the number of tiles."""

    unit: Literal["tile", "sequence", "group", "block", "official"]
    """What is kept together: each tile by itself (`tile`), all scenes of the same ground (`group`),
    or all tiles of a block of the ground (`block`). `sequence` draws nothing: in reading order
    (scene, row, column), the first tiles are for training and the last for validation and test.
    `official` uses the publishers' split."""
    train: Fraction | None = Field(None, validate_default=True)
    """Share of training tiles; required unless `unit` is `official`."""
    val: Fraction | None = Field(None, validate_default=True)
    """Share of validation tiles; required unless `unit` is `official`."""
    test: Probability = 0.0
    """Share of test tiles; 0 for none."""
    block: Annotated[float, Field(gt=0)] | None = Field(None, validate_default=True)
    """block: side of a block, in metres on the ground; for scenes that do not say where they lie,
    in pixels of the scene. A tile belongs to the block that its centre lies in. Scenes of one group
    whose places are unknown are one block. Larger blocks with a `buffer` lose fewer tiles."""
    buffer: Annotated[float, Field(ge=0)] | None = None
    """Shortest distance between tiles of two subsets, in the same unit as `block`. Tiles that are
    nearer, or overlap, are in no subset: training tiles give way to validation and test tiles, and
    validation tiles to test tiles. null keeps all tiles."""
    keep_official: bool = False
    """group: if the official split divides whole groups, keep it and ignore the shares."""
    test_from_val: Probability = 0.0
    """If the official split is used: share of its validation scenes that become the test set, for
    datasets whose own test labels are not public."""
    among: list[str] = []
    """Scenes to draw from, as name patterns; all others are left out. Empty for all."""
    scenes: dict[Subset, Annotated[int, Field(ge=1)]] = {}
    """Most scenes of a subset, such as `{train: 378, val: 126, test: 126}`; those kept are drawn at
    random, the others left out. A subset that is not named keeps all."""
    tiles: dict[Subset, Annotated[int, Field(ge=1)]] = {}
    """Most tiles of a subset, such as `{train: 960}`; those kept are drawn at random, whole tiles
    before padded ones, and the others left out. A subset that is not named keeps all."""
    test_of: str | None = None
    """Name of another split whose test tiles are also this one's; only the other tiles are divided.
    Recipes that differ in such splits are tested on the same tiles."""
    test_apart: bool = False
    """Leave out the training and validation tiles whose group also has test tiles."""
    seed: int = 0
    """Seed of the random draw."""

    @field_validator("train", "val", "test")
    @classmethod
    def _share(cls, share: float | None, info: ValidationInfo) -> float | None:
        if info.data.get("unit") == "official" and share:
            raise ValueError("an official split has its own shares; leave this out")
        if info.data.get("unit", "official") != "official" and share is None:
            raise PydanticKnownError("missing")
        return share

    @field_validator("block")
    @classmethod
    def _side(cls, side: float | None, info: ValidationInfo) -> float | None:
        if info.data.get("unit") == "block" and side is None:
            raise PydanticKnownError("missing")
        if info.data.get("unit") != "block" and side is not None:
            raise ValueError("only a split with `unit: block` has blocks; leave this out")
        return side

    @model_validator(mode="after")
    def _complete(self):
        if self.unit == "official":
            return self
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train + val + test is {total:g}; it must be 1")
        return self

    @model_validator(mode="after")
    def _one_test_set(self):
        if self.test_of is None:
            return self
        if self.unit == "official" or self.keep_official:
            raise ValueError("test_of: an official split has its own test tiles; leave this out")
        own = {
            "test": self.test,
            "test_from_val": self.test_from_val,
            "scenes.test": self.scenes.get("test"),
            "tiles.test": self.tiles.get("test"),
        }
        for key, value in own.items():
            if value:
                raise ValueError(f"{key}: the test tiles are those of test_of; leave this out")
        return self

    @property
    def subsets(self) -> list[str]:
        """Names of the subsets this split has; for an official one, those it may have, because
        every dataset has its own."""
        has_test = self.test > 0 or self.unit == "official" or self.test_of is not None
        return ["train", "val", "test"] if has_test else ["train", "val"]

    def official_subsets(
        self, official: OfficialScenes | OfficialTiles | OfficialLists
    ) -> set[str]:
        """Subsets this split makes of the publishers' ones."""
        return official.subsets | ({"test"} if self.test_from_val else set())
