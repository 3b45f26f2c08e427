"""Texts in figures that the house's own font cannot write."""

import logging

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.figure import Figure
from PIL import Image

from satseg.config.datasets import LandClass
from satseg.figures import fonts
from satseg.figures.samples import samples_figure
from satseg.figures.saving import save
from satseg.figures.style import fit_text, styled
from satseg.figures.tiles import ShownTiles

CITY = "市"
FIELD = "田"
SIZE = 72  # points of a letter


def make_font(path, family, characters):
    """A font in which each of these characters is a filled square, as large as the letter."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 1000), (1000, 1000), (1000, 0)):
        pen.lineTo(corner)
    pen.closePath()
    square = pen.glyph()

    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "square"])
    builder.setupCharacterMap({ord(character): "square" for character in characters})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "square": square})
    builder.setupHorizontalMetrics({".notdef": (1000, 0), "square": (1000, 0)})
    builder.setupHorizontalHeader(ascent=1000, descent=0)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=1000, usWinAscent=1000, usWinDescent=0)
    builder.setupPost()
    builder.save(path)
    return str(path)


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Have only these fonts installed: family → its characters."""
    known = font_manager.fontManager.ttflist

    def install(**families):
        paths = [make_font(tmp_path / f"{name}.ttf", name, own) for name, own in families.items()]
        (tmp_path / "damaged.ttf").write_bytes(b"no font")
        listed = [str(tmp_path / "damaged.ttf"), *paths]
        monkeypatch.setattr(font_manager, "findSystemFonts", lambda: listed)

    monkeypatch.setattr(font_manager.fontManager, "ttflist", [*known])
    monkeypatch.setattr(fonts, "_warned", set())
    fonts.fonts_with.cache_clear()
    yield install
    fonts.fonts_with.cache_clear()
    font_manager.fontManager._findfont_cached.cache_clear()


@styled
def written(text: str) -> Figure:
    figure = Figure((2, 2))
    figure.text(0.2, 0.2, text, fontsize=SIZE)
    return figure


def ink(path) -> float:
    """Drawn area of a picture, in letters."""
    pixels = np.asarray(Image.open(path).convert("L"), float)
    return float((pixels.max() - pixels).sum() / np.ptp(pixels)) / (SIZE / 72 * 150) ** 2


def test_a_sign_comes_from_a_font_that_has_it(installed, tmp_path, recwarn, caplog):
    installed(Other="b", Signs=CITY)
    save(written(CITY), tmp_path / "a.png")
    assert ink(tmp_path / "a.png") == pytest.approx(1, abs=0.01)
    figure = written(CITY)
    for _ in range(2):
        save(figure, tmp_path / "a.svg")
    (drawn,) = [line for line in (tmp_path / "a.svg").read_text().splitlines() if CITY in line]
    assert drawn.count("Signs") == 1 and drawn.index("DejaVu Sans") < drawn.index("Signs")
    assert not recwarn.list and not caplog.records


def test_other_texts_stay_to_the_byte(installed, tmp_path):
    save(written("Äñ"), tmp_path / "before.svg")
    installed(Signs=f"Äñ{CITY}")
    save(written("Äñ"), tmp_path / "after.svg")
    assert (tmp_path / "after.svg").read_bytes() == (tmp_path / "before.svg").read_bytes()


def test_as_few_fonts_as_possible(installed):
    installed(One=CITY, Both=CITY + FIELD, Sans=FIELD + CITY)
    assert fonts.fonts_with(frozenset(CITY + FIELD)) == (["Sans"], "")
    installed(One=CITY, Two=FIELD)
    fonts.fonts_with.cache_clear()
    assert fonts.fonts_with(frozenset(f"{CITY}{FIELD}水")) == (["One", "Two"], "水")


def test_one_line_says_what_no_font_has(installed, tmp_path, recwarn, caplog):
    installed(Signs=CITY)
    with caplog.at_level(logging.WARNING, logger="satseg"):
        for text in (f"{CITY}{FIELD}水", FIELD):
            save(written(text), tmp_path / "a.png")
    (record,) = caplog.records
    said = f"figures: no installed font has '水' and '{FIELD}', drawn as boxes; install one that "
    assert record.getMessage().startswith(said)
    assert not recwarn.list


def test_class_names_dollars_and_ticks(installed, tmp_path, recwarn):
    """A class is called in Chinese, its legend too; a dollar is a dollar, also beside another."""
    installed(Signs=CITY + FIELD)
    classes = [LandClass(name=f"{CITY} $5$", color="#FF0000"), LandClass(name="b", color="#00FF00")]
    pixels = np.zeros((1, 8, 8, 3), np.uint8)
    tiles = ShownTiles(f"{FIELD} $x_1$", classes, [CITY], pixels, pixels[..., 0])
    save(samples_figure([tiles]), tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert f"{CITY} $5$" in text and f"{FIELD} $x_1$" in text
    assert sum("Signs" in line for line in text.splitlines()) >= 3

    figure = Figure()
    figure.subplots().set_xticks([0, 1], [CITY, "b"])
    save(figure, tmp_path / "ticks.svg")
    lines = (tmp_path / "ticks.svg").read_text(encoding="utf-8").splitlines()
    assert [CITY in line for line in lines if "Signs" in line] == [True]
    assert not recwarn.list


def test_wide_signs_are_made_to_fit():
    figure = Figure()
    texts = [figure.text(0, 0, name, fontsize=8) for name in ("abcdefgh", CITY * 8)]
    for text in texts:
        fit_text(text, 0.4)
    narrow, wide = (text.get_fontsize() for text in texts)
    assert narrow / wide == pytest.approx(1.6)
