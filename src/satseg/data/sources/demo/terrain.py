"""Fields, water, gardens and plants."""

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from satseg.data.sources.demo.canvas import MARGIN, Land, Street, cells, cover
from satseg.data.sources.demo.classes import BUILDING, FIELD, WATER, WOODLAND

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

WATERS = [(0.012, 0.022, 0.024), (0.030, 0.036, 0.024), (0.022, 0.036, 0.022)]

SOIL = (0.215, 0.170, 0.115)
REED = (0.085, 0.095, 0.045)
HEDGE = (0.050, 0.060, 0.035)
LITTER = (0.045, 0.042, 0.025)
VERGE = (0.085, 0.100, 0.045)
BROADLEAF = (0.040, 0.068, 0.022)
CONIFER = (0.022, 0.038, 0.020)


def lay_fields(land: Land, heading: float) -> None:
    """Cover the land with parcels, long and narrow, that follow the main road."""
    smallest = land.rng.uniform(70, 100) * (1.7 - 0.7 * land.settled)
    albedo, land.edge = parcels(land, heading, CROPS, smallest, land.rng.uniform(1.2, 2.5))
    land.paint(np.ones_like(land.height), albedo)
    land.paint(0.8 * cover(land.edge - land.rng.uniform(0.5, 2)), VERGE)


def parcels(land: Land, heading: float, crops: list, smallest: float, aspect: float) -> tuple:
    """Albedo [n, n, 3] of a patchwork of crops in rows, and the distance [n, n] from its
    boundaries."""
    rng = land.rng
    sine = np.sin(heading)
    cosine = np.cos(heading)

    # Along and across the heading.
    u = cosine * land.x + sine * land.y + 6 * land.texture(250, 2)
    v = cosine * land.y - sine * land.x + 6 * land.texture(250, 2)
    axes = np.stack([u.ravel(), v.ravel() * aspect])

    parcel = np.zeros(u.size, np.int32)
    edge = np.zeros(u.size, np.float32)
    count = 0
    for pixels in _divide(rng, axes, np.arange(u.size), smallest):
        inner = axes[:, pixels]
        sides = np.minimum(inner - inner.min(1, keepdims=True), inner.max(1, keepdims=True) - inner)
        parcel[pixels] = count
        edge[pixels] = np.minimum(sides[0], sides[1] / aspect)
        count += 1
    parcel = parcel.reshape(u.shape)

    kind = rng.choice(len(crops), count)
    colours = np.array([colour for colour, _ in crops], np.float32)
    colour = colours[kind] * rng.normal(1, 0.1, (count, 1))
    strengths = np.array([strength for _, strength in crops], np.float32)
    strength = strengths[kind][parcel]

    rows = np.where((rng.random(count) < 0.75)[parcel], v, u) + land.texture(120)
    wave = (2 * np.pi / rng.uniform(2.8, 6, count)).astype(np.float32)
    tramlines = rng.uniform(30, 50)
    tone = 0.5 * np.sin(rows * wave[parcel]) + 0.5 * land.texture(5, 0.6)
    tone -= 1.2 * (np.abs(np.abs(rows % tramlines - tramlines / 2) - 2.5) < 0.8)

    dry = (0.03 + 0.6 * strength) * land.texture(70)
    drought = np.stack([1 + 1.2 * dry, 1 + 0.7 * dry, 1 + 0.6 * dry], -1)
    tint = drought * (1 + strength * tone)[..., None]
    return (colour.astype(np.float32)[parcel] * tint).clip(0.01, 1), edge.reshape(u.shape)


def _divide(
    rng: np.random.Generator, axes: np.ndarray, pixels: np.ndarray, smallest: float
) -> Iterator:
    """Cut pixels (flat indices) across their longer axis until the parts are small; yield the
    parts."""
    low = axes[:, pixels].min(1)
    length = axes[:, pixels].max(1) - low
    longer = length.argmax()

    if length[longer] < smallest * rng.uniform(1.1, 3):
        yield pixels
        return

    before = axes[longer, pixels] < low[longer] + length[longer] * rng.uniform(0.35, 0.65)
    yield from _divide(rng, axes, pixels[before], smallest)
    yield from _divide(rng, axes, pixels[~before], smallest)


