"""The size of a dataset in a folder, from the heads of its images."""

import re

import numpy as np

from conftest import write_raster
from satseg.commands.new import new
from satseg.config.reading import load_with
from satseg.estimate.expect import Estimate
from satseg.estimate.local import size_here


def drafted(tmp_path, files, tile_size=64):
    """The dataset that `satseg new` makes of some files, with tiles of this size."""
    folder = tmp_path / "d"
    for name, (height, width) in files.items():
        values = np.resize([0, 1], (height, width)).astype(np.uint8)
        write_raster(folder / name.format("images"), np.stack([values] * 4))
        write_raster(folder / name.format("masks"), values[None])
    out = tmp_path / "mine.yaml"
    new("mine", str(folder), out)
    text = out.read_text()
    out.write_text(re.sub(r"tile_size: \d+", f"tile_size: {tile_size}", text))
    return load_with([str(out)]), folder


def test_tiles_at_the_edges_count_and_folders_tell_the_subsets(tmp_path):
    files = {f"train/{{}}/{n}.tif": (128, 96) for n in range(3)} | {"val/{}/x.tif": (64, 65)}
    config, folder = drafted(tmp_path, files)
    found = size_here(config.datasets["mine"], folder)
    tiles = 3 * 2 * 2 + 1 * 2
    assert (found.scenes, found.pixels, found.bands) == (4, tiles * 64**2, 4)
    assert found.official == {"train": 0.75, "val": 0.25}


def test_the_estimate_knows_the_tiles_before_they_are_cut(tmp_path):
    config, _ = drafted(tmp_path, {f"{{}}/{n}.tif": (128, 128) for n in range(10)})
    estimate = Estimate(config, ["my_mine"], data=tmp_path / "data", results=tmp_path / "results")
    tiles = estimate.tiles("mine")
    assert (tiles.count, tiles.on_disk) == (40, False)
    assert estimate.subset_tiles("mine", "mine")["train"] == 24


def test_what_is_not_there_or_damaged_is_not_known(tmp_path):
    config, folder = drafted(tmp_path, {f"{{}}/{n}.tif": (64, 64) for n in range(4)})
    dataset = config.datasets["mine"]
    assert size_here(dataset, tmp_path / "elsewhere") is None
    (folder / "images/0.tif").write_bytes(b"II*\0 no more of it")
    assert size_here(dataset, folder) is None
