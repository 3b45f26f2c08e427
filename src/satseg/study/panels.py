"""Which tiles are shown, and what every model predicts for them."""

from functools import cache

import numpy as np
import pandas as pd

from satseg.config.datasets import LandClass
from satseg.data.labels import pixels_column
from satseg.errors import UserError
from satseg.figures.tiles import (
    ShownTiles,
    errors_uri,
    mask_uri,
    photograph_uri,
    shown_accuracy,
)
from satseg.metrics.counts import counts_array, ratio, tile_means
from satseg.study.inputs import Place, StudyInputs
from satseg.study.selection import (
    models_mean,
    percentile_ranks,
    percentile_text,
    representative_tiles,
)


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
    """The shown tiles of each dataset and recipe, with every model's prediction by the first seed:
    those that stand for the others, then the hard ones."""
    groups = []
    for place in inputs.places():
        kept, odd_classes, predictions = _panels(inputs, place.dataset, place.recipe)
        rows, notes, hard = _chosen(inputs, place, kept, odd_classes)
        stored = stored_tiles(inputs, place.dataset, place.title, kept[rows])
        groups.append(
            stored._replace(
                predictions={model: predicted[rows] for model, predicted in predictions.items()},
                counted=inputs.counted(place.dataset, place.recipe),
                notes=notes,
                hard=hard,
            )
        )
    return groups


def _chosen(
    inputs: StudyInputs, place: Place, kept: np.ndarray, odd_classes: np.ndarray
) -> tuple[list[int], list[str], int]:
    """Rows of the kept tiles to show, what is written of each, and how many of the last are
    hard."""
    scores = _tile_scores(inputs, place)
    groups = inputs.tiles[place.dataset].set_index("tile")["group"].reindex(scores.index)
    ranks = percentile_ranks(scores)
    row_of = {int(tile): row for row, tile in enumerate(kept)}
    hard = {int(tile): odd for tile, odd in zip(kept, odd_classes, strict=True) if odd}

    rows = []
    notes = []
    for tile, percentile in representative_tiles(scores, groups, list(row_of.keys() - hard)):
        rows.append(row_of[tile])
        notes.append(percentile_text(percentile))
    for tile, odd in hard.items():
        rank = ranks.get(tile, np.nan)
        note = f"hard: odd {odd}"
        rows.append(row_of[tile])
        notes.append(note if np.isnan(rank) else f"{note}, {percentile_text(rank)}")
    return rows, notes, len(hard)


def _tile_scores(inputs: StudyInputs, place: Place) -> pd.Series:
    """The models' mean of each tile's mIoU, by tile, over the runs of the first fold."""
    fold = inputs.folds(place.recipe)[0]
    of_runs = []
    for cell in inputs.cells(place.dataset, place.recipe):
        if cell.fold == fold:
            frame = inputs.counts(cell)
            counts, _, _ = counts_array(frame)
            of_runs.append(pd.Series(tile_means(counts), index=frame["tile"].unique()))
    return models_mean(of_runs)


def _panels(
    inputs: StudyInputs, dataset_name: str, recipe_name: str
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """The kept tiles [K], the class that makes each of them odd, and every model's predictions, by
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
                "classes": [{"name": c.name, "color": c.shown_color} for c in group.classes],
                "layers": ["Truth", *group.predictions],
                "tiles": [_pictures(group, row) for row in range(len(group.images))],
            }
        )
    return pictures


def _pictures(group: ShownTiles, row: int) -> dict:
    """A tile's image, its mask, and each model's prediction with its errors and its pixel accuracy,
    None if no pixel counts."""
    mask = group.masks[row]
    truth = mask_uri(mask, mask, group.classes)
    layers = [{"picture": truth, "errors": None, "accuracy": None}]
    for predictions in group.predictions.values():
        predicted = predictions[row]
        accuracy = shown_accuracy(predicted, mask, group.counted)
        layers.append(
            {
                "picture": mask_uri(predicted, mask, group.classes),
                "errors": errors_uri(predicted, mask, group.counted),
                "accuracy": None if np.isnan(accuracy) else round(accuracy, 4),
            }
        )
    return {
        "name": group.names[row],
        "note": group.notes[row],
        "hard": row >= len(group.images) - group.hard,
        "image": photograph_uri(group.images[row]),
        "layers": layers,
    }