def lay_water(land: Land, heading: float) -> None:
    """Dig a river across the main road, or a lake or some ponds away from it."""
    rng = land.rng
    ragged = land.texture(60, 1.6)
    kind = rng.choice(["river", "lake", "ponds"], p=[0.55, 0.3, 0.15])

    if kind == "river":
        middles = land.size * rng.uniform(0.25, 0.75, (6, 2))
        turns = rng.uniform(0.35, 0.65, 6) * np.pi
        beds = [
            land.through(middle, heading + turn, 0.5)
            for middle, turn in zip(middles, turns, strict=True)
        ]
        # The one that follows the road least.
        bed = min(beds, key=lambda bed: (land.gap[cells(bed)] < 15).sum())
        land.shore = land.along(bed)[0] - rng.uniform(11, 22) - 3 * ragged

    for _ in range({"river": 0, "lake": 1, "ponds": rng.integers(3, 6)}[kind]):
        spots = rng.integers(2 * MARGIN, land.size - 2 * MARGIN, (40, 2))
        room = np.minimum(land.gap, land.shore)[cells(spots)]
        x, y = spots[room.argmax()]
        largest = rng.uniform(55, 95) if kind == "lake" else rng.uniform(16, 32)
        radius = min(0.8 * room.max(), largest)
        pond = np.hypot(land.x - x, land.y - y) - radius * (1 + 0.2 * ragged)
        land.shore = np.minimum(land.shore, np.maximum(pond, 8 - land.gap))

    bank = cover(land.shore - rng.uniform(1, 6) - 2 * ragged)
    land.paint(bank, np.array(REED) * rng.uniform(0.7, 1.6))

    shallow = 1 + 0.15 * land.texture(80) + 0.8 * np.exp(np.minimum(land.shore, 0) / 5)
    glint = (0.003 + 0.002 * land.texture(4) + 0.004 * land.texture(100)).clip(0)
    murk = np.array(WATERS[rng.integers(len(WATERS))])
    land.paint(cover(land.shore), murk * shallow[..., None] + glint[..., None], WATER)


def lay_gardens(land: Land, heading: float) -> None:
    """Divide the settled land along the streets into plots of lawn, beds and gravel."""
    plots, edge = parcels(land, heading, GARDENS, 30, 1.3)
    populated = land.texture(150) + 4 * land.settled > 0.5
    land.village = populated & (land.gap < 55) & (land.shore > 10)
    land.paint(ndimage.gaussian_filter(land.village.astype(np.float32), 0.7), plots)
    land.paint(0.6 * cover(edge - 0.6) * land.village, HEDGE)


def lay_track(land: Land, path: np.ndarray) -> None:
    """Two ruts with grass between them."""
    if len(path) > 60:
        dry = (0.8 + 0.15 * land.texture(40)).clip(0, 1) * (land.label == FIELD)
        ruts = cover(np.abs(land.along(path)[0] - 2.2) - 1.6)
        land.paint(dry * ruts, np.array(SOIL) * land.rng.uniform(0.7, 1.2))


def plant(land: Land, streets: list[Street]) -> None:
    """Grow woods, hedges, avenues, and trees in gardens, in fields and on banks."""
    rng = land.rng
    patch = land.texture(60)
    lie = land.texture(130, 1.2)
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
    spots = spots[rng.random(len(spots)) < chance[cells(spots)]]
    spots = np.concatenate([spots, *_avenues(rng, streets)])
    spots = spots[((spots > 0) & (spots < land.size - 1)).all(1)]

    at = cells(spots)
    free = (house[at] > 3) & (land.gap[at] > 1) & (land.shore[at] > 1)
    grow(land, spots[free], wood)


def _avenues(rng: np.random.Generator, streets: list[Street]) -> Iterator[np.ndarray]:
    """Trees [m, 2] (x, y) in a row beside a stretch of some streets."""
    for street in streets:
        if rng.random() < 0.4:
            offset = (street.half + rng.uniform(3, 6)) * rng.choice([-1, 1])
            first = rng.integers(len(street.path) // 2)
            step = rng.uniform(14, 24)
            places = np.arange(first, min(first + 300, len(street.path)), step)
            trees = np.array([street.beside(place, offset)[:2] for place in places])
            yield trees.round().astype(int)


def grow(land: Land, spots: np.ndarray, wood: np.ndarray) -> None:
    """Raise a tree at each of the spots [m, 2] (x, y); gaps between the crowns of a `wood` belong
    to it."""
    rng = land.rng
    count = len(spots)
    conifer = land.texture(90)[cells(spots)] > rng.normal(0.6, 0.3, count)
    radius = np.where(conifer, rng.uniform(4, 6, count), rng.uniform(4.5, 9, count))
    tall = radius * np.where(conifer, 3.5, 2.2) * rng.uniform(0.8, 1.2, count)

    broadleaf = np.array(BROADLEAF) * rng.uniform(0.8, 1.3, 3)
    leaf = np.where(conifer[:, None], CONIFER, broadleaf)
    leaf = leaf * rng.normal(1, 0.15, (count, 1)) * rng.normal(1, 0.06, (count, 3))

    order = np.full(land.label.shape, -1)
    order[cells(spots)] = np.arange(count)
    distance, nearest = ndimage.distance_transform_edt(order < 0, return_indices=True)
    tree = order[tuple(nearest)]
    leafy = land.texture(4)
    reach = radius[tree] + leafy
    crown = cover(distance - reach)
    dome = np.sqrt((1 - (distance / reach.clip(1)) ** 2).clip(0))
    top = np.maximum(land.height, tall[tree] * (0.4 + 0.6 * dome) + leafy)
    land.paint(crown, leaf[tree] * (1 + 0.12 * leafy[..., None]), WOODLAND, top)

    closed = ndimage.binary_closing((crown > 0.5) & wood, iterations=4)
    land.label[closed & wood & (land.label == FIELD)] = WOODLAND
