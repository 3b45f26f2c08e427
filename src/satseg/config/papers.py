"""Papers: what they report and claim."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from statistics import fmean
from typing import Annotated, Literal, NamedTuple

from pydantic import (
    Field,
    model_validator,
)

from satseg.config.claims import AnyClaim, RankClaim
from satseg.config.types import Name, Strict
from satseg.measures import CLASS_METRICS, CURVES, METRICS, SIZES, TIMES
from satseg.text import counted


class ProtocolLine(Strict):
    """One line of the training configuration in a paper."""

    what: str
    """What the paper calls it."""
    printed: str
    """The paper's words."""
    keys: Annotated[dict[str, bool | int | float | str | None], Field(min_length=1)]
    """The same setting as dotted keys of a recipe, with their values."""


class PaperMetric(Strict):
    """A metric as a paper explains it."""

    what: str
    """What the paper calls it."""
    printed: str
    """The paper's explanation."""
    ours: Literal[*SIZES, *TIMES, *METRICS, *CLASS_METRICS, *CURVES]
    """Name of the same metric here."""
    note: str = ""
    """How the two differ."""


class PaperColumn(Strict):
    """A column of a published table of results."""

    metric: Literal[*SIZES, "epoch_seconds", *METRICS, *CLASS_METRICS]
    """Metric in this column."""
    class_name: str = "all"
    """Class, for a per-class metric."""
    classes: Annotated[int, Field(ge=2)] | None = None
    """Number of classes the printed sizes were computed with; required for sizes, and only for
    them."""

    @model_validator(mode="after")
    def _complete(self):
        if (self.classes is None) == (self.metric in SIZES):
            raise ValueError(
                f"{self.metric}: `classes` is for {' and '.join(SIZES)}, and needed there"
            )
        overall = self.class_name == "all"
        allowed = (*SIZES, *TIMES, *METRICS) if overall else CLASS_METRICS
        if self.metric not in allowed:
            raise ValueError(f"{self.metric}: there is none of class {self.class_name!r}")
        return self


class PrintedSize(Strict):
    """A size computed with another number of classes than the rest of its column."""

    value: float
    """The printed value."""
    classes: Annotated[int, Field(ge=2)]
    """Number of classes it was computed with."""


class Printed(NamedTuple):
    """One printed value."""

    column: PaperColumn
    value: float
    classes: int | None


class PaperTable(Strict):
    """A published table of results, one row per model."""

    title: str
    """Number and name of the table."""
    device: str
    """Hardware it was measured on."""
    dataset: str
    """Dataset it is about."""
    recipe: str
    """Recipe whose cells it is compared with."""
    stopping_epoch: bool = True
    """Whether its mean epoch times include the epoch at which early stopping ends a training; ours
    beside them do as they do."""
    class_pixels: dict[str, Annotated[int, Field(ge=0)]] = {}
    """Training pixels of each class, where they are published."""
    no_class: str | None = None
    """A printed class that stands for pixels without a label; what is said of all classes is tested
    with and without it."""
    columns: Annotated[list[PaperColumn], Field(min_length=1)]
    """The columns."""
    rows: Annotated[dict[str, list[float | PrintedSize]], Field(min_length=1)]
    """Model (one of `models`) → its values, in the order of the columns."""

    @model_validator(mode="after")
    def _full(self):
        for model, figures in self.rows.items():
            if len(figures) != len(self.columns):
                raise ValueError(
                    f"rows: {model} has {counted(len(figures), 'figure')}, the table "
                    f"{counted(len(self.columns), 'column')}"
                )

            for column, figure in zip(self.columns, figures, strict=True):
                if isinstance(figure, PrintedSize) and column.metric not in SIZES:
                    raise ValueError(
                        f"rows: {model}: {column.metric} does not depend on the number of classes"
                    )
        return self

    def row(self, model: str) -> list[Printed]:
        """The printed values of a model; none if the table has no such row."""
        rows = [figures for name, figures in self.rows.items() if fnmatchcase(model, name)]
        if not rows:
            return []

        printed = []
        for column, figure in zip(self.columns, rows[0], strict=True):
            if isinstance(figure, PrintedSize):
                printed.append(Printed(column, figure.value, figure.classes))
            else:
                printed.append(Printed(column, figure, column.classes))
        return printed

    def column(self, metric: str, classes: Sequence[str] = ("all",)) -> dict[str, float]:
        """Row → printed value over all classes, or the mean over some; empty if the table lacks one
        of these columns."""
        values = {}
        for name in self.rows:
            own = [
                figure.value
                for figure in self.row(name)
                if figure.column.metric == metric and figure.column.class_name in classes
            ]
            if len(own) == len(classes):
                values[name] = fmean(own)
        return values

    def class_means(self, metric: str) -> dict[str, float]:
        """Class → printed value, mean over the rows; empty if there are none by class."""
        values: dict[str, list[float]] = {}
        for name in self.rows:
            for figure in self.row(name):
                if figure.column.metric == metric and figure.column.class_name != "all":
                    values.setdefault(figure.column.class_name, []).append(figure.value)
        return {name: fmean(own) for name, own in values.items()}


class PaperDraw(Strict):
    """Class pixels that a paper published of its training images, without saying which images they
    were: a test says which scenes they fit."""

    what: str
    """What was drawn, in words."""
    dataset: str
    """Dataset they were drawn from."""
    scenes: Annotated[int, Field(ge=2)]
    """Number of scenes drawn."""
    pixels: Annotated[dict[str, Annotated[int, Field(ge=0)]], Field(min_length=2)]
    """Class → its published pixels."""
    strata: Annotated[dict[str, str], Field(min_length=1)]
    """What they may have been drawn from: name → pattern of scene names."""


class Paper(Strict):
    """What a paper reports and claims, to be compared with our results."""

    title: str
    """Title and authors."""
    models: Annotated[list[str], Field(min_length=1)]
    """Its models, by their names here; a pattern such as `unet*` includes variants."""
    protocol: list[ProtocolLine] = []
    """Its training configuration."""
    metrics: list[PaperMetric] = []
    """Its explanations of its metrics."""
    tables: list[PaperTable] = []
    """Its tables of results."""
    draws: list[PaperDraw] = []
    """Its draws of training images."""
    claims: dict[Name, AnyClaim] = {}
    """Its claims, by name."""

    @model_validator(mode="after")
    def _own_models(self):
        for i, table in enumerate(self.tables):
            for name in table.rows:
                self._own_model(f"tables.{i}.rows", name)

        for claim_name, claim in self.claims.items():
            if isinstance(claim, RankClaim):
                self._own_model(f"claims.{claim_name}.model", claim.model)
        return self

    def _own_model(self, key: str, name: str) -> None:
        if name not in self.models:
            raise ValueError(f"{key}: {name!r} is not one of models ({', '.join(self.models)})")

    def own(self, models: Iterable[str]) -> list[str]:
        """Those of `models` that belong to the paper."""
        return [name for name in models if self._has(name)]

    def _has(self, model: str) -> bool:
        return any(fnmatchcase(model, pattern) for pattern in self.models)
