"""The files of a prediction: class map, probabilities, colours."""

import colorsys
import json
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
import torch
from rasterio.windows import Window

from satseg.config.reading import load
from satseg.data.labels import NO_LABEL
from satseg.errors import UserError
from satseg.models.segmenter import Segmenter, choose
from satseg.prediction.blending import Block
from satseg.progress import log

STEPS = 250  # of a probability: 250 is certainty, so that 255 is left for no data


BLOCK = 512  # height and width of the blocks in files, in pixels


class MapFiles:
    """The map, and the probabilities where a second file is given, as plain GeoTIFFs that are
    written in a thread."""

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
        self.map.update_tags(
            CLASSES=json.dumps(dict(enumerate(segmenter.classes)), ensure_ascii=False)
        )
        self.shares = None
        if probability_file:
            self.shares = _plain(probability_file, scene, len(names))
            self.shares.descriptions = names
            self.shares.scales = [1 / STEPS] * len(names)

    def __enter__(self) -> "MapFiles":
        return self

    def __exit__(self, failed: type | None, *_: object) -> None:
        self.pool.shutdown()
        for file in filter(None, (self.map, self.shares)):
            file.close()
        if failed is None:
            self.waiting.result()

    def write(self, block: Block, skip: int, first: int, last: int) -> None:
        """Write a block's columns, without the first `skip`, to the scene's from `first` to before
        `last`."""
        height, width = min(len(block.gone), self.height - block.top), last - first
        if height <= 0:
            return
        part = block.probabilities[:, :height, skip : skip + width]
        gone = block.gone[:height, skip : skip + width]
        layers = [self.counted[choose(part[None], range(len(part)))].cpu().numpy()]
        if self.shares:
            layers.append((part * STEPS).round().to(torch.uint8).cpu().numpy())
        self.waiting.result()
        self.waiting = self.pool.submit(
            self._store, layers, gone, Window(first, block.top, width, height)
        )

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


def optimise(plain: Path, final: Path, resampling: str) -> None:
    """Make a cloud-optimised GeoTIFF of a plain one: overviews, and blocks in the order readers
    want them."""
    rasterio.shutil.copy(
        plain, final, driver="COG", compress="DEFLATE", blocksize=BLOCK, resampling=resampling, bigtiff="IF_SAFER",
        overviews="IGNORE_EXISTING",
    )  # fmt: skip


def _colormap(
    segmenter: Segmenter, colors: dict[str, str] | None
) -> dict[int, tuple[int, int, int, int]]:
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
    """Colours the configuration gives a dataset's classes; none where it does not know the
    dataset."""
    try:
        known = load().datasets.get(dataset)
    except UserError as error:
        log.warning(
            "the map's colours are not those of the configuration: %s", str(error).splitlines()[0]
        )
        return {}
    return {c.name: c.color for c in known.classes} if known else {}
