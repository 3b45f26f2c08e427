"""Each change of a recipe's augmentation by itself, as far as it may go."""

import numpy as np

from satseg.config.recipes import Augmentation
from satseg.data.augmentation import Changes
from satseg.data.recolour import LOW_SUN_CONTRAST, LOW_SUN_GAMMA, colour_matrix


def extremes(
    settings: Augmentation, exchanges: dict[str, np.ndarray], coloured: bool = True
) -> dict[str, Changes]:
    """What each change is called, and its largest draws.

    Args:
        settings: the changes that may occur.
        exchanges: other scenes → what gives a tile their colours in full, a matrix [3, 4].
        coloured: whether the images have three bands.
    """
    shown = {"unchanged": Changes()}
    if settings.hflip:
        shown["hflip"] = Changes(mirror_columns=True)
    if settings.vflip:
        shown["vflip"] = Changes(mirror_rows=True)
    if settings.rot90:
        shown["rot90"] = Changes(transpose=True, mirror_rows=True)
    if settings.scale:
        for factor in (1 - settings.scale, 1 + settings.scale):
            shown[f"scale {factor:g}"] = Changes(zoom=factor)
    for key in ("brightness", "contrast", "gamma"):
        most = getattr(settings, key)
        if most:
            for factor in (1 - most, 1 + most):
                shown[f"{key} {factor:g}"] = Changes(**{key: factor})
    return shown | (_of_colours(settings, exchanges) if coloured else {})


def _of_colours(settings: Augmentation, exchanges: dict[str, np.ndarray]) -> dict[str, Changes]:
    """Those that only colours can go through."""
    shown = {}
    if settings.hue:
        for turn in (-settings.hue, settings.hue):
            shown[f"hue {turn:+.2f}"] = Changes(hue=turn)
    if settings.saturation:
        for factor in (1 - settings.saturation, 1 + settings.saturation):
            shown[f"saturation {factor:g}"] = Changes(matrix=colour_matrix(factor, 0, None))
    most = settings.season
    if most:
        shown["autumn"] = Changes(autumn=most)
        shown["winter"] = Changes(winter=most)
        shown["low sun"] = Changes(
            contrast=LOW_SUN_CONTRAST**most,
            gamma=LOW_SUN_GAMMA**most,
            matrix=colour_matrix(1, most, None),
        )
    if settings.exchange:
        for scene, whole in exchanges.items():
            share = np.eye(3, 4) + settings.exchange * (whole - np.eye(3, 4))
            shown[f"as {scene}"] = Changes(matrix=colour_matrix(1, 0, share))
    return shown
