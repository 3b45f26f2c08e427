"""Tunings: which keys of a recipe are searched for better values, and how."""

import re
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, model_validator

from satseg.config.types import Count, Fraction, Seed, Strict

TRIAL = re.compile(r"([a-z0-9_]+)\.trial([1-9]\d*)\.rung([1-9]\d*)")


class Range(Strict):
    """The numbers between two ends, both included; whole ones if the key takes no others."""

    low: float
    """The lower end."""
    high: float
    """The upper end."""
    log: bool = False
    """Draw evenly on a logarithmic scale, as suits a learning rate: as many values between 0.0001
    and 0.001 as between 0.001 and 0.01."""

    @model_validator(mode="after")
    def _in_order(self):
        if self.low >= self.high:
            raise ValueError(f"low: {self.low:g} must be below high: {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError("low: must be above 0 on a logarithmic scale")
        return self


class Tuning(Strict):
    """A search for the values of a recipe's keys that give the best validation mIoU^D of a model on
    a dataset. Every trial trains to the first rung, the best of them go on to the next, and so on
    (successive halving). Test tiles are never looked at. The best trial becomes a recipe of the
    tuning's name, which a study trains like any other."""

    about: str = ""
    """Description of the tuned recipe for the report, in one sentence."""
    dataset: str
    """Name from datasets.yaml."""
    model: str
    """Name from models.yaml."""
    recipe: str
    """Name from recipes.yaml: the recipe whose keys are changed. The tuned recipe trains for as
    many epochs as the last rung."""
    space: Annotated[dict[str, Range | list[Any]], Field(min_length=1)]
    """What is searched: dotted keys of the recipe, such as `optimizer.lr`, each with a range or a
    list of values."""
    trials: Count
    """Settings that are tried."""
    rungs: Annotated[list[Count], Field(min_length=1)]
    """Epochs after which trials are compared, such as [5, 15, 45]. Every trial's learning rate
    follows its schedule over the epochs of the last rung; those dropped stop earlier."""
    keep: Fraction = 1 / 3
    """Share of a rung's trials that go on to the next: rounded down, at least one."""
    seed: Seed = 0
    """Seed of the draw, and of the trials' runs."""
    sampler: Literal["qmc", "tpe"] = "qmc"
    """`qmc`: settings spread evenly over the space (a scrambled Sobol sequence); a trial's depend
    on the seed and its number alone, so that more trials leave those there are as they are. `tpe`:
    each is drawn where those that finished before did well; which ones have depends on how many
    run at a time, so a tuning in parallel is not reproducible."""

    @model_validator(mode="after")
    def _rising(self):
        if self.rungs != sorted(set(self.rungs)):
            raise ValueError(f"rungs: {self.rungs} must rise")
        return self

    @model_validator(mode="after")
    def _distinct(self):
        for key, values in self.space.items():
            if isinstance(values, list) and len(values) < 2:
                raise ValueError(f"space.{key}: give at least two values, or a range")
            if isinstance(values, list) and any(
                value in values[:i] for i, value in enumerate(values)
            ):
                raise ValueError(f"space.{key}: lists a value twice; keep one of them")
            for other in self.space:
                if key.startswith(f"{other}."):
                    raise ValueError(f"space.{key}: is a part of space.{other}; keep one of them")
        return self

    @property
    def rung_numbers(self) -> list[int]:
        """The number of each rung, from 1."""
        return list(range(1, len(self.rungs) + 1))

    @property
    def trial_numbers(self) -> list[int]:
        """The number of each trial, from 1."""
        return list(range(1, self.trials + 1))


class Trial(NamedTuple):
    """A trial of a tuning at a rung: it has a recipe of its own."""

    tuning: str
    number: int
    rung: int

    @property
    def recipe(self) -> str:
        """Name of its recipe; no recipe of the configuration can have a dot in its name."""
        return f"{self.tuning}.trial{self.number}.rung{self.rung}"


def trial_of(recipe: str) -> Trial | None:
    """The trial that a recipe's name stands for; None for the name of an ordinary recipe."""
    match = TRIAL.fullmatch(recipe)
    return Trial(match[1], int(match[2]), int(match[3])) if match else None
