"""Batches of tiles from the memory-mapped store."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from satseg.data.tiles import Tiles
from satseg.errors import UserError

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def subset_tiles(tiles: Tiles, split: pd.DataFrame, subset: str, padded: bool) -> np.ndarray:
    """Tile numbers of a subset, ascending; padded ones only where `padded`.

    Raises:
        UserError: there are none.
    """
    chosen = (split.set_index("tile")["subset"].reindex(tiles.table["tile"]) == subset).to_numpy()
    if not padded:
        chosen = chosen & (tiles.table["whole"] == 1).to_numpy()
    if not chosen.any():
        raise UserError(f"no tile is left in subset {subset!r}; use another split, or padded_tiles: true")
    return tiles.table["tile"].to_numpy()[chosen]


class TileDataset(Dataset):
    """Images uint8 [C, H, W], masks uint8 [H, W] and numbers of some tiles of a store."""

    def __init__(self, tiles: Tiles, chosen: np.ndarray):
        self.images, self.masks, self.chosen = tiles.images, tiles.masks, chosen

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor, int]:
        tile = int(self.chosen[i])
        image = torch.from_numpy(np.array(self.images[tile])).permute(2, 0, 1)
        return image, torch.from_numpy(np.array(self.masks[tile])), tile


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


def loader(
    dataset: TileDataset, batch_size: int, workers: int = 0, seed: int | None = None, count: int | None = None
) -> DataLoader:
    """Batches of (images, masks, tiles): shuffled anew each epoch where a seed is given, in order otherwise.

    Where `count` is given besides, so many tiles an epoch.
    """
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=None if seed is None else EpochSampler(len(dataset), seed, count),
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
        # Of its own: an iterator draws from it when it starts, and must not shift the training's random state.
        generator=torch.Generator(),
    )


def to_unit(images: torch.Tensor) -> torch.Tensor:
    """uint8 [B, C, H, W] → float32 in [0, 1], channels last."""
    return images.to(torch.float32, memory_format=torch.channels_last) / 255


def normalise(images: torch.Tensor, scaling: str) -> torch.Tensor:
    """Float images in [0, 1] as the recipe's `scaling` wants them."""
    if scaling == "unit":
        return images
    if images.shape[1] != 3:
        raise UserError(f"scaling: 'imagenet' needs 3 bands, the images have {images.shape[1]}; use 'unit'")
    mean, std = (images.new_tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
    return (images - mean) / std
