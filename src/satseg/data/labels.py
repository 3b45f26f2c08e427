"""What a mask pixel holds where it is not a class, and how tiles.csv counts the others."""

from collections.abc import Iterable

NO_LABEL = 255  # mask value of pixels without a label
UNKNOWN = 254  # never a class index: there are at most 254 classes

_COUNT = "pixels_"


def pixels_column(class_name: str) -> str:
    """Column of tiles.csv with the number of a tile's pixels of a class."""
    return _COUNT + class_name


def counted_classes(columns: Iterable[str]) -> list[str]:
    """Classes whose pixels are counted by these columns of tiles.csv, in their order."""
    return [name.removeprefix(_COUNT) for name in columns if name.startswith(_COUNT)]
