"""Drawings that follow the reader's choice of light or dark."""

from __future__ import annotations

from colorsys import hls_to_rgb, rgb_to_hls

from matplotlib.colors import to_hex, to_rgb

from satseg.figures.style import FAINT, INK, MUTED, PALE, PALETTE, PAPER, TINT

CARD = "#1B2023"
"""The ground of a figure in the dark: that of the report's cards."""
NEUTRALS = {
    PAPER: CARD,
    TINT: "#252C2F",
    INK: "#E3E6E3",
    MUTED: "#9AA6A8",
    FAINT: "#5D686C",
    PALE: "#333B3E",
}
SEEN = 3.0
"""The contrast that a mark needs with its ground (WCAG 2.1, 1.4.11)."""


def in_the_dark(color: str) -> str:
    """The colour on a dark ground: the same if it is seen there, else the same hue, as light as it
    was dark."""
    if contrast(color, CARD) >= SEEN:
        return color
    hue, lightness, saturation = rgb_to_hls(*to_rgb(color))
    return to_hex(hls_to_rgb(hue, 1 - lightness, saturation)).upper()


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.1 between two colours, 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: str) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in to_rgb(color)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


DARK = NEUTRALS | {color: in_the_dark(color) for color in PALETTE}
"""Colour on paper → colour in the dark; all others, those of classes among them, stay."""


def with_dark_colors(svg: str) -> str:
    """A drawing by matplotlib with a style sheet that replaces its colours where the reader prefers
    dark pages."""
    rules = []
    for light, dark in DARK.items():
        for part in ("fill", "stroke"):
            written = f"{part}: {light.lower()}"
            if written in svg:
                rules.append(f'[style*="{written}"] {{{part}: {dark.lower()} !important}}')
    style = f"<style>@media (prefers-color-scheme: dark) {{{' '.join(rules)}}}</style>"
    return svg.replace("</defs>", f"{style}</defs>", 1)
