"""How a scene is covered with overlapping windows."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

STRIP = 8192  # pixels: wider scenes are predicted in strips of about this width, side by side


class Axis(NamedTuple):
    """Windows along one side of a scene."""

    starts: list[int]
    """First pixel of each window, ascending; the last may reach beyond the scene."""
    weights: np.ndarray
    """float32 [windows, size]: weight of each window at its pixels; the sum is one everywhere."""

    @property
    def size(self) -> int:
        """Length of a window in pixels."""
        return self.weights.shape[1]


def windows(length: int, size: int, overlap: int, stride: int) -> Axis:
    """Spread windows evenly over `length` pixels, each a multiple of `stride` from the first.

    A window has full weight in its middle and none at its ends, where the model lacks context,
    except at the scene's own ends. Of an overlap of the minimum width, the outer three eighths get
    no weight, and the middle quarter is a ramp.

    Args:
        length: pixels to cover, at least 1.
        size: length of a window, a multiple of `stride`.
        overlap: least number of pixels that neighbours share, a multiple of `stride` below `size`.
        stride: what the model's heights and widths are multiples of.
    """
    padded = max(size, -(-length // stride) * stride)
    count = 1 + -(-(padded - size) // (size - overlap))
    steps = (padded - size) // stride
    starts = [stride * (steps * i // max(1, count - 1)) for i in range(count)]

    cut = overlap * 3 / 8
    ramp = max(1.0, overlap / 4)
    rising = ((np.arange(size) + 0.5 - cut) / ramp).clip(0, 1)
    weights = np.ones((count, size))
    weights[1:] *= rising
    weights[:-1] *= rising[::-1]

    total = np.zeros(padded)
    for start, weight in zip(starts, weights, strict=True):
        total[start : start + size] += weight
    weights /= [total[start : start + size] for start in starts]
    return Axis(starts, weights.astype(np.float32))


def strips(columns: Axis, width: int, limit: int = STRIP) -> list[tuple[int, int]]:
    """Cut a scene's columns into ranges of about `limit` pixels at most, each beginning where a
    window does."""
    count = -(-width // limit)
    windows_each = -(-len(columns.starts) // count)
    return list(pairwise([*columns.starts[::windows_each], width]))


def within(columns: Axis, first: int, last: int) -> Axis:
    """The windows that reach into the columns from `first` to before `last`."""
    reaching = [
        i for i, start in enumerate(columns.starts) if start < last and start + columns.size > first
    ]
    return Axis([columns.starts[i] for i in reaching], columns.weights[reaching])
