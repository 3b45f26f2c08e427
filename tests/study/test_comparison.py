"""What is concluded from scores, on scores made up for it."""

from dataclasses import replace

import numpy as np
import pytest

from satseg.config.recipes import Recipe
from satseg.pages.blocks import strong
from satseg.pages.sentences import answer_sentence, choice_sentence, gap_sentence, terms
from satseg.statistics.intervals import score_interval
from satseg.statistics.jackknife import Jackknife
from satseg.study.comparison import Comparison, Result, leakage_gaps
from satseg.text import listing, signed


def result(model: str, value: float, own: int = 0, latency: float = 10, groups: int = 12) -> Result:
    """A result whose score moves with the group left out, by 0.002 for all models alike, and
    by so many times 0.0005 in a pattern of its own."""
    shared = 0.002 * (-1.0) ** np.arange(groups)
    pattern = 0.0005 * own * np.sin(np.arange(groups) * (own + 1.0))
    without = value + shared + pattern - pattern.mean()
    replicates = Jackknife(np.array([value]), without[None])
    ends = dict.fromkeys(("latency_p95_ms", "latency_low_ms", "latency_high_ms"), latency)
    profile = {"latency_ms": latency, "reference_ms": 1.0} | ends
    return Result(
        model,
        {("miou_d", "all"): score_interval(replicates)},
        latency_ms=latency,
        profile=profile,
        replicates={"miou_d": replicates},
    )


def comparison(
    *results: Result,
    recipe: str = "one",
    shared: int = 0,
    baseline: float = 0.1,
    dataset="d",
    evaluated: tuple[int, ...] = (),
) -> Comparison:
    groups = results[0].replicates["miou_d"].without.shape[1]
    return Comparison(
        dataset,
        "Land",
        recipe,
        "test",
        ["a"],
        list(results),
        result("majority", baseline, own=3, groups=groups),
        "Sea",
        50,
        12,
        groups,
        shared,
        evaluated,
    )


def recipe(split: str, about: str = "", epochs: int = 2) -> Recipe:
    return Recipe(
        about=about, split=split, loss={"name": "cross_entropy"}, epochs=epochs, batch_size=1
    )


def test_models_are_tied_if_their_paired_difference_may_be_zero():
    # What all models share moves each score, but no difference: z is clear of x, not of y.
    c = comparison(result("x", 0.50, 1), result("y", 0.559, 2), result("z", 0.56, latency=30))
    assert c.best.model == "z"
    assert [r.model for r in c.tied] == ["y"]
    assert c.fastest.model == "y"
    x, y, z = c.results
    assert c.difference(z, x).difference == pytest.approx(0.06)
    assert c.difference(x, z) == c.difference(z, x).turned()
    assert c.difference(z, y).low < 0 < c.difference(z, y).high
    assert len(c.differences) == 6  # three pairs of models, and each with the majority


def test_below_six_groups_every_model_is_tied():
    c = comparison(result("x", 0.2, own=1, groups=5), result("y", 0.9, own=2, groups=5))
    assert [r.model for r in c.tied] == ["x"]
    text = answer_sentence(c)
    assert "cannot be told from x, because 5 groups of tiles are too few for an interval" in text
    assert "[" not in text


def test_many_that_are_all_tied_are_not_listed():
    tied = [result(f"m{i}", 0.5 + i / 1000, own=i, groups=5) for i in range(6)]
    text = answer_sentence(comparison(*tied))
    assert "but cannot be told from any of the other 5, because 5 groups of tiles are" in text
    assert "m0 and" not in text.split(";")[0]
    assert "told from m0, m1 and m2, because" in answer_sentence(comparison(*tied[:4]))


@pytest.mark.parametrize(
    ("change", "level"),
    [
        ({}, False),
        ({"latency_high_ms": 12.5}, True),  # its rounds spread by a quarter
        ({"latency_p95_ms": 12.5}, True),
        ({"reference_ms": 1.25}, True),  # the machine was slower for it
    ],
)
def test_no_model_is_the_fastest_within_the_spread(change, level):
    slow = result("slow", 0.53, own=1, latency=12)
    fast = result("fast", 0.529, own=2, latency=10)
    fast.profile.update(change)
    text = answer_sentence(comparison(slow, fast))
    told = "fast and slow take 10.0 to 12.0 ms per forward pass, which the measurements do not"
    assert (told in text) == level
    assert ("the fastest of them is fast" in text) != level


