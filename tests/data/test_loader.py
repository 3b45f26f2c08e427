"""Batches from the tile store."""

import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from satseg.data.loader import EpochSampler, TileDataset, loader, subset_tiles
from satseg.data.normalise import normalise, to_unit
from satseg.data.store import open_tiles
from satseg.data.tiling import build_tiles
from satseg.errors import UserError


@pytest.fixture(scope="module")
def store(scene_folder, tile_slice, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiles")
    build_tiles(tile_slice, scene_folder, folder)
    return open_tiles(folder)


def test_subsets(store):
    subset = np.where(store.table["tile"] % 3 == 0, "val", "train")
    split = pd.DataFrame({"tile": store.table["tile"], "subset": subset}).sample(
        frac=1, random_state=0
    )
    chosen = subset_tiles(store, split, "val", padded=True)
    assert chosen.tolist() == [t for t in store.table["tile"] if t % 3 == 0]
    whole = subset_tiles(store, split, "val", padded=False)
    assert whole.tolist() == [t for t in chosen if store.table["whole"][t]]
    with pytest.raises(UserError, match="no tile is left in subset 'test'"):
        subset_tiles(store, split, "test", padded=True)


def test_batches_hold_the_tiles_in_order(store):
    chosen = np.array([3, 1, 7])
    batches = list(loader(TileDataset(store, chosen), 2))
    assert [b[2].tolist() for b in batches] == [[3, 1], [7]]
    images, masks, _ = batches[0]
    assert images.dtype == masks.dtype == torch.uint8 and images.shape == (2, 3, 32, 32)
    assert images.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(images[1].permute(1, 2, 0), store.images[1])
    np.testing.assert_array_equal(masks[1], store.masks[1])


@pytest.mark.parametrize("workers", [0, 2])
def test_every_epoch_has_its_own_order_whatever_the_workers(store, workers):
    dataset = TileDataset(store, store.table["tile"].to_numpy())
    batches = loader(dataset, 5, workers, seed=9)
    orders = []
    for epoch in (0, 1, 0):
        batches.batch_sampler.sampler.set_epoch(epoch)
        orders.append(torch.cat([b[2] for b in batches]).tolist())
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[1]) == dataset.tile_numbers.tolist()
    assert orders[0] == list(EpochSampler(len(dataset), 9))


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_that_were_trained_on_are_empty_once(store, workers):
    batches = loader(TileDataset(store, np.arange(11)), 3, workers, seed=9)
    whole = [b[2].tolist() for b in batches]
    batches.batch_sampler.skip = 2
    assert len(batches) == 4
    images, masks, _ = next(iter(batches))
    assert images.shape == (0, 3, 32, 32) and masks.shape == (0, 32, 32)
    batches.batch_sampler.skip = 2
    assert [b[2].tolist() for b in batches] == [[], [], *whole[2:]]
    assert [b[2].tolist() for b in batches] == whole


def test_an_epoch_of_fewer_tiles_draws_them_again(store):
    dataset = TileDataset(store, store.table["tile"].to_numpy())
    batches = loader(dataset, 4, seed=9, count=6)
    seen = []
    assert len(batches) == 2
    for epoch in range(8):
        batches.batch_sampler.sampler.set_epoch(epoch)
        seen.append(torch.cat([b[2] for b in batches]).tolist())
        assert len(set(seen[-1])) == 6
    assert seen[0] != seen[1] and len(set().union(*seen)) > 6
    assert sorted(EpochSampler(5, 0, 9)) == [0, 1, 2, 3, 4]


def test_iterating_leaves_the_global_random_state(store):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    list(loader(TileDataset(store, np.arange(6)), 2, seed=0))
    assert torch.equal(torch.get_rng_state(), before)


def test_scaling():
    images = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    unit = to_unit(images)
    assert unit.is_contiguous(memory_format=torch.channels_last) and unit.dtype == torch.float32
    torch.testing.assert_close(unit, images / 255)
    assert normalise(unit, "unit") is unit
    from torchvision.transforms.v2.functional import normalize

    expected = normalize(images / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    torch.testing.assert_close(normalise(unit, "imagenet"), expected)
    with pytest.raises(UserError, match="needs 3 bands"):
        normalise(torch.zeros(1, 4, 2, 2), "imagenet")


@pytest.mark.parametrize(("tiles", "batch", "count", "sizes"), [
    (9, 4, None, [4, 4]), (9, 4, 5, [4]), (10, 4, None, [4, 4, 2]), (9, 1, None, [1] * 9), (1, 4, None, [1]),
])  # fmt: skip
def test_no_tile_is_trained_on_alone(store, tiles, batch, count, sizes):
    dataset = TileDataset(store, np.arange(tiles))
    assert [len(b[2]) for b in loader(dataset, batch, seed=0, count=count)] == sizes
    # What is judged is judged whole.
    assert sum(len(b[2]) for b in loader(dataset, batch)) == tiles


def test_no_more_loader_processes_than_shared_memory_holds(store, monkeypatch, caplog):
    """A process has up to five batches in it, here of 3 tiles of 32² pixels in 4 bytes each."""
    batch = 3 * 32 * 32 * 4
    dataset = TileDataset(store, np.arange(9))
    for free, workers in ((5 * batch - 1, 0), (5 * batch, 1), (14 * batch, 2), (20 * batch, 4)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        with caplog.at_level("WARNING", "satseg"):
            assert loader(dataset, 3, workers=4).num_workers == workers
        said = [record.getMessage() for record in caplog.records]
        room = f"/dev/shm: room for {workers} of 4 processes that read batches ahead; a container"
        assert said == [] if workers == 4 else said[0].startswith(room)
        caplog.clear()
