"""Words and numbers as people read them."""

import pytest

from satseg.text import columns, counted, duration, percent


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (4.4, "4 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3725.4, "1 h 02 min"),
        (7200, "2 h 00 min"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (0, "tile", "0 tiles"),
        (1, "class", "1 class"),
        (2, "class", "2 classes"),
        (1, "entry", "1 entry"),
        (1024, "entry", "1,024 entries"),
        (2, "train tile", "2 train tiles"),
    ],
)
def test_numbers_of_things(number, noun, text):
    assert counted(number, noun) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (0.0000312, "0.003 %"),
        (0.0031, "0.3 %"),
        (0.0994, "9.9 %"),
        (0.0996, "10 %"),
        (0.345, "34 %"),
        (1, "100 %"),
    ],
)
def test_a_percentage_has_the_digits_it_needs(share, text):
    assert percent(share) == text


@pytest.mark.parametrize(
    ("part", "text"),
    [(0, "0 %"), (1, "0.1 %"), (5000, "50.0 %"), (9999, "99.9 %"), (10000, "100 %")],
)
def test_shares_are_rounded_to_none_and_all_only_where_they_are(part, text):
    assert percent(part, 10000, decimals=1) == text


def test_a_table_sets_texts_to_the_left_and_numbers_to_the_right():
    assert columns([["name", "tiles"], ["a", "7"], ["longer", "1,234"]]) == (
        "  name    tiles\n  a           7\n  longer  1,234"
    )
