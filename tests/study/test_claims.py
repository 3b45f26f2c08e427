"""Tests of claims against closed forms, brute force and scipy."""

import math
from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
from scipy import stats

from satseg.config.claims import FollowsClaim, NoGainClaim, RankClaim
from satseg.config.papers import Paper, PaperTable
from satseg.config.reading import load
from satseg.statistics.correlation import spearman_difference
from satseg.statistics.intervals import ScoreInterval
from satseg.statistics.jackknife import Jackknife
from satseg.statistics.multiplicity import holm
from satseg.study.claims.evidence import FAILS, HOLDS, PRINTED, UNKNOWN, Evidence, Untestable
from satseg.study.claims.examine import claims_frame, examine, overall_verdict
from satseg.study.claims.measured import (
    Quantity,
    measured_quantity,
    published_quantity,
    ratio_of_means,
)
from satseg.study.claims.rankings import fewest_apart, follows, rare_classes
from satseg.study.claims.verdicts import no_gain, rank
from satseg.study.comparison import Comparison, Result
from satseg.study.speed import speed_frame

MODELS = ["a", "b", "c", "d", "e", "f"]
MORE = [*MODELS, "g", "h"]
CLASSES = ["Field", "Wood", "Lake", "Road", "House"]
FOLLOWS = FollowsClaim(
    text="?", test="follows", by=["epoch_seconds"], size="memory_mb", rather_than=["parameters"]
)


def ranking(model: str, place: int, order: str = "lowest", **more) -> RankClaim:
    return RankClaim(
        text="?", test="rank", by=["epoch_seconds"], model=model, order=order, place=place, **more
    )


def exact(*values: float) -> Quantity:
    """Quantity without noise."""
    by_model = dict(zip(MODELS, values, strict=False))
    return Quantity(by_model, lambda a, b: (by_model[b] / by_model[a],) * 3, 1.0)


def effects(seed: int, error: float, groups: int) -> np.ndarray:
    """Changes of a score without each group, with this jackknife standard error: [groups]."""
    drawn = np.random.default_rng(seed).normal(0, 1, groups)
    drawn -= drawn.mean()
    return drawn * error / math.sqrt((groups - 1) / groups * (drawn**2).sum())


def alone(value: float) -> ScoreInterval:
    """A score without an interval."""
    return ScoreInterval(value, math.nan, math.nan, math.nan, 0, 1)


def evidence(
    scores: dict[str, float],
    *,
    dataset: str = "d",
    recipe: str = "r",
    spread: float = 0.0,
    epochs: dict[str, list[float]] | None = None,
    devices: dict[str, set[str]] | None = None,
    classes: dict[str, float] | None = None,
    pixels: dict[str, int] | None = None,
    evaluated: tuple[int, ...] = (0, 1),
    profile: dict | None = None,
    groups: int = 12,
) -> Evidence:
    """Evidence of models whose scores have a standard error of 0.1 that they share, because hard
    ground is hard for every model, and one of `spread` of their own."""
    shared = effects(0, 0.1, groups)
    results = []
    for i, (model, value) in enumerate(scores.items()):
        without = value + shared + effects(i + 1, spread, groups)
        replicates = Jackknife(np.array([value]), without[None])
        keyed = {("miou_d", "all"): alone(value)}
        for label, iou in (classes or dict.fromkeys(CLASSES, 0.5)).items():
            keyed |= {(metric, label): alone(iou) for metric in ("iou", "iou_published")}
        results.append(Result(model, keyed, replicates={"miou_d": replicates}))
    comparison = Comparison(
        dataset,
        "Land",
        recipe,
        "test",
        list(classes or CLASSES),
        results,
        results[0],
        "x",
        2,
        2,
        groups,
        0,
        evaluated,
    )
    device = {"name": "Toy", "kind": "cpu"}
    profiles = {
        model: {
            "train_step_ms": 100.0 * 1.5**i, "train_step_p95_ms": 100.0 * 1.5**i,
            "latency_ms": 10.0, "latency_p95_ms": 10.0, "device": device, "reference_ms": 1.0,
            **{f"{name}_{end}_ms": 1.0 for name in ("latency", "train_step") for end in ("low", "high")},
            "memory_mb": 10.0 * i, "parameters": 5 - i,
        } | (profile or {}).get(model, {})
        for i, model in enumerate(scores)
    }  # fmt: skip
    times = {
        model: np.array((epochs or {}).get(model, [1.0 + i, 1.1 + i]))
        for i, model in enumerate(scores)
    }
    places = {model: (devices or {}).get(model, {"Toy"}) for model in scores}
    return Evidence(
        comparison,
        profiles,
        times,
        places,
        pixels or dict.fromkeys(CLASSES, 1),
    )


