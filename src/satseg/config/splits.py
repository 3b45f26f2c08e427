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
from satseg.config.types import Fraction, Probability, Strict


class Split(Strict):
    """How tiles are divided; shares are of the number of tiles."""

    unit: Literal["tile", "sequence", "group", "official"]
    """What is divided: `tile`, single tiles at random; `sequence`, the tiles in reading order (scene,
    row, column), the first for training and the last for validation and test, nothing drawn; `group`,
    all scenes of the same ground together; `official` takes the publishers' split."""
    train: Fraction | None = Field(None, validate_default=True)
    """Share of the training tiles; needed unless official."""
    val: Fraction | None = Field(None, validate_default=True)
    """Share of the validation tiles; needed unless official."""
    test: Probability = 0.0
    """Share of the test tiles; 0 for none."""
    keep_official: bool = False
    """group: where the publishers divided whole groups, their subsets stand and the shares are not
    used."""
    test_from_val: Probability = 0.0
    """Share of the publishers' validation scenes that become the test set, where theirs is not
    public."""
    train_scenes: Annotated[int, Field(ge=1)] | None = None
    """At most this many training scenes, drawn by seed; the others are left out. null for all."""
    seed: int = 0
    """Seed of the draw."""

    @field_validator("train", "val", "test")
    @classmethod
    def _share(cls, share: float | None, info: ValidationInfo) -> float | None:
        if info.data.get("unit") == "official" and share:
            raise ValueError("an official split has its own shares; leave this out")
        if info.data.get("unit") in ("tile", "sequence", "group") and share is None:
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
        """Names of the subsets this split has; those an official one may have, for each dataset has
        its own."""
        return ["train", "val"] + (["test"] if self.test or self.unit == "official" else [])

    def official_subsets(
        self, official: OfficialScenes | OfficialTiles | OfficialLists
    ) -> set[str]:
        """Subsets this split makes of the publishers' own."""
        return official.subsets | ({"test"} if self.test_from_val else set())
