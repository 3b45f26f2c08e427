"""How large a dataset is whose images lie in a folder and are not tiled yet: from their heads."""

import math
from collections import Counter
from pathlib import Path

from rasterio.errors import RasterioError

from satseg.config.datasets import Dataset, Expected, OfficialScenes
from satseg.data.layout import survey
from satseg.data.opening import open_image
from satseg.errors import UserError

OPENED = 500  # images at most; more are taken to be like these


def size_here(dataset: Dataset, root: Path) -> Expected | None:
    """Scenes, bands and pixels of a dataset, those that pad the tiles at the edges included, and
    the shares of its official split if folders tell them.

    Args:
        dataset: its entry in the configuration.
        root: where its scenes should lie.

    Returns:
        None if they do not lie there, or not as its layout says.
    """
    if dataset.layout is None or not root.is_dir():
        return None
    scenes, _ = survey(root, dataset.layout)
    if not scenes:
        return None

    every = math.ceil(len(scenes) / OPENED)
    tiles = 0
    opened = scenes[::every]
    try:
        for scene in opened:
            with open_image(scene.image) as image:
                bands = image.count
                height, width = (math.ceil(side / dataset.tile_size) for side in image.shape)
            tiles += height * width
    except (RasterioError, UserError):
        return None  # the check says which file is damaged

    official = dataset.official_here
    shares: dict[str, float] = {}
    if isinstance(official, OfficialScenes):
        subsets = Counter(official.values.get(scene.fields[official.field]) for scene in scenes)
        shares = {name: count / len(scenes) for name, count in subsets.items() if name}
    pixels = round(tiles / len(opened) * len(scenes)) * dataset.tile_size**2
    return Expected(scenes=len(scenes), pixels=pixels, bands=bands, official=shares)
