"""The publishers divided the scenes, and list them by name, one per line."""

from pathlib import Path

import pandas as pd

from satseg.config.datasets import OfficialLists
from satseg.data.layout import Scene
from satseg.data.official.reading import read_lists
from satseg.progress import log


def assign(
    table: pd.DataFrame, scenes: list[Scene], root: str | Path, official: OfficialLists
) -> pd.Series:
    """Subset of every tile: that of its scene, which the lists may call by another name.

    Raises:
        UserError: a scene is listed twice.
    """
    # Names of scenes may contain blanks, so only lines separate them.
    subsets = read_lists(official.lists, root, str.splitlines)
    published_names = {
        scene.name: official.name.format(**(scene.fields | {"scene": scene.name}))
        for scene in scenes
    }

    missing = set(subsets) - set(published_names.values())
    if missing:
        log.warning(
            "%d of %d scenes in the official lists are not here, such as %s",
            len(missing),
            len(subsets),
            min(missing),
        )

    return table["scene"].map(
        {scene: subsets.get(name, "") for scene, name in published_names.items()}
    )