# --- statistics -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(2))
def test_a_time_is_compared_with_every_rival(seed):
    """Fisher's exchange test of each, by brute force, corrected by hand."""
    columns = np.random.default_rng(seed).permuted(np.tile(np.arange(6), (4, 1)), axis=1)
    times, memory, *rivals = columns.tolist()
    names = ["parameters", "gflops"]
    columns = [memory, *rivals]
    sizes = {}
    for name, column in zip(["memory_mb", *names], columns, strict=True):
        sizes[name] = dict(zip(MODELS, column, strict=True))
    claim = FOLLOWS.model_copy(update={"rather_than": names})
    found, _, _ = follows(claim, exact(*[time + 1 for time in times]), sizes)

    assert found[0].value == pytest.approx(stats.spearmanr(times, memory).statistic)
    rhos = [stats.spearmanr(other, memory).statistic for other in permutations(times)]
    assert found[0].p == np.mean([rho >= found[0].value - 1e-9 for rho in rhos])
    chances = []
    for rival in rivals:
        terms = [(t - r) ** 2 - (t - m) ** 2 for t, m, r in zip(times, memory, rival, strict=True)]
        sums = [abs(np.dot(signs, terms)) for signs in product((1, -1), repeat=6)]
        chances.append(np.mean([value >= abs(sum(terms)) - 1e-9 for value in sums]))
    low, high = sorted(chances)
    corrected = {low: min(1, 2 * low), high: max(min(1, 2 * low), high)}
    assert [found[2].p, found[4].p] == pytest.approx([corrected[p] for p in chances])
    gap = found[0].value - stats.spearmanr(times, rivals[1]).statistic
    assert found[4].value == pytest.approx(gap)


def test_p_beyond_the_enumerated_is_near_that_of_scipy():
    n = 10  # more than are enumerated
    rng = np.random.default_rng(3)
    pixels = rng.permutation(n)
    classes = {f"c{i}": value / 20 for i, value in enumerate(pixels + rng.normal(0, 3, n))}
    e = evidence(
        {"a": 0.5}, classes=classes, pixels={f"c{i}": int(v) for i, v in enumerate(pixels)}
    )
    (found,), _, _ = rare_classes(e, "iou", ["a"])
    expected = stats.spearmanr(list(classes.values()), pixels, alternative="greater")
    assert found.value == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue, abs=0.01)


def test_the_ratio_of_means_has_welchs_interval():
    rng = np.random.default_rng(1)
    a = rng.normal(100, 1, 8)
    b = rng.normal(120, 3, 5)
    value, low, high = ratio_of_means(a, b)
    # With deviations this small, relative errors and those of the logarithm are the same.
    log = stats.ttest_ind(np.log(b), np.log(a), equal_var=False).confidence_interval()
    assert value == pytest.approx(b.mean() / a.mean())
    assert (low, high) == pytest.approx(np.exp(log), rel=1e-3)


def test_times_without_spread_have_an_exact_ratio_and_a_single_one_has_none():
    assert ratio_of_means(np.array([2.0, 2.0]), np.array([3.0, 3.0])) == (1.5, 1.5, 1.5)
    with pytest.raises(Untestable, match="single epoch"):
        ratio_of_means(np.array([2.0]), np.array([3.0, 3.0]))


# --- places ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        (ranking("a", 1), HOLDS),
        (ranking("b", 2), HOLDS),
        (ranking("c", 1, "highest"), HOLDS),
        (ranking("b", 1), FAILS),
        (ranking("a", 1, "highest"), FAILS),
        (ranking("b", 2, or_better=True), HOLDS),
        (ranking("a", 2, or_better=True), HOLDS),
        (ranking("c", 2, or_better=True), FAILS),
        (ranking("[ab]", 1), HOLDS),  # a, the first that matches; b is left out
    ],
)
def test_places_without_noise(claim, verdict):
    assert rank(claim, exact(1, 2, 3))[1] == verdict


