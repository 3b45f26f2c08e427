"""Which tiles are shown."""

import warnings

import numpy as np

from satseg.data.labels import pixels_column
from satseg.data.store import Tiles

PANELS, HARD = 6, 2


def panel_tiles(
    store: Tiles, chosen: np.ndarray, counted: list[int], names: list[str]
) -> tuple[np.ndarray, list[str]]:
    """The tiles to show, the same for every model: some of mixed content, one a scene, and some
    that are hard.

    Returns:
        tile numbers [K], rising, and for each the class that makes it hard, or an empty text.
    """
    rows = store.table.loc[chosen]
    pixels = rows[[pixels_column(name) for name in names]].to_numpy(float)
    shares = pixels / np.maximum(pixels.sum(1, keepdims=True), 1)
    mix = -(shares * np.log(np.maximum(shares, 1e-12))).sum(1)
    order = rows.assign(mix=mix).sort_values(
        ["whole", "mix", "tile"], ascending=[False, False, True]
    )
    hard: dict[str, int] = {}
    for tile, name in odd_tiles(store, chosen, counted, names):
        if len(hard) < HARD and name not in hard and tile not in hard.values():
            hard[name] = tile
    picks = {tile: name for name, tile in hard.items()}
    mixed = order[~order["tile"].isin(list(picks))].drop_duplicates("scene")["tile"]
    picks |= {int(tile): "" for tile in mixed[: PANELS - len(picks)]}
    shown = sorted(picks)
    return np.array(shown), [picks[tile] for tile in shown]


def odd_tiles(
    store: Tiles, chosen: np.ndarray, counted: list[int], names: list[str]
) -> list[tuple[int, str]]:
    """Tiles where a class looks least as it usually does, such as roads in shadow: (tile, class),
    oddest first.

    A class's look in a tile is its mean colour there; how odd it is, the distance from the mean
    over the chosen tiles in standard deviations. Only tiles count where the class covers at least 1
    %.
    """
    looks = np.full((len(chosen), len(counted), store.images.shape[-1]), np.nan)
    for i, tile in enumerate(chosen):
        # A quarter of the pixels tells a mean colour well enough.
        image, mask = store.images[tile][::2, ::2].astype(np.float32), store.masks[tile][::2, ::2]
        for c, index in enumerate(counted):
            here = mask == index
            if here.mean() >= 0.01:
                looks[i, c] = image[here].mean(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a class that occurs nowhere has no mean
        spread = np.nanstd(looks, 0)
        away = (looks - np.nanmean(looks, 0)) / np.where(spread > 0, spread, np.nan)
    odd = np.nan_to_num(np.sqrt((away**2).mean(-1)))
    order = np.dstack(np.unravel_index(np.argsort(-odd, axis=None, kind="stable"), odd.shape))[0]
    return [(int(chosen[i]), names[c]) for i, c in order if odd[i, c] > 0]
