"""Claims about curves: what rises, lies above or comes closer, and what beats the majority."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from satseg.config.claims import AboveClaim, ConvergesClaim, ImprovesClaim
from satseg.statistics.intervals import score_interval
from satseg.statistics.jackknife import Jackknife
from satseg.study.claims.evidence import FAILS, HOLDS, UNKNOWN, Evidence, Untestable
from satseg.study.claims.histories import beats_majority, curves
from satseg.study.comparison import Comparison, Result

IMPROVES = ImprovesClaim(text="?", test="improves", by=["train_loss"])
CONVERGES = ConvergesClaim(text="?", test="converges", by=["train_loss"], to="val_loss")
ABOVE = AboveClaim(text="?", test="above", by=["train_loss"], than="val_loss", epochs=3)


def result(model: str, accuracy: float, error: float, groups: int) -> Result:
    """A result whose pixel accuracy has this jackknife standard error."""
    pattern = np.sin(1.0 + np.arange(groups) ** 2)
    pattern -= pattern.mean()
    pattern *= error / math.sqrt((groups - 1) / groups * (pattern**2).sum())
    replicates = Jackknife(np.array([accuracy]), (accuracy + pattern)[None])
    scores = {("pixel_accuracy", "all"): score_interval(replicates)}
    return Result(model, scores, replicates={"pixel_accuracy": replicates})


def evidence(
    *histories: dict, accuracy: float = 0.5, error: float = 0.01, groups: int = 12
) -> Evidence:
    """A model with a run per history, beside the answer that is always Land: 0.9 everywhere."""
    comparison = Comparison(
        dataset="d",
        title="D",
        recipe="r",
        subset="val",
        classes=["Land", "Water"],
        results=[result("m", accuracy, error, groups)],
        majority=result("majority", 0.9, 0.0, groups),
        majority_class="Land",
        tiles=2,
        scenes=2,
        groups=groups,
        shared=0,
    )
    return Evidence(
        comparison,
        profiles={},
        epochs={},
        devices={},
        pixels={"Land": 40, "Water": 60},
        val_pixels={"Land": 93, "Water": 7},
        histories={"m": [pd.DataFrame(history) for history in histories]},
    )


def test_a_trend_is_spearmans_correlation_with_the_epoch():
    losses = [2.0, 1.5, 1.6, 1.2, 1.3, 0.9]
    accuracies = [0.1, 0.3, 0.2, 0.4, 0.35, 0.5]
    found = evidence({"train_loss": losses, "train_pixel_accuracy": accuracies})
    for by, values in (
        ("train_loss", [-loss for loss in losses]),
        ("train_pixel_accuracy", accuracies),
    ):
        (rho,), verdict, why = curves(IMPROVES, by, found, ["m"])
        reference = stats.spearmanr(range(6), values).statistic
        assert rho.value == pytest.approx(reference)
        assert rho.p <= 0.05 and verdict == HOLDS
        assert "3 of 5 epochs" in why


def test_a_trend_must_hold_in_every_run():
    falling = {"train_loss": [5, 4, 3, 2, 1]}
    wandering = {"train_loss": [3, 5, 1, 4, 2]}
    rising = {"train_loss": [1, 2, 3, 4, 5]}
    verdicts = []
    for other in (falling, wandering, rising):
        verdicts.append(curves(IMPROVES, "train_loss", evidence(falling, other), ["m"])[1])
    assert verdicts == [HOLDS, UNKNOWN, FAILS]
    with pytest.raises(Untestable, match="at least 4 epochs"):
        curves(IMPROVES, "train_loss", evidence({"train_loss": [3, 2, 1]}), ["m"])
    with pytest.raises(Untestable, match="none of the paper's models"):
        curves(IMPROVES, "train_loss", evidence(falling), ["another"])


def test_two_curves_come_closer_from_either_side():
    val = np.array([1.0, 0.9, 0.8, 0.7, 0.6])
    gaps = np.array([0.5, 0.4, 0.2, 0.1, 0.05])
    for side in (1, -1):
        found = evidence({"train_loss": val + side * gaps, "val_loss": val})
        (rho, first, last), verdict, _ = curves(CONVERGES, "train_loss", found, ["m"])
        assert rho.value == pytest.approx(1) and verdict == HOLDS
        assert (first.value, last.value) == pytest.approx((0.5, 0.05))
    apart = evidence({"train_loss": val + gaps[::-1], "val_loss": val})
    assert curves(CONVERGES, "train_loss", apart, ["m"])[1] == FAILS


@pytest.mark.parametrize(
    ("train", "verdict"),
    [([2, 2, 2, 0, 0], HOLDS), ([0, 0, 0, 2, 2], FAILS), ([2, 0, 2, 2, 2], UNKNOWN)],
)
def test_one_curve_above_another_in_the_first_epochs(train, verdict):
    found = evidence({"train_loss": train, "val_loss": [1.0] * 5})
    (difference,), given, why = curves(ABOVE, "train_loss", found, ["m"])
    assert given == verdict
    assert difference.value == pytest.approx(np.mean(train[:3]) - 1)
    assert "the training loss lies above the validation loss in" in why
    assert "Land holds 93.0 % of the validation pixels and 40.0 % of the training pixels, so" in why


@pytest.mark.parametrize(
    ("accuracy", "error", "groups", "verdict"),
    [
        (0.95, 0.01, 12, HOLDS),
        (0.91, 0.02, 12, UNKNOWN),
        (0.85, 0.01, 12, FAILS),
        (0.99, 0.001, 5, UNKNOWN),
    ],
)
def test_a_model_against_the_majority(accuracy, error, groups, verdict):
    found = evidence(accuracy=accuracy, error=error, groups=groups)
    (always, difference), given, why = beats_majority("pixel_accuracy", found, ["m"])
    assert given == verdict
    assert (always.value, difference.value) == pytest.approx((0.9, accuracy - 0.9))
    assert "always answering Land reaches 0.900" in why
    if groups == 12:  # one pair: Student's interval, with fewer degrees of freedom at most
        half = stats.t.ppf(0.975, 11) * error
        assert difference.high - difference.low == pytest.approx(2 * half, rel=0.1)
    else:
        assert why.endswith("5 groups of tiles are too few for an interval of the difference")
