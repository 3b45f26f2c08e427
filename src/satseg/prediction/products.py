"""What a prediction can write beside its map, and what is made of the finished map."""

from pathlib import Path
from typing import NamedTuple

import rasterio

from satseg.errors import UserError
from satseg.prediction.accepting import AcceptedScene
from satseg.prediction.areas import HECTARE, class_areas, write_areas
from satseg.prediction.polygons import write_polygons
from satseg.prediction.style import write_style
from satseg.prediction.vector import DRIVERS, check_libraries
from satseg.prediction.webmap import write_webmap

MAPS = (".tif", ".tiff", "")  # a cloud-optimised GeoTIFF
PICTURE = ".png"
VECTORS = (".geojson", ".json", *DRIVERS)


class Products(NamedTuple):
    """The files of a prediction; None for those that are not wanted."""

    map: Path
    probabilities: Path | None = None
    confidence: Path | None = None
    polygons: Path | None = None
    areas: Path | None = None
    style: Path | None = None
    web: Path | None = None

    @property
    def wanted(self) -> dict[str, Path]:
        """The files by their kind."""
        return {kind: path for kind, path in self._asdict().items() if path}

    def check(self, **generalise: float) -> None:
        """Refuse names whose format cannot be written, and what is asked of polygons without them.

        Args:
            generalise: `min_area` and `simplify`, of `write_polygons`.

        Raises:
            UserError: a suffix is unknown, its library is missing, or there are no polygons.
        """
        allowed = {
            "map": (*MAPS, PICTURE),
            "probabilities": MAPS,
            "confidence": MAPS,
            "polygons": VECTORS,
            "areas": (".csv",),
            "style": (".qml",),
            "web": (".html", ".htm"),
        }
        kinds = {"probabilities": "file of probabilities", "web": "web page"}
        for kind, suffixes in allowed.items():
            path = self.wanted.get(kind)
            if path and path.suffix.lower() not in suffixes:
                names = " or ".join(filter(None, suffixes))
                raise UserError(
                    f"{path}: the name of the {kinds.get(kind, kind)} must end with {names}"
                )
        if self.polygons:
            check_libraries(self.polygons)
            return
        for option, value in generalise.items():
            if value:
                name = option.replace("_", "-")
                raise UserError(f"--{name}: changes polygons, not the map; give --polygons too")


class Look(NamedTuple):
    """What the files say of the classes."""

    classes: list[str]
    colors: list[str]


def derive(
    finals: dict[str, Path],
    raster: Path,
    scene: AcceptedScene,
    look: Look,
    title: str,
    **generalise: float,
) -> None:
    """Write what is made of the finished map.

    Args:
        finals: where to write each kind of file that is wanted.
        raster: the map.
        scene: the scene it was made from.
        look: names and colours of the classes.
        title: what the map is called.
        generalise: `min_area` and `simplify`, of `write_polygons`.
    """
    classes, colors = look
    if "polygons" in finals:
        write_polygons(raster, finals["polygons"], classes, title, **generalise)
    if "areas" in finals:
        write_areas(raster, finals["areas"], classes)
    if "style" in finals:
        write_style(finals["style"], classes, colors)
    if "web" in finals:
        covered = _covered(raster, len(classes))
        write_webmap(raster, scene, finals["web"], title, classes, colors, covered)


def _covered(raster: Path, count: int) -> list[dict]:
    """`index`, `hectares` and `share` of each class, as the page shows them."""
    with rasterio.open(raster) as file:
        pixels, metres2 = class_areas(file, count)
    total = max(1, int(pixels.sum()))
    return [
        {
            "index": index,
            "hectares": float(metres2[index] / HECTARE),
            "share": float(pixels[index] / total),
        }
        for index in range(count)
    ]
