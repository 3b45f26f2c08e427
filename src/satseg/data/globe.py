"""Positions on the WGS 84 ellipsoid, which compare across coordinate systems."""

import numpy as np
import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.warp import transform

RADIUS = 6378137.0  # metres, at the equator
ECCENTRICITY2 = 0.00669437999014


def degrees(file: rasterio.DatasetReader, pixels: np.ndarray) -> np.ndarray | None:
    """Longitude and latitude of places in an image.

    Args:
        file: the image.
        pixels: column and row, float64 [N, 2]; (0, 0) is the image's first corner.

    Returns:
        float64 [N, 2]; None if the file does not say where it lies, or its coordinate system has no
        place on the globe.
    """
    if not file.crs or file.transform.is_identity:
        return None

    x, y = file.transform @ pixels.T
    try:
        places = np.column_stack(transform(file.crs, "EPSG:4326", x, y))
    except (RasterioError, CPLE_BaseError):  # a local system whose place on the globe is unknown
        return None
    return places if np.isfinite(places).all() else None


def geocentric(places: np.ndarray) -> np.ndarray:
    """Longitude and latitude in degrees [..., 2] as metres from the centre of the earth [..., 3].

    Straight lines between such points are as long as the ground between them: 10 km differ by a
    millimetre.
    """
    longitude, latitude = np.moveaxis(np.radians(places), -1, 0)
    normal = RADIUS / np.sqrt(1 - ECCENTRICITY2 * np.sin(latitude) ** 2)
    x = normal * np.cos(latitude) * np.cos(longitude)
    y = normal * np.cos(latitude) * np.sin(longitude)
    z = normal * (1 - ECCENTRICITY2) * np.sin(latitude)
    return np.stack([x, y, z], axis=-1)


def equal_area(places: np.ndarray) -> np.ndarray:
    """Longitude and latitude in degrees [..., 2] on a plane where areas are those of the ellipsoid,
    in metres [..., 2].

    Source: Snyder 1987, Map Projections: A Working Manual, p. 81: the cylindrical equal-area
    projection with its standard parallel at the equator.
    """
    longitude, latitude = np.moveaxis(np.radians(places), -1, 0)
    sine = np.sin(latitude)
    eccentricity = np.sqrt(ECCENTRICITY2)
    authalic = sine / (1 - ECCENTRICITY2 * sine**2)
    authalic += np.arctanh(eccentricity * sine) / eccentricity
    return np.stack([RADIUS * longitude, RADIUS / 2 * (1 - ECCENTRICITY2) * authalic], axis=-1)


def ring_area(ring: np.ndarray) -> float:
    """Area within a closed ring of places in degrees [n, 2], in square metres, whichever way round
    it runs."""
    x, y = (equal_area(ring) - equal_area(ring[0])).T
    return float(abs((x[:-1] * y[1:] - x[1:] * y[:-1]).sum()) / 2)
