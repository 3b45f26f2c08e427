"""Papers: what they printed and claim."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated, Literal, NamedTuple

from pydantic import (
    Field,
    model_validator,
)

from satseg.config.types import Name, Strict
from satseg.measures import CLASS_METRICS, METRICS, SIZES, TIMES


class ProtocolLine(Strict):
    """A line of the training configuration a paper printed."""

    what: str
    """What the paper calls it."""
    printed: str
    """What it says."""
    keys: Annotated[dict[str, bool | int | float | str | None], Field(min_length=1)]
    """The same as keys of a recipe (dotted) and their values."""


class PaperMetric(Strict):
    """A figure as a paper explains it."""

    what: str
    """What the paper calls it."""
    printed: str
    """How it explains it."""
    ours: Literal[*SIZES, *TIMES, *METRICS, *CLASS_METRICS]
    """What it is called here."""
    note: str = ""
    """Where the two differ."""


class PaperColumn(Strict):
    """A column of a published table of results."""

    metric: Literal[*SIZES, "epoch_seconds", *METRICS, *CLASS_METRICS]
    """What it holds."""
    class_name: str = "all"
    """Class, for a metric of one class."""
    classes: Annotated[int, Field(ge=2)] | None = None
    """Number of classes that printed sizes were counted with; for sizes only, and needed there."""

    @model_validator(mode="after")
    def _complete(self):
        if (self.classes is None) == (self.metric in SIZES):
            raise ValueError(
                f"{self.metric}: `classes` is for {' and '.join(SIZES)}, and needed there"
            )
        if self.metric not in (
            CLASS_METRICS if self.class_name != "all" else (*SIZES, *TIMES, *METRICS)
        ):
            raise ValueError(f"{self.metric}: there is none of class {self.class_name!r}")
        return self


class PrintedSize(Strict):
    """A size that was counted with another number of classes than the others of its column."""

    value: float
    """The printed figure."""
    classes: Annotated[int, Field(ge=2)]
    """Number of classes it was counted with."""


class Printed(NamedTuple):
    """One printed figure."""

    column: PaperColumn
    value: float
    classes: int | None


class PaperTable(Strict):
    """A published table of results, a row per model."""

    title: str
    """Number and name of the table."""
    device: str
    """Where it was measured."""
    dataset: str
    """Dataset it is about."""
    recipe: str
    """Recipe whose cells it is compared with."""
    columns: Annotated[list[PaperColumn], Field(min_length=1)]
    """What the columns hold."""
    rows: Annotated[dict[str, list[float | PrintedSize]], Field(min_length=1)]
    """Figures of each model (of `models`), in the order of the columns."""

    @model_validator(mode="after")
    def _full(self):
        for model, figures in self.rows.items():
            if len(figures) != len(self.columns):
                raise ValueError(
                    f"rows: {model} has {len(figures)} figures; there are {len(self.columns)} columns"
                )
            for column, figure in zip(self.columns, figures, strict=True):
                if isinstance(figure, PrintedSize) and column.metric not in SIZES:
                    raise ValueError(
                        f"rows: {model}: {column.metric} does not depend on the number of classes"
                    )
        return self

    def row(self, model: str) -> list[Printed]:
        """The printed figures of a model; none where the table has no such row."""
        found = next(
            (figures for name, figures in self.rows.items() if fnmatchcase(model, name)), []
        )
        sized = [f if isinstance(f, PrintedSize) else None for f in found]
        return [
            Printed(
                column, size.value if size else figure, size.classes if size else column.classes
            )
            for column, figure, size in zip(self.columns, found, sized, strict=False)
        ]

    def column(self, metric: str) -> dict[str, float]:
        """Row → printed figure of all classes together; empty where the table has no such
        column."""
        printed = ((name, figure) for name in self.rows for figure in self.row(name))
        return {
            n: f.value
            for n, f in printed
            if (f.column.metric, f.column.class_name) == (metric, "all")
        }


class Claim(Strict):
    """What every claim has."""

    text: str
    """The claim, in a sentence."""


class RankClaim(Claim):
    """Which place a model takes among the paper's."""

    test: Literal["rank"]
    """Which kind of claim this is."""
    by: Annotated[list[Literal[*TIMES, *METRICS]], Field(min_length=1)]
    """What it is about; each is tested by itself."""
    model: str
    """The model, as in `models`."""
    order: Literal["lowest", "highest"]
    """Which end the places count from."""
    place: Annotated[int, Field(ge=1)]
    """The place."""
    or_better: bool = False
    """A place nearer to that end will do too."""


class FollowsClaim(Claim):
    """A time follows one size of the models rather than another."""

    test: Literal["follows"]
    """Which kind of claim this is."""
    by: Annotated[list[Literal[*TIMES]], Field(min_length=1)]
    """The time; each is tested by itself."""
    size: Literal[*SIZES]
    """The size it follows."""
    rather_than: Literal[*SIZES]
    """The size it does not follow."""


class RareClassesClaim(Claim):
    """Classes with few training pixels score lowest."""

    test: Literal["rare_classes"]
    """Which kind of claim this is."""
    by: Annotated[list[Literal[*CLASS_METRICS]], Field(min_length=1)]
    """What it is about; each is tested by itself."""


class NoGainClaim(Claim):
    """None of these recipes is better than the baseline on every dataset."""

    test: Literal["no_gain"]
    """Which kind of claim this is."""
    by: Annotated[list[Literal[*METRICS]], Field(min_length=1)]
    """What it is about; each is tested by itself."""
    baseline: str
    """Recipe they are compared with."""
    recipes: str
    """Names of the recipes that were tried, as a pattern."""
    gain: Annotated[float, Field(gt=0)] = 0.01
    """Less than this is no gain."""


class Paper(Strict):
    """What a paper printed and claims, to be compared with our own results."""

    title: str
    """Title and authors."""
    models: Annotated[list[str], Field(min_length=1)]
    """Its models, by their names here; a pattern such as `unet*` takes in variants."""
    protocol: list[ProtocolLine] = []
    """Its training configuration."""
    metrics: list[PaperMetric] = []
    """Its explanations of what it measures."""
    tables: list[PaperTable] = []
    """Its tables of results."""
    claims: dict[
        Name,
        Annotated[
            RankClaim | FollowsClaim | RareClassesClaim | NoGainClaim, Field(discriminator="test")
        ],
    ] = {}
    """Its claims, by name."""

    @model_validator(mode="after")
    def _own_models(self):
        named = [
            (f"tables.{i}.rows", name) for i, table in enumerate(self.tables) for name in table.rows
        ]
        named += [
            (f"claims.{n}.model", c.model)
            for n, c in self.claims.items()
            if isinstance(c, RankClaim)
        ]
        for key, name in named:
            if name not in self.models:
                raise ValueError(f"{key}: {name!r} is not among models ({', '.join(self.models)})")
        return self

    def own(self, models: Iterable[str]) -> list[str]:
        """Those of `models` that are the paper's."""
        return [m for m in models if any(fnmatchcase(m, pattern) for pattern in self.models)]
