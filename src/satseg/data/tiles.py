"""The tile store: scenes cut into memory-mapped arrays that cover them whole."""

import warnings
from contextlib import ExitStack
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import pandas as pd
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from satseg.data.layout import Scene, scenes
from satseg.data.official import published_subsets
from satseg.errors import UserError
from satseg.files import atomic
from satseg.metrics import NO_LABEL
from satseg.slices import TileSlice

UNKNOWN = 254  # never a class index: there are at most 254 classes
BLOCK_CACHE = 64 * 2**20  # bytes of decoded blocks: strips never come back, and GDAL would keep a twentieth of the RAM


class Tiles(NamedTuple):
    """An opened tile store."""

    images: np.ndarray
    """uint8 [N, H, W, C], memory-mapped."""
    masks: np.ndarray
    """uint8 [N, H, W], memory-mapped: class index, 255 where there is no label."""
    table: pd.DataFrame
    """A row per tile: tile, scene, group, row, col, whole, official_split, pixels_<class>."""


def open_tiles(folder: str | Path) -> Tiles:
    """Open what `build_tiles` wrote."""
    folder = Path(folder)
    return Tiles(
        np.load(folder / "images.npy", mmap_mode="r"),
        np.load(folder / "masks.npy", mmap_mode="r"),
        read_table(folder),
    )


def read_table(folder: str | Path) -> pd.DataFrame:
    """The tile store's `tiles.csv`; the index of a row is its tile."""
    texts = {"scene": str, "group": str, "official_split": str}
    return pd.read_csv(Path(folder) / "tiles.csv", dtype=texts, keep_default_na=False)


