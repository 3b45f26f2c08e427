"""Where tiles lie on the ground, and how near they are to each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import rasterio

from satseg.data.globe import RADIUS, degrees, geocentric
from satseg.data.quadrilaterals import gaps, shared_area

TOLERANCE = 0.5  # pixels: tiles this near touch, and tiles that overlap by less do so too
QUERIES = 4096  # tiles whose neighbours are looked for at a time
PAIRS = 50_000  # pairs of tiles measured at a time
APART = 1e9  # pixels between scenes whose place is unknown: no buffer reaches across
BORDER = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])  # a tile's corners, in order

COLUMNS = ["scene", "group", "row", "col", "height", "width", "footprint"]


class Nearness(NamedTuple):
    """How near each of some tiles is to the nearest of others."""

    overlapping: np.ndarray
    """Whether they show the same ground: bool [N]."""
    distance: np.ndarray
    """Metres between them, or pixels of their scene if the tile does not say where it lies: 0 where
    they touch or overlap, infinity beyond the reach; float64 [N]."""

    @property
    def touching(self) -> np.ndarray:
        """Side by side or corner to corner, without an overlap: bool [N]."""
        return ~self.overlapping & (self.distance == 0)


class Ground:
    """The tiles of a table, each where it lies.

    Tiles that say where they lie are compared on the globe, whatever scene and coordinate system
    they come from; all others only within their scene.

    Args:
        table: scene, row, col, height, width and footprint of every tile.
    """

    def __init__(self, table: pd.DataFrame):
        self.placed = (table["footprint"] != "").to_numpy()
        corners = np.empty((len(table), 4, 3))
        corners[self.placed] = geocentric(_parsed(table.loc[self.placed, "footprint"]))
        corners[~self.placed] = _in_scenes(table)[~self.placed]

        self.corners = corners
        self.centres = corners.mean(axis=1)
        self.radii = np.linalg.norm(corners - self.centres[:, None], axis=2).max(axis=1)
        sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
        self.side = sides.max(axis=1)
        """Longer side of each tile, in metres or pixels."""
        longest = np.maximum(table["height"], table["width"]).to_numpy()
        self.tolerance = TOLERANCE * self.side / longest

    def nearness(
        self, tiles: np.ndarray, others: np.ndarray, reach: np.ndarray | float
    ) -> Nearness:
        """How near tiles are to the nearest of others.

        Args:
            tiles: positions in the table, int [N].
            others: positions of the others, int [M].
            reach: how far to look, in metres or pixels; one distance, or one for each tile.
        """
        overlapping = np.zeros(len(tiles), bool)
        distance = np.full(len(tiles), np.inf)
        reach = np.broadcast_to(reach, len(tiles))

        for first, _, overlap, gap in self._gaps(tiles, others, reach):
            np.logical_or.at(overlapping, first, overlap)
            np.minimum.at(distance, first, gap)

        distance[distance > reach] = np.inf
        return Nearness(overlapping, distance)

    def overlapping_pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions of every two placed tiles that show the same ground, int [P] each."""
        tiles = np.flatnonzero(self.placed)
        firsts = [np.empty(0, int)]
        seconds = [np.empty(0, int)]
        for first, second, overlap, _ in self._gaps(tiles, tiles, np.zeros(len(tiles))):
            kept = overlap & (tiles[first] < second)
            firsts.append(tiles[first[kept]])
            seconds.append(second[kept])
        return np.concatenate(firsts), np.concatenate(seconds)

    def _gaps(
        self, tiles: np.ndarray, others: np.ndarray, reach: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """The pairs of `_pairs`, whether the two overlap, and how far apart they are."""
        for first, second in self._pairs(tiles, others, reach):
            here = tiles[first]
            tolerance = np.maximum(self.tolerance[here], self.tolerance[second])
            overlap, gap = gaps(self.corners[here], self.corners[second], tolerance)
            yield first, second, overlap, gap

    def _pairs(
        self, tiles: np.ndarray, others: np.ndarray, reach: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Index within `tiles` and position of the other, of all pairs that may be in reach; placed
        tiles are never near others."""
        from scipy.spatial import cKDTree

        for placed in (True, False):
            here = np.flatnonzero(self.placed[tiles] == placed)
            there = others[self.placed[others] == placed]
            if not len(here) or not len(there):
                continue

            tree = cKDTree(self.centres[there])
            widest = self.radii[there].max()
            for start in range(0, len(here), QUERIES):
                part = here[start : start + QUERIES]
                radius = self.radii[tiles[part]] + widest + reach[part]
                neighbours = tree.query_ball_point(self.centres[tiles[part]], radius)
                first = np.repeat(part, [len(found) for found in neighbours])
                second = there[np.concatenate([np.array(found, int) for found in neighbours])]
                for pair in range(0, len(first), PAIRS):
                    yield first[pair : pair + PAIRS], second[pair : pair + PAIRS]

    def blocks(self, table: pd.DataFrame, side: float) -> np.ndarray:
        """Name of the block that each tile's centre lies in: object [N].

        The globe is divided into bands of latitude `side` high, and each band into blocks `side`
        wide. Tiles that do not say where they lie share the blocks of their scene, counted in
        pixels; if their group has several scenes, whose places are unknown, it is one block.
        """
        x, y, z = self.centres.T
        latitude = np.arctan2(z, np.hypot(x, y))
        band = np.floor(latitude * RADIUS / side)
        width = RADIUS * np.cos((band + 0.5) * side / RADIUS)
        column = np.floor(np.arctan2(y, x) * width / side)

        in_scene = np.floor(self.centres[:, :2] / side)
        alone = table.groupby("group")["scene"].transform("nunique").to_numpy() == 1

        names = np.array(table["group"], object)
        for i in np.flatnonzero(self.placed):
            names[i] = f"{band[i]:.0f} {column[i]:.0f}"
        for i in np.flatnonzero(~self.placed & alone):
            names[i] = f"{names[i]} {in_scene[i, 1]:.0f} {in_scene[i, 0]:.0f}"
        return names


def independent_groups(table: pd.DataFrame) -> dict[int, str]:
    """The group of each tile, where groups of which tiles overlap on the ground are one: what may
    be taken to be independent, as far as tiles say where they lie.

    Args:
        table: tile and group, and if they say where they lie, `COLUMNS`.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    table = table.reset_index(drop=True)
    if "footprint" in table and (table["footprint"] != "").any():
        codes, names = pd.factorize(table["group"])
        first, second = Ground(table).overlapping_pairs()
        links = (np.ones(len(first)), (codes[first], codes[second]))
        matrix = coo_matrix(links, shape=(len(names), len(names)))
        _, labels = connected_components(matrix, directed=False)
        leaders = names[np.unique(labels, return_index=True)[1]]
        table = table.assign(group=leaders[labels[codes]])
    return dict(zip(table["tile"].tolist(), table["group"], strict=True))


def overlaps(outlines: pd.Series) -> list[tuple[int, int, float]]:
    """Pairs of WKT polygons that overlap on the ground, by position, and which share of the smaller
    one does."""
    from scipy.spatial import cKDTree

    if outlines.empty:
        return []
    corners = geocentric(_parsed(outlines))
    centres = corners.mean(axis=1)
    radii = np.linalg.norm(corners - centres[:, None], axis=2).max(axis=1)

    found = []
    for first, second in sorted(cKDTree(centres).query_pairs(2 * radii.max())):
        share = shared_area(corners[first], corners[second])
        if share > 0:
            found.append((first, second, share))
    return found


def footprints(file: rasterio.DatasetReader, size: int) -> list[str]:
    """Corners of a scene's tiles in longitude and latitude, without the padding, as WKT polygons;
    empty texts if the file does not say where it lies.

    Args:
        file: the scene's image.
        size: side of a tile in pixels.

    Returns:
        One text per tile, row by row.
    """
    bottom_right = np.array([file.width, file.height])
    counts = -(-bottom_right // size)
    cols, rows = np.meshgrid(np.arange(counts[0]), np.arange(counts[1]))
    starts = np.stack([cols.ravel(), rows.ravel()], axis=1)

    corners = np.minimum((starts[:, None] + BORDER) * size, bottom_right)
    places = degrees(file, corners.reshape(-1, 2).astype(float))
    if places is None:
        return [""] * len(starts)
    return [_polygon(tile) for tile in places.reshape(-1, 4, 2)]


def _polygon(corners: np.ndarray) -> str:
    closed = [*corners, corners[0]]
    points = ",".join(f"{longitude:.9f} {latitude:.9f}" for longitude, latitude in closed)
    return f"POLYGON(({points}))"


def _parsed(footprints: pd.Series) -> np.ndarray:
    """The corners in WKT polygons: float64 [N, 4, 2]."""
    bare = footprints.str.slice(len("POLYGON(("), -len("))")).str.cat(sep=",")
    numbers = bare.replace(",", " ").split()
    return np.array(numbers, float).reshape(-1, 5, 2)[:, :4]


def _in_scenes(table: pd.DataFrame) -> np.ndarray:
    """Corners in pixels of each tile's scene, float64 [N, 4, 3]; every scene lies in a plane of its
    own, far from the others."""
    spans = table[["width", "height"]].to_numpy(float)
    starts = table[["col", "row"]].to_numpy(float) * max(spans.max(initial=0), 1)
    plane = pd.factorize(table["scene"])[0] * APART

    corners = np.empty((len(table), 4, 3))
    corners[:, :, :2] = starts[:, None] + BORDER * spans[:, None]
    corners[:, :, 2] = plane[:, None]
    return corners
