"""Which tiles are shown, and what every model predicts for them."""

from functools import cache

import numpy as np
import pandas as pd

from satseg.config.datasets import LandClass
from satseg.data.labels import pixels_column
from satseg.errors import UserError
from satseg.figures.tiles import ShownTiles, mask_uri, photograph_uri, shown_accuracy
from satseg.metrics.counts import ratio
from satseg.study.inputs import StudyInputs


def diverse_tiles(table: pd.DataFrame, classes: list[LandClass], count: int) -> np.ndarray:
    """The tiles with the most even mix of classes, one per scene, whole ones first: numbers [≤
    count], rising."""
    pixels = table[[pixels_column(c.name) for c in classes]].to_numpy(float)
    shares = np.nan_to_num(ratio(pixels, pixels.sum(1, keepdims=True)))
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(1)
    order = table.assign(mix=entropy).sort_values(
        ["whole", "mix", "tile"], ascending=[False, False, True]
    )
    return np.sort(order.drop_duplicates("scene")["tile"].to_numpy()[:count])


def stored_tiles(
    inputs: StudyInputs, dataset_name: str, title: str, numbers: np.ndarray
) -> ShownTiles:
    """Tiles of a dataset, read from its store."""
    table = inputs.tiles[dataset_name]
    arrays = {name: inputs.array(dataset_name, name) for name in ("images.npy", "masks.npy")}
    for name, array in arrays.items():
        if len(array) != len(table):
            path = inputs.paths.tiles(dataset_name) / name
            raise UserError(
                f"{path}: {len(array)} tiles, but tiles.csv has {len(table)}; tile again"
            )
    return ShownTiles(
        title,
        inputs.job.datasets[dataset_name].classes,
        table["scene"].iloc[numbers].tolist(),
        arrays["images.npy"][numbers],
        arrays["masks.npy"][numbers],
    )


@cache  # the figure and the pictures of the page show the same
def evaluated_tiles(inputs: StudyInputs) -> list[ShownTiles]:
    """The shown tiles of each dataset and recipe, with every model's prediction by the first
    seed."""
    groups = []
    for place in inputs.places():
        numbers, odd_classes, predictions = _panels(inputs, place.dataset, place.recipe)
        stored = stored_tiles(inputs, place.dataset, place.title, numbers)
        names = [
            f"{scene}: odd {odd_class}" if odd_class else scene
            for scene, odd_class in zip(stored.names, odd_classes, strict=True)
        ]
        counted = inputs.counted(place.dataset, place.recipe)
        groups.append(stored._replace(names=names, predictions=predictions, counted=counted))
    return groups


def _panels(
    inputs: StudyInputs, dataset_name: str, recipe_name: str
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """The shown tiles [K], the class that makes each of them odd, and every model's predictions, by
    the first seed and fold."""
    first = (inputs.job.study.seeds[0], inputs.folds(recipe_name)[0])
    cells = [c for c in inputs.cells(dataset_name, recipe_name) if (c.seed, c.fold) == first]
    panels = {cell: inputs.panels(cell) for cell in cells}
    shown, _, odd_classes = panels[cells[0]]
    masks = inputs.array(dataset_name, "masks.npy")

    predictions = {}
    for cell, (tiles, predicted, _) in panels.items():
        path = inputs.run_folder(cell) / "panels.npz"
        if not np.array_equal(tiles, shown):
            raise UserError(
                f"{path}: its tiles are not those of the other models; evaluate all again"
            )
        same_size = predicted.shape == (len(tiles), *masks.shape[1:])
        if not same_size or max(tiles, default=0) >= len(masks):
            raise UserError(f"{path}: its tiles are not those of the tile store; evaluate again")
        predictions[cell.model] = predicted
    return shown, odd_classes, predictions


def tile_pictures(inputs: StudyInputs) -> list[dict]:
    """The same tiles as separate pictures, data URIs, for a page that lays one over another."""
    pictures = []
    for group in evaluated_tiles(inputs):
        pictures.append(
            {
                "title": group.title,
                "classes": [{"name": c.name, "color": c.color} for c in group.classes],
                "layers": ["Truth", *group.predictions],
                "tiles": [_pictures(group, row) for row in range(len(group.images))],
            }
        )
    return pictures


def _pictures(group: ShownTiles, row: int) -> dict:
    """A tile's image, its mask, and each model's prediction with its pixel accuracy, None if no
    pixel counts."""
    mask = group.masks[row]
    layers = [{"picture": mask_uri(mask, mask, group.classes), "accuracy": None}]
    for predictions in group.predictions.values():
        accuracy = shown_accuracy(predictions[row], mask, group.counted)
        picture = mask_uri(predictions[row], mask, group.classes)
        rounded = None if np.isnan(accuracy) else round(accuracy, 4)
        layers.append({"picture": picture, "accuracy": rounded})
    return {"name": group.names[row], "image": photograph_uri(group.images[row]), "layers": layers}
