"""Synthetic aerial imagery of any size, drawn once, and the forms in which each side reads it."""

from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio.transform import from_origin

from satseg.data.sources.demo import make_scene
from satseg.data.store import Tiles, open_tiles
from satseg.data.tiling import build_tiles
from satseg.jobs.slices import TileSlice

DRAWN = 1024


def scene(
    folder: Path, height: int, width: int, drawn: int = DRAWN
) -> tuple[np.ndarray, np.ndarray]:
    """Image uint8 [H, W, 3] and mask uint8 [H, W] with classes 0 to 5: a drawn scene and its mirror
    images."""
    cache = folder.parent / f"drawn{drawn}.npz"
    if not cache.exists():
        image, mask = make_scene(np.random.default_rng([0, 0]), drawn)
        np.savez(cache, image=image.transpose(1, 2, 0), mask=mask)
    with np.load(cache) as file:
        image, mask = file["image"], file["mask"]
    down, right = height - drawn, width - drawn
    if down > 0 or right > 0:
        beyond = ((0, max(0, down)), (0, max(0, right)))
        image, mask = (
            np.pad(image, (*beyond, (0, 0)), "symmetric"),
            np.pad(mask, beyond, "symmetric"),
        )
    return image[:height, :width], mask[:height, :width]


def tile_spec(size: int, classes: int) -> TileSlice:
    """How the scenes below are tiled: masks of class indices, class names `class<index>`."""
    layout = {
        "images": "images/{scene}.tif",
        "masks": "masks/{scene}.tif",
        "scene": "{scene}",
        "mask_values": "index",
    }
    names = [f"class{index}" for index in range(classes)]
    return TileSlice(
        dataset="made", layout=layout, classes=names, colors=None, gaps=[], tile_size=size, groups=[]
    )  # fmt: skip


def write_store(folder: Path, tiles: int, size: int, classes: int = 6, drawn: int = DRAWN) -> Tiles:
    """A tile store of so many different tiles in `folder/tiles`, and a split: the last eighth is
    for validation.

    Args:
        folder: the row's.
        tiles: their number.
        size: their side, pixels.
        classes: classes of the masks; drawn ones beyond become the last.
        drawn: side of the scene that is drawn; tiles are cut from it anywhere, turned and mirrored.
    """
    image, mask = scene(folder, drawn, drawn, drawn)
    rng = np.random.default_rng(1)
    for tile in range(tiles):
        top, left = rng.integers(0, drawn - size + 1, 2)
        turns, mirrored = rng.integers(4), 1 - 2 * rng.integers(2)
        part = slice(top, top + size), slice(left, left + size)
        labels = np.minimum(np.rot90(mask[part], turns)[::mirrored], classes - 1)
        _write(folder / "cut", f"{tile:05d}", np.rot90(image[part], turns)[::mirrored], labels)
    table = build_tiles(tile_spec(size, classes), folder / "cut", folder / "tiles")
    split = table[["tile", "scene"]].assign(
        subset=np.where(table["tile"] < tiles - tiles // 8, "train", "val")
    )
    split.to_csv(folder / "split.csv", index=False)
    return open_tiles(folder / "tiles")


def write_pngs(folder: Path, tiles: Tiles) -> None:
    """The same tiles as PNG files, `folder/png/<tile>.png` and `<tile>_m.png`."""
    (folder / "png").mkdir(exist_ok=True)
    for tile, (image, mask) in enumerate(zip(tiles.images, tiles.masks, strict=True)):
        Image.fromarray(np.asarray(image)).save(folder / "png" / f"{tile}.png")
        Image.fromarray(np.asarray(mask)).save(folder / "png" / f"{tile}_m.png")


def write_landcoverai(folder: Path, tiles: Tiles) -> None:
    """The same tiles as LandCover.ai is published in pieces: JPEG images, PNG masks, three
    lists."""
    (folder / "output").mkdir(exist_ok=True)
    for tile, (image, mask) in enumerate(zip(tiles.images, tiles.masks, strict=True)):
        Image.fromarray(np.asarray(image)).save(folder / "output" / f"tile_{tile}.jpg", quality=95)
        Image.fromarray(np.asarray(mask)).save(folder / "output" / f"tile_{tile}_m.png")
    for subset in ("train", "val", "test"):
        (folder / f"{subset}.txt").write_text(
            "".join(f"tile_{tile}\n" for tile in range(len(tiles.images)))
        )


def write_scenes(folder: Path, scenes: int, height: int, width: int, drawn: int = DRAWN) -> None:
    """Plain GeoTIFF files, `folder/scenes/images/<k>.tif` and `masks/<k>.tif`, all of the same
    pixels."""
    for number in range(scenes):
        _write(folder / "scenes", f"{number:03d}", *scene(folder, height, width, drawn))


def _write(folder: Path, name: str, image: np.ndarray, mask: np.ndarray) -> None:
    height, width = mask.shape
    place = {"crs": "EPSG:2180", "transform": from_origin(500_000, 400_000, 0.25, 0.25)}
    for kind, bands in (("images", image.transpose(2, 0, 1)), ("masks", mask[None])):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        options = {"count": len(bands), "height": height, "width": width, "dtype": "uint8"} | place
        with rasterio.open(folder / kind / f"{name}.tif", "w", "GTiff", **options) as file:
            file.write(bands)
