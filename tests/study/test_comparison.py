"""What is concluded from scores, on scores made up for it."""

import pytest

from satseg.config.recipes import Recipe
from satseg.pages.blocks import strong
from satseg.pages.sentences import answer_sentence, gap_sentence
from satseg.study.comparison import Comparison, Result, Score, leakage_gaps
from satseg.text import listing, signed


def result(model: str, value: float, half: float = 0.02, latency: float = 10) -> Result:
    score = Score(value, value - half, value + half, float("nan"))
    ends = dict.fromkeys(("latency_p95_ms", "latency_low_ms", "latency_high_ms"), latency)
    profile = {"latency_ms": latency, "reference_ms": 1.0} | ends
    return Result(model, {("miou_d", "all"): score}, latency_ms=latency, profile=profile)


def comparison(
    *results: Result, recipe: str = "one", shared: int = 0, baseline: float = 0.1, dataset="d"
) -> Comparison:
    return Comparison(
        dataset,
        "Land",
        recipe,
        "test",
        ["a"],
        list(results),
        result("majority", baseline),
        "Sea",
        50,
        12,
        "scene",
        shared,
    )


def recipe(split: str, about: str = "", epochs: int = 2) -> Recipe:
    return Recipe(
        about=about, split=split, loss={"name": "cross_entropy"}, epochs=epochs, batch_size=1
    )


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((0.1, 0.2), (0.2, 0.3), True),
        ((0.1, 0.2), (0.21, 0.3), False),
        ((0.0, 1.0), (0.4, 0.5), True),
    ],
)
def test_overlap_is_symmetric_and_includes_the_ends(one, other, expected):
    a = Score(0, *one, 0)
    b = Score(0, *other, 0)
    assert a.overlaps(b) is b.overlaps(a) is expected


def test_models_are_tied_with_the_best_but_not_through_each_other():
    c = comparison(result("x", 0.50), result("y", 0.53), result("z", 0.56, latency=30))
    assert c.best.model == "z"
    assert [r.model for r in c.tied] == ["y"]
    assert c.fastest.model == "y"


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
    slow = result("slow", 0.53, latency=12)
    fast = result("fast", 0.52, latency=10)
    fast.profile.update(change)
    text = answer_sentence(comparison(slow, fast))
    told = "fast and slow take 10.0 to 12.0 ms per forward pass, which the measurements do not"
    assert (told in text) == level
    assert ("the fastest of them is fast" in text) != level


def test_the_answer_names_what_cannot_be_told_apart_and_the_cheapest_of_it():
    text = answer_sentence(
        comparison(
            result("x", 0.52, latency=5), result("y", 0.53, latency=25), result("z", 0.3, latency=1)
        )
    )
    assert (
        f"{strong('y')} scores highest, with mIoUᴰ {strong('0.530')} [0.510, 0.550], but its interval overlaps that of x,"
        in text
    )
    assert "the fastest of them is x (5.0 ms per forward pass, against 25.0 ms)" in text
    assert "always predicting Sea, the most frequent training class, would reach 0.100" in text


def test_the_answer_names_the_next_where_the_best_stands_clear():
    text = answer_sentence(comparison(result("x", 0.3), result("y", 0.53), result("z", 0.4)))
    assert f"{strong('y')} scores highest" in text
    assert f"clear of the next, z at {strong('0.400')} [0.380, 0.420]" in text
    assert "fastest" not in text


def test_one_model_is_not_called_the_highest():
    text = answer_sentence(comparison(result("x", 0.5)))
    assert f"{strong('x')} reaches mIoUᴰ {strong('0.500')}" in text
    assert "highest" not in text


@pytest.mark.parametrize(
    ("baseline", "words"), [(0.51, "cannot be distinguished from"), (0.8, "worse than")]
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
        (0.4, "+0.200", "how much the leaky split inflates the score"),
        (0.59, "+0.010", "not a result"),
        (0.7, "−0.100", "does not inflate the score"),
    ],
)
def test_the_gap_is_put_in_words(clean, difference, words):
    pair = [
        comparison(result("x", 0.6), recipe="a", shared=49),
        comparison(result("x", clean), recipe="b"),
    ]
    (gap,) = leakage_gaps(pair, {"a": recipe("r"), "b": recipe("g")})
    text = gap_sentence(gap)
    assert "49 of 50 test tiles" in text
    assert "0 of 50 test tiles" in text
    assert f"a difference of {strong(difference)}:" in text
    assert words in text


def test_listing_and_signed():
    assert [listing(list("abc")[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
    assert [signed(v) for v in (0.1, -0.25, float("nan"))] == ["+0.100", "−0.250", "–"]
