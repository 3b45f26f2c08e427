"""The publishers divided the scenes, and list them by name, one a line."""

from pathlib import Path

import pandas as pd

from satseg.config.datasets import OfficialLists
from satseg.data.layout import Scene
from satseg.data.official.reading import read_lists
from satseg.progress import log


def assign(
    table: pd.DataFrame, found: list[Scene], root: str | Path, official: OfficialLists
) -> pd.Series:
    """Subset of every tile: that of its scene, which may be listed by another name than ours.

    Raises:
        UserError: a scene is listed twice.
    """
    # Scenes may have blanks in their names: one a line.
    listed = read_lists(official.lists, root, str.splitlines)
    named = {
        scene.name: official.name.format(**{**scene.fields, "scene": scene.name}) for scene in found
    }
    missing = set(listed) - set(named.values())
    if missing:
        example = f"{min(missing)} is one"
        log.warning(
            "%d of %d scenes in the official lists are not here; %s",
            len(missing),
            len(listed),
            example,
        )
    return table["scene"].map({scene: listed.get(name, "") for scene, name in named.items()})
