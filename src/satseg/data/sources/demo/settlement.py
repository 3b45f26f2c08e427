"""Streets and buildings."""

import numpy as np

from satseg.data.sources.demo.canvas import MARGIN, Land, Street, cells, cover
from satseg.data.sources.demo.classes import BUILDING, FIELD, ROAD
from satseg.data.sources.demo.terrain import (
    GARDENS,
    GRAVEL,
    SOLAR,
    lay_gardens,
    lay_track,
    lay_water,
)

# Linear reflectance, and how common it is.
ROOFS = [
    ((0.300, 0.105, 0.060), 5),  # new tiles
    ((0.190, 0.085, 0.060), 4),  # old tiles
    ((0.130, 0.090, 0.065), 2),  # brown tiles
    ((0.130, 0.135, 0.140), 4),  # slate
    ((0.055, 0.055, 0.060), 2),  # dark sheet
    ((0.300, 0.295, 0.280), 2),  # fibre cement
]


HALLS = [
    ((0.520, 0.520, 0.510), 2),
    ((0.250, 0.255, 0.260), 3),
    ((0.070, 0.070, 0.072), 2),
    ROOFS[1],
]


def lay_streets(land: Land, heading: float) -> list[Street]:
    """Lay out main road, water, side streets, gardens and farm tracks; pave the streets and return
    them."""
    rng, streets = land.rng, []
    middle, along = land.size * rng.uniform(0.35, 0.65, 2), heading + rng.normal(0, 0.1)
    _open(land, streets, land.through(middle, along, rng.uniform(0.05, 0.2)), rng.uniform(7.5, 10))
    lay_water(land, heading)
    for _ in range(rng.integers(2, 5 + int(8 * land.settled))):
        _open(land, streets, _branch(land, streets, rng.uniform(120, 500)), rng.uniform(4.5, 6.5))
    lay_gardens(land, heading)
    for _ in range(rng.integers(1, 4)):
        lay_track(land, _branch(land, streets, rng.uniform(150, 400)))
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


def pave(land: Land, streets: list[Street]) -> None:
    """Paint streets, minor ones first, with verges, kerbs, centre line and cars; bridges over
    water."""
    rng, patchy, fine = land.rng, land.texture(25), land.texture(4, 0.6)
    lawn = np.array(GARDENS[rng.integers(4)][0]) * rng.uniform(0.9, 1.4)
    land.paint(0.7 * cover(np.abs(land.gap - 2) - 2.5) * (land.label == FIELD), lawn)
    deck = (-land.shore / 4).clip(0, 4)
    for street in reversed(streets):
        grey = rng.uniform(0.085, 0.21) * np.array([1.03, 1.0, rng.uniform(0.88, 1.0)])
        wear = (
            1 + 0.06 * patchy + 0.04 * fine + 0.08 * np.cos(street.across * 2 * np.pi / street.half)
        )
        land.paint(cover(street.across - street.half), grey * wear[..., None], ROAD, deck)
    land.paint(rng.uniform(0.2, 0.8) * cover(np.abs(land.gap + 1.2) - 0.8), (0.24, 0.235, 0.22))
    land.paint(
        0.7 * cover(streets[0].across - 0.2) * (streets[0].place % 24 < 12), (0.5, 0.5, 0.48)
    )
    for street in streets:
        for place in np.arange(rng.uniform(10, 90), len(street.path) - 10, rng.uniform(50, 200)):
            lacquer = rng.choice([0.03, 0.08, 0.3, 0.6]) * rng.uniform(0.7, 1.3, 3)
            lane = street.half * rng.choice([-0.55, 0.55])
            land.box(*street.beside(place, lane), (4.4, 1.9), lacquer, 3)


def build(land: Land, streets: list[Street]) -> None:
    """Line the village streets with houses, sheds and a few halls, and set farms into the
    fields."""
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
    size = (
        rng.uniform(*((22, 36) if hall else (9, 16))),
        rng.uniform(*((12, 20) if hall else (7.5, 11))),
    )
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
    """Raise a house or hall of one to three wings, unless its ground is taken; `half` is half its
    size."""
    rng, (length, width) = land.rng, half
    wings = [(0, 0, length, width)]
    for _ in range(rng.choice(3, p=[0.5, 0.4, 0.1]) if length > 8 else 0):
        half_u, half_v = width * rng.uniform(0.5, 0.8), width * rng.uniform(0.8, 1.3)
        wings.append(
            (rng.uniform(-1, 1) * (length - half_u), rng.choice([-1, 1]) * width, half_u, half_v)
        )
    at, u, v = land.window(x, y, angle, length + 3 * width)
    inside, roof = np.full(u.shape, -np.inf), np.zeros(u.shape)
    hipped = rng.random() < 0.25
    for centre_u, centre_v, half_u, half_v in wings:
        from_u, from_v = half_u - np.abs(u - centre_u), half_v - np.abs(v - centre_v)
        within = np.minimum(from_u, from_v)
        rise = within if hipped else from_v if half_u >= half_v else from_u
        inside, roof = (
            np.maximum(inside, within),
            np.where(within > -1, np.maximum(roof, rise), roof),
        )
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
        land.box(
            x, y, angle, (0.6 * length, 0.3 * width), SOLAR, 0, (0, rng.choice([-0.5, 0.5]) * width)
        )


def _roof(rng: np.random.Generator, materials: list) -> np.ndarray:
    odds = np.array([odds for _, odds in materials])
    colour = np.array(materials[rng.choice(len(odds), p=odds / odds.sum())][0])
    return colour * rng.normal(1, 0.12) * rng.normal(1, 0.04, 3)
