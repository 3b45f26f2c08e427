"""Claims of papers, and how each kind is tested."""

from typing import Annotated, Literal

from pydantic import (
    Field,
)

from satseg.config.types import Strict
from satseg.measures import CLASS_METRICS, HISTORY, METRICS, SIZES, TIMES


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
    size: Literal[*SIZES]
    """The size it follows."""
    rather_than: Literal[*SIZES]
    """The size it does not follow."""


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
    RankClaim | FollowsClaim | RareClassesClaim | NoGainClaim | HistoryClaim | BeatsMajorityClaim,
    Field(discriminator="test"),
]
