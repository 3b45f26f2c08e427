"""Streets and buildings."""

import numpy as np

from satseg.data.sources.demo.canvas import MARGIN, Land, Street, cells, cover
from satseg.data.sources.demo.classes import BUILDING, FIELD, ROAD
from satseg.data.sources.demo.terrain import GARDENS, lay_gardens, lay_track, lay_water

# Linear reflectance, and how common it is.
ROOFS = [
    ((0.300, 0.105, 0.060), 5),  # new tiles
    ((0.190, 0.085, 0.060), 4),  # old tiles
    ((0.130, 0.090, 0.065), 2),  # brown tiles
    ((0.130, 0.135, 0.140), 4),  # slate
    ((0.055, 0.055, 0.060), 2),  # dark sheet
    ((0.300, 0.295, 0.280), 2),  # fibre cement
]
OLD_TILES = ROOFS[1]

HALLS = [
    ((0.520, 0.520, 0.510), 2),
    ((0.250, 0.255, 0.260), 3),
    ((0.070, 0.070, 0.072), 2),
    OLD_TILES,
]

GRAVEL = (0.200, 0.188, 0.165)
SOLAR = (0.030, 0.035, 0.055)
KERB = (0.24, 0.235, 0.22)
CENTRE_LINE = (0.5, 0.5, 0.48)


def lay_streets(land: Land, heading: float) -> list[Street]:
    """Lay out main road, water, side streets, gardens and farm tracks; pave the streets and return
    them."""
    rng = land.rng
    streets: list[Street] = []

    middle = land.size * rng.uniform(0.35, 0.65, 2)
    direction = heading + rng.normal(0, 0.1)
    main_road = land.through(middle, direction, rng.uniform(0.05, 0.2))
    _open(land, streets, main_road, rng.uniform(7.5, 10))
    lay_water(land, heading)

    for _ in range(rng.integers(2, 5 + int(8 * land.settled))):
        side_street = _branch(land, streets, rng.uniform(120, 500))
        _open(land, streets, side_street, rng.uniform(4.5, 6.5))
    lay_gardens(land, heading)

    for _ in range(rng.integers(1, 4)):
        lay_track(land, _branch(land, streets, rng.uniform(150, 400)))

    pave(land, streets)
    return streets


def _open(land: Land, streets: list[Street], path: np.ndarray, half: float) -> None:
    """Add a street along a path, unless it is too short for one."""
    if len(path) > 60:
        streets.append(Street(path, half, *land.along(path)))
        land.gap = np.minimum(land.gap, streets[-1].across - half)


def _branch(land: Land, streets: list[Street], length: float) -> np.ndarray:
    """A path that leaves a street at about a right angle and ends at water, at a street or in the
    open."""
    rng = land.rng
    trunk = streets[rng.integers(len(streets))]
    x, y, angle = trunk.beside(rng.integers(20, len(trunk.path) - 20), 0)
    away = angle + rng.choice([-1, 1]) * np.pi / 2 + rng.normal(0, 0.12)
    path = land.curve((x, y), away, length, rng.uniform(0.02, 0.25))

    gap = land.gap[cells(path)]
    shore = land.shore[cells(path)]
    stop = (shore < 12) | (gap < 0) & (np.arange(len(path)) > 40)
    end = stop.argmax() if stop.any() else len(path)

    # No street if no row of houses fits between it and its neighbour.
    return path[:end] if end and np.median(gap[:end]) > 20 else path[:0]


def pave(land: Land, streets: list[Street]) -> None:
    """Paint streets, minor ones first, with verges, kerbs, centre line and cars; bridges over
    water."""
    rng = land.rng
    patchy = land.texture(25)
    fine = land.texture(4, 0.6)

    lawn = np.array(GARDENS[rng.integers(4)][0]) * rng.uniform(0.9, 1.4)
    land.paint(0.7 * cover(np.abs(land.gap - 2) - 2.5) * (land.label == FIELD), lawn)

    deck = (-land.shore / 4).clip(0, 4)
    for street in reversed(streets):
        grey = rng.uniform(0.085, 0.21) * np.array([1.03, 1.0, rng.uniform(0.88, 1.0)])
        lanes = np.cos(street.across * 2 * np.pi / street.half)
        wear = 1 + 0.06 * patchy + 0.04 * fine + 0.08 * lanes
        land.paint(cover(street.across - street.half), grey * wear[..., None], ROAD, deck)

    land.paint(rng.uniform(0.2, 0.8) * cover(np.abs(land.gap + 1.2) - 0.8), KERB)
    main_road = streets[0]
    dashes = main_road.place % 24 < 12
    land.paint(0.7 * cover(main_road.across - 0.2) * dashes, CENTRE_LINE)

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
    rng = land.rng
    hall = rng.random() < 0.04
    length = rng.uniform(22, 36) if hall else rng.uniform(9, 16)
    width = rng.uniform(12, 20) if hall else rng.uniform(7.5, 11)

    offset = street.half + rng.uniform(7, 16) + width
    x, y, angle = street.beside(plot, side * offset)
    if not land.village[cells(np.clip([x, y], 0, land.size - 1))]:
        return

    raise_building(land, x, y, angle + rng.normal(0, 0.06), (length, width), hall)
    if rng.random() < 0.4:
        shed = street.beside(plot, side * (offset + rng.uniform(18, 34)))
        raise_building(land, *shed, (rng.uniform(4, 7), rng.uniform(3, 5)), hall=True)


