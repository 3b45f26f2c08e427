"""Distances and overlaps of quadrilaterals in space, each pair in the plane of its first."""

import numpy as np


def gaps(
    first: np.ndarray, second: np.ndarray, tolerance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Whether two quadrilaterals overlap by more than the tolerance, and the distance between them,
    0 within the tolerance.

    Args:
        first: corners in order, float64 [P, 4, 3].
        second: corners of the others.
        tolerance: float64 [P].
    """
    flat_first, flat_second = _flattened(first, second)
    separation = _separation(flat_first, flat_second)
    distance = np.minimum(_to_sides(flat_first, flat_second), _to_sides(flat_second, flat_first))
    distance = np.where((separation <= 0) | (distance <= tolerance), 0.0, distance)
    return separation < -tolerance, distance


def _flattened(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both in the plane of the first: float64 [P, 4, 2] each."""
    centre = first.mean(axis=1, keepdims=True)
    normal = _unit(np.cross(first[:, 2] - first[:, 0], first[:, 3] - first[:, 1]))
    right = first[:, 1] + first[:, 2] - first[:, 0] - first[:, 3]
    right = _unit(right - (right * normal).sum(axis=1, keepdims=True) * normal)
    axes = np.stack([right, np.cross(normal, right)], axis=2)
    return (first - centre) @ axes, (second - centre) @ axes


def _separation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The widest gap along any side's normal, float64 [P]; below 0 if they overlap (separating
    axis theorem)."""
    edges = np.concatenate([_edges(first), _edges(second)], axis=1)
    normals = _unit(np.stack([-edges[..., 1], edges[..., 0]], axis=2))
    one = normals @ first.transpose(0, 2, 1)
    other = normals @ second.transpose(0, 2, 1)
    gaps = np.maximum(
        one.min(axis=2) - other.max(axis=2),
        other.min(axis=2) - one.max(axis=2),
    )
    sideless = ~edges.any(axis=2)  # a tile with a corner at a pole
    return np.where(sideless, -np.inf, gaps).max(axis=1)


def _to_sides(corners: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """The distance from the nearest of the corners to a side of the polygon, float64 [P]."""
    edges = _edges(polygon)
    offsets = corners[:, :, None] - polygon[:, None]
    lengths = (edges**2).sum(axis=2)
    along = (offsets * edges[:, None]).sum(axis=3) / np.where(lengths > 0, lengths, 1)[:, None]
    nearest = offsets - along.clip(0, 1)[..., None] * edges[:, None]
    return np.sqrt((nearest**2).sum(axis=3).min(axis=(1, 2)))


def _edges(polygon: np.ndarray) -> np.ndarray:
    """From each corner to the next."""
    return np.roll(polygon, -1, axis=1) - polygon


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length 1; those without a length stay as they are."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def shared_area(first: np.ndarray, second: np.ndarray) -> float:
    """Which share of the smaller of two quadrilaterals [4, 3] lies in the other."""
    one, other = (corners[0] for corners in _flattened(first[None], second[None]))
    smaller = min(abs(_area(one)), abs(_area(other)))
    return abs(_area(_clipped(one, other))) / smaller if smaller else 0.0


def _clipped(polygon: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The part [n, 2] of a convex polygon within another (Sutherland & Hodgman 1974)."""
    turn = np.sign(_area(by))
    for start, end in zip(by, np.roll(by, -1, axis=0), strict=True):
        side = end - start
        inside = turn * (
            side[0] * (polygon[:, 1] - start[1]) - side[1] * (polygon[:, 0] - start[0])
        )
        corners = []
        for k in range(len(polygon)):
            after = (k + 1) % len(polygon)
            if inside[k] >= 0:
                corners.append(polygon[k])
            if inside[k] * inside[after] < 0:
                share = inside[k] / (inside[k] - inside[after])
                corners.append(polygon[k] + share * (polygon[after] - polygon[k]))
        polygon = np.array(corners).reshape(-1, 2)
    return polygon


def _area(polygon: np.ndarray) -> float:
    """Area of a polygon [n, 2]; below 0 if it turns clockwise."""
    x, y = polygon.T
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)
