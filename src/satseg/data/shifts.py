"""How far one image is shifted against another that shows the same ground: phase correlation of
their gradients (Kuglin & Hines 1975)."""

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
    from scipy.fft import next_fast_len

    height, width = np.max(shapes, axis=0)
    return next_fast_len(2 * int(height)), next_fast_len(2 * int(width))


def spectrum(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The phases of an image's gradient, complex64 of this shape, with amplitude 1 (0 where there
    is no gradient).

    Args:
        image: float32 [h, w].
        shape: as of `common_shape`.
    """
    from scipy.fft import fft2

    gradient = np.zeros(image.shape, np.complex64)
    gradient.real[1:-1, 1:-1] = image[1:-1, 2:] - image[1:-1, :-2]
    gradient.imag[1:-1, 1:-1] = image[2:, 1:-1] - image[:-2, 1:-1]
    frequencies = fft2(gradient, shape)
    return frequencies / np.maximum(np.abs(frequencies), 1e-6)


def shift_between(first: np.ndarray, second: np.ndarray) -> Shift:
    """The shift that brings two images of one scale to match, by their spectra of one shape."""
    from scipy.fft import ifft2

    correlation = ifft2(first * second.conj()).real
    place = np.unravel_index(correlation.argmax(), correlation.shape)
    spread = float(correlation.std())
    strength = float(correlation[place]) / spread if spread else 0.0

    # Beyond the middle, the second image begins before the first.
    size = np.array(correlation.shape)
    down, right = np.where(place > size // 2, place - size, place).tolist()
    return Shift(down, right, strength)
