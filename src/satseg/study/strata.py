"""Which scenes a paper's training images were drawn from."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np
import pandas as pd

from satseg.config.papers import PaperDraw
from satseg.data.labels import pixels_column
from satseg.statistics.goodness import Fit, class_fit, likeliest


class StratumFit(NamedTuple):
    """How well published class pixels fit a draw of scenes from one stratum."""

    name: str
    scenes: int
    """Number of scenes in the stratum."""
    fit: Fit


class DrawFits(NamedTuple):
    """A published draw and its fit to each stratum, in the order of the configuration."""

    draw: PaperDraw
    strata: list[StratumFit]

    @property
    def likeliest(self) -> StratumFit:
        """The stratum that the pixels were most likely drawn from."""
        name = likeliest({stratum.name: stratum.fit for stratum in self.strata})
        return next(stratum for stratum in self.strata if stratum.name == name)


def fit_draw(draw: PaperDraw, tiles: pd.DataFrame) -> DrawFits:
    """Compare published class pixels with every stratum that has more scenes than were drawn.

    Args:
        draw: what was published.
        tiles: tiles.csv of the dataset.
    """
    columns = [pixels_column(name) for name in draw.pixels]
    pixels = tiles.groupby("scene")[columns].sum()
    published = np.array(list(draw.pixels.values()))
    strata = []
    for name, pattern in draw.strata.items():
        within = [scene for scene in pixels.index if fnmatchcase(scene, pattern)]
        if len(within) > max(draw.scenes, len(columns)):
            fit = class_fit(published, pixels.loc[within].to_numpy(), draw.scenes)
            strata.append(StratumFit(name, len(within), fit))
    return DrawFits(draw, strata)