@pytest.mark.parametrize(
    ("spread", "claim", "verdict"),
    [
        (0.001, ranking("a", 1), HOLDS),
        (0.001, ranking("b", 1), FAILS),
        (0.2, ranking("a", 1), UNKNOWN),  # b is too near
        (0.2, ranking("b", 1), UNKNOWN),
        (0.2, ranking("c", 1), FAILS),  # b is too near to a, but both are far from c
        (0.2, ranking("a", 2, or_better=True), HOLDS),
        (0.2, ranking("c", 2, or_better=True), FAILS),
    ],
)
def test_places_of_epoch_times_hang_on_their_spread(spread, claim, verdict):
    around = np.array([-spread, 0, spread])
    e = evidence(
        dict.fromkeys("abc", 0.5),
        epochs={m: t + around for m, t in (("a", 1), ("b", 1.2), ("c", 3))},
    )
    assert rank(claim, measured_quantity(e, "epoch_seconds", ["a", "b", "c"]))[1] == verdict


def test_epoch_times_are_compared_with_all_others_at_once_and_not_within_a_tenth():
    """Welch's intervals at 97.5 % for two comparisons, by scipy; or the convention, if wider."""
    around = np.array([-0.2, 0, 0.2])
    epochs = {m: t + around for m, t in (("a", 10), ("b", 10.5), ("c", 30))}
    e = evidence(dict.fromkeys("abc", 0.5), epochs=epochs)
    times = measured_quantity(e, "epoch_seconds", ["a", "b", "c"])
    assert times.compared("a", "b") == pytest.approx((1.05, 1.05 / 1.1, 1.05 * 1.1))

    wide = {m: v + np.array([-3, 0, 3]) for m, v in epochs.items()}
    e = evidence(dict.fromkeys("abc", 0.5), epochs=wide)
    times = measured_quantity(e, "epoch_seconds", ["a", "b", "c"])
    spreads = [wide[m].std(ddof=1) / wide[m].mean() for m in "ac"]
    parts = np.array(spreads) ** 2 / 3
    freedom = parts.sum() ** 2 / (parts**2 / 2).sum()
    half = stats.t.ppf(1 - 0.025 / 2, freedom) * np.sqrt(parts.sum())
    expected = (3, 3 * np.exp(-half), 3 * np.exp(half))
    assert times.compared("a", "c") == pytest.approx(expected)


def test_a_place_names_the_neighbours_and_what_cannot_be_told_apart():
    around = np.array([-0.1, 0, 0.1])
    e = evidence(
        dict.fromkeys("abcd", 0.5),
        epochs={m: t + around for m, t in zip("abcd", (1, 2, 2.1, 4), strict=True)},
    )
    found, _, why = rank(ranking("b", 2), measured_quantity(e, "epoch_seconds", list("abcd")))
    assert [s.name for s in found] == ["place", "a / b", "c / b"]
    assert found[0].value == 2
    assert found[1].value == pytest.approx(0.5)
    assert found[1].high < 1 < found[2].high
    assert why == (
        "b ranks 2 of 4 from the lowest, with 1 surely before it and 1 surely after it, and cannot "
        "be distinguished from c"
    )


@pytest.mark.parametrize(
    ("second", "p95", "verdict"),
    [
        (105, 1.0, UNKNOWN),
        (111, 1.0, HOLDS),
        (90, 1.0, FAILS),
        (95, 1.0, UNKNOWN),
        (130, 1.1, HOLDS),  # both vary by a tenth: 1.21 together
        (120, 1.1, UNKNOWN),
    ],
)
def test_profiled_times_are_told_apart_from_a_tenth_on_or_from_their_spread(second, p95, verdict):
    profile = {
        model: {"train_step_ms": time, "train_step_p95_ms": p95 * time}
        for model, time in (("a", 100), ("b", second))
    }
    e = evidence(dict.fromkeys("ab", 0.5), profile=profile)
    assert rank(ranking("a", 1), measured_quantity(e, "train_step_ms", ["a", "b"]))[1] == verdict


