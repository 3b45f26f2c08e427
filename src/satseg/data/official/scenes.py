"""The publishers divided the scenes, and where a scene lies says how."""

from pathlib import Path

import pandas as pd

from satseg.config.datasets import OfficialScenes
from satseg.data.layout import Scene


def assign(
    table: pd.DataFrame, found: list[Scene], root: str | Path, official: OfficialScenes
) -> pd.Series:
    """Subset of every tile: that of its scene, by a field of the layout."""
    chosen = {scene.name: official.values.get(scene.fields[official.field], "") for scene in found}
    return table["scene"].map(chosen)
