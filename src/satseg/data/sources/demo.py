"""Generated scenes that look like aerial photographs of villages and farmland, with exact masks.

A scene is laid out as albedo, class and height, then lit and photographed. What is seen from above names a
pixel: a crown over a street or a roof is Woodland, and so are single trees and the gaps inside a wood; a
bridge is Road; gardens, yards, verges, banks and farm tracks are Field; a shadow changes no class.
Lengths and heights are pixels of 0.5 m; `y` counts down, `x` to the right.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rasterio.io import MemoryFile
from rasterio.transform import from_origin
from scipy import fft, ndimage

from satseg.config import DemoSource
from satseg.files import atomic

# Name and colour of each class index, as in the dataset's configuration.
CLASSES = {
    0: ("No data", "#000000"),
    1: ("Field", "#E6C86E"),
    2: ("Woodland", "#267300"),
    3: ("Water", "#00A0DC"),
    4: ("Road", "#B4B4B4"),
    5: ("Building", "#C8414B"),
}
NO_DATA, FIELD, WOODLAND, WATER, ROAD, BUILDING = CLASSES

CRS, PIXEL_METRES, CORNER = "EPSG:2180", 0.5, (500_000.0, 400_000.0)
MARGIN = 44  # laid out around a scene, then cut off: what stands outside still casts its shadow into it

# Linear reflectance (red, green, blue), and how strongly rows show.
CROPS = [
    ((0.055, 0.095, 0.030), 0.16),  # young cereal
    ((0.035, 0.068, 0.022), 0.10),  # maize, as dark as a wood
    ((0.075, 0.110, 0.040), 0.03),  # meadow
    ((0.110, 0.120, 0.050), 0.05),  # dry pasture
    ((0.250, 0.200, 0.110), 0.14),  # ripe cereal
    ((0.210, 0.175, 0.115), 0.18),  # stubble
    ((0.165, 0.105, 0.068), 0.20),  # ploughed loam, brown as old tiles
    ((0.085, 0.065, 0.050), 0.16),  # ploughed wet clay
    ((0.190, 0.175, 0.155), 0.12),  # dry pale soil, grey as a street
]
GARDENS = [
    ((0.070, 0.105, 0.038), 0.02),  # lawns
    ((0.055, 0.085, 0.030), 0.02),
    ((0.100, 0.115, 0.050), 0.03),
    ((0.045, 0.075, 0.026), 0.02),
    ((0.130, 0.100, 0.070), 0.15),  # beds
    ((0.200, 0.188, 0.165), 0.00),  # gravel
]
# Linear reflectance, and how common it is.
ROOFS = [
    ((0.300, 0.105, 0.060), 5),  # new tiles
    ((0.190, 0.085, 0.060), 4),  # old tiles
    ((0.130, 0.090, 0.065), 2),  # brown tiles
    ((0.130, 0.135, 0.140), 4),  # slate
    ((0.055, 0.055, 0.060), 2),  # dark sheet
    ((0.300, 0.295, 0.280), 2),  # fibre cement
]
HALLS = [((0.520, 0.520, 0.510), 2), ((0.250, 0.255, 0.260), 3), ((0.070, 0.070, 0.072), 2), ROOFS[1]]
WATERS = [(0.012, 0.022, 0.024), (0.030, 0.036, 0.024), (0.022, 0.036, 0.022)]
SOIL, GRAVEL, SOLAR = (0.215, 0.170, 0.115), (0.200, 0.188, 0.165), (0.030, 0.035, 0.055)
REED, HEDGE, LITTER = (0.085, 0.095, 0.045), (0.050, 0.060, 0.035), (0.045, 0.042, 0.025)


def fetch(source: DemoSource, folder: Path) -> None:
    """Write `images/scene_<k>.tif` (uint8 RGB) and `masks/scene_<k>.tif` (uint8 class index, colour table).

    The same seed gives the same bytes, and scene k is the same however many scenes there are. The GeoTIFFs
    are in EPSG:2180 and do not overlap.
    """
    for index in range(source.scenes):
        image, mask = make_scene(np.random.default_rng([source.seed % 2**63, index]), source.size)
        for kind, pixels in (("images", image), ("masks", mask[None])):
            _write(Path(folder, kind, f"scene_{index:02d}.tif"), pixels, index)


def make_scene(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a scene.

    Returns:
        The image, uint8 [3, size, size], 0 where there is no data and only there, and the mask of class
        indices, uint8 [size, size].
    """
    missing = beyond_swath(rng, size)
    land = Land(rng, size + 2 * MARGIN)
    heading = rng.uniform(0, np.pi)
    lay_fields(land, heading)
    streets = lay_streets(land, heading)
    build(land, streets)
    plant(land, streets)
    inside = slice(MARGIN, MARGIN + size)
    image = photograph(land, light(land))[inside, inside]
    mask = np.where(missing, NO_DATA, land.label[inside, inside]).astype(np.uint8)
    # Black is kept for "no data".
    image = np.where(missing[..., None], 0, np.maximum(image, 1)).astype(np.uint8)
    return image.transpose(2, 0, 1), mask


