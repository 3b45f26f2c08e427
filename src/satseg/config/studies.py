"""Studies: which cells are shown together; and predictions of scenes."""

from typing import Annotated, Literal

from pydantic import (
    Field,
)

from satseg.config.types import Strict
from satseg.paths import FIGURES


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


class Prediction(Strict):
    """Scenes that `snakemake predict` turns into class maps with a trained cell."""

    scenes: str
    """Path pattern of the scenes, such as `/data/new/*.tif`; maps are named like them, but for the
    ending."""
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
