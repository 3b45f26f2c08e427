"""How often a claim is confirmed where there is nothing to it: at most 5 of 100 times."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from satseg.config.claims import (
    FollowsClaim,
    HigherClaim,
    ImprovesClaim,
    NoGainClaim,
    RankClaim,
)
from satseg.statistics.intervals import ScoreInterval
from satseg.statistics.jackknife import Jackknife
from satseg.study.claims.evidence import FAILS, HOLDS, UNKNOWN, Evidence
from satseg.study.claims.examine import overall_verdict
from satseg.study.claims.histories import curves
from satseg.study.claims.measured import Quantity, measured_quantity
from satseg.study.claims.rankings import follows, rarest_lowest
from satseg.study.claims.verdicts import higher, no_gain, rank
from satseg.study.comparison import Comparison, Result
from simulation import World, counts, replicates

RUNS = 120
MODELS = list("abcdef")
# More than this many of RUNS would occur once in a thousand tests if 5 of 100 were right.
MOST = int(stats.binom.ppf(0.999, RUNS, 0.05))
CHEAP_RUNS = 2000
CHEAP_MOST = int(stats.binom.ppf(0.999, CHEAP_RUNS, 0.05))
SCORE = {"text": "?", "by": ["miou_d"]}
FIRST = RankClaim(test="rank", model="a", order="highest", place=1, **SCORE)
HIGHER = HigherClaim(test="higher", model="a", than="b", **SCORE)
NO_GAIN = NoGainClaim(test="no_gain", baseline="r", recipes="tried_*", gain=0.05, **SCORE)
FOLLOWS = FollowsClaim(
    text="?",
    test="follows",
    by=["epoch_seconds"],
    size="memory_mb",
    rather_than=["parameters", "gflops"],
)


def evidence(values, without, recipe: str = "r", dataset: str = "d") -> Evidence:
    """Models of these scores over all groups, [M, S], and without each, [M, S, U]."""
    results = []
    for model, own, others in zip(MODELS, values, without, strict=False):
        mean = ScoreInterval(own.mean(), math.nan, math.nan, math.nan, 0, len(own))
        replicates = {"miou_d": Jackknife(own, others)}
        results.append(Result(model, {("miou_d", "all"): mean}, replicates=replicates))
    groups = without.shape[-1]
    place = (dataset, "Land", recipe, "test", ["x"])
    comparison = Comparison(*place, results, results[0], "x", 2, 2, groups, 0, (0, 1))
    return Evidence(comparison, {}, {}, {}, {})


@pytest.fixture(scope="module", params=[6, 12], ids="{} groups".format)
def equals(request):
    """Six equally good models with three seeds each, RUNS times: [R, M, S] and [R, M, S, U]."""
    random = np.random.default_rng(request.param)
    world = World(models=0.3)
    return replicates(counts(random, world, request.param, 3, (0.0,) * 6, RUNS))


def test_none_of_equal_models_is_said_to_lead(equals):
    verdicts = []
    for values, without in zip(*equals, strict=True):
        quantity = measured_quantity(evidence(values, without), "miou_d", MODELS)
        verdicts.append(rank(FIRST, quantity)[1])
    assert verdicts.count(HOLDS) <= MOST
    assert verdicts.count(FAILS) <= MOST


def test_of_two_equal_models_none_is_said_to_be_higher(equals):
    verdicts = []
    for values, without in zip(*equals, strict=True):
        found = evidence(values, without)
        verdicts.append(higher(HIGHER, "miou_d", found, found, MODELS)[1])
    assert verdicts.count(HOLDS) <= MOST
    assert verdicts.count(FAILS) <= MOST


@pytest.mark.parametrize("places", [2, 3, 4, 8])
@pytest.mark.parametrize("alike", [True, False])
def test_of_many_places_a_claim_fails_by_chance_in_5_of_100(places, alike):
    """Each test of a place fails by chance in 2.5 of 100 cases, all of them at once or each by
    itself."""
    random = np.random.default_rng(places)
    runs = 4000
    shared = random.random((runs, 1)) < 0.025
    own = random.random((runs, places)) < 0.025
    failing = np.broadcast_to(shared, own.shape) if alike else own
    verdicts = [overall_verdict(np.where(row, FAILS, UNKNOWN).tolist()) for row in failing]
    assert verdicts.count(FAILS) <= stats.binom.ppf(0.999, runs, 0.05)


def test_no_recipe_is_said_to_help_that_changes_nothing(equals):
    """Three recipes and a baseline that are equally good, on two datasets."""
    verdicts = []
    for values, without in zip(*equals, strict=True):
        found = []
        for recipe, place in (("r", 0), ("tried_x", 1), ("tried_y", 2)):
            for dataset, other in (("d", 0), ("d2", 3)):
                one = slice(place + other, place + other + 1)
                found.append(evidence(values[one], without[one], recipe, dataset))
        verdicts.append(no_gain(NO_GAIN, "miou_d", found, ["a"])[1])
    assert verdicts.count(FAILS) <= MOST


@pytest.mark.parametrize(
    ("order", "place", "or_better"),
    [("highest", 1, False), ("lowest", 2, False), ("lowest", 3, True)],
)
def test_none_of_equally_fast_models_is_given_a_place(order, place, or_better):
    """Ten epochs each, whose means differ by more than the tenth that is no result."""
    random = np.random.default_rng(4)
    options = {"order": order, "place": place, "or_better": or_better}
    claim = RankClaim(text="?", test="rank", by=["epoch_seconds"], model="a", **options)
    found = evidence(np.zeros((6, 1)), np.zeros((6, 1, 12)))
    verdicts = []
    for _ in range(CHEAP_RUNS):
        epochs = dict(zip(MODELS, random.lognormal(sigma=0.6, size=(6, 10)), strict=True))
        timed = replace(found, epochs=epochs, devices={model: {"Toy"} for model in MODELS})
        verdicts.append(rank(claim, measured_quantity(timed, "epoch_seconds", MODELS))[1])
    assert verdicts.count(HOLDS) <= CHEAP_MOST
    assert verdicts.count(FAILS) <= CHEAP_MOST


def follow_nothing(random: np.random.Generator, models: list[str]) -> str:
    """The verdict on times and sizes that have nothing to do with each other."""
    count = len(models)
    times = dict(zip(models, random.lognormal(size=count), strict=True))
    sizes = {}
    for name in ("memory_mb", "parameters", "gflops"):
        sizes[name] = dict(zip(models, random.lognormal(size=count), strict=True))
    quantity = Quantity(times, lambda a, b: (times[b] / times[a],) * 3, 1.0)
    return follows(FOLLOWS, quantity, sizes)[1]


@pytest.mark.parametrize("count", [6, 7])
def test_times_that_follow_nothing_are_said_to_follow_nothing(count):
    """In one place, and on two datasets together."""
    random = np.random.default_rng(5)
    models = list("abcdefg")[:count]
    verdicts = []
    both = []
    for _ in range(CHEAP_RUNS):
        here = [follow_nothing(random, models) for _ in range(2)]
        verdicts += here[:1]
        both.append(overall_verdict(here))
    assert verdicts.count(HOLDS) <= CHEAP_MOST
    assert both.count(FAILS) <= CHEAP_MOST


def test_classes_that_score_alike_are_not_said_to_follow_their_pixels():
    """In one place, and on two datasets together."""
    random = np.random.default_rng(6)
    names = ["Field", "Wood", "Lake", "Road", "House", "Land", "Sand"]
    verdicts = []
    both = []
    for _ in range(CHEAP_RUNS):
        here = []
        for _ in range(2):
            scores = dict(zip(names, random.normal(size=7), strict=True))
            pixels = dict(zip(names, random.lognormal(size=7), strict=True))
            here.append(rarest_lowest(scores, pixels)[1])
        verdicts += here[:1]
        both.append(overall_verdict(here))
    assert verdicts.count(HOLDS) <= CHEAP_MOST
    assert both.count(FAILS) <= CHEAP_MOST


@pytest.mark.parametrize("seeds", [1, 3])
def test_curves_that_go_nowhere_show_no_trend(seeds):
    """Six independent epochs, on two datasets."""
    random = np.random.default_rng(7)
    claim = ImprovesClaim(text="?", test="improves", by=["train_loss"])
    found = evidence(np.zeros((1, 1)), np.zeros((1, 1, 12)))
    verdicts = []
    for _ in range(CHEAP_RUNS):
        here = []
        for _ in range(2):
            histories = [pd.DataFrame({"train_loss": random.random(6)}) for _ in range(seeds)]
            trained = replace(found, histories={"a": histories})
            here.append(curves(claim, "train_loss", trained, ["a"])[1])
        verdicts.append(overall_verdict(here))
    assert verdicts.count(HOLDS) <= CHEAP_MOST
    assert verdicts.count(FAILS) <= CHEAP_MOST