def beyond_swath(rng: np.random.Generator, size: int) -> np.ndarray:
    """The corner, bool [size, size], that a slightly turned flight strip does not reach; often none."""
    y, x = np.mgrid[:size, :size]
    reach = size * (rng.random() < 0.4)
    corner = x / rng.uniform(0.15, 0.4) + y / rng.uniform(0.45, 1.0) < reach
    return corner[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]


def _write(path: Path, pixels: np.ndarray, index: int) -> None:
    """Write [bands, n, n] as a tiled GeoTIFF; scenes lie in a row, a hundred metres apart."""
    bands, size, _ = pixels.shape
    left = CORNER[0] + index * (size + 200) * PIXEL_METRES
    place = {"crs": CRS, "transform": from_origin(left, CORNER[1], PIXEL_METRES, PIXEL_METRES)}
    shape = {"count": bands, "height": size, "width": size, "dtype": "uint8"}
    storage = {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "deflate"}
    colours = {"photometric": "rgb" if bands == 3 else "palette"}
    profile = {"driver": "GTiff", **place, **shape, **storage, **colours}
    with MemoryFile() as made:
        with made.open(**profile) as file:
            if bands == 1:
                file.write_colormap(1, {i: tuple(bytes.fromhex(colour[1:])) for i, (_, colour) in CLASSES.items()})
            file.write(pixels)
        # Not straight to the disk: GDAL does not say when the last blocks, written as the file is closed, do not fit.
        with atomic(path) as temporary:
            temporary.write_bytes(made.getbuffer())


# --- canvas ----------------------------------------------------------------------------------------------


