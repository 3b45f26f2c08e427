"""Synthetic aerial imagery of any size, drawn once, in the formats that each side reads."""

from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio.transform import from_origin

from satseg.data.store import Tiles, open_tiles
from satseg.data.tiling import build_tiles
from satseg.jobs.slices import TileSlice

DRAWN = 1024


def scene(
    folder: Path, height: int, width: int, drawn: int = DRAWN
) -> tuple[np.ndarray, np.ndarray]:
    """Image uint8 [H, W, 3] and mask uint8 [H, W] with classes 0 to 5: a drawn scene, continued by
    its mirror images."""
    cache = folder.parent / f"drawn{drawn}.npz"
    if not cache.exists():
        from satseg.data.sources.demo import make_scene  # it needs SciPy

        image, mask = make_scene(np.random.default_rng([0, 0]), drawn)
        np.savez(cache, image=image.transpose(1, 2, 0), mask=mask)
    with np.load(cache) as file:
        image = file["image"]
        mask = file["mask"]

    rows_missing = max(0, height - drawn)
    columns_missing = max(0, width - drawn)
    if rows_missing or columns_missing:
        padding = ((0, rows_missing), (0, columns_missing))
        image = np.pad(image, (*padding, (0, 0)), "symmetric")
        mask = np.pad(mask, padding, "symmetric")
    return image[:height, :width], mask[:height, :width]


def tile_job(size: int, classes: int) -> TileSlice:
    """How the scenes below are tiled: masks of class indices, class names `class<index>`."""
    layout = {
        "images": "images/{scene}.tif",
        "masks": "masks/{scene}.tif",
        "scene": "{scene}",
        "mask_values": "index",
    }
    names = [f"class{index}" for index in range(classes)]
    return TileSlice(
        dataset="made",
        layout=layout,
        classes=names,
        colors=None,
        gaps=[],
        tile_size=size,
        groups=[],
    )


def write_store(folder: Path, tiles: int, size: int, classes: int = 6, drawn: int = DRAWN) -> Tiles:
    """A tile store of that many different tiles in `folder/tiles`, and a split whose last eighth is
    for validation.

    Args:
        folder: the row's folder.
        tiles: number of tiles.
        size: their side, pixels.
        classes: number of classes in the masks; drawn classes beyond it become the last one.
        drawn: side of the drawn scene; tiles are cut from it at random, rotated and mirrored.
    """
    image, mask = scene(folder, drawn, drawn, drawn)
    rng = np.random.default_rng(1)
    for tile in range(tiles):
        top, left = rng.integers(0, drawn - size + 1, 2)
        turns = rng.integers(4)
        step = 1 - 2 * rng.integers(2)  # −1 mirrors

        window = (slice(top, top + size), slice(left, left + size))
        cut = np.rot90(image[window], turns)[::step]
        labels = np.minimum(np.rot90(mask[window], turns)[::step], classes - 1)
        _write(folder / "cut", f"{tile:05d}", cut, labels)

    table = build_tiles(tile_job(size, classes), folder / "cut", folder / "tiles")
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
    """The same tiles in the form of LandCover.ai's tiled release: JPEG images, PNG masks, three
    lists."""
    (folder / "output").mkdir(exist_ok=True)
    for tile, (image, mask) in enumerate(zip(tiles.images, tiles.masks, strict=True)):
        Image.fromarray(np.asarray(image)).save(folder / "output" / f"tile_{tile}.jpg", quality=95)
        Image.fromarray(np.asarray(mask)).save(folder / "output" / f"tile_{tile}_m.png")
    for subset in ("train", "val", "test"):
        names = [f"tile_{tile}\n" for tile in range(len(tiles.images))]
        (folder / f"{subset}.txt").write_text("".join(names))


def write_scenes(folder: Path, scenes: int, height: int, width: int, drawn: int = DRAWN) -> None:
    """Plain GeoTIFF files, `folder/scenes/images/<k>.tif` and `masks/<k>.tif`, all with the same
    pixels."""
    for number in range(scenes):
        _write(folder / "scenes", f"{number:03d}", *scene(folder, height, width, drawn))


def _write(folder: Path, name: str, image: np.ndarray, mask: np.ndarray) -> None:
    height, width = mask.shape
    place = {"crs": "EPSG:2180", "transform": from_origin(500_000, 400_000, 0.25, 0.25)}
    size = {"height": height, "width": width, "dtype": "uint8"}
    for kind, bands in (("images", image.transpose(2, 0, 1)), ("masks", mask[None])):
        path = folder / kind / f"{name}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        with rasterio.open(path, "w", "GTiff", count=len(bands), **size, **place) as file:
            file.write(bands)
