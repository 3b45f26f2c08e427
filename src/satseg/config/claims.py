"""Claims of papers, and how each kind is tested."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from satseg.config.types import Strict
from satseg.measures import (
    CLASS_METRICS,
    HISTORY,
    LEVELS,
    METRICS,
    SIZES,
    TIMES,
    TRAINING_MEMORY,
    UNMEASURED,
)


class Claim(Strict):
    """What all claims have in common."""

    text: str
    """The claim, in a sentence."""


class RankClaim(Claim):
    """The place a model takes among the paper's models."""

    test: Literal["rank"]
    """Kind of claim."""
    by: Annotated[list[Literal[*TIMES, *METRICS]], Field(min_length=1)]
    """Metrics it is about; each is tested separately."""
    model: str
    """The model, one of `models`."""
    order: Literal["lowest", "highest"]
    """End that places are counted from."""
    place: Annotated[int, Field(ge=1)]
    """Place of the model, counted from 1."""
    or_better: bool = False
    """Whether a place nearer to that end also confirms the claim."""


class FollowsClaim(Claim):
    """A time follows one size of the models rather than another."""

    test: Literal["follows"]
    """Kind of claim."""
    by: Annotated[list[Literal[*TIMES]], Field(min_length=1)]
    """Times it is about; each is tested separately."""
    size: Literal[*SIZES, "gflops"]
    """The size it follows."""
    rather_than: Annotated[list[Literal[*SIZES, "gflops"]], Field(min_length=1)]
    """Sizes it does not follow; each is a rival of its own."""


class FasterClaim(Claim):
    """A model takes less time than another."""

    test: Literal["faster"]
    """Kind of claim."""
    by: Annotated[list[Literal[*TIMES]], Field(min_length=1)]
    """Times it is about; each is tested separately."""
    model: str
    """Pattern of the model."""
    than: str
    """Pattern of the model it is compared with."""


class LastsClaim(Claim):
    """Training the fastest model takes so many hours on the paper's own device."""

    test: Literal["lasts"]
    """Kind of claim."""
    by: Annotated[list[Literal["epoch_seconds"]], Field(min_length=1, max_length=1)]
    """The time of an epoch in the paper's tables."""
    epochs: Annotated[int, Field(ge=1)]
    """Number of epochs, at most."""
    hours: Annotated[int, Field(ge=1)]
    """Hours that they take, rounded."""


class HigherClaim(Claim):
    """A model scores higher than another, or a recipe than another."""

    test: Literal["higher"]
    """Kind of claim."""
    by: Annotated[list[Literal[*METRICS, *CLASS_METRICS]], Field(min_length=1)]
    """Metrics it is about; each is tested separately."""
    dataset: str | None = None
    """The dataset it is about; null for each one."""
    classes: list[str] = []
    """Classes whose mean is compared; empty for the metric over all classes."""
    model: str | None = None
    """Pattern of the model, one of the study's; null for the mean over the paper's models."""
    than: str | None = None
    """Pattern of the model it is compared with; null for the same one."""
    recipe: str | None = None
    """Recipe of the model; null for every recipe of the study."""
    than_recipe: str | None = None
    """Recipe it is compared with; null for the same one."""
    by_more_than: float = 0.0
    """Difference that it exceeds; below 0, how much may be lost where accuracy is said to be
    retained."""

    @model_validator(mode="after")
    def _two_sides(self):
        if bool(self.than) == bool(self.than_recipe):
            raise ValueError("name what it is compared with: either than or than_recipe")
        one_model = bool(self.than) and not self.model
        one_recipe = bool(self.than_recipe) and not self.recipe
        if one_model or one_recipe:
            raise ValueError("name both sides: model and than, or recipe and than_recipe")
        of_classes = CLASS_METRICS if self.classes else METRICS
        for by in self.by:
            if by not in of_classes:
                what = "of single classes" if self.classes else "over all classes"
                raise ValueError(f"by: there is no {by} {what}")
        return self