def test_the_answer_names_what_cannot_be_told_apart_and_the_cheapest_of_it():
    text = answer_sentence(
        comparison(
            result("x", 0.529, own=1, latency=5),
            result("y", 0.53, own=2, latency=25),
            result("z", 0.3, latency=1),
        )
    )
    assert (
        f"{strong('y')} scores highest, with a mean IoU (mIoUᴰ) of {strong('0.530')} [0.5" in text
    )
    assert "but cannot be told from x: the paired difference may be zero" in text
    assert "the fastest of them is x (5.0 ms per forward pass, against 25.0 ms)" in text
    assert "always predicting Sea, the most frequent training class, would reach 0.100" in text


def test_the_choice_under_a_latency_limit_is_the_front_of_what_beats_the_baseline():
    models = comparison(
        result("slowest", 0.59, own=1, latency=90),
        result("best", 0.60, own=2, latency=40),
        result("worse", 0.3, own=1, latency=35),
        result("almost", 0.599, own=1, latency=20),
        result("fast", 0.4, own=3, latency=5),
        result("as_fast", 0.41, own=2, latency=5.2),
        result("useless", 0.1, own=1, latency=1),
    )
    assert [choice.model for choice in models.choices] == ["as_fast", "almost", "best"]
    text = choice_sentence(models)
    alike = "mIoUᴰ 0.410; fast may be as good and as fast"
    assert f"{strong('as_fast')} ({alike}) if a forward pass may take 5.2 ms" in text
    assert f"{strong('almost')} (0.599) from 20.0 ms" in text
    assert f"{strong('best')} (0.600, not surely better) from 40.0 ms" in text


def test_a_choice_names_what_may_be_as_good_and_as_fast():
    models = comparison(
        result("x", 0.30, latency=10, groups=5),
        result("y", 0.40, own=1, latency=10.5, groups=5),
        result("z", 0.41, own=2, latency=50, groups=5),
        result("useless", 0.05, own=1, latency=10, groups=5),
    )
    text = choice_sentence(models)
    assert f"{strong('y')} (mIoUᴰ 0.400; x may be as good and as fast) if a forward" in text
    assert f"{strong('z')} (0.410, not surely better) from 50.0 ms" in text
    told_apart = comparison(result("x", 0.30), result("y", 0.40, own=1))
    assert "may be" not in choice_sentence(told_apart)


def test_where_no_model_beats_the_baseline_there_is_no_choice():
    assert not comparison(result("x", 0.2), result("y", 0.3), baseline=0.5).choices
    few = comparison(result("x", 0.2, groups=3), result("y", 0.3, groups=3), baseline=0.25)
    assert [choice.model for choice in few.choices] == ["y"]


def test_the_answer_names_the_next_where_the_best_stands_clear():
    text = answer_sentence(
        comparison(result("x", 0.3), result("y", 0.53, own=1), result("z", 0.4, own=2))
    )
    assert f"{strong('y')} scores highest" in text
    assert f"clear of the next, z at {strong('0.400')} [0.3" in text
    assert f"the difference is {strong('+0.130')} [+0.1" in text
    assert "fastest" not in text


def test_one_model_is_not_called_the_highest():
    text = answer_sentence(comparison(result("x", 0.5)))
    assert f"{strong('x')} reaches a mean IoU (mIoUᴰ) of {strong('0.500')}" in text
    assert "highest" not in text


@pytest.mark.parametrize(
    ("baseline", "words"), [(0.499, "cannot be distinguished from"), (0.8, "worse than")]
)
def test_the_answer_admits_when_the_baseline_is_as_good(baseline, words):
    assert words in answer_sentence(comparison(result("x", 0.5), baseline=baseline))


