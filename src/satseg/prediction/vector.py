"""Polygons as GeoPackage or FlatGeobuf."""

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from rasterio.crs import CRS

from satseg.errors import UserError
from satseg.prediction.generalise import INSTALL, Area

DRIVERS = {".gpkg": "GPKG", ".fgb": "FlatGeobuf"}


def is_vector(out: str | Path) -> bool:
    """Whether the name of a file stands for one of these formats."""
    return Path(out).suffix.lower() in DRIVERS


def check_libraries(out: str | Path) -> None:
    """Refuse a format whose libraries are missing.

    Raises:
        UserError: one is.
    """
    for library in ("pyogrio", "shapely"):
        if is_vector(out) and find_spec(library) is None:
            raise UserError(f"{library}: needed to write {out}, {INSTALL}")


def write_vector(
    out: str | Path, areas: Iterable[Area], classes: list[str], name: str, crs: CRS
) -> None:
    """Write polygons in the map's own coordinate system.

    Args:
        out: the file; `is_vector` of its name.
        areas: the polygons.
        classes: class names by class index.
        name: name of the layer.
        crs: their coordinate system.
    """
    check_libraries(out)
    import shapely
    from pyogrio.raw import write

    indices = []
    square_metres = []
    polygons = []
    for area in areas:
        indices.append(area.index)
        square_metres.append(round(area.square_metres, 3))
        outer, *holes = area.shape
        polygons.append(shapely.Polygon(outer, holes))

    names = np.array([classes[index] for index in indices], object)
    fields = [names, np.array(indices, np.int32), np.array(square_metres, float)]
    write(
        out, shapely.to_wkb(polygons), fields, ["class", "index", "area_m2"],
        geometry_type="Polygon", crs=crs.to_wkt(), layer=name,
        driver=DRIVERS[Path(out).suffix.lower()],
    )  # fmt: skip
