"""The publishers divided the scenes, and a field of a scene's path tells how."""

from pathlib import Path

import pandas as pd

from satseg.config.datasets import OfficialScenes
from satseg.data.layout import Scene


def assign(
    table: pd.DataFrame, scenes: list[Scene], root: str | Path, official: OfficialScenes
) -> pd.Series:
    """Subset of every tile: that of its scene, by a field of the layout."""
    subsets = {
        scene.name: official.values.get(scene.fields[official.field], "") for scene in scenes
    }
    return table["scene"].map(subsets)