@pytest.mark.parametrize(("spread", "verdict"), [(0.005, HOLDS), (0.1, UNKNOWN)])
def test_scores_are_compared_in_pairs(spread, verdict):
    e = evidence({"a": 0.50, "b": 0.45}, spread=spread)
    found, said, _ = rank(ranking("a", 1, "highest"), measured_quantity(e, "miou_d", ["a", "b"]))
    assert said == verdict  # what the models share, a standard error of 0.1, cancels out
    assert found[1][:2] == ("b − a", pytest.approx(-0.05))
    first, second = (r.replicates["miou_d"].without[0] for r in e.comparison.results)
    apart = second - first
    error = math.sqrt(11 / 12 * ((apart - apart.mean()) ** 2).sum())
    half = stats.t.ppf(0.975, 11) * error  # Student's; fewer degrees of freedom at most
    assert found[1].high - found[1].low == pytest.approx(2 * half, rel=0.1)


def test_scores_on_few_groups_are_not_compared():
    e = evidence({"a": 0.9, "b": 0.1}, spread=0.01, groups=5)
    with pytest.raises(Untestable, match="5 groups of tiles are too few for an interval"):
        rank(ranking("a", 1, "highest"), measured_quantity(e, "miou_d", ["a", "b"]))


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        (ranking("z", 1), "there is no z"),
        (ranking("[a-f]", 1), "there is no other model to compare a with"),
        (ranking("a", 4), "there are only 3 models"),
        (ranking("a", 3, or_better=True), "there are only 3 models"),
    ],
)
def test_places_that_mean_nothing(claim, said):
    with pytest.raises(Untestable) as reason:
        rank(claim, exact(1, 2, 3))
    assert str(reason.value).startswith(said)


def test_times_of_different_devices_are_not_compared():
    e = evidence(
        dict.fromkeys("ab", 0.5),
        devices={"b": {"Other"}},
        profile={"b": {"device": {"kind": "cuda", "name": "GPU"}}},
    )
    for by, said in (
        ("epoch_seconds", r"were made on different devices \(Other and Toy\)"),
        ("latency_ms", "GPU and Toy"),
    ):
        with pytest.raises(Untestable, match=said):
            measured_quantity(e, by, ["a", "b"])


def test_times_of_a_shared_machine_are_not_compared():
    e = replace(evidence(dict.fromkeys("ab", 0.5)), shared="the machine was shared")
    with pytest.raises(Untestable, match="the machine was shared"):
        measured_quantity(e, "epoch_seconds", ["a", "b"])
    measured_quantity(e, "miou_d", ["a", "b"])  # scores do not depend on it


# --- what time follows ----------------------------------------------------------------------------

UP = [1, 2, 3, 4, 5, 6]
DOWN = [6, 5, 4, 3, 2, 1]
MIXED = [3, 1, 5, 2, 6, 4]
EIGHT = [1, 2, 3, 4, 5, 6, 7, 8]
MIXED_EIGHT = [3, 1, 5, 2, 7, 4, 8, 6]


@pytest.mark.parametrize(
    ("memory", "parameters", "verdict"),
    [
        (UP, DOWN, HOLDS),
        (UP, UP, UNKNOWN),  # nothing can tell them apart
        (UP, [1, 2, 3, 5, 4, 6], UNKNOWN),  # nor where two models alone differ
        (DOWN, UP, FAILS),
        (MIXED_EIGHT, EIGHT, FAILS),  # the rival ranks them better
        (MIXED, UP, UNKNOWN),  # so it does here, but of six models once in 32 by chance
        (UP[:3], DOWN[:3], UNKNOWN),  # six permutations reach no 5 %
    ],
)
def test_what_times_follow(memory, parameters, verdict):
    sizes = {
        n: dict(zip(MORE, v, strict=False))
        for n, v in (("memory_mb", memory), ("parameters", parameters))
    }
    times = dict(zip(MORE, EIGHT[: len(memory)], strict=False))
    quantity = Quantity(times, lambda a, b: (times[b] / times[a],) * 3, 1.0)
    assert follows(FOLLOWS, quantity, sizes)[1] == verdict


@pytest.mark.parametrize(("rivals", "fewest"), [(1, 6), (2, 7), (3, 7)])
def test_how_many_models_two_sizes_must_rank_differently(rivals, fewest):
    """By brute force: every model differs, and the times are ranked exactly like the one size."""
    assert fewest_apart(rivals) == fewest
    for count in (fewest - 1, fewest):
        times = list(range(count))
        turned = [*times[1:], 0]
        found = spearman_difference(times, times, turned)
        assert found.apart == count
        assert (holm([found.p] * rivals)[0] <= 0.05) == (count == fewest)


