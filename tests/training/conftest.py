"""What the tests of trainings share."""

import pytest

from satseg.config.splits import Split
from satseg.data.splits import draw_split
from satseg.data.store import open_tiles
from satseg.data.tiling import build_tiles


@pytest.fixture(scope="module")
def data(scene_folder, tile_slice, tmp_path_factory):
    """A tile store and its split."""
    folder = tmp_path_factory.mktemp("store")
    build_tiles(tile_slice, scene_folder, folder)
    store = open_tiles(folder)
    return store, draw_split(store.table, Split(unit="tile", train=0.6, val=0.4))
