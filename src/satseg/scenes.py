"""A georeferenced scene of any size → a class map of the same place."""

import colorsys
import json
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import rasterio
import rasterio.shutil
import torch
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window
from tqdm import tqdm

from satseg.cli import log
from satseg.config import Pixels, load
from satseg.data.bands import PALETTE, read_bands
from satseg.data.ground import pixel_size
from satseg.data.store import NO_LABEL
from satseg.data.tiles import BLOCK_CACHE, open_image
from satseg.errors import UserError
from satseg.files import together
from satseg.inference import Segmenter, choose
from satseg.mosaic import Block, blend, strips, windows, within
from satseg.polygons import write_polygons

STEPS = 250  # of a probability: 250 is certainty, so that 255 is left for no data
COARSER = 1.25  # pixels may be so many times larger than those the model was trained on, or smaller
BLOCK = 512  # height and width of the blocks in files, in pixels
LOG_EVERY = 20.0  # seconds between lines about the progress, where there is no terminal for a bar


class Source(NamedTuple):
    """An opened scene that fits the model."""

    file: rasterio.DatasetReader
    path: Path
    pixels: Pixels
    masked: bool
    """Whether an alpha band or a mask hides pixels."""


def predict_scene(
    segmenter: Segmenter,
    scene: str | Path,
    out: str | Path,
    *,
    probabilities: str | Path | None = None,
    polygons: str | Path | None = None,
    colors: dict[str, str] | None = None,
    overlap: int | None = None,
    batch_size: int | None = None,
) -> int:
    """Write the class map of a scene: a cloud-optimised GeoTIFF, uint8 class indices, 255 where there is no data.

    Memory does not grow with the scene. All files appear together, or none does.

    Args:
        segmenter: a trained model.
        scene: an image that GDAL reads, with the bands, type and resolution of those the model was trained on.
        out: the map.
        probabilities: where to write probabilities too: a band for each counted class, uint8 in steps of 1/250.
        polygons: where to write GeoJSON polygons too, longitude and latitude, each with its class.
        colors: colour of each class, by name; None for those of the configuration, or of a palette.
        overlap: least number of pixels that windows share (default: a quarter of a tile).
        batch_size: windows per forward pass (default: the training's, on a CPU 2 at most).

    Returns:
        Number of windows of the model's tile size that it took.

    Raises:
        UserError: the scene does not fit the model, cannot be read, or a file cannot be written.
    """
    targets = [Path(path) for path in (out, probabilities, polygons) if path]
    files = {path.resolve() for path in (Path(scene), *targets)}
    if len(files) <= len(targets):
        raise UserError(f"{out}: the scene and what is written must be different files; choose other names")
    share = _share(segmenter, overlap)
    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE))
        file = stack.enter_context(open_image(Path(scene)))
        source = accept(file, Path(scene), segmenter, bool(polygons))
        finals = stack.enter_context(together(*targets))
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix=f".{targets[0].stem}.", dir=targets[0].parent)))
        stack.enter_context(_writing(targets[0]))
        plain = [scratch / "map.tif", scratch / "probabilities.tif"][: 2 if probabilities else 1]
        with _Files(segmenter, file, *plain, colors=colors) as opened:
            count = _fill(opened, segmenter, source, share, batch_size, str(out))
        for blocks, final, resampling in zip(plain, finals, ("MODE", "AVERAGE"), strict=False):
            _optimise(blocks, final, resampling)
        if polygons:
            write_polygons(plain[0], finals[-1], segmenter.classes, targets[0].stem)
    return count