def _lay_farm(land: Land, x: float, y: float) -> None:
    """A yard with barns and perhaps a house around it."""
    rng = land.rng
    turn = rng.uniform(0, np.pi)
    land.box(x, y, turn, (26, 20), np.array(GRAVEL) * rng.uniform(0.7, 1.1))

    for angle in turn + np.pi / 2 * np.arange(4):
        distance = rng.uniform(30, 38)
        size = (rng.uniform(13, 26), rng.uniform(8, 11))
        barn_x = x + distance * np.cos(angle)
        barn_y = y + distance * np.sin(angle)
        raise_building(land, barn_x, barn_y, angle + np.pi / 2, size, hall=rng.random() < 0.6)


def raise_building(land: Land, x: float, y: float, angle: float, half: tuple, hall: bool) -> None:
    """Raise a house or hall of one to three wings, unless its ground is taken; `half` is half its
    size."""
    rng = land.rng
    length, width = half
    at, u, v = land.window(x, y, angle, length + 3 * width)
    inside, roof = _floor_plan(rng, u, v, _wings(rng, length, width))

    if (land.taken[at] & (inside > -5)).any() or not (inside > 0).any():
        return
    land.taken[at] |= inside > -5

    colour = _roof(rng, HALLS if hall else ROOFS) * (1 + 0.06 * rng.standard_normal((*u.shape, 1)))
    eave = rng.uniform(5, 9)
    pitch = rng.uniform(0, 0.1) if hall else rng.uniform(0.5, 1)
    land.paint(cover(-inside), colour, BUILDING, eave + pitch * roof, at)

    # Chimneys and vents.
    for _ in range(rng.integers(0, 3) + 4 * (length > 20)):
        spot = (rng.uniform(-0.8, 0.8) * length, rng.uniform(-0.5, 0.5) * width)
        land.box(x, y, angle, (1.2, 0.9), rng.choice([0.06, 0.4]), 2.5, spot)

    if rng.random() < 0.2:
        panels = (0.6 * length, 0.3 * width)
        slope = (0, rng.choice([-0.5, 0.5]) * width)
        land.box(x, y, angle, panels, SOLAR, 0, slope)


def _wings(rng: np.random.Generator, length: float, width: float) -> list[tuple]:
    """Centre along and across, and half the size along and across, of each of a building's
    wings."""
    wings = [(0, 0, length, width)]

    for _ in range(rng.choice(3, p=[0.5, 0.4, 0.1]) if length > 8 else 0):
        half_u = width * rng.uniform(0.5, 0.8)
        half_v = width * rng.uniform(0.8, 1.3)
        centre_u = rng.uniform(-1, 1) * (length - half_u)
        centre_v = rng.choice([-1, 1]) * width
        wings.append((centre_u, centre_v, half_u, half_v))

    return wings


def _floor_plan(
    rng: np.random.Generator, u: np.ndarray, v: np.ndarray, wings: list[tuple]
) -> tuple[np.ndarray, np.ndarray]:
    """Distance inside the walls (negative outside), and distance from the eaves up the roof."""
    inside = np.full(u.shape, -np.inf)
    roof = np.zeros(u.shape)
    hipped = rng.random() < 0.25

    for centre_u, centre_v, half_u, half_v in wings:
        from_u = half_u - np.abs(u - centre_u)
        from_v = half_v - np.abs(v - centre_v)
        within = np.minimum(from_u, from_v)

        # A gable roof rises from the longer walls alone.
        if hipped:
            rise = within
        elif half_u >= half_v:
            rise = from_v
        else:
            rise = from_u

        inside = np.maximum(inside, within)
        roof = np.where(within > -1, np.maximum(roof, rise), roof)

    return inside, roof


def _roof(rng: np.random.Generator, materials: list) -> np.ndarray:
    """Albedo of a roof of one of the materials, drawn by how common they are."""
    odds = np.array([odds for _, odds in materials])
    colour = np.array(materials[rng.choice(len(odds), p=odds / odds.sum())][0])
    return colour * rng.normal(1, 0.12) * rng.normal(1, 0.04, 3)
