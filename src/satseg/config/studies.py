"""Studies: which cells are shown together. Predictions: which scenes are mapped."""

from typing import Annotated, Literal

from pydantic import (
    Field,
)

from satseg.config.types import Count, Seed, Strict
from satseg.paths import FIGURES, USUAL_FIGURES


class PublishedFigure(Strict):
    """A published value, to be shown beside ours."""

    dataset: str
    """Its dataset."""
    model: str
    """Its model."""
    recipe: str
    """Recipe whose cell it is compared with."""
    metric: str
    """A column of history.csv (with `epoch`) or a metric of scores.csv."""
    epoch: Count | None = None
    """Epoch, for a column of history.csv."""
    class_name: str = "all"
    """Class, for a metric of scores.csv."""
    value: float
    """The published value."""


class Study(Strict):
    """A selection of cells and how they are presented; a study never changes a cell."""

    title: str = ""
    """Heading of the report."""
    about: str = ""
    """The question the study asks, in a sentence or two."""
    datasets: Annotated[list[str], Field(min_length=1)]
    """Names from datasets.yaml."""
    models: Annotated[list[str], Field(min_length=1)]
    """Names from models.yaml."""
    recipes: Annotated[list[str], Field(min_length=1)]
    """Names from recipes.yaml."""
    seeds: Annotated[list[Seed], Field(min_length=1)] = [0]
    """Seeds; each is a run of its own."""
    figures: list[Literal[*FIGURES]] = USUAL_FIGURES
    """Figures of the report, in order. `augmentations` and `trials` are among them only if they
    are named, `calibration` if a recipe has `evaluate.calibrate`."""
    published: list[PublishedFigure] = []
    """Published values to compare with."""
    paper: str | None = None
    """Name from papers.yaml; what that paper reports and claims is shown beside our results."""
    claims: list[str] | None = None
    """Claims of the paper to test; null for all."""


class Prediction(Strict):
    """Scenes that `snakemake predict` turns into class maps with a trained cell."""

    scenes: str
    """Path pattern of the scenes, such as `/data/new/*.tif`; a map is named after its scene."""
    dataset: str
    """Dataset the model was trained on."""
    model: str
    """The model."""
    recipe: str
    """Recipe it was trained with."""
    seed: Seed = 0
    """Seed of the run."""
    fold: Annotated[int, Field(ge=1)] | None = None
    """Fold of the run, if the recipe's split has folds."""
    weights: Literal["best", "final"] = "best"
    """Weights of the best epoch, or of the last epoch."""