def _share(segmenter: Segmenter, overlap: int | None) -> int:
    """The overlap as the model's stride allows it."""
    size, stride = segmenter.tile_size, segmenter.stride
    share = -(-(size // 4 if overlap is None else overlap) // stride) * stride
    if overlap is not None and not 0 <= share < size:
        raise UserError(f"overlap: {overlap} pixels do not fit windows of {size}; choose 0 to {size - stride}")
    return min(share, size - stride)


def _fill(
    files: "_Files", segmenter: Segmenter, source: "Source", overlap: int, batch_size: int | None, name: str
) -> int:
    """Predict a scene, strip by strip, into opened files; returns the number of windows."""
    file, size = source.file, segmenter.tile_size
    on_cpu = next(segmenter.model.parameters()).device.type == "cpu"
    batch_size = batch_size or (min(2, segmenter.batch_size) if on_cpu else segmenter.batch_size)
    rows, columns = (windows(length, size, overlap, segmenter.stride) for length in file.shape)
    parts = [(first, last, within(columns, first, last)) for first, last in strips(columns, file.width)]
    total = len(rows.starts) * sum(len(part.starts) for *_, part in parts)
    with _progress(total, name) as done:
        for first, last, part in parts:
            read = _reader(source, part.starts[0], part.starts[-1] + size)
            with closing(blend(segmenter, read, rows, part, batch_size, done)) as blocks:
                for block in blocks:
                    files.write(block, first - part.starts[0], first, last)
    return total


# --- reading ---------------------------------------------------------------------------------------------


def accept(file: rasterio.DatasetReader, path: Path, segmenter: Segmenter, placed: bool = False) -> Source:
    """Take a scene that is like those the model was trained on; `placed` where it must say where it lies.

    Raises:
        UserError: its bands, the type of its pixels or their size are not what the model knows, or it has no place.
    """
    origin = segmenter.origin
    if ColorInterp.palette in file.colorinterp:
        raise UserError(f"{path}: {PALETTE}")
    colours = [band for band in file.indexes if file.colorinterp[band - 1] != ColorInterp.alpha]
    bands = origin.pixels.bands or (colours if len(colours) == segmenter.bands else list(file.indexes))
    if len(bands) != segmenter.bands or max(bands) > file.count:
        wanted = f"the bands {', '.join(map(str, bands))}" if origin.pixels.bands else f"{segmenter.bands} bands"
        raise UserError(
            f"{path}: {len(colours)} band{'s' * (len(colours) != 1)}, but the model was trained on {wanted}; choose a "
            f"scene with the same bands in the same order (gdal_translate -b picks them)"
        )
    kinds = sorted({file.dtypes[band - 1] for band in bands} - set(origin.dtypes))
    if kinds:
        raise UserError(
            f"{path}: {kinds[0]} pixels, but the model was trained on {'/'.join(origin.dtypes)}; convert its values to "
            f"what the training images held (gdal_translate -ot … -scale …)"
        )
    metres = pixel_size(file)
    if origin.metres and not metres:
        log.warning("%s: does not say how large its pixels are; the model was trained on %s", path, _metres(origin))
    if origin.metres and metres and not origin.metres[0] / COARSER <= metres <= origin.metres[1] * COARSER:
        raise UserError(
            f"{path}: pixels of {metres:.3g} m, but the model was trained on {_metres(origin)}; resample the scene "
            f"(gdalwarp -tr), or train on images like it"
        )
    if placed and not metres:
        raise UserError(f"{path}: does not say where on the globe it lies, as polygons do; leave them out")
    # Some programs call any fourth band transparency; what the model sees hides nothing.
    flags = [set(file.mask_flag_enums[band - 1]) for band in bands]
    hidden = any(not kinds or kinds - {MaskFlags.all_valid, MaskFlags.nodata} for kinds in flags)
    masked = hidden and ColorInterp.alpha not in {file.colorinterp[band - 1] for band in bands}
    return Source(file, path, origin.pixels.model_copy(update={"bands": bands}), masked)


def _metres(origin: Any) -> str:
    low, high = (f"{value:.3g}" for value in origin.metres)
    return f"{low} m" if low == high else f"{low} to {high} m"


def _reader(source: Source, left: int, right: int) -> Callable[[int, int], tuple[np.ndarray, np.ndarray]]:
    """What reads a range of rows of the columns from `left` to before `right`, mirrored beyond the scene's edge."""
    file = source.file
    width = min(right, file.width) - left

    def read(top: int, bottom: int) -> tuple[np.ndarray, np.ndarray]:
        height = max(0, min(bottom, file.height) - top)
        if not height:
            return np.zeros((0, right - left, len(source.pixels.bands)), np.uint8), np.zeros((0, right - left), bool)
        window = Window(left, top, width, height)
        try:
            with rasterio.Env():  # GDAL's messages are a matter of each thread
                image, gone = read_bands(file, source.pixels, window)
                if source.masked:
                    hidden = file.dataset_mask(window=window) == 0
                    gone = hidden if gone is None else gone | hidden
        except RasterioError:
            raise UserError(f"{source.path}: damaged near row {top}; replace it") from None
        gone = np.zeros((height, width), bool) if gone is None else gone
        image = np.where(gone[..., None], np.uint8(0), image) if source.masked else image
        beyond = (0, right - left - width)
        image = np.pad(image, ((0, 0), beyond, (0, 0)), "reflect")
        return image, np.pad(gone, ((0, 0), beyond), constant_values=True)

    return read


# --- writing ---------------------------------------------------------------------------------------------


class _Files:
    """The map, and the probabilities where a second file is given, as plain GeoTIFFs that are written in a thread."""

    def __init__(
        self,
        segmenter: Segmenter,
        scene: rasterio.DatasetReader,
        map_file: Path,
        probability_file: Path | None = None,
        colors: dict[str, str] | None = None,
    ):
        device = next(segmenter.model.parameters()).device
        self.counted = torch.tensor(segmenter.counted, dtype=torch.uint8, device=device)
        self.height = scene.height
        self.pool, self.waiting = ThreadPoolExecutor(1), Future()
        self.waiting.set_result(None)
        names = [segmenter.classes[i] for i in segmenter.counted]
        self.map = _plain(map_file, scene, 1)
        self.map.write_colormap(1, _colormap(segmenter, colors))
        self.map.set_band_description(1, "class")
        self.map.update_tags(CLASSES=json.dumps(dict(enumerate(segmenter.classes)), ensure_ascii=False))
        self.shares = None
        if probability_file:
            self.shares = _plain(probability_file, scene, len(names))
            self.shares.descriptions = names
            self.shares.scales = [1 / STEPS] * len(names)

    def __enter__(self) -> "_Files":
        return self

    def __exit__(self, failed: type | None, *_: object) -> None:
        self.pool.shutdown()
        for file in filter(None, (self.map, self.shares)):
            file.close()
        if failed is None:
            self.waiting.result()

    def write(self, block: Block, skip: int, first: int, last: int) -> None:
        """Write a block's columns, without the first `skip`, to the scene's from `first` to before `last`."""
        height, width = min(len(block.gone), self.height - block.top), last - first
        if height <= 0:
            return
        part = block.probabilities[:, :height, skip : skip + width]
        gone = block.gone[:height, skip : skip + width]
        layers = [self.counted[choose(part[None], range(len(part)))].cpu().numpy()]
        if self.shares:
            layers.append((part * STEPS).round().to(torch.uint8).cpu().numpy())
        self.waiting.result()
        self.waiting = self.pool.submit(self._store, layers, gone, Window(first, block.top, width, height))

    def _store(self, layers: list[np.ndarray], gone: np.ndarray, window: Window) -> None:
        with rasterio.Env():
            for file, layer in zip((self.map, self.shares), layers, strict=False):
                layer[:, gone] = NO_LABEL
                file.write(layer, window=window)


def _plain(path: Path, scene: rasterio.DatasetReader, count: int) -> rasterio.io.DatasetWriter:
    """A new GeoTIFF of `count` bands that lies where the scene does."""
    file = rasterio.open(
        path, "w", driver="GTiff", height=scene.height, width=scene.width, count=count, dtype="uint8",
        crs=scene.crs, nodata=NO_LABEL, tiled=True, blockxsize=BLOCK, blockysize=BLOCK, compress="lzw",
        bigtiff="if_safer",
        **({} if scene.transform.is_identity else {"transform": scene.transform}),
    )  # fmt: skip
    points, system = scene.gcps
    if points:
        file.gcps = points, system
    return file


def _optimise(plain: Path, final: Path, resampling: str) -> None:
    """Make a cloud-optimised GeoTIFF of a plain one: overviews, and blocks in the order readers want them."""
    rasterio.shutil.copy(
        plain, final, driver="COG", compress="DEFLATE", blocksize=BLOCK, resampling=resampling, bigtiff="IF_SAFER",
        overviews="IGNORE_EXISTING",
    )  # fmt: skip


def _colormap(segmenter: Segmenter, colors: dict[str, str] | None) -> dict[int, tuple[int, int, int, int]]:
    """Class index → red, green, blue, alpha; no data is transparent."""
    if colors is None:
        colors = _configured(segmenter.dataset)
    table = {NO_LABEL: (0, 0, 0, 0)}
    for i, name in enumerate(segmenter.classes):
        # Hues a golden section of the circle apart stay apart however many there are.
        spread = [round(255 * part) for part in colorsys.hsv_to_rgb(i * 0.618 % 1, 0.65, 0.9)]
        given = bytes.fromhex(colors[name].removeprefix("#")) if name in colors else spread
        table[i] = (*given, 255)
    return table


def _configured(dataset: str) -> dict[str, str]:
    """Colours the configuration gives a dataset's classes; none where it does not know the dataset."""
    try:
        known = load().datasets.get(dataset)
    except UserError as error:
        log.warning("the map's colours are not those of the configuration: %s", str(error).splitlines()[0])
        return {}
    return {c.name: c.color for c in known.classes} if known else {}


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    """A block in which GDAL writes; what it says against that is one line."""
    try:
        yield
    except (RasterioError, CPLE_BaseError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise UserError(f"{out}: cannot be written ({reason}); free space or choose another folder") from error


@contextmanager
def _progress(total: int, what: str) -> Iterator[Callable[[int], None]]:
    """Give what takes the number of finished windows: a bar in a terminal, a line now and then elsewhere."""
    began = due = time.monotonic()
    with tqdm(total=total, desc=what, unit="window", disable=None) as bar:
        count = 0

        def done(finished: int) -> None:
            nonlocal count, due
            count += finished
            bar.update(finished)
            now = time.monotonic()
            if bar.disable and finished and now >= due + LOG_EVERY:
                due = now
                left = (now - began) / count * (total - count)
                log.info("%s: %d of %d windows; about %.0f s left", what, count, total, left)

        yield done
