"""How often a claim is confirmed where there is nothing to it: at most 5 of 100 times."""

import math

import numpy as np
import pytest
from scipy import stats

from satseg.config.claims import FollowsClaim, HigherClaim, NoGainClaim, RankClaim
from satseg.statistics.intervals import ScoreInterval
from satseg.statistics.jackknife import Jackknife
from satseg.study.claims.evidence import FAILS, HOLDS, UNKNOWN, Evidence
from satseg.study.claims.examine import overall_verdict
from satseg.study.claims.measured import Quantity, measured_quantity
from satseg.study.claims.rankings import follows, rarest_lowest
from satseg.study.claims.verdicts import higher, no_gain, rank
from satseg.study.comparison import Comparison, Result
from simulation import World, counts, replicates

RUNS = 120
MODELS = list("abcdef")
# More than this many of RUNS would occur once in a thousand tests if 5 of 100 were right.
MOST = int(stats.binom.ppf(0.999, RUNS, 0.05))
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


def test_times_that_follow_nothing_are_said_to_follow_nothing():
    random = np.random.default_rng(5)
    verdicts = []
    for _ in range(4 * RUNS):
        times = dict(zip(MODELS, random.lognormal(size=6), strict=True))
        sizes = {}
        for name in ("memory_mb", "parameters", "gflops"):
            sizes[name] = dict(zip(MODELS, random.lognormal(size=6), strict=True))
        quantity = Quantity(times, lambda a, b, t=times: (t[b] / t[a],) * 3, 1.0)
        verdicts.append(follows(FOLLOWS, quantity, sizes)[1])
    most = int(stats.binom.ppf(0.999, 4 * RUNS, 0.05))
    assert verdicts.count(HOLDS) <= most


def test_classes_that_score_alike_are_not_said_to_follow_their_pixels():
    random = np.random.default_rng(6)
    names = ["Field", "Wood", "Lake", "Road", "House", "Land"]
    verdicts = []
    for _ in range(4 * RUNS):
        scores = dict(zip(names, random.normal(size=6), strict=True))
        pixels = dict(zip(names, random.lognormal(size=6), strict=True))
        verdicts.append(rarest_lowest(scores, pixels)[1])
    most = int(stats.binom.ppf(0.999, 4 * RUNS, 0.05))
    assert verdicts.count(HOLDS) <= most
    assert verdicts.count(FAILS) <= most
