"""Batches of tiles from the memory-mapped store."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, Sampler, SequentialSampler

from satseg.data.labels import NO_LABEL
from satseg.data.store import Tiles
from satseg.errors import UserError
from satseg.processes import end_with_parent
from satseg.progress import log

SHARED_MEMORY = Path("/dev/shm")
# Batches a reading process has ready: enough to bridge a tile that has to come from the disk.
AHEAD = 4


def subset_tiles(tiles: Tiles, split: pd.DataFrame, subset: str, padded: bool) -> np.ndarray:
    """Tile numbers of a subset, ascending; padded tiles only if `padded`.

    Raises:
        UserError: there are none.
    """
    tile_numbers = tiles.table["tile"].to_numpy()
    subsets = split.set_index("tile")["subset"].reindex(tile_numbers)
    used = (subsets == subset).to_numpy()
    if not padded:
        used = used & (tiles.table["whole"] == 1).to_numpy()

    if not used.any():
        raise UserError(
            f"no tile is left in subset {subset!r}; use another split, or padded_tiles: true"
        )
    return tile_numbers[used]


class TileDataset(Dataset):
    """Some tiles of a store, a batch at a time."""

    def __init__(self, tiles: Tiles, tile_numbers: np.ndarray):
        self.images = tiles.images
        self.masks = tiles.masks
        self.tile_numbers = tile_numbers

    def __len__(self) -> int:
        return len(self.tile_numbers)

    def __getitems__(self, rows: list[int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Images uint8 [B, C, H, W] (channels last in memory), masks uint8 [B, H, W] and tile
        numbers int64 [B].

        A borrowed row (see `borrowed`) gives an image without labels and without a number.
        """
        if rows and is_borrowed(rows[0]):
            images, masks, tile_numbers = self.__getitems__([borrowed(row) for row in rows])
            return images, torch.full_like(masks, NO_LABEL), tile_numbers[:0]

        tile_numbers = self.tile_numbers[rows]
        images = torch.from_numpy(np.asarray(self.images[tile_numbers]))
        masks = torch.from_numpy(np.asarray(self.masks[tile_numbers]))
        return images.permute(0, 3, 1, 2), masks, torch.from_numpy(tile_numbers)


def borrowed(row: int) -> int:
    """Mark a row of a `TileDataset` as borrowed, or remove the mark: its complement, which is
    negative.

    A process that has no tile of a batch borrows one from another process, because it must take
    part in what all processes do together; the tile counts for nothing.
    """
    return ~row


def is_borrowed(row: int) -> bool:
    """Whether a row is marked as `borrowed`."""
    return row < 0


class EpochSampler(Sampler):
    """A new order each epoch, drawn from (seed, epoch) alone; Lightning calls `set_epoch`.

    Of `size` tiles it takes `count`, different ones in every epoch; None takes all.
    """

    def __init__(self, size: int, seed: int, count: int | None = None):
        self.size = size
        self.seed = seed
        self.epoch = 0
        self.count = min(count or size, size)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, counted from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.size)
        return iter(order[: self.count].tolist())


class Batches(BatchSampler):
    """Batches of a sampler's tiles, of which process `rank` of `world` gets its share.

    In the next pass the first `skip` batches are empty, because they have been trained on. If a
    batch has fewer tiles than there are processes, the rest borrow one (see `borrowed`).
    """

    skip = 0
    rank = 0
    world = 1

    def __iter__(self) -> Iterator[list[int]]:
        skip = self.skip
        self.skip = 0

        for number, batch in enumerate(super().__iter__()):
            if number < skip:
                yield []
            else:
                yield batch[self.rank :: self.world] or [borrowed(batch[0])]


def loader(
    dataset: TileDataset,
    batch_size: int,
    workers: int = 0,
    seed: int | None = None,
    count: int | None = None,
    rank: int = 0,
    world: int = 1,
) -> DataLoader:
    """Batches of (images, masks, tile numbers).

    Args:
        dataset: the tiles.
        batch_size: tiles per batch, over all processes. A shuffled tile that would form a last
            batch on its own is left out of that epoch: models that batch-normalise over one pixel
            per image cannot train on it.
        workers: processes that read ahead.
        seed: shuffles the tiles, differently in each epoch; None keeps their order.
        count: tiles per epoch, with a seed; None for all.
        rank: which of the processes that train together gets these batches.
        world: number of these processes.
    """
    order = None if seed is None else EpochSampler(len(dataset), seed, count)
    if order and order.count > 1 and order.count % batch_size == 1:
        order.count -= 1

    workers = _fitting(workers, dataset, batch_size)
    batches = Batches(order or SequentialSampler(dataset), batch_size, drop_last=False)
    batches.rank = rank
    batches.world = world

    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_as_it_is,
        worker_init_fn=_end_with_its_run,
        persistent_workers=workers > 0,
        prefetch_factor=AHEAD if workers else None,
        pin_memory=torch.cuda.is_available(),
        # Its own: an iterator draws from it when it starts, and must not shift the run's random
        # state.
        generator=torch.Generator(),
    )


def _end_with_its_run(worker: int) -> None:
    end_with_parent()


def _fitting(workers: int, dataset: TileDataset, batch_size: int) -> int:
    """No more of these processes than shared memory has room for: in a container with little of it
    they would wait for ever."""
    if not workers or not SHARED_MEMORY.is_dir():
        return workers
    batch = batch_size * (dataset.images[0].nbytes + dataset.masks[0].nbytes)
    fitting = int(shutil.disk_usage(SHARED_MEMORY).free // ((AHEAD + 1) * batch))
    if fitting >= workers:
        return workers
    log.warning(
        "%s: room for %d of %d processes that read batches ahead; a container gets more of it with "
        "--shm-size=2g",
        SHARED_MEMORY,
        fitting,
        workers,
    )
    return fitting


def _as_it_is(batch: tuple) -> tuple:
    """A batch unchanged: the dataset gives whole batches."""
    return batch