def test_gaps_pair_recipes_that_differ_in_the_split_alone_and_leak_differently():
    recipes = {
        "leaky": recipe("random", about="x"),
        "clean": recipe("groups", about="y"),
        "longer": recipe("groups", about="y", epochs=3),
    }
    all_three = [
        comparison(result("x", 0.4), recipe="clean"),
        comparison(result("x", 0.6), recipe="leaky", shared=50),
        comparison(result("x", 0.5), recipe="longer"),
        comparison(result("x", 0.5), recipe="leaky", shared=50, dataset="other"),
    ]
    (gap,) = leakage_gaps(all_three, recipes)
    assert (gap.leaky.recipe, gap.clean.recipe) == ("leaky", "clean")
    equal = [comparison(result("x", 0.4), recipe=name) for name in ("clean", "leaky")]
    assert leakage_gaps(equal, recipes) == []


@pytest.mark.parametrize(
    ("clean", "difference", "words"),
    [
        (0.4, "+0.200", "how much the leaky split inflates the score, as far as one run of each"),
        (0.599, "+0.001", "not a result"),
        (0.7, "−0.100", "does not inflate the score, as far as one run of each tells"),
    ],
)
def test_the_gap_is_put_in_words(clean, difference, words):
    tiles = (1, 2, 3)
    pair = [
        comparison(result("x", 0.6, own=1), recipe="a", shared=49, evaluated=tiles),
        comparison(result("x", clean, own=2), recipe="b", evaluated=tiles),
    ]
    (gap,) = leakage_gaps(pair, {"a": recipe("r"), "b": recipe("g")})
    text = gap_sentence(gap)
    assert "49 of 50 test tiles" in text
    assert "0 of 50 test tiles" in text
    assert f"a difference of {strong(difference)} [" in text
    assert words in text
    assert ("one run" in text) == ("one run" in words)


def test_a_gap_between_different_tiles_is_no_paired_difference():
    pair = [
        comparison(result("x", 0.6, own=1), recipe="a", shared=49, evaluated=(1, 2)),
        comparison(result("x", 0.1, own=2), recipe="b", evaluated=(3, 4)),
    ]
    (gap,) = leakage_gaps(pair, {"a": recipe("r"), "b": recipe("g")})
    assert gap.differences is None
    text = gap_sentence(gap)
    assert f"a difference of {strong('+0.500')}: the two are evaluated on different tiles" in text
    assert "inflates" not in text


def test_a_gap_on_few_groups_has_an_interval_over_its_trainings():
    def trained(values, effect=0.01) -> Result:
        without = np.array(values)[:, None] + [[effect, -effect]]
        replicates = Jackknife(np.array(values), without)
        return Result(
            "x", {("miou_d", "all"): score_interval(replicates)}, replicates={"miou_d": replicates}
        )

    pair = [
        comparison(trained([0.57, 0.58, 0.59]), recipe="a", shared=50, evaluated=(1, 2)),
        comparison(trained([0.45, 0.47, 0.49], 0.02), recipe="b", evaluated=(1, 2)),
    ]
    (gap,) = leakage_gaps(pair, {"a": recipe("r"), "b": recipe("g")})
    # Welch: an error of sqrt(0.01²/3 + 0.02²/3) with 50/17 degrees of freedom, t = 3.217.
    text = gap_sentence(gap)
    assert f"a difference of {strong('+0.110')} [+0.068, +0.152], an interval for other" in text
    assert "trainings (3 of each) on the same tiles (2 groups of tiles are too few" in text
    assert text.endswith("this is how much the leaky split inflates the score.")


@pytest.mark.parametrize(
    ("groups", "runs", "folds", "brackets", "once"),
    [
        (12, 1, 0, True, True),
        (5, 1, 0, False, True),
        (12, 3, 0, True, False),
        (12, 1, 4, True, False),
    ],
)
def test_the_terms_say_what_intervals_lack(groups, runs, folds, brackets, once):
    one = result("x", 0.5, own=1, groups=groups)
    values, without = one.replicates["miou_d"]
    trained = Jackknife(np.repeat(values, runs), np.repeat(without, runs, axis=0))
    shown = comparison(replace(one, replicates={"miou_d": trained}))
    text = terms([replace(shown, folds=folds)])
    assert ("Brackets hold 95 % intervals." in text) == brackets
    assert ("Every model was trained once" in text) == once


def test_listing_and_signed():
    assert [listing(list("abc")[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
    assert [signed(v) for v in (0.1, -0.25, float("nan"))] == ["+0.100", "−0.250", "–"]
