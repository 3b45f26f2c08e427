"""Characters that the font of all figures lacks: drawn with an installed font that has them."""

from contextlib import suppress
from functools import cache
from typing import NamedTuple

from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

from satseg.figures.style import FONT
from satseg.progress import log
from satseg.text import listing

SHOWN = 5  # characters that a warning names

_warned: set[str] = set()


class Found(NamedTuple):
    """Fonts for some characters."""

    families: list[str]
    """Names of the fonts."""
    lacking: str
    """The characters that no installed font has."""


def complete_fonts(figure: Figure) -> None:
    """Give each text of which the font of all figures lacks a character further fonts.

    What no installed font has becomes a box, and the first such figure of a process says so.
    """
    texts = {text: lacking(text.get_text()) for text in _texts(figure)}
    characters = frozenset().union(*texts.values())
    if not characters:
        return
    found = fonts_with(characters)
    for text, own in texts.items():
        if own:
            text.set_family(list(dict.fromkeys([*text.get_family(), *found.families])))
    if found.lacking:
        _warn_once(found.lacking)


def lacking(text: str) -> set[str]:
    """Its visible characters that the font of all figures has no sign for."""
    visible = {character for character in text if character.isprintable()}
    return {character for character in visible if ord(character) not in _own_signs()}


@cache
def fonts_with(characters: frozenset[str]) -> Found:
    """Installed fonts that together have as many of these characters as possible: as few as
    possible, and those without serifs first."""
    left = {ord(character) for character in characters}
    fonts = []
    for path in sorted(font_manager.findSystemFonts()):
        with suppress(OSError, RuntimeError):  # a damaged file
            font = FT2Font(path)
            signs = left & font.get_charmap().keys()
            if signs and font.scalable:
                fonts.append((signs, font.family_name, path))

    families = []
    while fonts and left:
        signs, family, path = max(fonts, key=lambda font: (len(font[0] & left), "Sans" in font[1]))
        if not signs & left:
            break
        left -= signs
        families.append(family)
        if family not in font_manager.get_font_names():
            font_manager.fontManager.addfont(path)
    return Found(families, "".join(map(chr, sorted(left))))


def _texts(figure: Figure) -> list[Text]:
    """All texts of a figure; those of ticks are written only as they are asked for."""
    for axes in figure.findobj(Axes):
        axes.get_xticklabels()
        axes.get_yticklabels()
    return figure.findobj(Text)


@cache
def _own_signs() -> set[int]:
    return set(FT2Font(font_manager.findfont(FONT)).get_charmap())


def _warn_once(characters: str) -> None:
    if _warned:
        return
    _warned.add(characters)
    shown = listing([repr(character) for character in characters[:SHOWN]])
    log.warning(
        "figures: no installed font has %s%s, drawn as boxes; install one that does, such as Noto "
        "Sans CJK for Chinese, Japanese and Korean (package fonts-noto-cjk)",
        shown,
        " …" if len(characters) > SHOWN else "",
    )
