"""The tile store: scenes cut into memory-mapped arrays that cover them whole."""

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from fnmatch import fnmatchcase
from io import BytesIO
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from satseg.cli import log, watched
from satseg.config import Pixels
from satseg.data.bands import band_count, read_bands
from satseg.data.ground import describe
from satseg.data.layout import Scene, scenes
from satseg.data.official import published_subsets
from satseg.data.store import NO_LABEL
from satseg.errors import UserError
from satseg.files import sha256, together, write_json
from satseg.slices import TileSlice

FILES = ("images.npy", "masks.npy", "tiles.csv", "origin.json", "digests.json")
UNKNOWN = 254  # never a class index: there are at most 254 classes
BLOCK_CACHE = 64 * 2**20  # bytes of decoded blocks: strips never come back, and GDAL would keep a twentieth of the RAM
UNSAVED = 32 * 2**20  # bytes written before they are sent to the disk: waiting for all of them at the end takes longer


def build_tiles(spec: TileSlice, root: str | Path, out: str | Path) -> pd.DataFrame:
    """Cut every scene below `root` into tiles; edges are padded with black images and 255 masks.

    Where an image has no data there is no label either.

    Scenes are read in strips one tile high, so memory does not grow with their height or number.

    Raises:
        UserError: a file is damaged, sizes or bands differ, or a mask holds a value that is no class; the disk is full.
    """
    found = scenes(root, spec.layout)
    copies = same_images(found)
    for first, *others in copies:
        log.warning("%s: the same image as that of %s, to the byte; they count as one group", ", ".join(others), first)
    groups = scene_groups(found, spec.groups, copies)
    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE))
        shapes = _shapes(found, spec.pixels)
        files = dict(zip(FILES, stack.enter_context(together(*(Path(out, name) for name in FILES))), strict=True))
        size = spec.tile_size
        tiles = (_tile_count(shapes, size), size, size)
        with (
            ArrayFile(files["images.npy"], (*tiles, shapes[0][2])) as images,
            ArrayFile(files["masks.npy"], tiles) as masks,
        ):
            rows = _rows(found, shapes, groups, spec, images, masks)
            rows = list(watched(rows, tiles[0], "tiling", "tiles"))
        table = pd.DataFrame([{"tile": tile} | row for tile, row in enumerate(rows)])
        table["official_split"] = published_subsets(table, found, root, spec.official)
        table.to_csv(files["tiles.csv"], index=False)
        origin = describe((scene.image for scene in found), spec.pixels)
        files["origin.json"].write_text(origin.model_dump_json(indent=1) + "\n", encoding="utf-8")
        # The arrays are too large to compare: this says by content whether they are still the same.
        write_json(files["digests.json"], {"images.npy": images.sha256, "masks.npy": masks.sha256})
    return table


def _shapes(found: list[Scene], pixels: Pixels) -> list[tuple[int, int, int]]:
    """Height, width and bands of every scene; all have the same bands."""
    shapes = [scene_shape(scene, pixels) for scene in found]
    bands = shapes[0][2]
    for scene, shape in zip(found, shapes, strict=True):
        if shape[2] != bands:
            raise UserError(
                f"{scene.image}: {shape[2]} bands, but {found[0].image} has {bands}; all images must have the same: "
                f"say with the dataset's pixels.bands which to take, or remove this one"
            )
    return shapes


def _rows(
    found: list[Scene], shapes: list, groups: dict[str, str], spec: TileSlice, images: "ArrayFile", masks: "ArrayFile"
) -> Iterator[dict]:
    """Write the tiles of every scene; yield what tiles.csv says of each, but for its number."""
    size, reader = spec.tile_size, MaskReader(spec)
    for scene, shape in zip(found, shapes, strict=True):
        pieces, parts = [None, None], [None, None]  # one is written while the other is filled
        for row, strip, labels in _strips(scene, shape, spec, reader):
            turn = row % 2
            pieces[turn] = _cut(strip, size, 0, pieces[turn])
            images.write(pieces[turn])
            parts[turn] = _cut(labels, size, NO_LABEL, parts[turn])
            masks.write(parts[turn])
            height, width = labels.shape
            for col, part in enumerate(parts[turn]):
                whole = int(height == size and (col + 1) * size <= width)
                place = {"scene": scene.name, "group": groups[scene.name], "row": row, "col": col, "whole": whole}
                counted = {f"pixels_{name}": np.count_nonzero(part == i) for i, name in enumerate(spec.classes)}
                yield place | {"official_split": ""} | counted


