"""Masks: which value or colour stands for which class."""

from pathlib import Path

import numpy as np
import rasterio

from satseg.config.datasets import HIGHEST_MASK_VALUE, LOWEST_MASK_VALUE
from satseg.data.labels import NO_LABEL, UNKNOWN
from satseg.data.layout import Scene
from satseg.data.opening import open_mask, pixels_of
from satseg.errors import UserError
from satseg.jobs.slices import TileSlice
from satseg.text import counted


def named_values(job: TileSlice) -> dict[str, int]:
    """Mask value of each class, by its name, if masks hold numbers."""
    return dict(zip(job.classes, job.values or range(len(job.classes)), strict=True))


class MaskReader:
    """Turns mask pixels into class indices."""

    def __init__(self, job: TileSlice):
        self.colors = job.colors is not None

        if self.colors:
            self.lowest = 0
            size = 2**24
            values = [_code(color) for color in job.colors]
        else:
            self.lowest = LOWEST_MASK_VALUE
            size = HIGHEST_MASK_VALUE - LOWEST_MASK_VALUE + 1
            values = job.values or range(len(job.classes))

        self.lookup = np.full(size, UNKNOWN, np.uint8)
        # 255 means no label, unless a class has it.
        if not self.colors:
            self.lookup[NO_LABEL - self.lowest] = NO_LABEL
        for index, value in enumerate(values):
            self.lookup[value - self.lowest] = index
        for name, aliases in job.aliases.items():
            for alias in aliases:
                self.lookup[_code(alias) - self.lowest] = job.classes.index(name)
        for gap in job.gaps:
            self.lookup[_code(gap) - self.lowest] = NO_LABEL
        self.not_negative = self.lookup[-self.lowest :]
        self.says_255 = NO_LABEL in job.gaps or self.not_negative[NO_LABEL] != NO_LABEL

    def labels(self, values: np.ndarray, file: rasterio.DatasetReader, path: Path) -> np.ndarray:
        """Class indices uint8 [h, w] of mask bands [bands, h, w].

        Raises:
            UserError: a value is not a class, or the bands do not fit the layout.
        """
        codes = self.codes(values, file, path)
        labels = self.known(codes, file)

        unknown = labels == UNKNOWN
        if unknown.any():
            code = int(codes[unknown][0])
            raise UserError(
                f"{path}: {self.shown(code)} in {counted(int((codes == code).sum()), 'pixel')} is "
                f"not a class of the dataset; {self.remedy}"
            )
        return labels

    def known(self, codes: np.ndarray, file: rasterio.DatasetReader) -> np.ndarray:
        """Class indices uint8 of the result of `codes`: `NO_LABEL` for gaps, `UNKNOWN` for what is
        not a class."""
        if codes.dtype == np.uint8:
            table = self.not_negative[:256]
            codes_below = int(codes.max()) + 1
            if np.array_equal(table[:codes_below], np.arange(codes_below)):
                labels = codes  # they are the indices already
            else:
                # Several times as fast as indexing.
                translated = bytearray(codes.tobytes()).translate(table)
                labels = np.frombuffer(translated, np.uint8).reshape(codes.shape)
        elif codes.dtype == np.uint16 or self.colors:
            labels = self.not_negative[codes]
        else:
            inside = (codes >= self.lowest) & (codes <= HIGHEST_MASK_VALUE)
            places = np.where(inside, codes, 0).astype(np.int64) - self.lowest
            labels = np.where(inside, self.lookup[places], np.uint8(UNKNOWN))

        if not self.colors and file.nodata is not None:
            labels[(labels == UNKNOWN) & (codes == file.nodata)] = NO_LABEL
        return labels

    def codes(self, values: np.ndarray, file: rasterio.DatasetReader, path: Path) -> np.ndarray:
        """A number for each pixel [h, w]: its value, or its colour as red << 16 | green << 8 |
        blue.

        Raises:
            UserError: the bands [bands, h, w] do not fit the layout.
        """
        if self.colors:
            return self._colour_codes(values, file, path)
        return self._indices(values, path)

    def doubt(self, classes: list[str]) -> str:
        """What is odd about masks that hold only these classes and 255; empty if nothing is.

        A mask of 0 and 255 has two classes, although 255 means no label where nothing says what it
        means.
        """
        if self.colors or self.says_255 or len(classes) > 1:
            return ""
        held = f"class {classes[0]!r} and 255" if classes else "255"
        return (
            f"the masks hold only {held}, which means no label; give the class that 255 stands for "
            f"`value: 255`, or list 255 in `gaps`"
        )

    @property
    def remedy(self) -> str:
        """What to do about a code that is not a class."""
        key = "color" if self.colors else "value"
        return (
            f"make it the `{key}` or one of the `aliases` of a class, or add it to `gaps` if it "
            f"means no label"
        )

    def shown(self, code: int) -> str:
        """A code in the words of messages."""
        return f"colour #{code:06X}" if self.colors else f"value {code}"

    def _colour_codes(
        self, values: np.ndarray, file: rasterio.DatasetReader, path: Path
    ) -> np.ndarray:
        if values.dtype != np.uint8:
            raise UserError(
                f"{path}: {values.dtype} pixels, but colour masks have 8 bits; save it as 8 bits"
            )

        if file.count == 1:
            try:
                palette = file.colormap(1)
            except ValueError:
                raise UserError(
                    f"{path}: greyscale pixels, but the layout says masks hold colours; "
                    f"set layout.mask_values: index, or replace the mask"
                ) from None
            codes = np.zeros(256, np.uint32)
            for index, (red, green, blue, _) in palette.items():
                codes[index] = red << 16 | green << 8 | blue
            return codes[values[0]]

        if file.count < 3:
            raise UserError(
                f"{path}: {counted(file.count, 'band')}, but colour masks have 3, or 1 with a "
                f"palette; replace the mask"
            )
        red, green, blue = values[:3].astype(np.uint32)
        return red << 16 | green << 8 | blue

    @staticmethod
    def _indices(values: np.ndarray, path: Path) -> np.ndarray:
        if (values[1:] != values[:1]).any():
            raise UserError(
                f"{path}: its bands differ, but the layout says masks hold class indices; set "
                f"layout.mask_values: color, or replace the mask"
            )
        return values[0]


def doubts(scenes: list[Scene], classes: list[str], reader: MaskReader) -> str:
    """`MaskReader.doubt` of the masks of these scenes, in which these classes occur.

    The masks are read only if it depends on what they hold.
    """
    doubt = reader.doubt(classes)
    for scene in scenes if doubt else []:
        with pixels_of(scene.mask), open_mask(scene) as mask:
            for _, window in mask.block_windows(1):
                if (mask.read(1, window=window) == NO_LABEL).any():
                    return doubt
    return ""


def _code(value: str | int) -> int:
    """A colour as a number; a value as it is."""
    return int(value.removeprefix("#"), 16) if isinstance(value, str) else value
