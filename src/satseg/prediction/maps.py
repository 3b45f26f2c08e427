"""The files of a prediction: class map, probabilities, colours."""

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

from satseg.data.labels import NO_LABEL
from satseg.models.segmenter import Segmenter, choose
from satseg.prediction.blending import FinishedRows
from satseg.prediction.colors import colormap

STEPS = 250  # of a probability: 250 is certainty, so that 255 is left for no data
BLOCK = 512  # height and width of the blocks in files, in pixels


class MapFiles:
    """The map, and probabilities and confidence if files for them are given, as plain GeoTIFFs that
    a thread writes."""

    def __init__(
        self,
        segmenter: Segmenter,
        scene: rasterio.DatasetReader,
        colors: list[str],
        map: Path,
        probabilities: Path | None = None,
        confidence: Path | None = None,
    ):
        device = next(segmenter.model.parameters()).device
        self.counted = torch.tensor(segmenter.counted, dtype=torch.uint8, device=device)
        self.height = scene.height
        self.pool = ThreadPoolExecutor(1)
        self.pending = Future()
        self.pending.set_result(None)

        classes = json.dumps(dict(enumerate(segmenter.classes)), ensure_ascii=False)
        self.map = _create(map, scene, 1)
        self.map.write_colormap(1, colormap(colors))
        self.map.set_band_description(1, "class")
        self.map.update_tags(CLASSES=classes)

        self.probabilities = None
        if probabilities:
            names = [segmenter.classes[i] for i in segmenter.counted]
            self.probabilities = _create(probabilities, scene, len(names))
            self.probabilities.descriptions = names
            self.probabilities.scales = [1 / STEPS] * len(names)

        self.confidence = None
        if confidence:
            self.confidence = _create(confidence, scene, 1)
            self.confidence.set_band_description(1, "confidence")
            self.confidence.scales = [1 / STEPS]

    @property
    def files(self) -> list[rasterio.io.DatasetWriter]:
        """The files that are written."""
        return [file for file in (self.map, self.probabilities, self.confidence) if file]

    def __enter__(self) -> "MapFiles":
        return self

    def __exit__(self, failed: type | None, *_: object) -> None:
        self.pool.shutdown()
        with heard_errors() as errors:
            for file in self.files:
                file.close()
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
            layers.append(_in_steps(probabilities))
        if self.confidence:
            layers.append(_in_steps(probabilities.amax(0, keepdim=True)))

        window = Window(first, rows.top, width, height)
        self.pending.result()
        self.pending = self.pool.submit(self._store, layers, nodata, window)

    def _store(self, layers: list[np.ndarray], nodata: np.ndarray, window: Window) -> None:
        with rasterio.Env():
            for file, layer in zip(self.files, layers, strict=True):
                layer[:, nodata] = NO_LABEL
                file.write(layer, window=window)


def _in_steps(probabilities: torch.Tensor) -> np.ndarray:
    return (probabilities * STEPS).round().to(torch.uint8).cpu().numpy()


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


def write_picture(plain: Path, final: Path) -> None:
    """Write a map as a PNG with its colours; no data is transparent. It has no position."""
    with heard_errors() as errors, rasterio.Env(GDAL_PAM_ENABLED="NO"):
        rasterio.shutil.copy(plain, final, driver="PNG")
    refuse(errors)


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
