"""Colours can be told apart: classes on a map, models in a figure, text on its ground."""

import itertools

import pytest
from matplotlib.colors import to_hex

from color_differences import cie76, ciede2000, contrast, lab
from satseg.config import load
from satseg.figures import dark
from satseg.figures.confusion import SHADES
from satseg.figures.leakage import SAME_GROUND, SAME_SCENE
from satseg.figures.style import FIXED_INK, INK, MUTED, PALETTE, PAPER, TINT, model_colors
from satseg.jobs.slices import study_slice
from satseg.measures import MAJORITY

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


@pytest.mark.parametrize("colors", [PALETTE, [dark.DARK[color] for color in PALETTE]])
def test_models_look_different_on_paper_and_in_the_dark(colors):
    grounds = {tuple(PALETTE): PAPER}
    ground = grounds.get(tuple(colors), dark.CARD)
    for one, other in itertools.combinations(colors, 2):
        assert ciede2000(lab(one), lab(other)) > 14, (one, other)
    assert min(contrast(color, ground) for color in colors) >= 3


def test_text_stands_out_from_its_ground():
    for text, ground in itertools.product((INK, MUTED), (PAPER, TINT)):
        assert contrast(text, ground) >= 4.5
        assert contrast(dark.DARK[text], dark.DARK[ground]) >= 4.5
    assert contrast(FIXED_INK, SAME_SCENE) >= 4.5
    assert contrast(FIXED_INK, to_hex(SHADES(1.0))) >= 4.5
    assert contrast("#FFFFFF", SAME_GROUND) >= 4.5


def test_contrast_is_that_of_another_computation():
    for one, other in itertools.combinations([*PALETTE, INK, PAPER], 2):
        assert dark.contrast(one, other) == pytest.approx(contrast(one, other), rel=2e-3)


def test_a_model_has_its_colour_in_every_study():
    config = load()
    places = {model: place for place, model in enumerate(config.models)}
    studies = [study_slice(config, name) for name in config.study]
    moved = []
    for job in studies:
        colors = model_colors(job.study.models, job.places)
        assert list(colors) == [*job.study.models, MAJORITY]
        assert len(set(colors.values())) == min(len(PALETTE), len(job.study.models)) + 1
        own = {model: PALETTE[places[model] % len(PALETTE)] for model in job.study.models}
        moved += [(job.name, m) for m in own if own[m] != colors[m]]
        first = {own[m]: m for m in sorted(own, key=places.get, reverse=True)}
        assert all(colors[m] == color for color, m in first.items())
    assert moved == []


@pytest.mark.parametrize("count", [1, 20, 22, 50])
def test_colours_repeat_only_when_all_are_taken(count):
    models = [f"m{i}" for i in range(count)]
    places = {model: len(PALETTE) * i for i, model in enumerate(models)}
    colors = model_colors(models, places)
    assert colors["m0"] == PALETTE[0]
    assert len(set(colors.values())) == min(count, len(PALETTE)) + 1
    assert colors == model_colors(models[::-1], places)
