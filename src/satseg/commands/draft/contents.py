"""What the pixels of images and masks tell: bands and their range, classes, size."""

import colorsys
from collections import Counter
from collections.abc import Iterable
from statistics import median
from typing import NamedTuple

import numpy as np
import pandas as pd
import rasterio
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from satseg.check.findings import MANY_COLORS
from satseg.data.images import BLOCK_CACHE
from satseg.data.labels import NO_LABEL
from satseg.data.layout import Scene
from satseg.data.opening import open_image, pixels_of
from satseg.errors import UserError

STRIP = 512  # rows of a mask read at a time
SAMPLED = 50  # images whose pixels are looked at
SIDE = 64  # of the reduced image that stands for one
GAP = 0.01  # share of the pixels below which black is taken for no label
TILES = (512, 256, 128, 64, 32)  # sides of tiles to choose from
WHOLE_TILES = 2  # that fit along a scene's shorter side


class DraftClass(NamedTuple):
    """A value or colour of the masks."""

    value: int | None
    """The value; None if masks hold colours."""
    color: str
    share: float
    """Of all pixels."""


class Contents(NamedTuple):
    """What the files hold."""

    mask_values: str
    """`index` or `color`."""
    classes: list[DraftClass]
    gaps: list[str]
    """Colours taken for no label."""
    bands: list[int] | None
    """Bands to use; None for all."""
    scale: list[list[float]] | None
    """Values that become 0 and 255, per band; None for 8-bit images."""
    kind: str
    """Bands and type of the first image, in words."""
    tile_size: int
    scenes: int
    palette: dict[int, tuple[int, ...]]
    """Colours of the masks' values; empty if they have none."""


def read_contents(scenes: list[Scene], watched: Iterable[Scene] | None = None) -> Contents:
    """Read every mask, and a sample of the images.

    Args:
        scenes: pairs of image and mask.
        watched: the same, one by one, with what shows the progress.

    Raises:
        UserError: a file cannot be read, or the masks hold no classes.
    """
    masks = Masks()
    with rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE):
        for scene in watched or scenes:
            masks.read(scene)
        first, sides, samples = _read_images(scenes)

    bands = None
    if ColorInterp.alpha in first["meanings"]:
        meanings = first["meanings"]
        bands = [band for band, what in enumerate(meanings, 1) if what != ColorInterp.alpha]
    scale = None
    if first["dtype"] != "uint8":
        chosen = bands or range(1, first["count"] + 1)
        scale = [_range(samples, band) for band in chosen]

    mask_values, classes, gaps = masks.classes()
    return Contents(
        mask_values=mask_values,
        classes=classes,
        gaps=gaps,
        bands=bands,
        scale=scale,
        kind=f"{first['count']} × {first['dtype']}",
        tile_size=_tile_size(sides),
        scenes=len(scenes),
        palette=masks.palette,
    )


