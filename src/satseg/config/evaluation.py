"""What is evaluated of a trained cell, and how."""

from typing import Literal

from satseg.config.types import Seed, Strict, Subset


class Member(Strict):
    """Another cell on the same dataset, in the same fold, that votes with the evaluated one; it is
    trained first. What is left out is as in the evaluated cell."""

    model: str | None = None
    """Its model."""
    recipe: str | None = None
    """Its recipe, with the same split and the same classes."""
    seed: Seed | None = None
    """Its seed."""


class Evaluation(Strict):
    """What is evaluated."""

    subset: Subset = "test"
    """Subset that metrics are computed on."""
    weights: Literal["best", "final"] = "best"
    """Weights of the best epoch by `monitor`, or of the last epoch."""
    tta: Literal["none", "flips", "all"] = "none"
    """Test-time augmentation: the mean probabilities of four mirrored views (`flips`) or of all
    eight flips and turns."""
    ensemble: list[Member] = []
    """Cells whose probabilities are averaged with the evaluated cell's."""
    calibrate: bool = False
    """Also fit a temperature to the validation tiles and draw how far probabilities hold."""
