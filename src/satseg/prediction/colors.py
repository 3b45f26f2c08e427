"""The colours of a map's classes."""

import colorsys
from collections.abc import Sequence

from satseg.config.reading import load
from satseg.data.labels import NO_LABEL
from satseg.errors import UserError
from satseg.models.segmenter import Segmenter
from satseg.progress import log

GOLDEN = 0.618  # hues this far apart on the circle stay distinct however many there are


def class_colors(segmenter: Segmenter, colors: dict[str, str] | None = None) -> list[str]:
    """The colour of each class, `#rrggbb`, by class index.

    Args:
        segmenter: the model.
        colors: those to use, by class name; None for those of its bundle, else of the
            configuration. A class that has none gets one of a palette.
    """
    if colors is None:
        colors = segmenter.colors
    if colors is None:
        colors = configured_colors(segmenter.dataset)
    return [colors.get(name) or _of_palette(i) for i, name in enumerate(segmenter.classes)]


def colormap(colors: Sequence[str]) -> dict[int, tuple[int, int, int, int]]:
    """Class index → red, green, blue, alpha; no data is transparent."""
    table = {NO_LABEL: (0, 0, 0, 0)}
    for i, color in enumerate(colors):
        table[i] = (*bytes.fromhex(color.removeprefix("#")), 255)
    return table


def configured_colors(dataset: str) -> dict[str, str]:
    """Colours that the configuration gives a dataset's classes; none if it does not have the
    dataset."""
    try:
        known = load().datasets.get(dataset)
    except UserError as error:
        reason = str(error).splitlines()[0]
        log.warning("the map's colours are not those of the configuration: %s", reason)
        return {}
    return {land.name: land.shown_color for land in known.classes} if known else {}


def _of_palette(index: int) -> str:
    shares = colorsys.hsv_to_rgb(index * GOLDEN % 1, 0.65, 0.9)
    return "#" + bytes(round(255 * share) for share in shares).hex()
