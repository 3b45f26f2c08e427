"""Polygons of a file that may come from a stranger: whatever it says, no other file is read, and no
address is asked."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.crs import CRS
from rasterio.errors import CRSError

from satseg.errors import UserError, one_line

# How a file of each other kind begins: GDAL goes by that, and a description of a file that lies
# elsewhere is none of them.
STARTS = {
    ".gpkg": b"SQLite format 3",
    ".fgb": b"fgb",
    ".shp": b"\0\0\x27\x0a",
}
GEOJSON = (".geojson", ".json")
DEGREES = "OGC:CRS84"  # of a GeoJSON that says nothing else
# Such as EPSG:32640 and urn:ogc:def:crs:EPSG::32640; rasterio would take a file or an address, too.
CRS_NAME = re.compile(
    r"(?:urn:ogc:def:crs:|https?://www\.opengis\.net/def/crs/)?(\w+)[:/](?:[\d.]*[:/])?(\w+)"
)
# What a GeoPackage may consist of: a table of any other kind, or a view, can read other files.
HARMLESS = re.compile(
    r"CREATE (TABLE|INDEX|UNIQUE INDEX|TRIGGER|VIRTUAL TABLE \"?rtree_\w+\"? USING rtree)\b.*",
    re.IGNORECASE | re.DOTALL,
)
UNSAVED = ("-wal", "-journal")  # beside a GeoPackage that is open elsewhere


def read_shapes(path: Path) -> tuple[np.ndarray, dict[str, Any], CRS | str]:
    """The polygons of a file, in two dimensions.

    Args:
        path: GeoJSON, GeoPackage, FlatGeobuf or shapefile.

    Returns:
        Shapes of shapely, attribute → its value for each of them, and their coordinate system.

    Raises:
        UserError: it is not readable, or does not say its coordinate system.
    """
    suffix = path.suffix.lower()
    if suffix in GEOJSON:
        return _read_geojson(path)

    with path.open("rb") as content:
        head = content.read(64)
    if not head.startswith(STARTS[suffix]):
        raise _no_polygons(path)
    # Of a shapefile that is cut off, GDAL takes what is left; its length is counted in words.
    if suffix == ".shp" and 2 * int.from_bytes(head[24:28]) > path.stat().st_size:
        raise _cut_off(path)
    if suffix == ".gpkg":
        _check_geopackage(path)
    return _read_by_gdal(path)


def _no_polygons(path: Path) -> UserError:
    return UserError(f"{path}: not a {path.suffix} file of polygons; replace it")


def _cut_off(path: Path) -> UserError:
    return UserError(f"{path}: it is cut off; replace it")


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: not readable ({one_line(error)}); replace it")


def _read_geojson(path: Path) -> tuple[np.ndarray, dict[str, Any], CRS]:
    """Not by GDAL, which takes a JSON file for many other things: a list of commands, say, or one
    whose coordinate system lies at an address."""
    import shapely

    text = path.read_bytes()
    if not text.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        raise _no_polygons(path)
    try:
        content = json.loads(text)
        features = content["features"] if content["type"] == "FeatureCollection" else [content]
        features = [feature for feature in features if feature["geometry"] is not None]
        geometries = [json.dumps(feature["geometry"]) for feature in features]
        shapes = shapely.force_2d(shapely.from_geojson(np.array(geometries, object)))
        attributes = [dict(feature["properties"] or {}) for feature in features]
    except (ValueError, KeyError, TypeError, RecursionError, shapely.errors.ShapelyError) as error:
        raise _unreadable(path, error) from None

    names = dict.fromkeys(name for each in attributes for name in each)
    columns = {}
    for name in names:
        columns[name] = [each.get(name) for each in attributes]
    return shapes, columns, _geojson_crs(path, content.get("crs"))


def _geojson_crs(path: Path, entry: Any) -> CRS:
    """The coordinate system that a GeoJSON names."""
    try:
        name = DEGREES if entry is None else entry["properties"]["name"]
        authority, code = CRS_NAME.fullmatch(name).groups()
        return CRS.from_user_input(f"{authority}:{code}")
    except (KeyError, TypeError, AttributeError, CRSError):
        raise UserError(
            f"{path}: its `crs` is not the name of a coordinate system; save it with one"
        ) from None


def _check_geopackage(path: Path) -> None:
    """Refuse one whose tables are made of other files, or of changes that lie beside it."""
    for ending in UNSAVED:
        beside = path.with_name(path.name + ending)
        if beside.is_file() and beside.stat().st_size:
            raise UserError(
                f"{beside}: changes that are not in {path.name} yet; close the program that edits "
                f"it, or remove this file"
            )
    try:
        place = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(place, uri=True)) as database:
            rows = database.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
            strange = [name for name, sql in rows if not HARMLESS.fullmatch(sql)]
    except (sqlite3.Error, UnicodeError) as error:
        raise _unreadable(path, error) from None
    if strange:
        raise UserError(
            f"{path}: {strange[0]!r} is a view or a virtual table, which may read other files; "
            f"save its layer as a table"
        )


def _read_by_gdal(path: Path) -> tuple[np.ndarray, dict[str, Any], str]:
    import shapely
    from pyogrio import read_info
    from pyogrio.errors import DataLayerError, DataSourceError
    from pyogrio.raw import read

    try:
        about, _, shapes, fields = read(path, force_2d=True)
        shapes = shapely.from_wkb(shapes)
    # Of a FlatGeobuf that is cut off, pyogrio raises an IndexError.
    except (DataSourceError, DataLayerError, IndexError, shapely.errors.ShapelyError) as error:
        raise _unreadable(path, error) from None
    # Of a FlatGeobuf, too, GDAL may take what is left.
    if path.suffix.lower() == ".fgb" and len(shapes) != read_info(path)["features"]:
        raise _cut_off(path)
    if len(shapes) and not about["crs"]:
        raise UserError(f"{path}: does not say its coordinate system; save it with one")
    present = np.array([shape is not None for shape in shapes], bool)
    columns = {name: field[present] for name, field in zip(about["fields"], fields, strict=True)}
    return shapes[present], columns, about["crs"]