@pytest.mark.parametrize(
    ("times", "said"), [([1, 2], "at least three models"), ([1, 1, 1], "all values are equal")]
)
def test_times_that_follow_nothing(times, said):
    sizes = {n: dict(zip(MODELS, UP, strict=True)) for n in ("memory_mb", "parameters")}
    with pytest.raises(Untestable, match=said):
        follows(FOLLOWS, exact(*times), sizes)


# --- rare classes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ious", "verdict", "p"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.5], HOLDS, 1 / 120),
        ([0.5, 0.4, 0.3, 0.2, 0.1], FAILS, 1),
        ([0.3, 0.1, 0.5, 0.2, 0.4], UNKNOWN, None),
    ],
)
def test_rare_classes(ious, verdict, p):
    pixels = dict(zip(CLASSES, [10, 20, 30, 40, 50], strict=True))
    e = evidence({"a": 0.5, "b": 0.5}, classes=dict(zip(CLASSES, ious, strict=True)), pixels=pixels)
    (found,), said, _ = rare_classes(e, "iou", ["a", "b"])
    assert said == verdict
    assert found.value == pytest.approx(stats.spearmanr(ious, list(pixels.values())).statistic)
    assert p is None or found.p == pytest.approx(p)


def test_a_class_that_is_nowhere_takes_no_part():
    classes = {"Field": 0.3, "Wood": 0.2, "Lake": 0.1, "Road": math.nan}
    e = evidence({"a": 0.5}, classes=classes, pixels={"Field": 3, "Wood": 2, "Lake": 1, "Road": 0})
    (found,), said, why = rare_classes(e, "iou_published", ["a"])
    assert (found.value, found.p, said) == (pytest.approx(1), pytest.approx(1 / 6), UNKNOWN)
    assert "over 3 classes" in why
    assert "Lake scores lowest with 16.7 % of the pixels" in why


# --- tuning ---------------------------------------------------------------------------------------

NO_GAIN = NoGainClaim(
    text="?", test="no_gain", by=["miou_d"], baseline="r", recipes="tried_*", gain=0.02
)


def tuned(one: float, two: float | None, spread: float = 0.001) -> list[Evidence]:
    """A baseline and a recipe with these gains on one or two datasets."""
    gains = {"d": one} | ({} if two is None else {"d2": two})
    return [
        evidence(
            {"a": 0.5 + gain * (recipe != "r")},
            dataset=dataset,
            recipe=recipe,
            spread=spread * (recipe != "r"),
        )
        for dataset, gain in gains.items()
        for recipe in ("r", "tried_x")
    ]


@pytest.mark.parametrize(
    ("one", "two", "spread", "verdict"),
    [
        (0.1, 0.1, 0.001, FAILS),
        (0.1, -0.1, 0.001, HOLDS),
        (0.1, 0.01, 0.001, HOLDS),  # surely above zero, but surely less than would count
        (0.1, 0.03, 0.1, UNKNOWN),
        (0.1, None, 0.001, UNKNOWN),  # one dataset is not both
        (-0.1, None, 0.001, HOLDS),
    ],
)
def test_whether_tuning_helps(one, two, spread, verdict):
    found, said, _ = no_gain(NO_GAIN, "miou_d", tuned(one, two, spread), ["a"])
    assert said == verdict
    assert [s.value for s in found] == pytest.approx([g for g in (one, two) if g is not None])
    assert all(s.low <= s.value <= s.high for s in found)


def test_the_gain_is_the_mean_over_models():
    base = evidence({"a": 0.5, "b": 0.4})
    tried = evidence({"a": 0.6, "b": 0.6}, recipe="tried_x")
    (found,), _, _ = no_gain(NO_GAIN, "miou_d", [base, tried], ["a", "b"])
    assert found.value == pytest.approx(0.15)
    (found,), _, _ = no_gain(NO_GAIN, "miou_d", [base, tried], ["b"])
    assert found.value == pytest.approx(0.2)


def test_tuning_without_recipes_or_on_other_tiles():
    with pytest.raises(Untestable, match=r"no tried_\* to compare"):
        no_gain(NO_GAIN, "miou_d", [evidence({"a": 0.5})], ["a"])
    with pytest.raises(Untestable, match="no r to compare"):
        no_gain(NO_GAIN, "miou_d", [evidence({"a": 0.5}, recipe="tried_x")], ["a"])
    other = evidence({"a": 0.5}, recipe="tried_x", evaluated=(0, 5))
    with pytest.raises(Untestable, match="r and tried_x are evaluated on different tiles"):
        no_gain(NO_GAIN, "miou_d", [evidence({"a": 0.5}), other], ["a"])


