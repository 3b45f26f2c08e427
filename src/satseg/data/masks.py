"""Masks: which value or colour is which class."""

from pathlib import Path

import numpy as np
import rasterio

from satseg.data.labels import NO_LABEL, UNKNOWN
from satseg.errors import UserError
from satseg.jobs.slices import TileSlice


class MaskReader:
    """Turns mask pixels into class indices."""

    def __init__(self, spec: TileSlice):
        self.colors = spec.colors is not None
        self.lookup = np.full(2**24 if self.colors else 2**16, UNKNOWN, np.uint8)
        values = (
            [_code(c) for c in spec.colors]
            if self.colors
            else spec.values or range(len(spec.classes))
        )
        if not self.colors:
            self.lookup[NO_LABEL] = NO_LABEL
        for index, value in enumerate(values):
            self.lookup[value] = index
        for name, aliases in spec.aliases.items():
            for alias in aliases:
                self.lookup[_code(alias)] = spec.classes.index(name)
        for gap in spec.gaps:
            self.lookup[_code(gap)] = NO_LABEL

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
        """Class indices uint8 of what `codes` gave: `NO_LABEL` for gaps, `UNKNOWN` for what is no
        class."""
        if codes.dtype == np.uint8:
            table, codes_below = self.lookup[:256], int(codes.max()) + 1
            if np.array_equal(table[:codes_below], np.arange(codes_below)):
                labels = codes  # they are the indices already
            else:
                # Several times as fast as indexing.
                labels = np.frombuffer(
                    bytearray(codes.tobytes()).translate(table), np.uint8
                ).reshape(codes.shape)
        elif codes.dtype == np.uint16 or self.colors:
            labels = self.lookup[codes]
        else:
            inside = (codes >= 0) & (codes < len(self.lookup))
            labels = np.where(inside, self.lookup[np.where(inside, codes, 0)], np.uint8(UNKNOWN))
        if not self.colors and file.nodata is not None:
            labels[(labels == UNKNOWN) & (codes == file.nodata)] = NO_LABEL
        return labels

    def codes(self, values: np.ndarray, file: rasterio.DatasetReader, path: Path) -> np.ndarray:
        """What each pixel [h, w] says, as a number: the value, or the colour as red << 16 | green
        << 8 | blue.

        Raises:
            UserError: the bands [bands, h, w] are not what the layout says.
        """
        return (
            self._colour_codes(values, file, path) if self.colors else self._indices(values, path)
        )

    def shown(self, code: int) -> str:
        """How messages call a code."""
        return f"colour #{code:06X}" if self.colors else f"value {code}"

    def _colour_codes(
        self, values: np.ndarray, file: rasterio.DatasetReader, path: Path
    ) -> np.ndarray:
        if values.dtype != np.uint8:
            raise UserError(
                f"{path}: {values.dtype} pixels; masks of colours are 8-bit; save it as such"
            )
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
            raise UserError(
                f"{path}: {file.count} bands; colour masks have 3, or 1 with a palette; replace it"
            )
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


def _code(value: str | int) -> int:
    """A colour as a number; a value as it is."""
    return int(value.removeprefix("#"), 16) if isinstance(value, str) else value
