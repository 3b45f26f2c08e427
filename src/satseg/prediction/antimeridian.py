"""Polygons cut at the antimeridian, as GeoJSON wants them (RFC 7946, section 3.1.9)."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

Degrees = Callable[[np.ndarray], np.ndarray]
"""Places in a map's coordinate system [n, 2] → longitude and latitude [n, 2]."""

WIDE = 1  # degrees of longitude: sides this long may bend, or run either way around the globe
FAR = 90  # degrees of longitude within which the short way is the right one
HALVINGS = 30
PRECISION = 1e-9  # degrees
# Corners of the world, anticlockwise, at their distance along its border from the south-east.
BORDER = [
    (180, (180.0, 90.0)),
    (540, (-180.0, 90.0)),
    (720, (-180.0, -90.0)),
    (1080, (180.0, -90.0)),
]
ROUND = 1080


def is_wide(ring: np.ndarray) -> bool:
    """Whether a ring [n, 2] in degrees may cross the antimeridian or lies near a pole."""
    longitude = ring[:, 0]
    return bool((np.abs(np.diff(longitude)) > WIDE).any() or np.abs(longitude).max() > 180)


def cut(rings: list[np.ndarray], degrees: Degrees, tolerance: float) -> list[list[np.ndarray]]:
    """Cut a polygon at the antimeridian.

    Args:
        rings: closed rings [n, 2] in the map's coordinate system, with the inside to the left: the
            outer one anticlockwise, holes clockwise.
        degrees: the transformation to longitude and latitude.
        tolerance: degrees of arc by which a side may leave its straight line in the map.

    Returns:
        Polygons, as closed rings in degrees, the outer one first.
    """
    whole = []
    chains = []
    for ring in rings:
        pieces = _pieces(_on_globe(ring, degrees, tolerance))
        if len(pieces) == 1 and np.array_equal(pieces[0][0], pieces[0][-1]):
            whole.append(pieces[0])
        else:
            chains += pieces

    outers = _joined(chains) if chains else [whole.pop(0)]
    polygons = [[outer] for outer in outers]
    for hole in whole:
        home = next((p for p in polygons if _contains(p[0], hole[:-1].mean(axis=0))), polygons[0])
        home.append(hole)
    return polygons


def _on_globe(ring: np.ndarray, degrees: Degrees, tolerance: float) -> np.ndarray:
    """A ring in degrees, with further points where a side would bend or run the wrong way
    around."""
    places = _wrapped(degrees(ring))
    for _ in range(HALVINGS):
        middles = (ring[:-1] + ring[1:]) / 2
        actual = _wrapped(degrees(middles))
        bent = np.flatnonzero(_bends(places[:-1], actual, places[1:], tolerance))
        if not len(bent):
            break
        ring = np.insert(ring, bent + 1, middles[bent], axis=0)
        places = np.insert(places, bent + 1, actual[bent], axis=0)
    return _signed(places)


def _bends(first: np.ndarray, middle: np.ndarray, last: np.ndarray, tolerance: float) -> np.ndarray:
    """Whether a straight line in degrees is not the side whose middle is known: bool [n]."""
    before = _short_way(first[:, 0], middle[:, 0])
    after = _short_way(middle[:, 0], last[:, 0])
    east = (before - after) / 2 * np.cos(np.radians(middle[:, 1]))
    north = middle[:, 1] - (first[:, 1] + last[:, 1]) / 2
    return (np.abs(before) + np.abs(after) > FAR) | (np.hypot(east, north) > tolerance)


def _short_way(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Degrees east from one longitude to another, between −180° and 180°."""
    return (last - first + 180) % 360 - 180


def _wrapped(places: np.ndarray) -> np.ndarray:
    """Longitudes between −180° and 180°."""
    beyond = np.abs(places[:, 0]) > 180
    longitude = np.where(beyond, (places[:, 0] + 180) % 360 - 180, places[:, 0])
    return np.column_stack([longitude, places[:, 1]])


def _signed(ring: np.ndarray) -> np.ndarray:
    """Points on the antimeridian get the sign of the point before them."""
    on_it = np.abs(np.abs(ring[:, 0]) - 180) < PRECISION
    if not on_it.any() or on_it.all():
        return ring

    start = int(np.flatnonzero(~on_it)[0])
    turned = np.roll(ring[:-1], -start, axis=0)
    for k in range(1, len(turned)):
        if abs(abs(turned[k, 0]) - 180) < PRECISION:
            turned[k, 0] = np.copysign(180, turned[k - 1, 0])
    return np.concatenate([turned, turned[:1]])


def _pieces(ring: np.ndarray) -> list[np.ndarray]:
    """A ring cut where it crosses the antimeridian; each piece starts and ends on it."""
    jumps = np.flatnonzero(np.abs(np.diff(ring[:, 0])) > 180)
    if not len(jumps):
        return [ring]

    turned = np.roll(ring[:-1], -int(jumps[0]) - 1, axis=0)
    turned = np.concatenate([turned, turned[:1]])
    pieces = []
    piece = [_crossing(turned[-2], turned[0])[1]]
    for first, last in pairwise(turned):
        piece.append(first)
        if abs(last[0] - first[0]) > 180:
            end, start = _crossing(first, last)
            pieces.append(np.array([*piece, end]))
            piece = [start]
    return [piece for piece in pieces if np.ptp(piece[:, 0]) > PRECISION]


def _crossing(first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same place on the antimeridian on the side of the first and of the last point."""
    side = np.copysign(180, first[0])
    to_it = abs(side - first[0])
    beyond = abs(side + last[0])
    share = to_it / (to_it + beyond) if to_it + beyond else 0.0
    latitude = first[1] + share * (last[1] - first[1])
    return np.array([side, latitude]), np.array([-side, latitude])


def _joined(chains: list[np.ndarray]) -> list[np.ndarray]:
    """Closed rings of pieces: each is followed along the border of the world, with the inside to
    the left, to the start of the next."""
    starts = np.array([_along_border(chain[0]) for chain in chains])
    left = set(range(len(chains)))
    rings = []
    while left:
        first = current = min(left)
        ring: list[np.ndarray] = []
        while True:
            left.discard(current)
            ring += list(chains[current])
            end = _along_border(chains[current][-1])
            ahead = {k: (starts[k] - end) % ROUND for k in [first, *left]}
            current = min(ahead, key=lambda k: ahead[k])
            corners = [((place - end) % ROUND, corner) for place, corner in BORDER]
            ring += [np.array(c) for gap, c in sorted(corners) if gap < ahead[current]]
            if current == first:
                break
        rings.append(np.array([*ring, ring[0]]))
    return rings


def _along_border(place: np.ndarray) -> float:
    """How far a place on the antimeridian is along the border of the world."""
    longitude, latitude = place
    return 90 + latitude if longitude > 0 else 540 + 90 - latitude


def _contains(ring: np.ndarray, place: np.ndarray) -> bool:
    """Whether a place lies in a closed ring (even-odd rule)."""
    x, y = (ring - place).T
    crosses = (y[:-1] > 0) != (y[1:] > 0)
    rise = np.where(crosses, y[1:] - y[:-1], 1)
    return bool((crosses & (x[:-1] - y[:-1] * (x[1:] - x[:-1]) / rise > 0)).sum() % 2)
