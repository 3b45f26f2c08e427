"""Claims about curves: what rises, lies above or comes closer, and what beats the majority."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from satseg.config.claims import AboveClaim, ConvergesClaim, ImprovesClaim
from satseg.study.claims.evidence import FAILS, HOLDS, UNKNOWN, Evidence, Untestable
from satseg.study.claims.histories import beats_majority, curves
from satseg.study.comparison import Comparison, Result, Score

IMPROVES = ImprovesClaim(text="?", test="improves", by=["train_loss"])
CONVERGES = ConvergesClaim(text="?", test="converges", by=["train_loss"], to="val_loss")
ABOVE = AboveClaim(text="?", test="above", by=["train_loss"], than="val_loss", epochs=3)


def evidence(*histories: dict, score: Score | None = None, majority: float = 0.9) -> Evidence:
    """A model with a run per history, beside the answer that is always Land."""
    keyed = {("pixel_accuracy", "all"): score or Score(0.5, 0.4, 0.6, np.nan)}
    always = {("pixel_accuracy", "all"): Score(majority, majority, majority, np.nan)}
    comparison = Comparison(
        dataset="d",
        title="D",
        recipe="r",
        subset="val",
        classes=["Land", "Water"],
        results=[Result("m", keyed)],
        majority=Result("majority", always),
        majority_class="Land",
        tiles=2,
        scenes=2,
        unit="tile",
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
    ("score", "verdict"),
    [
        (Score(0.95, 0.92, 0.97, np.nan), HOLDS),
        (Score(0.91, 0.88, 0.95, np.nan), UNKNOWN),
        (Score(0.85, 0.8, 0.95, np.nan), FAILS),
    ],
)
def test_a_model_against_the_majority(score, verdict):
    statistics, given, why = beats_majority("pixel_accuracy", evidence(score=score), ["m"])
    assert given == verdict
    assert [statistic.value for statistic in statistics] == [0.9, score.value]
    assert "always answering Land reaches 0.900" in why
