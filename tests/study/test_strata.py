"""Which scenes published class pixels were drawn from, on scenes made for it."""

import numpy as np
import pandas as pd
import pytest

from satseg.config.papers import PaperDraw
from satseg.study.strata import fit_draw

CLASSES = ["Field", "House", "Road"]
SHARES = {"Town": (0.3, 0.5, 0.2), "Country": (0.8, 0.05, 0.15)}
SCENES = 60
TILES = 4


def tile_table(rng: np.random.Generator) -> pd.DataFrame:
    """Scenes of two strata, whose class pixels vary from scene to scene far more than from pixel to
    pixel."""
    rows = []
    for stratum, shares in SHARES.items():
        for number in range(SCENES):
            own = rng.dirichlet(np.array(shares) * 8)
            for _ in range(TILES):
                counts = rng.multinomial(1000, own)
                pixels = {f"pixels_{name}": n for name, n in zip(CLASSES, counts, strict=True)}
                rows.append({"scene": f"{stratum}_{number}"} | pixels)
    return pd.DataFrame(rows)


def published(tiles: pd.DataFrame, scenes: list[str], count: int) -> PaperDraw:
    own = tiles[tiles["scene"].isin(scenes)]
    pixels = {name: int(own[f"pixels_{name}"].sum()) for name in CLASSES}
    strata = {"Everything": "*", "Town": "Town_*", "Country": "Country_*", "Coast": "Coast_*"}
    return PaperDraw(what="?", dataset="d", scenes=count, pixels=pixels, strata=strata)


@pytest.mark.parametrize("stratum", SHARES)
def test_a_draw_is_traced_to_its_stratum(stratum):
    rng = np.random.default_rng(3)
    tiles = tile_table(rng)
    found = []
    for _ in range(20):
        scenes = [f"{stratum}_{i}" for i in rng.choice(SCENES, 20, replace=False)]
        fits = fit_draw(published(tiles, scenes, 20), tiles)
        # There is no scene of the coast.
        assert [each.name for each in fits.strata] == ["Everything", "Town", "Country"]
        assert [each.scenes for each in fits.strata] == [120, 60, 60]
        found.append((fits.likeliest.name, fits.likeliest.fit.p))
    assert [name for name, _ in found] == [stratum] * 20
    assert np.mean([p < 0.05 for _, p in found]) < 0.25


def test_a_stratum_without_more_scenes_than_were_drawn_is_no_candidate():
    tiles = tile_table(np.random.default_rng(0))
    fits = fit_draw(published(tiles, ["Town_1"], 60), tiles)
    assert [each.name for each in fits.strata] == ["Everything"]
