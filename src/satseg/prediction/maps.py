"""The files of a prediction: class map, probabilities, colours."""

import colorsys
import json
import logging
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
import torch
from rasterio.errors import RasterioIOError
from rasterio.windows import Window

from satseg.config.reading import load
from satseg.data.labels import NO_LABEL
from satseg.errors import UserError
from satseg.models.segmenter import Segmenter, choose
from satseg.prediction.blending import FinishedRows
from satseg.progress import log

STEPS = 250  # of a probability: 250 is certainty, so that 255 is left for no data
BLOCK = 512  # height and width of the blocks in files, in pixels
GOLDEN = 0.618  # hues this far apart on the circle stay distinct however many there are


class MapFiles:
    """The map, and the probabilities if a second file is given, as plain GeoTIFFs that a thread
    writes."""

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
        self.pool = ThreadPoolExecutor(1)
        self.pending = Future()
        self.pending.set_result(None)

        classes = json.dumps(dict(enumerate(segmenter.classes)), ensure_ascii=False)
        self.map = _create(map_file, scene, 1)
        self.map.write_colormap(1, _colormap(segmenter, colors))
        self.map.set_band_description(1, "class")
        self.map.update_tags(CLASSES=classes)

        self.probabilities = None
        if probability_file:
            names = [segmenter.classes[i] for i in segmenter.counted]
            self.probabilities = _create(probability_file, scene, len(names))
            self.probabilities.descriptions = names
            self.probabilities.scales = [1 / STEPS] * len(names)

    def __enter__(self) -> "MapFiles":
        return self

    def __exit__(self, failed: type | None, *_: object) -> None:
        self.pool.shutdown()
        with heard_errors() as errors:
            self.map.close()
            if self.probabilities:
                self.probabilities.close()
        if failed is None:
            self.pending.result()
            refuse(errors)

    def write(self, rows: FinishedRows, skip: int, first: int, last: int) -> None:
        """Write the columns of finished rows, without the first `skip`, to the scene's from `first`
        to before `last`."""
        height = min(len(rows.nodata), self.height - rows.top)
        width = last - first
        if height <= 0:
            return

        probabilities = rows.probabilities[:, :height, skip : skip + width]
        nodata = rows.nodata[:height, skip : skip + width]
        positions = choose(probabilities[None], range(len(probabilities)))
        layers = [self.counted[positions].cpu().numpy()]
        if self.probabilities:
            layers.append((probabilities * STEPS).round().to(torch.uint8).cpu().numpy())

        window = Window(first, rows.top, width, height)
        self.pending.result()
        self.pending = self.pool.submit(self._store, layers, nodata, window)

    def _store(self, layers: list[np.ndarray], nodata: np.ndarray, window: Window) -> None:
        with rasterio.Env():
            for file, layer in zip((self.map, self.probabilities), layers, strict=False):
                layer[:, nodata] = NO_LABEL
                file.write(layer, window=window)


def _create(path: Path, scene: rasterio.DatasetReader, count: int) -> rasterio.io.DatasetWriter:
    """A new GeoTIFF of `count` bands in the scene's place."""
    place = {} if scene.transform.is_identity else {"transform": scene.transform}
    file = rasterio.open(
        path, "w", driver="GTiff", height=scene.height, width=scene.width, count=count,
        dtype="uint8", nodata=NO_LABEL, crs=scene.crs, tiled=True, blockxsize=BLOCK,
        blockysize=BLOCK, compress="lzw", bigtiff="if_safer", **place,
    )  # fmt: skip
    points, crs = scene.gcps
    if points:
        file.gcps = (points, crs)
    if scene.rpcs:
        file.rpcs = scene.rpcs
    return file


def optimise(plain: Path, final: Path, resampling: str) -> None:
    """Make a cloud-optimised GeoTIFF of a plain one: overviews, and blocks in the order readers
    want them."""
    with heard_errors() as errors:
        rasterio.shutil.copy(
            plain, final, driver="COG", compress="DEFLATE", blocksize=BLOCK, resampling=resampling,
            bigtiff="IF_SAFER", overviews="IGNORE_EXISTING",
        )  # fmt: skip
    refuse(errors)

    # The last blocks are written when GDAL closes the file, and nothing tells whether they were.
    with rasterio.open(final) as written:
        for _, window in written.block_windows(1):
            written.read(window=window)


@contextmanager
def heard_errors() -> Iterator[list[str]]:
    """GDAL's errors in a block: where a file is closed, rasterio only logs them."""
    errors: list[str] = []
    listener = logging.Handler(logging.ERROR)
    listener.emit = lambda record: errors.append(record.getMessage())
    logger = logging.getLogger("rasterio")
    logger.addHandler(listener)
    try:
        with rasterio.Env():
            yield errors
    finally:
        logger.removeHandler(listener)


def refuse(errors: list[str]) -> None:
    """Raise the first of GDAL's errors, if there is one."""
    if errors:
        raise RasterioIOError(errors[0])


def _colormap(
    segmenter: Segmenter, colors: dict[str, str] | None
) -> dict[int, tuple[int, int, int, int]]:
    """Class index → red, green, blue, alpha; no data is transparent."""
    if colors is None:
        colors = _configured(segmenter.dataset)

    colormap = {NO_LABEL: (0, 0, 0, 0)}
    for i, name in enumerate(segmenter.classes):
        if name in colors:
            rgb = bytes.fromhex(colors[name].removeprefix("#"))
        else:
            shares = colorsys.hsv_to_rgb(i * GOLDEN % 1, 0.65, 0.9)
            rgb = [round(255 * share) for share in shares]
        colormap[i] = (*rgb, 255)
    return colormap


def _configured(dataset: str) -> dict[str, str]:
    """Colours that the configuration gives a dataset's classes; none if it does not have the
    dataset."""
    try:
        known = load().datasets.get(dataset)
    except UserError as error:
        reason = str(error).splitlines()[0]
        log.warning("the map's colours are not those of the configuration: %s", reason)
        return {}
    return {land.name: land.shown_color for land in known.classes} if known else {}