class Land:
    """What lies where, [n, n] each: `albedo` (linear RGB), class index `label` and `height`.

    `gap` is the distance from the nearest street, `shore` from water, `edge` from a parcel's border;
    `village` says where houses may stand, `taken` where no more can; `settled` goes from 0, farmland, to 1.
    """

    def __init__(self, rng: np.random.Generator, size: int):
        self.rng, self.size = rng, size
        self.y, self.x = np.mgrid[:size, :size].astype(np.float32)
        self.albedo = np.zeros((size, size, 3), np.float32)
        self.label = np.full((size, size), FIELD, np.uint8)
        self.height = np.zeros((size, size), np.float32)
        self.gap, self.shore, self.edge = np.full((3, size, size), size, np.float32)
        self.village, self.taken = np.zeros((2, size, size), bool)
        self.settled = rng.uniform()

    def paint(self, share, colour, label=None, height=None, at=...) -> None:
        """Lay a colour over the window `at` as far as `share`, 0 to 1; class and height change above 0.5."""
        self.albedo[at] += share[..., None] * (colour - self.albedo[at])
        for layer, value in ((self.label, label), (self.height, height)):
            if value is not None:
                layer[at] = np.where(share > 0.5, value, layer[at])

    def texture(self, scale: float, smooth: float = 1.0) -> np.ndarray:
        """Random field [n, n] of zero mean and unit deviation with features up to `scale` pixels."""
        white = self.rng.standard_normal((self.size, self.size), dtype=np.float32)
        square = fft.fftfreq(self.size)[:, None] ** 2 + fft.rfftfreq(self.size) ** 2
        damping = (square + scale**-2).astype(np.float32) ** -smooth
        field = fft.irfft2(fft.rfft2(white) * damping, s=white.shape)
        field -= field.mean()
        return field / field.std()

    def window(self, x: float, y: float, angle: float, reach: float) -> tuple:
        """A window around a point, and its pixels' coordinates along and across the direction `angle`."""
        at = tuple(slice(max(int(c - reach), 0), max(int(c + reach) + 2, 0)) for c in (y, x))
        dx, dy = self.x[at] - x, self.y[at] - y
        return at, dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)

    def box(self, x, y, angle, half, colour, height=0, shift=(0, 0)) -> None:
        """Lay down an oblong thing that changes no class.

        Args:
            x, y, angle: a point, and the direction of the thing's length.
            half: half its length and half its width.
            colour: its albedo.
            height: how far it rises above what it lies on.
            shift: where its middle is, seen from the point: along and across the direction.
        """
        at, u, v = self.window(x, y, angle, sum(half) + np.hypot(*shift))
        share = cover(np.maximum(np.abs(u - shift[0]) - half[0], np.abs(v - shift[1]) - half[1]))
        self.paint(share, colour, height=self.height[at] + height, at=at)

    def curve(self, start, heading: float, length: float, bend: float) -> np.ndarray:
        """Path [m, 2] of (x, y), a pixel apart, wandering by about `bend` radians, up to the land's end."""
        wander = ndimage.gaussian_filter1d(self.rng.standard_normal(int(length)), 40, mode="wrap")
        angle = heading + bend * (wander - wander[0]) / wander.std()
        path = start + np.cumsum(np.stack([np.cos(angle), np.sin(angle)], -1), 0)
        out = ((path < 0) | (path > self.size - 1)).any(1)
        return path[: out.argmax() if out.any() else None]

    def through(self, point, heading: float, bend: float) -> np.ndarray:
        """Path [m, 2] from one end of the land to another by way of a point."""
        back, on = (self.curve(point, heading + turn, 2 * self.size, bend) for turn in (np.pi, 0))
        return np.concatenate([back[::-1], [point], on])

    def along(self, path: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Each pixel's distance from a path, [n, n], to within a pixel, and which of its points is nearest."""
        order = np.full((self.size, self.size), -1, np.int32)
        order[cells(path)] = np.arange(len(path))
        place = order[tuple(ndimage.distance_transform_edt(order < 0, None, False, True))]
        path, tangent = path.astype(np.float32), np.gradient(path, axis=0).astype(np.float32)
        dx, dy = self.x - path[place, 0], self.y - path[place, 1]
        aside = dy * tangent[place, 0] - dx * tangent[place, 1]
        # Beyond what rounding the path to pixels explains: past its end, or round the outside of a bend.
        ahead = (np.abs(dx * tangent[place, 0] + dy * tangent[place, 1]) - 1).clip(0)
        return np.hypot(aside, ahead), place


def cells(points: np.ndarray) -> tuple:
    """Index (rows, columns) of the pixels that points (x, y) lie in."""
    return tuple(points.round().astype(int).T[::-1])


def cover(distance: np.ndarray) -> np.ndarray:
    """Share of each pixel that lies inside a shape, from the distance to its outline (negative inside)."""
    return np.clip(0.5 - distance, 0, 1)


# --- fields, water, streets ------------------------------------------------------------------------------


def lay_fields(land: Land, heading: float) -> None:
    """Cover the land with parcels, long and narrow, that follow the main road."""
    smallest = land.rng.uniform(70, 100) * (1.7 - 0.7 * land.settled)
    albedo, land.edge = parcels(land, heading, CROPS, smallest, land.rng.uniform(1.2, 2.5))
    land.paint(np.ones_like(land.height), albedo)
    land.paint(0.8 * cover(land.edge - land.rng.uniform(0.5, 2)), (0.085, 0.1, 0.045))


def parcels(land: Land, heading: float, crops: list, smallest: float, aspect: float) -> tuple:
    """Albedo [n, n, 3] of a patchwork of crops in rows, and the distance [n, n] from its boundaries."""
    rng, sine, cosine = land.rng, np.sin(heading), np.cos(heading)
    u = cosine * land.x + sine * land.y + 6 * land.texture(250, 2)
    v = cosine * land.y - sine * land.x + 6 * land.texture(250, 2)
    axes = np.stack([u.ravel(), v.ravel() * aspect])
    parcel, edge = np.zeros(u.size, np.int32), np.zeros(u.size, np.float32)
    for count, pixels in enumerate(_divide(rng, axes, np.arange(u.size), smallest), 1):
        inner = axes[:, pixels]
        sides = np.minimum(inner - inner.min(1, keepdims=True), inner.max(1, keepdims=True) - inner)
        parcel[pixels], edge[pixels] = count - 1, np.minimum(sides[0], sides[1] / aspect)
    parcel, kind = parcel.reshape(u.shape), rng.choice(len(crops), count)
    colour = np.array([c for c, _ in crops], np.float32)[kind] * rng.normal(1, 0.1, (count, 1))
    strength = np.array([s for _, s in crops], np.float32)[kind][parcel]
    rows = np.where((rng.random(count) < 0.75)[parcel], v, u) + land.texture(120)
    wave, tramlines = (2 * np.pi / rng.uniform(2.8, 6, count)).astype(np.float32), rng.uniform(30, 50)
    tone = 0.5 * np.sin(rows * wave[parcel]) + 0.5 * land.texture(5, 0.6)
    tone -= 1.2 * (np.abs(np.abs(rows % tramlines - tramlines / 2) - 2.5) < 0.8)
    dry = (0.03 + 0.6 * strength) * land.texture(70)
    tint = np.stack([1 + 1.2 * dry, 1 + 0.7 * dry, 1 + 0.6 * dry], -1) * (1 + strength * tone)[..., None]
    return (colour.astype(np.float32)[parcel] * tint).clip(0.01, 1), edge.reshape(u.shape)


def _divide(rng: np.random.Generator, axes: np.ndarray, pixels: np.ndarray, smallest: float) -> Iterator:
    """Cut pixels (flat indices) across their longer axis until the parts are small; yield the parts."""
    low, high = axes[:, pixels].min(1), axes[:, pixels].max(1)
    longer = (high - low).argmax()
    if high[longer] - low[longer] < smallest * rng.uniform(1.1, 3):
        yield pixels
        return
    before = axes[longer, pixels] < low[longer] + (high - low)[longer] * rng.uniform(0.35, 0.65)
    yield from _divide(rng, axes, pixels[before], smallest)
    yield from _divide(rng, axes, pixels[~before], smallest)


@dataclass
class Street:
    """A path [m, 2], half its width, and what `Land.along` says about it."""

    path: np.ndarray
    half: float
    across: np.ndarray
    place: np.ndarray

    def beside(self, place: float, offset: float) -> tuple[float, float, float]:
        """The point (x, y) `offset` to the right of a place on the path, and the path's direction there."""
        place, last = int(place), len(self.path) - 1
        dx, dy = self.path[min(place + 3, last)] - self.path[max(place - 3, 0)]
        x, y = self.path[place] + offset * np.array([-dy, dx]) / np.hypot(dx, dy)
        return x, y, np.arctan2(dy, dx)


def lay_streets(land: Land, heading: float) -> list[Street]:
    """Lay out main road, water, side streets, gardens and farm tracks; pave the streets and return them."""
    rng, streets = land.rng, []
    middle, along = land.size * rng.uniform(0.35, 0.65, 2), heading + rng.normal(0, 0.1)
    _open(land, streets, land.through(middle, along, rng.uniform(0.05, 0.2)), rng.uniform(7.5, 10))
    lay_water(land, heading)
    for _ in range(rng.integers(2, 5 + int(8 * land.settled))):
        _open(land, streets, _branch(land, streets, rng.uniform(120, 500)), rng.uniform(4.5, 6.5))
    lay_gardens(land, heading)
    for _ in range(rng.integers(1, 4)):
        _lay_track(land, _branch(land, streets, rng.uniform(150, 400)))
    pave(land, streets)
    return streets


def _open(land: Land, streets: list[Street], path: np.ndarray, half: float) -> None:
    if len(path) > 60:
        streets.append(Street(path, half, *land.along(path)))
        land.gap = np.minimum(land.gap, streets[-1].across - half)


def _branch(land: Land, streets: list[Street], length: float) -> np.ndarray:
    """A path that leaves a street about squarely and ends at water, at a street or in the open."""
    rng, trunk = land.rng, streets[land.rng.integers(len(streets))]
    x, y, angle = trunk.beside(rng.integers(20, len(trunk.path) - 20), 0)
    away = angle + rng.choice([-1, 1]) * np.pi / 2 + rng.normal(0, 0.12)
    path = land.curve((x, y), away, length, rng.uniform(0.02, 0.25))
    gap, shore = land.gap[cells(path)], land.shore[cells(path)]
    stop = (shore < 12) | (gap < 0) & (np.arange(len(path)) > 40)
    end = stop.argmax() if stop.any() else len(path)
    # No street where no row of houses fits between it and its neighbour.
    return path[:end] if end and np.median(gap[:end]) > 20 else path[:0]


def lay_water(land: Land, heading: float) -> None:
    """Dig a river across the main road, or a lake or some ponds away from it."""
    rng, ragged = land.rng, land.texture(60, 1.6)
    kind = rng.choice(["river", "lake", "ponds"], p=[0.55, 0.3, 0.15])
    if kind == "river":
        middle, turn = land.size * rng.uniform(0.25, 0.75, (6, 2)), rng.uniform(0.35, 0.65, 6) * np.pi
        beds = [land.through(point, heading + angle, 0.5) for point, angle in zip(middle, turn, strict=True)]
        # The one that follows the road least.
        bed = min(beds, key=lambda bed: (land.gap[cells(bed)] < 15).sum())
        land.shore = land.along(bed)[0] - rng.uniform(11, 22) - 3 * ragged
    for _ in range({"river": 0, "lake": 1, "ponds": rng.integers(3, 6)}[kind]):
        spots = rng.integers(2 * MARGIN, land.size - 2 * MARGIN, (40, 2))
        room = np.minimum(land.gap, land.shore)[cells(spots)]
        x, y = spots[room.argmax()]
        radius = min(0.8 * room.max(), rng.uniform(55, 95) if kind == "lake" else rng.uniform(16, 32))
        pond = np.hypot(land.x - x, land.y - y) - radius * (1 + 0.2 * ragged)
        land.shore = np.minimum(land.shore, np.maximum(pond, 8 - land.gap))
    land.paint(cover(land.shore - rng.uniform(1, 6) - 2 * ragged), np.array(REED) * rng.uniform(0.7, 1.6))
    shallow = 1 + 0.15 * land.texture(80) + 0.8 * np.exp(np.minimum(land.shore, 0) / 5)
    glint = (0.003 + 0.002 * land.texture(4) + 0.004 * land.texture(100)).clip(0)
    murk = np.array(WATERS[rng.integers(len(WATERS))])
    land.paint(cover(land.shore), murk * shallow[..., None] + glint[..., None], WATER)


def lay_gardens(land: Land, heading: float) -> None:
    """Divide the settled land along the streets into plots of lawn, beds and gravel."""
    plots, edge = parcels(land, heading, GARDENS, 30, 1.3)
    land.village = (land.texture(150) + 4 * land.settled > 0.5) & (land.gap < 55) & (land.shore > 10)
    land.paint(ndimage.gaussian_filter(land.village.astype(np.float32), 0.7), plots)
    land.paint(0.6 * cover(edge - 0.6) * land.village, HEDGE)


def _lay_track(land: Land, path: np.ndarray) -> None:
    """Two ruts with grass between."""
    if len(path) > 60:
        dry = (0.8 + 0.15 * land.texture(40)).clip(0, 1) * (land.label == FIELD)
        ruts = cover(np.abs(land.along(path)[0] - 2.2) - 1.6)
        land.paint(dry * ruts, np.array(SOIL) * land.rng.uniform(0.7, 1.2))


def pave(land: Land, streets: list[Street]) -> None:
    """Paint streets, minor ones first, with verges, kerbs, centre line and cars; bridges over water."""
    rng, patchy, fine = land.rng, land.texture(25), land.texture(4, 0.6)
    lawn = np.array(GARDENS[rng.integers(4)][0]) * rng.uniform(0.9, 1.4)
    land.paint(0.7 * cover(np.abs(land.gap - 2) - 2.5) * (land.label == FIELD), lawn)
    deck = (-land.shore / 4).clip(0, 4)
    for street in reversed(streets):
        grey = rng.uniform(0.085, 0.21) * np.array([1.03, 1.0, rng.uniform(0.88, 1.0)])
        wear = 1 + 0.06 * patchy + 0.04 * fine + 0.08 * np.cos(street.across * 2 * np.pi / street.half)
        land.paint(cover(street.across - street.half), grey * wear[..., None], ROAD, deck)
    land.paint(rng.uniform(0.2, 0.8) * cover(np.abs(land.gap + 1.2) - 0.8), (0.24, 0.235, 0.22))
    land.paint(0.7 * cover(streets[0].across - 0.2) * (streets[0].place % 24 < 12), (0.5, 0.5, 0.48))
    for street in streets:
        for place in np.arange(rng.uniform(10, 90), len(street.path) - 10, rng.uniform(50, 200)):
            lacquer = rng.choice([0.03, 0.08, 0.3, 0.6]) * rng.uniform(0.7, 1.3, 3)
            lane = street.half * rng.choice([-0.55, 0.55])
            land.box(*street.beside(place, lane), (4.4, 1.9), lacquer, 3)


# --- buildings and trees ---------------------------------------------------------------------------------


def build(land: Land, streets: list[Street]) -> None:
    """Line the village streets with houses, sheds and a few halls, and set farms into the fields."""
    rng = land.rng
    land.taken = (land.gap < 4) | (land.shore < 9)
    for street in streets:
        for side in (-1, 1):
            for plot in np.arange(rng.uniform(12, 40), len(street.path) - 8, rng.uniform(28, 44)):
                _settle(land, street, plot, side)
    for x, y in rng.uniform(MARGIN, land.size - MARGIN, (4, 2)):
        if min(land.gap[int(y), int(x)], land.shore[int(y), int(x)]) > 50:
            _lay_farm(land, x, y)


def _settle(land: Land, street: Street, plot: float, side: int) -> None:
    """Put a hall on a plot of the village, or a house and perhaps a shed behind it."""
    rng, hall = land.rng, land.rng.random() < 0.04
    size = rng.uniform(*((22, 36) if hall else (9, 16))), rng.uniform(*((12, 20) if hall else (7.5, 11)))
    offset = street.half + rng.uniform(7, 16) + size[1]
    x, y, angle = street.beside(plot, side * offset)
    if not land.village[cells(np.clip([x, y], 0, land.size - 1))]:
        return
    raise_building(land, x, y, angle + rng.normal(0, 0.06), size, hall)
    if rng.random() < 0.4:
        shed = street.beside(plot, side * (offset + rng.uniform(18, 34)))
        raise_building(land, *shed, (rng.uniform(4, 7), rng.uniform(3, 5)), hall=True)


def _lay_farm(land: Land, x: float, y: float) -> None:
    """A yard with barns and perhaps a house around it."""
    rng, turn = land.rng, land.rng.uniform(0, np.pi)
    land.box(x, y, turn, (26, 20), np.array(GRAVEL) * rng.uniform(0.7, 1.1))
    for angle in turn + np.pi / 2 * np.arange(4):
        far, size = rng.uniform(30, 38), (rng.uniform(13, 26), rng.uniform(8, 11))
        spot = x + far * np.cos(angle), y + far * np.sin(angle)
        raise_building(land, *spot, angle + np.pi / 2, size, hall=rng.random() < 0.6)


def raise_building(land: Land, x: float, y: float, angle: float, half: tuple, hall: bool) -> None:
    """Raise a house or hall of one to three wings, unless its ground is taken; `half` is half its size."""
    rng, (length, width) = land.rng, half
    wings = [(0, 0, length, width)]
    for _ in range(rng.choice(3, p=[0.5, 0.4, 0.1]) if length > 8 else 0):
        half_u, half_v = width * rng.uniform(0.5, 0.8), width * rng.uniform(0.8, 1.3)
        wings.append((rng.uniform(-1, 1) * (length - half_u), rng.choice([-1, 1]) * width, half_u, half_v))
    at, u, v = land.window(x, y, angle, length + 3 * width)
    inside, roof = np.full(u.shape, -np.inf), np.zeros(u.shape)
    hipped = rng.random() < 0.25
    for centre_u, centre_v, half_u, half_v in wings:
        from_u, from_v = half_u - np.abs(u - centre_u), half_v - np.abs(v - centre_v)
        within = np.minimum(from_u, from_v)
        rise = within if hipped else from_v if half_u >= half_v else from_u
        inside, roof = np.maximum(inside, within), np.where(within > -1, np.maximum(roof, rise), roof)
    if (land.taken[at] & (inside > -5)).any() or not (inside > 0).any():
        return
    land.taken[at] |= inside > -5
    colour = _roof(rng, HALLS if hall else ROOFS) * (1 + 0.06 * rng.standard_normal((*u.shape, 1)))
    eave, pitch = rng.uniform(5, 9), rng.uniform(0, 0.1) if hall else rng.uniform(0.5, 1)
    land.paint(cover(-inside), colour, BUILDING, eave + pitch * roof, at)
    for _ in range(rng.integers(0, 3) + 4 * (length > 20)):
        spot = rng.uniform(-0.8, 0.8) * length, rng.uniform(-0.5, 0.5) * width
        land.box(x, y, angle, (1.2, 0.9), rng.choice([0.06, 0.4]), 2.5, spot)  # a chimney or vent
    if rng.random() < 0.2:
        land.box(x, y, angle, (0.6 * length, 0.3 * width), SOLAR, 0, (0, rng.choice([-0.5, 0.5]) * width))


def _roof(rng: np.random.Generator, materials: list) -> np.ndarray:
    odds = np.array([odds for _, odds in materials])
    colour = np.array(materials[rng.choice(len(odds), p=odds / odds.sum())][0])
    return colour * rng.normal(1, 0.12) * rng.normal(1, 0.04, 3)


def plant(land: Land, streets: list[Street]) -> None:
    """Grow woods, hedges, avenues, and trees in gardens, in fields and on banks."""
    rng, patch, lie = land.rng, land.texture(60), land.texture(130, 1.2)
    house = ndimage.distance_transform_edt(land.label != BUILDING)
    share = rng.uniform(0.1, 0.5) * (1.1 - 0.6 * land.settled)
    wood = (lie > np.quantile(lie, 1 - share)) & (land.gap > 9) & (house > 12) & (land.shore > 4)
    land.paint(0.9 * ndimage.gaussian_filter(wood.astype(np.float32), 2), LITTER)
    chance = np.where(land.village, 0.04, 0.003)
    chance[(land.edge < 3) & (patch > 0.7) & ~land.village] = 0.5
    chance[(np.abs(land.shore - 6) < 5) & (patch > 0)] = 0.4
    chance[wood] = 0.95
    spots = np.mgrid[4 : land.size - 4 : 8, 4 : land.size - 4 : 8].reshape(2, -1).T
    spots = spots + rng.integers(-3, 4, spots.shape)
    spots = np.concatenate([spots[rng.random(len(spots)) < chance[cells(spots)]], *_avenues(rng, streets)])
    spots = spots[((spots > 0) & (spots < land.size - 1)).all(1)]
    at = cells(spots)
    grow(land, spots[(house[at] > 3) & (land.gap[at] > 1) & (land.shore[at] > 1)], wood)


def _avenues(rng: np.random.Generator, streets: list[Street]) -> Iterator[np.ndarray]:
    """Trees [m, 2] (x, y) in a row beside a stretch of some streets."""
    for street in streets:
        if rng.random() < 0.4:
            offset = (street.half + rng.uniform(3, 6)) * rng.choice([-1, 1])
            first, step = rng.integers(len(street.path) // 2), rng.uniform(14, 24)
            places = np.arange(first, min(first + 300, len(street.path)), step)
            yield np.array([street.beside(place, offset)[:2] for place in places]).round().astype(int)


def grow(land: Land, spots: np.ndarray, wood: np.ndarray) -> None:
    """Raise a tree at each of the spots [m, 2] (x, y); in a `wood` the gaps between crowns belong to it."""
    rng, count = land.rng, len(spots)
    conifer = land.texture(90)[cells(spots)] > rng.normal(0.6, 0.3, count)
    radius = np.where(conifer, rng.uniform(4, 6, count), rng.uniform(4.5, 9, count))
    tall = radius * np.where(conifer, 3.5, 2.2) * rng.uniform(0.8, 1.2, count)
    broadleaf = np.array((0.040, 0.068, 0.022)) * rng.uniform(0.8, 1.3, 3)
    leaf = np.where(conifer[:, None], (0.022, 0.038, 0.020), broadleaf)
    leaf = leaf * rng.normal(1, 0.15, (count, 1)) * rng.normal(1, 0.06, (count, 3))
    order = np.full(land.label.shape, -1)
    order[cells(spots)] = np.arange(count)
    distance, nearest = ndimage.distance_transform_edt(order < 0, return_indices=True)
    tree, leafy = order[tuple(nearest)], land.texture(4)
    reach = radius[tree] + leafy
    crown, dome = cover(distance - reach), np.sqrt((1 - (distance / reach.clip(1)) ** 2).clip(0))
    top = np.maximum(land.height, tall[tree] * (0.4 + 0.6 * dome) + leafy)
    land.paint(crown, leaf[tree] * (1 + 0.12 * leafy[..., None]), WOODLAND, top)
    closed = ndimage.binary_closing((crown > 0.5) & wood, iterations=4)
    land.label[closed & wood & (land.label == FIELD)] = WOODLAND


# --- light and camera ------------------------------------------------------------------------------------


def light(land: Land) -> np.ndarray:
    """Radiance [n, n, 3] under sky and sun; everything that has height casts a shadow."""
    rng = land.rng
    azimuth, elevation = rng.uniform(0.2, 0.8) * np.pi, np.radians(rng.uniform(30, 58))
    sun = np.cos(azimuth), np.sin(azimuth)  # towards the sun, in the south: down
    slope = _slope(land.height, 1), _slope(land.height, 0)
    facing = np.sin(elevation) - np.cos(elevation) * (slope[0] * sun[0] + slope[1] * sun[1])
    facing = facing.clip(0) / np.sqrt(1 + slope[0] ** 2 + slope[1] ** 2)
    around, horizon, drop = np.pad(land.height, MARGIN), np.zeros_like(land.height), np.tan(elevation)
    for step in range(1, min(int(land.height.max() / drop), MARGIN)):
        dx, dy = (round(step * part) + MARGIN for part in sun)
        ray = around[dy : dy + land.size, dx : dx + land.size] - np.float32(step * drop)
        horizon = np.maximum(horizon, ray)
    shade = ((horizon - land.height) / 1.5).clip(0, 1)
    beam = np.array([1.0, 0.95, 0.86]) * rng.uniform(0.85, 1.1)
    sky = np.array([0.13, 0.16, 0.21]) * rng.uniform(0.7, 1.2)
    return land.albedo * (beam * (facing * (1 - shade))[..., None] + sky).astype(np.float32)


def _slope(height: np.ndarray, axis: int) -> np.ndarray:
    """Rise per pixel: the gentler of the slopes to both sides, 0 where they disagree: walls do not count."""
    ahead = np.diff(height, axis=axis, append=height.take([-1], axis))
    behind = np.roll(ahead, 1, axis)
    return np.where(ahead * behind > 0, np.sign(ahead) * np.minimum(np.abs(ahead), np.abs(behind)), 0)


def photograph(land: Land, radiance: np.ndarray) -> np.ndarray:
    """Image [n, n, 3] in 0 to 255, seen through haze and a lens by a sensor with noise and bands."""
    rng, shape = land.rng, radiance.shape
    haze = 0.04 * rng.random() ** 2 * (1 + 0.3 * land.texture(250)).clip(0)
    radiance = radiance + haze[..., None] * np.array([0.85, 0.95, 1.1], np.float32)
    radiance = ndimage.gaussian_filter(radiance, rng.uniform(0.55, 0.95), axes=(0, 1))
    falloff = 1 + rng.uniform(-0.12, 0.12) * (land.x + rng.uniform(-1, 1) * land.y) / land.size
    balance = (rng.uniform(2.2, 3.4) * rng.normal(1, 0.04, 3)).astype(np.float32)
    exposed = radiance * falloff[..., None] * balance
    noise = np.sqrt(2e-5 + rng.uniform(1e-4, 6e-4) * exposed) * rng.standard_normal(shape, dtype=np.float32)
    bands = 0.002 * rng.standard_normal((1, land.size, 1), dtype=np.float32)
    # Highlights roll off instead of clipping.
    return 255 * (1 - np.exp(-1.2 * (exposed + noise + bands).clip(0))) ** (1 / 2.2)
