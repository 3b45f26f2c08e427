"""What a study's recipes may make of a tile."""

import numpy as np
import torch

from satseg.config.recipes import Augmentation
from satseg.data.augmentation import Changes, change_tiles
from satseg.data.exchange import palette
from satseg.data.extremes import extremes
from satseg.data.store import Tiles
from satseg.figures.augmentations import ChangedTile
from satseg.study.inputs import StudyInputs
from satseg.study.panels import diverse_tiles, stored_tiles

OTHERS = 2  # scenes whose colours are shown


def changed_tiles(inputs: StudyInputs) -> list[ChangedTile]:
    """A tile of each dataset under every change of the study's recipes, as far as any of them lets
    it go; none if they change nothing."""
    used = [recipe.augmentation for recipe in inputs.job.recipes.values()]
    most = {}
    for key in Augmentation.model_fields:
        most[key] = max(getattr(each, key) for each in used)
    settings = Augmentation(**most)
    if settings == Augmentation(probability=settings.probability, everywhere=settings.everywhere):
        return []
    return [_changed(inputs, dataset_name, settings) for dataset_name in inputs.job.datasets]


def _changed(inputs: StudyInputs, dataset_name: str, settings: Augmentation) -> ChangedTile:
    dataset = inputs.job.datasets[dataset_name]
    table = inputs.tiles[dataset_name]
    numbers = diverse_tiles(table, dataset.classes, OTHERS + 1)
    stored = stored_tiles(inputs, dataset_name, dataset.title, numbers)
    coloured = stored.images.shape[-1] == 3

    exchanges = {}
    if coloured and settings.exchange:
        few = table.iloc[numbers].assign(tile=range(len(numbers)))
        colours = palette(Tiles(stored.images, stored.masks, few), np.arange(len(numbers)))
        for i, scene in enumerate(stored.names[1:], start=1):
            exchanges[scene] = colours.towards(0, i)

    changes = extremes(settings, exchanges, coloured)
    image = torch.from_numpy(np.ascontiguousarray(stored.images[:1])).permute(0, 3, 1, 2)
    mask = torch.from_numpy(np.ascontiguousarray(stored.masks[:1]))
    images = [_seen(image, mask, change) for change in changes.values()]
    return ChangedTile(f"{dataset.title}: {stored.names[0]}", list(changes), images)


def _seen(image: torch.Tensor, mask: torch.Tensor, change: Changes) -> np.ndarray:
    """A tile as a model sees it after a change, uint8 [H, W, C]."""
    changed, _ = change_tiles(image, mask, [change])
    return (changed[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
