"""Reading tiles from disk, with the paper's random augmentation or unchanged."""

from itertools import chain
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import functional as F

from benchmarks.imagery import write_landcoverai, write_pngs, write_store
from benchmarks.row import Row, Run
from satseg.config.recipes import Augmentation
from satseg.data.augmentation import augment, draw_changes
from satseg.data.loader import TileDataset, loader
from satseg.data.store import open_tiles
from satseg.devices import keep_memory

PAPER = Augmentation(hue=0.1, brightness=0.1, contrast=0.1, hflip=True, vflip=True)
FULL = {"tiles": 192, "size": 512, "batch": 8, "drawn": 1024}
QUICK = {"tiles": 8, "size": 64, "drawn": 128}


def make(folder: Path, tiles: int, size: int, batch: int, drawn: int) -> None:
    """The same tiles as a store, as PNG files and in the form of LandCover.ai's release."""
    store = write_store(folder, tiles, size, classes=5, drawn=drawn)
    write_pngs(folder, store)
    write_landcoverai(folder, store)


class Pictures(Dataset):
    """The paper's dataset: PNG files by Pillow, `ToTensor`, then each change with its own
    probability."""

    def __init__(self, folder: Path, tiles: range | np.ndarray, settings: Augmentation | None):
        self.folder = folder / "png"
        self.tiles = tiles
        self.settings = settings
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        tile = int(self.tiles[i])
        image = F.to_tensor(Image.open(self.folder / f"{tile}.png").convert("RGB"))
        mask = torch.from_numpy(np.array(Image.open(self.folder / f"{tile}_m.png"))).long()
        if self.settings is None:
            return image, mask
        # The same draws as satseg's, so that both sides change a tile alike.
        changes = draw_changes(self.settings, 0, self.epoch, tile)
        hue, brightness, contrast, hflip, vflip = changes[:5]
        if hue:
            image = F.adjust_hue(image, hue)
        if brightness != 1:
            image = F.adjust_brightness(image, brightness)
        if contrast != 1:
            image = F.adjust_contrast(image, contrast)
        if hflip:
            image = F.hflip(image)
            mask = F.hflip(mask)
        if vflip:
            image = F.vflip(image)
            mask = F.vflip(mask)
        return image, mask


def _seen(count: int, images: torch.Tensor, masks: torch.Tensor) -> dict:
    """What a side has read: the number of tiles, and a sample of the last batch."""
    return {
        "tiles": count,
        "images": images[:, :, ::16, ::16].numpy().copy(),
        "masks": masks[:, ::16, ::16].numpy(),
    }


def satseg_augmented(folder: Path, batch: int, **_: object) -> Run:
    """The loader and the augmentation of `satseg.training`."""
    keep_memory()
    store = open_tiles(folder / "tiles")
    dataset = TileDataset(store, np.arange(len(store.images)))

    def run(turn: int) -> dict:
        count = 0
        for images, masks, tiles in loader(dataset, batch):
            images, masks = augment(images, masks, tiles, PAPER, 0, max(turn, 0))
            count += len(images)
        return _seen(count, images, masks)

    return run


def pillow_augmented(folder: Path, tiles: int, batch: int, **_: object) -> Run:
    """The paper's loader."""
    dataset = Pictures(folder, range(tiles), PAPER)

    def run(turn: int) -> dict:
        count = 0
        dataset.epoch = max(turn, 0)
        for tensors in DataLoader(dataset, batch):
            count += len(tensors[0])
        return _seen(count, *tensors)

    return run


def torchgeo_augmented(folder: Path, batch: int, **_: object) -> Run:
    """torchgeo's dataset; kornia augments its batches."""
    import kornia.augmentation as K
    from torchgeo.datasets import LandCoverAI

    dataset = LandCoverAI(str(folder))
    changes = K.AugmentationSequential(
        K.RandomHue((-0.1, 0.1), p=0.5),
        K.RandomBrightness((0.9, 1.1), p=0.5),
        K.RandomContrast((0.9, 1.1), p=0.5),
        K.RandomHorizontalFlip(p=0.5),
        K.RandomVerticalFlip(p=0.5),
        data_keys=["input", "mask"],
    )

    def run(_: int) -> dict:
        # It caches the last 128 tiles; among the thousands of a real dataset, read in random order,
        # hardly any would be hit.
        LandCoverAI._load_image.cache_clear()
        LandCoverAI._load_target.cache_clear()
        count = 0
        for sample in DataLoader(dataset, batch):
            images, masks = changes(sample["image"] / 255, sample["mask"][:, None].float())
            count += len(images)
        return _seen(count, images, masks[:, 0])

    return run