def build_tiles(spec: TileSlice, root: str | Path, out: str | Path) -> pd.DataFrame:
    """Cut every scene below `root` into tiles; edges are padded with black images and 255 masks.

    Scenes are read in strips one tile high, so memory does not grow with their height or number.

    Raises:
        UserError: a file is damaged, sizes or bands differ, or a mask holds a value that is no class.
    """
    size = spec.tile_size
    found = scenes(root, spec.layout)
    reader = _MaskReader(spec)
    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE))
        shapes = [_shape(scene) for scene in found]
        bands = shapes[0][2]
        for scene, shape in zip(found, shapes, strict=True):
            if shape[2] != bands:
                raise UserError(f"{scene.image}: {shape[2]} bands; {found[0].image} has {bands}")
        total = sum(-(-height // size) * -(-width // size) for height, width, _ in shapes)
        out = Path(out)
        files = [stack.enter_context(atomic(out / name)) for name in ("images.npy", "masks.npy", "tiles.csv")]
        images = stack.enter_context(_npy(files[0], (total, size, size, bands)))
        masks = stack.enter_context(_npy(files[1], (total, size, size)))
        rows: list[dict] = []
        for scene, shape in zip(found, shapes, strict=True):
            group = _group(scene.name, spec.groups)
            for row, strip, labels in _strips(scene, shape, size, reader):
                images.write(_cut(strip, size, 0))
                parts = _cut(labels, size, NO_LABEL)
                masks.write(parts)
                height, width = labels.shape
                for col, part in enumerate(parts):
                    whole = int(height == size and (col + 1) * size <= width)
                    place = {"tile": len(rows), "scene": scene.name, "group": group, "row": row, "col": col}
                    pixels = np.bincount(part.ravel(), minlength=256)[: len(spec.classes)]
                    counted = {f"pixels_{name}": n for name, n in zip(spec.classes, pixels, strict=True)}
                    rows.append(place | {"whole": whole, "official_split": ""} | counted)
        table = pd.DataFrame(rows)
        table["official_split"] = published_subsets(table, found, root, spec.official)
        table.to_csv(files[2], index=False)
    return table


def _npy(path: Path, shape: tuple[int, ...]) -> BinaryIO:
    """A file for uint8 values of `shape` that are written to it in order; a memory map would fill the memory."""
    file = path.open("wb")
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file


def _cut(strip: np.ndarray, size: int, fill: int) -> np.ndarray:
    """Tiles uint8 [cols, size, size, …] of a strip uint8 [h, W, …] that is at most a tile high, padded with `fill`."""
    height, width = strip.shape[:2]
    cols = -(-width // size)
    padded = np.full((size, cols * size, *strip.shape[2:]), fill, np.uint8)
    padded[:height, :width] = strip
    return np.ascontiguousarray(padded.reshape(size, cols, size, *strip.shape[2:]).swapaxes(0, 1))


def _group(scene: str, groups: list[list[str]]) -> str:
    for i, patterns in enumerate(groups, start=1):
        if any(fnmatchcase(scene, pattern) for pattern in patterns):
            return f"group{i}"
    return scene


def _shape(scene: Scene) -> tuple[int, int, int]:
    """Height, width and bands of a scene, after checking that its mask fits."""
    with _open(scene.image) as image, _open(scene.mask) as mask:
        for path, file in ((scene.image, image), (scene.mask, mask)):
            if set(file.dtypes) != {"uint8"}:
                raise UserError(f"{path}: {file.dtypes[0]} pixels; 8-bit (uint8) is expected")
        if image.shape != mask.shape:
            raise UserError(
                f"{scene.mask}: {mask.width}×{mask.height} pixels, but its image {scene.image.name} has "
                f"{image.width}×{image.height}; they must be equal"
            )
        return image.height, image.width, image.count


def _open(path: Path):
    try:
        return rasterio.open(path)
    except RasterioError:
        raise UserError(f"{path}: not a readable image; replace the file") from None


def _strips(scene: Scene, shape: tuple[int, int, int], size: int, reader: "_MaskReader"):
    """Yield row number, image strip [h, W, C] and label strip [h, W], a tile high, from top to bottom."""
    height, width, _ = shape
    with _open(scene.image) as image, _open(scene.mask) as mask:
        for row in range(-(-height // size)):
            window = Window(0, row * size, width, min(size, height - row * size))
            try:
                strip = image.read(window=window).transpose(1, 2, 0)
                values = mask.read(window=window)
            except RasterioError:
                raise UserError(f"{scene.image} or its mask is damaged near row {row * size}; replace it") from None
            yield row, strip, reader.labels(values, mask, scene.mask)


class _MaskReader:
    """Turns mask pixels into class indices."""

    def __init__(self, spec: TileSlice):
        self.colors = spec.colors is not None
        self.lookup = np.full(2**24 if self.colors else 256, UNKNOWN, np.uint8)
        values = [_code(c) for c in spec.colors] if self.colors else range(len(spec.classes))
        for index, value in enumerate(values):
            self.lookup[value] = index
        for gap in spec.gaps:
            self.lookup[_code(gap) if isinstance(gap, str) else gap] = NO_LABEL
        if not self.colors and len(spec.classes) <= NO_LABEL:
            self.lookup[NO_LABEL] = NO_LABEL

    def labels(self, values: np.ndarray, file: rasterio.DatasetReader, path: Path) -> np.ndarray:
        """Class indices uint8 [h, w] of mask bands uint8 [bands, h, w]."""
        codes = self._colour_codes(values, file, path) if self.colors else self._indices(values, path)
        labels = self.lookup[codes]
        unknown = labels == UNKNOWN
        if unknown.any():
            code = int(codes[unknown][0])
            shown = f"colour #{code:06X}" if self.colors else f"value {code}"
            raise UserError(
                f"{path}: {shown} in {int((codes == code).sum())} pixels is no class of the dataset; "
                f"add it to `classes`, or to `gaps` if it means no label"
            )
        return labels

    def _colour_codes(self, values: np.ndarray, file: rasterio.DatasetReader, path: Path) -> np.ndarray:
        if file.count == 1:
            try:
                palette = file.colormap(1)
            except ValueError:
                raise UserError(f"{path}: grey pixels, but the layout says the masks are colours") from None
            codes = np.zeros(256, np.uint32)
            for index, (red, green, blue, _) in palette.items():
                codes[index] = red << 16 | green << 8 | blue
            return codes[values[0]]
        if file.count < 3:
            raise UserError(f"{path}: {file.count} bands; colour masks have 3, or 1 with a palette")
        red, green, blue = values[:3].astype(np.uint32)
        return red << 16 | green << 8 | blue

    @staticmethod
    def _indices(values: np.ndarray, path: Path) -> np.ndarray:
        if (values[1:] != values[:1]).any():
            raise UserError(f"{path}: its bands differ, but the layout says the masks are class indices")
        return values[0]


def _code(color: str) -> int:
    return int(color.removeprefix("#"), 16)
