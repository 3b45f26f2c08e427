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


def fold_numbers(folds: int | None) -> list[int | None]:
    """The number of each of so many folds, from 1; None alone without folds."""
    return list(range(1, folds + 1)) if folds else [None]


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
    folds: Annotated[int, Field(ge=2)] | None = None
    """group: the groups are put together into so many folds of about the same number of tiles, and
    each fold is the test set once. A recipe then has one run per fold and seed, and its scores are
    those of all test tiles, each tested once by a model that has not seen its ground. As many folds
    as the dataset has groups leave out one group at a time. `train` and `val` are shares of the
    tiles that a fold does not test. Null for a single division."""
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
    seed: int = 0
    """Seed of the random draw."""

    @field_validator("train", "val", "test")
    @classmethod
    def _share(cls, share: float | None, info: ValidationInfo) -> float | None:
        if info.data.get("unit") == "official" and share:
            raise ValueError("an official split has its own shares; leave this out")
        if info.data.get("unit") in ("tile", "sequence", "group") and share is None:
            raise PydanticKnownError("missing")
        return share

    @field_validator("folds")
    @classmethod
    def _folds_of_groups(cls, folds: int | None, info: ValidationInfo) -> int | None:
        if folds and info.data.get("unit") != "group":
            raise ValueError("folds keep the same ground together; set unit: group")
        if folds and info.data.get("test"):
            raise ValueError("each fold is the test set once; leave out test")
        return folds

    @model_validator(mode="after")
    def _complete(self):
        if self.folds and (self.keep_official or self.test_from_val or self.scenes):
            raise ValueError(
                "folds are drawn from all scenes; leave out keep_official, test_from_val and scenes"
            )
        if self.unit == "official":
            return self
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train + val + test is {total:g}; it must be 1")
        return self

    @property
    def subsets(self) -> list[str]:
        """Names of the subsets that can be evaluated; for an official split, those it may have,
        because every dataset has its own. Of folds, only the test sets hold every tile once."""
        if self.folds:
            return ["test"]
        has_test = self.test > 0 or self.unit == "official"
        return ["train", "val", "test"] if has_test else ["train", "val"]

    @property
    def fold_numbers(self) -> list[int | None]:
        """The number of each fold, from 1; None alone for a single division."""
        return fold_numbers(self.folds)

    def official_subsets(
        self, official: OfficialScenes | OfficialTiles | OfficialLists
    ) -> set[str]:
        """Subsets this split makes of the publishers' ones."""
        return official.subsets | ({"test"} if self.test_from_val else set())
