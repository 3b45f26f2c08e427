"""Scenes put together from their tiles, against the scenes themselves."""

import numpy as np
import pytest
from test_tiling import SIZES, read

from satseg.data.mosaic import brightness, cut_out, mosaics, reduced
from satseg.data.store import open_tiles
from satseg.data.tiling import build_tiles


@pytest.fixture(scope="module")
def store(scene_folder, tile_slice, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiles")
    build_tiles(tile_slice, scene_folder, folder)
    return open_tiles(folder)


@pytest.mark.parametrize("name", SIZES)
def test_every_part_of_a_scene_is_found_again(scene_folder, store, name):
    scene = mosaics(store.table)[name]
    assert (scene.height, scene.width) == SIZES[name]
    image = read(scene_folder / f"images/{name}.tif").transpose(1, 2, 0)
    mask = read(scene_folder / f"masks/{name}.tif")[0]
    for top, left in ((0, 0), (5, 3), (31, 31)):
        height = scene.height - top
        width = scene.width - left
        box = (top, left, height, width)
        np.testing.assert_array_equal(cut_out(store.images, scene, box), image[top:, left:])
        np.testing.assert_array_equal(cut_out(store.masks, scene, box), mask[top:, left:])
        total = image[top:, left:].sum(axis=2)
        np.testing.assert_array_equal(brightness(store.images, scene, box), total)


@pytest.mark.parametrize("factor", [1, 3, 7, 32])
def test_a_reduced_scene_holds_means(scene_folder, store, factor):
    scene = mosaics(store.table)["a"]
    total = read(scene_folder / "images/a.tif").sum(axis=0)
    height = scene.height // factor
    width = scene.width // factor
    blocks = total[: height * factor, : width * factor].reshape(height, factor, width, factor)
    found = reduced(store.images, scene, factor)
    np.testing.assert_allclose(found, blocks.mean(axis=(1, 3)), rtol=1e-6)
