"""A canvas: what lies where, and how high."""

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from satseg.data.sources.demo.classes import FIELD

# Pixels laid out around a scene, then cut off: what stands there still casts its shadow into it.
MARGIN = 44


class Land:
    """What lies where, [n, n] each: `albedo` (linear RGB), class index `label` and `height`.

    `gap` is the distance from the nearest street, `shore` from water, `edge` from a parcel's
    border; `village` says where houses may stand, `taken` where no more can; `settled` goes from 0,
    farmland, to 1.
    """

    def __init__(self, rng: np.random.Generator, size: int):
        self.rng = rng
        self.size = size
        self.y, self.x = np.mgrid[:size, :size].astype(np.float32)
        self.albedo = np.zeros((size, size, 3), np.float32)
        self.label = np.full((size, size), FIELD, np.uint8)
        self.height = np.zeros((size, size), np.float32)
        self.gap = np.full((size, size), size, np.float32)
        self.shore = np.full((size, size), size, np.float32)
        self.edge = np.full((size, size), size, np.float32)
        self.village = np.zeros((size, size), bool)
        self.taken = np.zeros((size, size), bool)
        self.settled = rng.uniform()

    def paint(self, share, colour, label=None, height=None, at=...) -> None:
        """Blend a colour into the window `at` by `share`, 0 to 1; class and height change above
        0.5."""
        self.albedo[at] += share[..., None] * (colour - self.albedo[at])

        for layer, value in ((self.label, label), (self.height, height)):
            if value is not None:
                layer[at] = np.where(share > 0.5, value, layer[at])

    def texture(self, scale: float, smooth: float = 1.0) -> np.ndarray:
        """Random field [n, n] of zero mean and unit deviation with features up to `scale`
        pixels."""
        white = self.rng.standard_normal((self.size, self.size), dtype=np.float32)

        square = fft.fftfreq(self.size)[:, None] ** 2 + fft.rfftfreq(self.size) ** 2
        damping = (square + scale**-2).astype(np.float32) ** -smooth
        field = fft.irfft2(fft.rfft2(white) * damping, s=white.shape)

        field -= field.mean()
        return field / field.std()

    def window(self, x: float, y: float, angle: float, reach: float) -> tuple:
        """A window around a point, and its pixels' coordinates along and across the direction
        `angle`."""
        at = tuple(slice(max(int(c - reach), 0), max(int(c + reach) + 2, 0)) for c in (y, x))
        dx = self.x[at] - x
        dy = self.y[at] - y

        along = dx * np.cos(angle) + dy * np.sin(angle)
        across = dy * np.cos(angle) - dx * np.sin(angle)
        return at, along, across

    def box(self, x, y, angle, half, colour, height=0, shift=(0, 0)) -> None:
        """Lay down a rectangular object that changes no class.

        Args:
            x, y, angle: a point, and the direction of the object's length.
            half: half its length and half its width.
            colour: its albedo.
            height: how far it rises above what it lies on.
            shift: where its middle is, seen from the point: along and across the direction.
        """
        at, along, across = self.window(x, y, angle, sum(half) + np.hypot(*shift))
        beyond_end = np.abs(along - shift[0]) - half[0]
        beyond_side = np.abs(across - shift[1]) - half[1]
        share = cover(np.maximum(beyond_end, beyond_side))
        self.paint(share, colour, height=self.height[at] + height, at=at)

    def curve(self, start, heading: float, length: float, bend: float) -> np.ndarray:
        """Path [m, 2] of (x, y), a pixel apart, wandering by about `bend` radians, up to the edge
        of the land."""
        wander = ndimage.gaussian_filter1d(self.rng.standard_normal(int(length)), 40, mode="wrap")
        angle = heading + bend * (wander - wander[0]) / wander.std()

        path = start + np.cumsum(np.stack([np.cos(angle), np.sin(angle)], -1), 0)
        out = ((path < 0) | (path > self.size - 1)).any(1)
        return path[: out.argmax() if out.any() else None]

    def through(self, point, heading: float, bend: float) -> np.ndarray:
        """Path [m, 2] from one edge of the land to another by way of a point."""
        back = self.curve(point, heading + np.pi, 2 * self.size, bend)
        on = self.curve(point, heading, 2 * self.size, bend)
        return np.concatenate([back[::-1], [point], on])

    def along(self, path: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Each pixel's distance from a path, [n, n], to within a pixel, and which of its points is
        nearest."""
        order = np.full((self.size, self.size), -1, np.int32)
        order[cells(path)] = np.arange(len(path))
        place = order[tuple(ndimage.distance_transform_edt(order < 0, None, False, True))]

        tangent = np.gradient(path, axis=0).astype(np.float32)
        path = path.astype(np.float32)
        dx = self.x - path[place, 0]
        dy = self.y - path[place, 1]
        aside = dy * tangent[place, 0] - dx * tangent[place, 1]

        # More than rounding the path to pixels explains: past its end, or round the outside of a
        # bend.
        ahead = (np.abs(dx * tangent[place, 0] + dy * tangent[place, 1]) - 1).clip(0)
        return np.hypot(aside, ahead), place


def cells(points: np.ndarray) -> tuple:
    """Index (rows, columns) of the pixels that points (x, y) lie in."""
    return tuple(points.round().astype(int).T[::-1])


def cover(distance: np.ndarray) -> np.ndarray:
    """Share of each pixel inside a shape, from its distance to the outline (negative inside)."""
    return np.clip(0.5 - distance, 0, 1)


@dataclass
class Street:
    """A path [m, 2], half its width, and what `Land.along` says about it."""

    path: np.ndarray
    half: float
    across: np.ndarray
    place: np.ndarray

    def beside(self, place: float, offset: float) -> tuple[float, float, float]:
        """The point (x, y) `offset` to the right of a place on the path, and the path's direction
        there."""
        place = int(place)
        last = len(self.path) - 1
        dx, dy = self.path[min(place + 3, last)] - self.path[max(place - 3, 0)]
        x, y = self.path[place] + offset * np.array([-dy, dx]) / np.hypot(dx, dy)
        return x, y, np.arctan2(dy, dx)