def _tile_count(shapes: list[tuple[int, int, int]], size: int) -> int:
    """Tiles of scenes of these shapes."""
    return sum(-(-height // size) * -(-width // size) for height, width, _ in shapes)


class ArrayFile:
    """A .npy file of uint8 values, written in order; a memory map would fill the memory.

    It is written and hashed in threads, while the next values are made: what `write` gets must stand as it is until
    the next `write` returns.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]):
        self._file, self._unsaved = path.open("wb"), 0
        self._hash = hashlib.sha256()
        self._threads = ThreadPoolExecutor(2)
        self._pending: list[Future] = []
        header = BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
        self.write(header.getvalue())

    def write(self, values: np.ndarray | bytes) -> None:
        """Append `values`, C-contiguous.

        Raises:
            OSError: those before them could not be written.
        """
        self._wait()
        self._pending = [self._threads.submit(take, values) for take in (self._save, self._hash.update)]

    @property
    def sha256(self) -> str:
        """Hex digest of the file, once it is closed."""
        return self._hash.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._file, self._threads:
            self._wait()

    def _save(self, values: np.ndarray | bytes) -> None:
        self._unsaved += self._file.write(values)
        if self._unsaved > UNSAVED:
            os.fsync(self._file.fileno())
            self._unsaved = 0

    def _wait(self) -> None:
        for pending in self._pending:
            pending.result()


def _cut(strip: np.ndarray, size: int, fill: int, tiles: np.ndarray | None = None) -> np.ndarray:
    """Tiles uint8 [cols, size, size, …] of a strip uint8 [h, W, …] that is at most a tile high, padded with `fill`.

    Those of the strip above, given as `tiles`, are overwritten: fresh memory would cost more than the copying.
    """
    height, width = strip.shape[:2]
    if tiles is None:
        tiles = np.empty((-(-width // size), size, size, *strip.shape[2:]), np.uint8)
    for left, tile in zip(range(0, width, size), tiles, strict=True):
        part = strip[:, left : left + size]
        tile[:height, : part.shape[1]] = part
        tile[height:] = tile[:height, part.shape[1] :] = fill
    return tiles


def scene_groups(found: list[Scene], patterns: list[list[str]], copies: list[list[str]]) -> dict[str, str]:
    """Group of every scene: `group1`, … by the patterns of scene names, or its own name.

    Scenes that are `copies` of each other show the same ground, whatever they are called: their groups are one.
    """
    groups = {scene.name: _group(scene.name, patterns) for scene in found}
    for first, *others in copies:
        joined = {groups[name] for name in others}
        groups |= {name: groups[first] for name, group in groups.items() if group in joined}
    return groups


def same_images(found: list[Scene]) -> list[list[str]]:
    """Names of scenes whose images are the same to the byte, together."""
    sizes = Counter(scene.image.stat().st_size for scene in found)
    same: dict[str, list[str]] = {}
    for scene in found:
        if sizes[scene.image.stat().st_size] > 1:
            same.setdefault(sha256(scene.image), []).append(scene.name)
    return [names for names in same.values() if len(names) > 1]


def _group(scene: str, patterns: list[list[str]]) -> str:
    for i, group in enumerate(patterns, start=1):
        if any(fnmatchcase(scene, pattern) for pattern in group):
            return f"group{i}"
    return scene


def scene_shape(scene: Scene, pixels: Pixels) -> tuple[int, int, int]:
    """Height, width and bands of a scene, after checking that its mask fits.

    Raises:
        UserError: a file cannot be read, its pixels are of another kind than expected, or the sizes differ.
    """
    with open_image(scene.image) as image, open_image(scene.mask) as mask:
        bands = band_count(image, scene.image, pixels)
        if any(np.dtype(kind).kind not in "ui" for kind in mask.dtypes):
            raise UserError(f"{scene.mask}: {mask.dtypes[0]} pixels; masks hold whole numbers; save it as 8 or 16 bits")
        if image.shape != mask.shape:
            raise UserError(
                f"{scene.mask}: {mask.width}×{mask.height} pixels, but its image {scene.image.name} has "
                f"{image.width}×{image.height}; they must be equal"
            )
        return image.height, image.width, bands


def open_image(path: Path) -> rasterio.DatasetReader:
    """Open an image or a mask.

    Raises:
        UserError: it is not readable.
    """
    try:
        return rasterio.open(path)
    except RasterioError:
        raise UserError(f"{path}: not a readable image; replace the file") from None


def _strips(scene: Scene, shape: tuple[int, int, int], spec: TileSlice, reader: "MaskReader"):
    """Yield row number, image strip [h, W, C] and label strip [h, W], a tile high, from top to bottom."""
    (height, width, _), size = shape, spec.tile_size
    with open_image(scene.image) as image, open_image(scene.mask) as mask:
        for row in range(-(-height // size)):
            window = Window(0, row * size, width, min(size, height - row * size))
            try:
                strip, absent = read_bands(image, spec.pixels, window)
                values = mask.read(window=window)
            except RasterioError:
                raise UserError(f"{_damaged(scene, window)}: damaged near row {row * size}; replace the file") from None
            except MemoryError:
                raise UserError(
                    f"{scene.image}: {width}×{height} pixels, too wide for the memory there is; replace the file, "
                    f"or cut the scene into several"
                ) from None
            labels = reader.labels(values, mask, scene.mask)
            yield row, strip, labels if absent is None else np.where(absent, np.uint8(NO_LABEL), labels)


def _damaged(scene: Scene, window: Window) -> Path:
    """Which of a scene's files cannot be read there."""
    try:
        with open_image(scene.image) as image:
            image.read(window=window)
    except RasterioError:
        return scene.image
    return scene.mask


class MaskReader:
    """Turns mask pixels into class indices."""

    def __init__(self, spec: TileSlice):
        self.colors = spec.colors is not None
        self.lookup = np.full(2**24 if self.colors else 2**16, UNKNOWN, np.uint8)
        values = [_code(c) for c in spec.colors] if self.colors else spec.values or range(len(spec.classes))
        if not self.colors:
            self.lookup[NO_LABEL] = NO_LABEL
        for index, value in enumerate(values):
            self.lookup[value] = index
        for gap in spec.gaps:
            self.lookup[_code(gap) if isinstance(gap, str) else gap] = NO_LABEL

    def labels(self, values: np.ndarray, file: rasterio.DatasetReader, path: Path) -> np.ndarray:
        """Class indices uint8 [h, w] of mask bands [bands, h, w].

        Raises:
            UserError: a value is no class, or the bands are not what the layout says.
        """
        codes = self.codes(values, file, path)
        labels = self.known(codes, file)
        unknown = labels == UNKNOWN
        if unknown.any():
            code = int(codes[unknown][0])
            raise UserError(
                f"{path}: {self.shown(code)} in {int((codes == code).sum())} pixels is no class of the dataset; "
                f"add it to `classes`, or to `gaps` if it means no label"
            )
        return labels

    def known(self, codes: np.ndarray, file: rasterio.DatasetReader) -> np.ndarray:
        """Class indices uint8 of what `codes` gave: `NO_LABEL` for gaps, `UNKNOWN` for what is no class."""
        if codes.dtype == np.uint8:
            table, codes_below = self.lookup[:256], int(codes.max()) + 1
            if np.array_equal(table[:codes_below], np.arange(codes_below)):
                labels = codes  # they are the indices already
            else:
                # Several times as fast as indexing.
                labels = np.frombuffer(bytearray(codes.tobytes()).translate(table), np.uint8).reshape(codes.shape)
        elif codes.dtype == np.uint16 or self.colors:
            labels = self.lookup[codes]
        else:
            inside = (codes >= 0) & (codes < len(self.lookup))
            labels = np.where(inside, self.lookup[np.where(inside, codes, 0)], np.uint8(UNKNOWN))
        if not self.colors and file.nodata is not None:
            labels[(labels == UNKNOWN) & (codes == file.nodata)] = NO_LABEL
        return labels

    def codes(self, values: np.ndarray, file: rasterio.DatasetReader, path: Path) -> np.ndarray:
        """What each pixel [h, w] says, as a number: the value, or the colour as red << 16 | green << 8 | blue.

        Raises:
            UserError: the bands [bands, h, w] are not what the layout says.
        """
        return self._colour_codes(values, file, path) if self.colors else self._indices(values, path)

    def shown(self, code: int) -> str:
        """How messages call a code."""
        return f"colour #{code:06X}" if self.colors else f"value {code}"

    def _colour_codes(self, values: np.ndarray, file: rasterio.DatasetReader, path: Path) -> np.ndarray:
        if values.dtype != np.uint8:
            raise UserError(f"{path}: {values.dtype} pixels; masks of colours are 8-bit; save it as such")
        if file.count == 1:
            try:
                palette = file.colormap(1)
            except ValueError:
                raise UserError(
                    f"{path}: grey pixels, but the layout says the masks are colours; "
                    f"set layout.mask_values: index, or replace the mask"
                ) from None
            codes = np.zeros(256, np.uint32)
            for index, (red, green, blue, _) in palette.items():
                codes[index] = red << 16 | green << 8 | blue
            return codes[values[0]]
        if file.count < 3:
            raise UserError(f"{path}: {file.count} bands; colour masks have 3, or 1 with a palette; replace it")
        red, green, blue = values[:3].astype(np.uint32)
        return red << 16 | green << 8 | blue

    @staticmethod
    def _indices(values: np.ndarray, path: Path) -> np.ndarray:
        if (values[1:] != values[:1]).any():
            raise UserError(
                f"{path}: its bands differ, but the layout says the masks are class indices; set "
                f"layout.mask_values: color, or replace the mask"
            )
        return values[0]


def _code(color: str) -> int:
    return int(color.removeprefix("#"), 16)
