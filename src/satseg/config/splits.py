"""Splits: how tiles are divided into training, validation and test."""

from typing import Literal

from pydantic import (
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticKnownError

from satseg.config.datasets import OfficialLists, OfficialScenes, OfficialTiles
from satseg.config.types import Fraction, Probability, Seed, Strict, Subset, Total


class Split(Strict):
    """How tiles are divided; shares are fractions of the number of tiles."""

    unit: Literal["tile", "sequence", "group", "official"]
    """What is kept together: each tile by itself (`tile`), or all scenes of the same ground
    (`group`). `sequence` draws nothing: in reading order (scene, row, column), the first tiles are
    for training and the last for validation and test. `official` uses the publishers' split."""
    train: Fraction | None = Field(None, validate_default=True)
    """Share of training tiles; required unless `unit` is `official`."""
    val: Fraction | None = Field(None, validate_default=True)
    """Share of validation tiles; required unless `unit` is `official`."""
    test: Probability = 0.0
    """Share of test tiles; 0 for none."""
    keep_official: bool = False
    """group: if the official split divides whole groups, keep it and ignore the shares."""
    test_from_val: Probability = 0.0
    """If the official split is used: share of its validation scenes that become the test set, for
    datasets whose own test labels are not public."""
    among: list[str] = []
    """Scenes to draw from, as name patterns; all others are left out. Empty for all."""
    scenes: dict[Subset, Total] = {}
    """Most scenes of a subset, such as `{train: 378, val: 126, test: 126}`; those kept are drawn at
    random, the others left out. A subset that is not named keeps all."""
    seed: Seed = 0
    """Seed of the random draw."""

    @field_validator("train", "val", "test")
    @classmethod
    def _share(cls, share: float | None, info: ValidationInfo) -> float | None:
        if info.data.get("unit") == "official" and share:
            raise ValueError("an official split has its own shares; leave this out")
        if info.data.get("unit") in ("tile", "sequence", "group") and share is None:
            raise PydanticKnownError("missing")
        return share

    @model_validator(mode="after")
    def _complete(self):
        if self.unit == "official":
            return self
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train + val + test is {total:g}; it must be 1")
        return self

    @property
    def subsets(self) -> list[str]:
        """Names of the subsets this split has; for an official one, those it may have, because
        every dataset has its own."""
        has_test = self.test > 0 or self.unit == "official"
        return ["train", "val", "test"] if has_test else ["train", "val"]

    def official_subsets(
        self, official: OfficialScenes | OfficialTiles | OfficialLists
    ) -> set[str]:
        """Subsets this split makes of the publishers' ones."""
        return official.subsets | ({"test"} if self.test_from_val else set())
