"""The figure of confusion matrices."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from satseg.figures.confusion import SHADES, Confusions, confusion_figure
from satseg.figures.style import INK


def test_numbers_are_shares_of_the_true_class():
    matrix = np.array([[75, 25, 0], [0, 0, 0], [1, 1, 998]])
    figure = confusion_figure([Confusions("Toy", ["a", "b", "c"], {"one": matrix, "two": matrix})])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["one", "two"]
    for axes in figure.axes:
        shown = {text.get_position(): text.get_text() for text in axes.texts}
        first = {(0, 0): "75", (1, 0): "25", (2, 0): "0"}
        last = {(0, 2): "<1", (1, 2): "<1", (2, 2): ">99"}
        assert shown == first | last


@pytest.mark.parametrize("classes", [2, 30])
def test_any_number_of_classes_is_drawn(classes):
    names = [f"class {n}" for n in range(classes)]
    figure = confusion_figure([Confusions("Toy", names, {"one": np.eye(classes, dtype=int)})])
    place = figure.axes[0].get_position()
    assert 0 < place.x0 < place.x1 < 1 and 0 < place.y0 < place.y1 < 1
    assert len(figure.axes[0].texts) == classes**2


def test_dark_numbers_are_legible_on_every_shade():
    lightness = []
    for color in (INK, SHADES(1.0)):
        channels = np.array(to_rgb(color))
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        lightness.append(linear @ [0.2126, 0.7152, 0.0722])
    assert (lightness[1] + 0.05) / (lightness[0] + 0.05) >= 4.5