# --- all together ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([HOLDS, HOLDS], HOLDS),
        ([HOLDS, UNKNOWN], UNKNOWN),
        ([HOLDS, FAILS], FAILS),
        ([HOLDS, UNKNOWN, FAILS], UNKNOWN),
        ([UNKNOWN, FAILS, FAILS], FAILS),
        ([], UNKNOWN),
    ],
)
def test_overall(verdicts, expected):
    assert overall_verdict(verdicts) == expected


def toy_paper() -> Paper:
    columns = [
        {"metric": "parameters", "classes": 5},
        {"metric": "memory_mb", "classes": 5},
        {"metric": "epoch_seconds"},
    ]
    table = {
        "title": "Table 9", "device": "GPU", "dataset": "d", "recipe": "r", "columns": columns,
        "rows": {"a": [6, 1, 10], "b": [5, 2, 20], "c": [4, 3, 30], "d*": [3, 4, 40]},
    }  # fmt: skip
    claims = {
        "last": ranking("d*", 1, "highest").model_dump()
        | {"by": ["epoch_seconds", "train_step_ms"]},
        "memory": FOLLOWS.model_dump(),
        "rare": {"text": "?", "test": "rare_classes", "by": ["iou"]},
        "tuning": NO_GAIN.model_dump(),
    }
    return Paper.model_validate(
        {"title": "P", "models": ["a", "b", "c", "d*"], "tables": [table], "claims": claims}
    )


def test_every_claim_is_tested_everywhere_it_can_be():
    scores = {"a": 0.5, "b": 0.5, "c": 0.5, "other": 0.5, "d_small": 0.5}
    found = examine(toy_paper(), [evidence(scores), evidence(scores, recipe="s")])
    assert [(f.claim, f.source, f.recipe, f.by) for f in found] == [
        ("last", "results", "r", "epoch_seconds"),
        ("last", "results", "s", "epoch_seconds"),
        ("last", "Table 9", "", "epoch_seconds"),
        ("last", "results", "", "train_step_ms"),  # a profile knows no recipe
        ("memory", "results", "r", "epoch_seconds"),
        ("memory", "results", "s", "epoch_seconds"),
        ("memory", "Table 9", "", "epoch_seconds"),
        ("rare", "results", "r", "iou"),
        ("rare", "results", "s", "iou"),
        ("tuning", "results", "", "miou_d"),
    ]
    verdicts = {(f.claim, f.source): f.verdict for f in found}
    assert verdicts["last", "results"] == HOLDS
    assert verdicts["last", "Table 9"] == PRINTED
    reasons = {f.why for f in found if f.claim == "last" and f.source == "Table 9"}
    assert reasons == {"d* ranks 1 of 4 from the highest"}  # and nobody knows how surely
    assert verdicts["memory", "Table 9"] == UNKNOWN  # of 4 models, p is 2/16 at best
    assert verdicts["rare", "results"] == verdicts["tuning", "results"] == UNKNOWN
    assert "place 4 of 4 from the highest" not in str(found)
    assert all("other" not in s.name for f in found for s in f.statistics)  # is not the paper's


def test_the_frame_has_a_row_for_each_statistic_and_one_for_none():
    frame = claims_frame(examine(toy_paper(), [evidence(dict.fromkeys("abcd", 0.5))]))
    assert frame.groupby("claim", sort=False).size().to_dict() == {
        "last": 6,
        "memory": 6,
        "rare": 1,
        "tuning": 1,
    }
    assert set(frame["verdict"]) == {HOLDS, PRINTED, UNKNOWN}
    assert frame.loc[frame["claim"] == "tuning", "value"].isna().all()
    assert claims_frame([]).columns.tolist() == frame.columns.tolist()


def speeds(step: float, latency: float) -> dict:
    """A profile whose rounds agreed."""
    profile = {"device": {"kind": "cpu", "name": "Toy"}, "reference_ms": 1.0}
    for stem, value in (("train_step", step), ("latency", latency)):
        for end in ("", "_low", "_high", "_p95"):
            profile[f"{stem}{end}_ms"] = value
    return profile


