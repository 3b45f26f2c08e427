"""How far one image is shifted against another that shows the same ground: phase correlation of
their gradients (Kuglin & Hines 1975)."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

OUTSTANDING = 20
"""Standard deviations that the peak of a correlation has to reach: chance seldom reaches 15."""


class Shift(NamedTuple):
    """Where the second image begins in the pixels of the first."""

    down: int
    right: int
    strength: float
    """Standard deviations of the correlation that its peak reaches; 0 without any gradient."""

    @property
    def stands_out(self) -> bool:
        """Whether the peak is more than chance."""
        return self.strength >= OUTSTANDING


def common_shape(*shapes: tuple[int, int]) -> tuple[int, int]:
    """The shape that images of these shapes need for no shift to be taken for another."""
    height, width = np.max(shapes, axis=0)
    return _fast_length(2 * int(height)), _fast_length(2 * int(width))


def _fast_length(least: int) -> int:
    """The next length without prime factors above 5, which is transformed fast."""
    length = least
    while (30 ** length.bit_length()) % length:
        length += 1
    return length


def spectrum(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The phases of an image's gradient, complex64 of this shape, with amplitude 1 (0 where there
    is no gradient).

    Args:
        image: float32 [h, w].
        shape: as of `common_shape`.
    """
    gradient = np.zeros(image.shape, np.complex64)
    gradient.real[1:-1, 1:-1] = image[1:-1, 2:] - image[1:-1, :-2]
    gradient.imag[1:-1, 1:-1] = image[2:, 1:-1] - image[:-2, 1:-1]
    frequencies = _transformed(gradient, shape, np.fft.fft)
    return frequencies / np.maximum(np.abs(frequencies), 1e-6)


def shift_between(first: np.ndarray, second: np.ndarray) -> Shift:
    """The shift that brings two images of one scale to match, by their spectra of one shape."""
    correlation = _transformed(first * second.conj(), first.shape, np.fft.ifft).real
    place = np.unravel_index(correlation.argmax(), correlation.shape)
    spread = float(correlation.std())
    strength = float(correlation[place]) / spread if spread else 0.0

    # Beyond the middle, the second image begins before the first.
    size = np.array(correlation.shape)
    down, right = np.where(place > size // 2, place - size, place).tolist()
    return Shift(down, right, strength)


def _transformed(image: np.ndarray, shape: tuple[int, int], transform: Callable) -> np.ndarray:
    """Both axes transformed, each where it is contiguous: several times as fast as across rows."""
    height, width = shape
    columns = np.ascontiguousarray(transform(image, width, axis=1).T)
    return np.ascontiguousarray(transform(columns, height, axis=1).T)