def _read_images(scenes: list[Scene]) -> tuple[dict, list[int], list[np.ndarray]]:
    """The first image's bands, the shorter sides of some images, and reduced copies [C, h, w]; a
    pixel without data is NaN."""
    sides = []
    samples = []
    first: dict = {}
    for scene in scenes[:: max(1, len(scenes) // SAMPLED)]:
        with pixels_of(scene.image), open_image(scene.image) as image:
            first = first or {
                "count": image.count,
                "dtype": image.dtypes[0],
                "meanings": image.colorinterp,
            }
            sides.append(min(image.shape))
            height, width = (min(SIDE, side) for side in image.shape)
            reduced = image.read(out_shape=(image.count, height, width)).astype(float)
            if image.nodata is not None:
                reduced[reduced == image.nodata] = np.nan
            samples.append(reduced)
    return first, sides, samples


def _range(samples: list[np.ndarray], band: int) -> list[float]:
    """Values of a band that nearly all others lie between."""
    values = np.concatenate([image[band - 1].ravel() for image in samples if len(image) >= band])
    values = values[np.isfinite(values)]
    if not values.size:
        return [0.0, 1.0]
    low, high = (float(f"{value:.3g}") for value in np.percentile(values, [1, 99]))
    return [low, high if high > low else low + 1]


def _tile_size(sides: list[int]) -> int:
    """The largest usual size of which a scene has several."""
    shorter = median(sides)
    fitting = [size for size in TILES if size * WHOLE_TILES <= shorter]
    return fitting[0] if fitting else TILES[-1]


class Masks:
    """The values that masks hold, added up over all of them."""

    def __init__(self):
        self.values: Counter[int] = Counter()
        """Pixels of each value, of masks of one band."""
        self.colors: Counter[int] = Counter()
        """Pixels of each colour, of the others."""
        self.painted: Counter[int] = Counter()
        """Pixels of each colour of a palette, of masks of one band with one."""
        self.palette: dict[int, tuple[int, ...]] = {}
        """Colours of values, by the first mask that has some."""
        self.bare = False
        """Whether a mask of one band has no palette."""

    def read(self, scene: Scene) -> None:
        """Add a mask.

        Raises:
            UserError: its pixels are no integers, or no values that classes could have.
        """
        with pixels_of(scene.mask), open_image(scene.mask) as mask:
            if any(np.dtype(dtype).kind not in "ui" for dtype in mask.dtypes):
                raise UserError(f"{scene.mask}: {mask.dtypes[0]} pixels; masks hold whole numbers")
            palette = _palette(mask)
            self.palette = self.palette or palette
            self.bare = self.bare or (mask.count < 3 and not palette)

            for row in range(0, mask.height, STRIP):
                window = Window(0, row, mask.width, min(STRIP, mask.height - row))
                self._add(mask.read(window=window), mask.nodata, palette)
        if len(self.values) > MANY_COLORS or len(self.colors) > MANY_COLORS:
            raise UserError(
                f"{scene.mask}: with it, the masks hold more than {MANY_COLORS} values or colours, "
                f"as masks saved as JPEG do; export them again as PNG or GeoTIFF"
            )

    def _add(
        self, values: np.ndarray, nodata: float | None, palette: dict[int, tuple[int, ...]]
    ) -> None:
        if len(values) >= 3:
            red, green, blue = values[:3].astype(np.uint32)
            self.colors.update(_counts(red << 16 | green << 8 | blue))
            return

        for value, count in _counts(values[0]).items():
            if value != nodata:
                self.values[value] += count
            red, green, blue, *_ = palette.get(value, (0, 0, 0))
            self.painted[red << 16 | green << 8 | blue] += count

    def classes(self) -> tuple[str, list[DraftClass], list[str]]:
        """`index` or `color`, the classes, and the colours taken for no label.

        Raises:
            UserError: masks of both kinds, or fewer than two classes.
        """
        if self.colors and self.bare:
            raise UserError(
                "the masks hold colours in some files, one band in others; make them alike"
            )
        if not self.colors:
            return "index", self._of_values(self.values), []
        if not self.painted and all(
            code >> 16 == code >> 8 & 255 == code & 255 for code in self.colors
        ):
            grey = Counter({code & 255: count for code, count in self.colors.items()})
            return "index", self._of_values(grey), []

        colors = self.colors + self.painted
        total = colors.total()
        gaps = [0] if 0 < colors[0] < GAP * total and len(colors) > 2 else []
        shares = [(code, count / total) for code, count in colors.most_common()]
        classes = [
            DraftClass(None, f"#{code:06X}", share) for code, share in shares if code not in gaps
        ]
        return "color", _enough(classes), [f"#{code:06X}" for code in gaps]

    def _of_values(self, counts: Counter[int]) -> list[DraftClass]:
        total = counts.total()
        values = [value for value in sorted(counts) if value != NO_LABEL]
        if len(values) == 1:
            values = sorted(counts)  # masks of 0 and 255: both are classes
        if values and not 0 <= values[0] <= values[-1] <= 65535:
            raise UserError("the masks hold values outside 0 to 65535; number the classes anew")
        colors = _distinct_colors(values, self.palette)
        classes = [DraftClass(value, colors[value], counts[value] / total) for value in values]
        return _enough(classes)


def _palette(mask: rasterio.DatasetReader) -> dict[int, tuple[int, ...]]:
    """The colours of a mask's values; empty if it has none."""
    try:
        return mask.colormap(1) if mask.count < 3 else {}
    except ValueError:
        return {}


def _counts(values: np.ndarray) -> dict[int, int]:
    """How often each value occurs."""
    counts = pd.Series(values.ravel()).value_counts()
    return {int(value): int(count) for value, count in counts.items()}


def _enough(classes: list[DraftClass]) -> list[DraftClass]:
    if len(classes) < 2:
        raise UserError("the masks hold fewer than two classes; there is nothing to tell apart")
    return classes


def _distinct_colors(values: list[int], palette: dict[int, tuple[int, ...]]) -> dict[int, str]:
    """A colour for each value: those of the palette if they differ, else hues far apart."""
    own = {value: "#{:02X}{:02X}{:02X}".format(*palette.get(value, (0, 0, 0))) for value in values}
    if len(set(own.values())) == len(values):
        return own
    colors = {}
    for place, value in enumerate(values):
        hue = place * 0.618 % 1
        rgb = colorsys.hls_to_rgb(hue, 0.35 + 0.3 * (place % 2), 0.6)
        colors[value] = "#{:02X}{:02X}{:02X}".format(*(round(255 * part) for part in rgb))
    return colors
