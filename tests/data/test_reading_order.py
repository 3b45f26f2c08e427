"""Splits in reading order, and classes of several colours: by hand, and on the real imagery."""

import numpy as np
import pandas as pd
import pytest

from satseg.config.datasets import LandClass
from satseg.config.reading import load
from satseg.config.splits import Split
from satseg.data.splits import draw_split
from satseg.data.tiling import build_tiles
from satseg.jobs.slices import tile_slice


def test_the_whole_tiles_are_cut_in_order_and_padded_ones_go_along():
    whole = [1, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 0]
    table = pd.DataFrame({"tile": range(14), "scene": "a", "group": "a", "whole": whole})
    split = draw_split(table, Split(unit="sequence", train=0.5, val=0.3, test=0.2))
    assert split["tile"].tolist() == list(range(14))
    assert split["subset"].tolist() == ["train"] * 8 + ["val"] * 3 + ["test"] * 3
    kept = split["subset"][table["whole"] == 1].value_counts()
    assert kept.to_dict() == {"train": 5, "val": 3, "test": 2}


def test_no_draw_and_so_no_seed():
    table = pd.DataFrame({"tile": range(9), "scene": "a", "group": "a", "whole": 1})
    splits = [Split(unit="sequence", train=0.8, val=0.2, seed=seed) for seed in (0, 1)]
    first, second = (draw_split(table, split) for split in splits)
    pd.testing.assert_frame_equal(first, second)


def test_aliases_are_colours_or_values():
    assert LandClass(name="Water", color="#0000ff", aliases=["#00ff00"]).aliases == ["#00FF00"]
    assert LandClass(name="Water", color="#0000ff", aliases=[7, 9]).aliases == [7, 9]
    with pytest.raises(ValueError, match="aliases"):
        LandClass(name="Water", color="#0000ff", aliases=["blue"])


def test_the_lab_reports_patches_on_the_real_imagery(dubai, tmp_path):
    """945 patches, 756 and 189 of them, and what the validation ones show: as its authors' code."""
    config = load()
    table = build_tiles(tile_slice(config, "dubai_lab_report"), dubai, tmp_path)
    assert table["whole"].sum() == 945
    assert set(table["scene"].str.slice(0, 5)) == {f"tile{i}" for i in range(1, 8)}

    tiles = table.merge(draw_split(table, config.splits["sequence"])[["tile", "subset"]], on="tile")
    patches = tiles[tiles["whole"] == 1]
    assert patches["subset"].value_counts().to_dict() == {"train": 756, "val": 189}
    assert patches.loc[patches["subset"] == "val", "scene"].iloc[0] == "tile7_part006"

    pixels = patches[patches["subset"] == "val"].filter(regex="^pixels_").sum()
    shares = (pixels / pixels.sum()).round(3).to_dict()
    assert shares["pixels_Land"] == 0.930
    assert shares["pixels_Road"] == 0.034
    assert shares["pixels_Water"] == 0.024
    assert shares["pixels_Building"] == 0.003
    assert pixels.sum() == 189 * 256**2  # black pixels are water: none is left out


def test_bands_in_opencvs_order(dubai, tmp_path):
    config = load()
    usual = tile_slice(config, "dubai")
    layout = usual.layout.model_copy(
        update={
            "images": "**/Tile {tile:2}/images/image_part_{part:001}.jpg",
            "masks": "**/Tile {tile:2}/masks/image_part_{part:001}.png",
        }
    )
    stores = {}
    for name in ("dubai", "dubai_lab_report"):
        job = tile_slice(config, name).model_copy(update={"layout": layout})
        build_tiles(job, dubai, tmp_path / name)
        stores[name] = np.load(tmp_path / name / "images.npy")
    np.testing.assert_array_equal(stores["dubai"][..., ::-1], stores["dubai_lab_report"])
