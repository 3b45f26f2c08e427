"""Batches of tiles from the memory-mapped store."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, Sampler, SequentialSampler

from satseg.data.labels import NO_LABEL
from satseg.data.store import Tiles
from satseg.errors import UserError


def subset_tiles(tiles: Tiles, split: pd.DataFrame, subset: str, padded: bool) -> np.ndarray:
    """Tile numbers of a subset, ascending; padded ones only where `padded`.

    Raises:
        UserError: there are none.
    """
    chosen = (split.set_index("tile")["subset"].reindex(tiles.table["tile"]) == subset).to_numpy()
    if not padded:
        chosen = chosen & (tiles.table["whole"] == 1).to_numpy()
    if not chosen.any():
        raise UserError(
            f"no tile is left in subset {subset!r}; use another split, or padded_tiles: true"
        )
    return tiles.table["tile"].to_numpy()[chosen]


class TileDataset(Dataset):
    """Some tiles of a store, a batch at a time."""

    def __init__(self, tiles: Tiles, chosen: np.ndarray):
        self.images, self.masks, self.chosen = tiles.images, tiles.masks, chosen

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitems__(self, rows: list[int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Images uint8 [B, C, H, W] (channels last in memory), masks uint8 [B, H, W] and tile
        numbers int64 [B].

        A negative row, ~row, is borrowed (see `Batches`): an image that has no label, and no
        number.
        """
        if rows and rows[0] < 0:
            images, masks, tiles = self.__getitems__([~row for row in rows])
            return images, torch.full_like(masks, NO_LABEL), tiles[:0]
        tiles = self.chosen[rows]
        images, masks = (
            torch.from_numpy(np.asarray(array[tiles])) for array in (self.images, self.masks)
        )
        return images.permute(0, 3, 1, 2), masks, torch.from_numpy(tiles)


class EpochSampler(Sampler):
    """A new order each epoch, drawn from (seed, epoch) alone; Lightning calls `set_epoch`.

    Of `size` tiles it takes `count`, others in every epoch; None takes all.
    """

    def __init__(self, size: int, seed: int, count: int | None = None):
        self.size, self.seed, self.epoch = size, seed, 0
        self.count = min(count or size, size)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.size)
        return iter(order[: self.count].tolist())


class Batches(BatchSampler):
    """Batches of a sampler's tiles; the next time, the first `skip` of them are empty: they have
    been trained on.

    Of each batch, process `rank` of `world` has a share. Where there are fewer tiles than
    processes, one that has none
    borrows a tile, which counts for nothing: it must take part in what all processes do together.
    """

    skip, rank, world = 0, 0, 1

    def __iter__(self) -> Iterator[list[int]]:
        skip, self.skip = self.skip, 0
        for number, batch in enumerate(super().__iter__()):
            yield [] if number < skip else batch[self.rank :: self.world] or [~batch[0]]


def loader(
    dataset: TileDataset,
    batch_size: int,
    workers: int = 0,
    seed: int | None = None,
    count: int | None = None,
    rank: int = 0,
    world: int = 1,
) -> DataLoader:
    """Batches of (images, masks, tiles): shuffled anew each epoch where a seed is given, in order
    otherwise.

    Where `count` is given besides, so many tiles an epoch. A tile that would be shuffled into a
    last batch of its own
    is left out of that epoch: models that normalise over a pixel an image cannot train on one.
    Of `world` processes that train together, `rank` has its share of each batch.
    """
    order = None if seed is None else EpochSampler(len(dataset), seed, count)
    if order and order.count > 1 and order.count % batch_size == 1:
        order.count -= 1
    batches = Batches(order or SequentialSampler(dataset), batch_size, drop_last=False)
    batches.rank, batches.world = rank, world
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_as_it_is,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
        # Of its own: an iterator draws from it when it starts, and must not shift the training's
        # random state.
        generator=torch.Generator(),
    )


def _as_it_is(batch: tuple) -> tuple:
    """The dataset gives whole batches."""
    return batch