class LargerClaim(Claim):
    """A model has more of a size than another."""

    test: Literal["larger"]
    """Kind of claim."""
    by: Annotated[list[Literal[*SIZES]], Field(min_length=1)]
    """Sizes it is about; each is tested separately."""
    model: str
    """Pattern of the model."""
    than: str
    """Pattern of the model it is compared with."""


class FinestClaim(Claim):
    """Most of a pass's memory is in the levels of the highest resolution."""

    test: Literal["finest"]
    """Kind of claim."""
    by: Annotated[list[Literal[LEVELS]], Field(min_length=1)]
    """What has levels."""
    model: str
    """Pattern of the models."""
    levels: Annotated[int, Field(ge=1)] = 2
    """Number of levels, from the input's resolution on, each with half the resolution."""


class SavesMemoryClaim(Claim):
    """Training by one recipe takes less memory than by another."""

    test: Literal["saves_memory"]
    """Kind of claim."""
    by: Annotated[list[Literal[TRAINING_MEMORY]], Field(min_length=1)]
    """The peak memory of the runs."""
    recipe: str
    """Recipe that takes less."""
    than_recipe: str
    """Recipe that takes more."""


class UntestedClaim(Claim):
    """A claim that no data of this project can decide."""

    test: Literal["untested"]
    """Kind of claim."""
    by: Annotated[list[Literal[UNMEASURED]], Field(min_length=1, max_length=1)] = [UNMEASURED]
    """Nothing that is measured."""
    reason: str
    """Why it is not tested, and what is known."""


class RareClassesClaim(Claim):
    """Classes with few training pixels score lowest."""

    test: Literal["rare_classes"]
    """Kind of claim."""
    by: Annotated[list[Literal[*CLASS_METRICS]], Field(min_length=1)]
    """Metrics it is about; each is tested separately."""


class NoGainClaim(Claim):
    """None of these recipes is better than the baseline on every dataset."""

    test: Literal["no_gain"]
    """Kind of claim."""
    by: Annotated[list[Literal[*METRICS]], Field(min_length=1)]
    """Metrics it is about; each is tested separately."""
    baseline: str
    """Recipe the others are compared with."""
    recipes: str
    """Pattern of the names of the other recipes."""
    gain: Annotated[float, Field(gt=0)] = 0.01
    """Smallest difference that counts as a gain."""


class ImprovesClaim(Claim):
    """A quantity improves from epoch to epoch: losses fall, metrics rise."""

    test: Literal["improves"]
    """Kind of claim."""
    by: Annotated[list[Literal[*HISTORY]], Field(min_length=1)]
    """Columns of history.csv it is about; each is tested separately."""


class AboveClaim(Claim):
    """One curve lies above another over the first epochs."""

    test: Literal["above"]
    """Kind of claim."""
    by: Annotated[list[Literal[*HISTORY]], Field(min_length=1)]
    """Columns of history.csv that lie above; each is tested separately."""
    than: Literal[*HISTORY]
    """Column of history.csv that lies below."""
    epochs: Annotated[int, Field(ge=1)]
    """Number of first epochs it is about."""


class ConvergesClaim(Claim):
    """Two curves come closer to each other."""

    test: Literal["converges"]
    """Kind of claim."""
    by: Annotated[list[Literal[*HISTORY]], Field(min_length=1)]
    """Columns of history.csv that come closer; each is tested separately."""
    to: Literal[*HISTORY]
    """Column of history.csv they come closer to."""


class BeatsMajorityClaim(Claim):
    """A model says more than the most frequent training class everywhere."""

    test: Literal["beats_majority"]
    """Kind of claim."""
    by: Annotated[list[Literal[*METRICS]], Field(min_length=1)]
    """Metrics it is about; each is tested separately."""


HistoryClaim = ImprovesClaim | AboveClaim | ConvergesClaim
AnyClaim = Annotated[
    RankClaim
    | FollowsClaim
    | FasterClaim
    | LastsClaim
    | HigherClaim
    | LargerClaim
    | FinestClaim
    | SavesMemoryClaim
    | RareClassesClaim
    | NoGainClaim
    | HistoryClaim
    | BeatsMajorityClaim
    | UntestedClaim,
    Field(discriminator="test"),
]
