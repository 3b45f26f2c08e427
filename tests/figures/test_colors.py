"""Colours can be told apart: classes on a map, models in a figure, text on its ground."""

import itertools

import pytest

from color_differences import cie76, ciede2000, lab
from satseg.config import load

# Of the supplementary data of Sharma, Wu and Dalal (2005).
SHARMA = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.mark.parametrize(("one", "other", "expected"), SHARMA)
def test_the_distance_is_that_of_its_published_examples(one, other, expected):
    assert ciede2000(one, other) == pytest.approx(expected, abs=1e-4)
    assert ciede2000(other, one) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", load().datasets)
def test_classes_of_every_dataset_look_different(name):
    classes = load().datasets[name].classes
    for one, other in itertools.combinations(classes, 2):
        pair = (one.shown_color, other.shown_color)
        assert ciede2000(*map(lab, pair)) > 22, (one.name, other.name)
        assert cie76(*pair) > 40, (one.name, other.name)