def test_the_order_of_speed_stands_beside_the_printed_one():
    models = {"c": 30, "a": 9, "d_small": 20, "other": 1}
    profiles = {("d", m): speeds(t, 300 / t) for m, t in models.items()}
    frame = speed_frame(toy_paper(), profiles).set_index(["measure", "model"])
    step = frame.loc["train_step_ms"]
    assert step["place"].to_dict() == {"c": 3, "a": 1, "d_small": 2}
    assert step["published"].to_dict() == {"c": 30, "a": 10, "d_small": 40}
    assert step["published_place"].to_dict() == {"c": 2, "a": 1, "d_small": 3}
    assert step["rho"].unique() == pytest.approx(
        [stats.spearmanr([30, 9, 20], [30, 10, 40]).statistic]
    )
    assert frame.loc["latency_ms", "rho"].unique() == pytest.approx([-0.5])
    assert frame.loc["latency_ms", "place"].to_dict() == {"c": 1, "a": 3, "d_small": 2}
    alone = speed_frame(None, profiles)
    assert len(alone) == 8
    assert alone[["published", "published_place", "rho"]].isna().all(axis=None)
    assert (alone["table"] == "").all()


def test_no_model_ranks_before_another_within_the_spread():
    profiles = {
        ("d", "first"): speeds(10, 10),
        ("d", "near"): speeds(10.5, 10),
        ("d", "noisy"): speeds(14, 10) | {"train_step_high_ms": 21},
        ("d", "last"): speeds(15, 10),
    }
    frame = speed_frame(None, profiles)
    step = frame[frame["measure"] == "train_step_ms"].set_index("model")
    # The last is told from the first two, but not from the noisy one, nor that from them.
    assert step["place"].to_dict() == {"first": 1, "near": 1, "noisy": 1, "last": 3}


# --- the paper of the project ---------------------------------------------------------------------


PAPER = load().papers["faster_unet"]


def own(table: PaperTable, claim: str) -> str:
    """Verdict on a claim about epoch times in the paper's own table."""
    entry = PAPER.claims[claim]
    found = published_quantity(table, "epoch_seconds")
    if isinstance(entry, RankClaim):
        return rank(entry, found)[1]
    return follows(
        entry, found, {name: table.column(name) for name in (entry.size, *entry.rather_than)}
    )[1]


@pytest.mark.parametrize(
    ("claim", "verdicts"),
    [
        ("speed_follows_memory", [UNKNOWN, UNKNOWN]),  # FLOPs rank the six nearly as memory does
        ("short_is_slowest", [HOLDS, FAILS]),  # on LandCover.ai, unet_base is
        ("skinny_is_second_fastest", [HOLDS, HOLDS]),
        ("deeplab_is_fastest", [HOLDS, HOLDS]),
    ],
)
def test_what_the_paper_claims_in_its_own_tables(claim, verdicts):
    tables = [table for table in PAPER.tables if len(table.rows) > 1]
    assert [own(table, claim) for table in tables] == verdicts


def test_a_column_that_is_not_printed():
    with pytest.raises(Untestable, match="has no miou_d"):
        published_quantity(PAPER.tables[0], "miou_d")


def test_rare_classes_in_the_papers_own_tables_with_and_without_no_data():
    """Against scipy's correlation of the printed means over the models."""
    claim = PAPER.claims["rare_classes_do_worst"].model_copy(update={"by": ["iou_published"]})
    paper = PAPER.model_copy(update={"claims": {"rare": claim}})
    found = {f.source: f for f in examine(paper, [evidence({"other": 0.5})])}
    loveda = PAPER.tables[0]
    pixels = loveda.class_pixels
    means = {}
    for place, column in enumerate(loveda.columns):
        if column.class_name != "all":
            means[column.class_name] = np.mean([row[place] for row in loveda.rows.values()])

    for title, names in (
        ("Table 3: LoveDA", list(pixels)),
        ("Table 3: LoveDA, without No data", [name for name in pixels if name != "No data"]),
    ):
        scores = [means[name] for name in names]
        reference = stats.spearmanr(scores, [pixels[name] for name in names])
        (rho,) = found[title].statistics
        assert rho.value == pytest.approx(reference.statistic)
    assert found["Table 3: LoveDA"].verdict == UNKNOWN
    assert found["Table 3: LoveDA, without No data"].verdict == PRINTED
    assert found["Table 4: LandCover.ai"].verdict == UNKNOWN
    assert len(found) == 4