def satseg_raw(folder: Path, **_: object) -> Run:
    """Every tile of the store, copied from the memory map."""
    store = open_tiles(folder / "tiles")

    def run(_: int) -> dict:
        total = 0
        for i in range(len(store.images)):
            image = np.array(store.images[i])
            mask = np.array(store.masks[i])
            total += int(image[i, i % 3, 0]) + int(mask[i, 0])
        return {"total": total, "last": image, "mask": mask}

    return run


def pillow_raw(folder: Path, tiles: int, **_: object) -> Run:
    """Every tile decoded from PNG by Pillow."""

    def run(_: int) -> dict:
        total = 0
        for i in range(tiles):
            image = np.array(Image.open(folder / "png" / f"{i}.png"))
            mask = np.array(Image.open(folder / "png" / f"{i}_m.png"))
            total += int(image[i, i % 3, 0]) + int(mask[i, 0])
        return {"total": total, "last": image, "mask": mask}

    return run


def same_changes(results: dict[str, list[dict]]) -> dict:
    """Both read all tiles and changed them alike, up to rounding."""
    facts = {"tiles": results["satseg"][0]["tiles"], "largest_difference": 0.0, "equal_masks": True}
    for ours, theirs in zip(results["satseg"], results["pillow"], strict=True):
        assert ours["tiles"] == theirs["tiles"]
        difference = float(np.abs(ours["images"] - theirs["images"]).max())
        facts["largest_difference"] = max(facts["largest_difference"], difference)
        facts["equal_masks"] &= bool((ours["masks"] == theirs["masks"]).all())
    assert facts["equal_masks"] and facts["largest_difference"] < 1e-5
    return facts


def as_many(results: dict[str, list[dict]]) -> dict:
    """Both read all tiles; they draw their changes independently."""
    every_run = chain.from_iterable(results.values())
    shapes = {(run["tiles"], run["images"].shape, run["masks"].shape) for run in every_run}
    assert len(shapes) == 1
    return {"tiles": shapes.pop()[0]}


def same_pixels(results: dict[str, list[dict]]) -> dict:
    """Both read the same pixels."""
    ours = results["satseg"][0]
    theirs = results["pillow"][0]
    assert ours["total"] == theirs["total"]
    assert (ours["last"] == theirs["last"]).all()
    assert (ours["mask"] == theirs["mask"]).all()
    return {"equal_pixels": True}


ROWS = [
    Row(
        name="reading_augmented",
        what="reading tiles with the paper's full augmentation",
        against="the paper's loader: Pillow PNG, ToTensor, torchvision adjust_* and flips",
        sides={"satseg": satseg_augmented, "pillow": pillow_augmented},
        make=make,
        sizes=FULL,
        quick=QUICK,
        check=same_changes,
        at_least=10,
        modules=("torchvision",),
        notes="One process, one thread; the same random draws on both sides.",
    ),
    Row(
        name="reading_torchgeo",
        what="reading tiles with the paper's full augmentation",
        against="torchgeo's LandCoverAI dataset with kornia's augmentations",
        sides={"satseg": satseg_augmented, "torchgeo": torchgeo_augmented},
        make=make,
        sizes=FULL,
        quick=QUICK,
        check=as_many,
        at_least=5,
        peers=("torchgeo", "kornia"),
        modules=("torchgeo", "kornia"),
        notes="One process, one thread; torchgeo reads JPEG images, and its cache of 128 tiles is "
        "emptied "
        "before each turn.",
    ),
    Row(
        name="reading_raw",
        what="raw tile reads",
        against="PNG by Pillow",
        sides={"satseg": satseg_raw, "pillow": pillow_raw},
        make=make,
        sizes=FULL,
        quick=QUICK,
        check=same_pixels,
        at_least=50,
        notes="Images and masks, one thread; files in the page cache on both sides.",
    ),
]
