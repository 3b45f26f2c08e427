"""A study's figures, from what its runs wrote."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from satseg.config.datasets import LandClass
from satseg.data.labels import pixels_column
from satseg.errors import UserError
from satseg.figures.architecture import Input, architecture
from satseg.figures.classes import Shares, class_shares
from satseg.figures.cost import Cost, cost
from satseg.figures.histories import Run, losses, metrics
from satseg.figures.leakage import Audit, leakage
from satseg.figures.photographs import (
    Panels,
    mask_uri,
    photograph_uri,
    predictions,
    samples,
    shown_accuracy,
)
from satseg.figures.scores import Scores, per_class, summary
from satseg.figures.style import SUBSET_MARKS
from satseg.metrics.baseline import MAJORITY
from satseg.metrics.counts import ratio
from satseg.readers import read_csv
from satseg.study.inputs import Files


def draw_samples(files: Files) -> Figure:
    """A few tiles of each dataset beside their masks."""
    datasets = files.spec.datasets
    count = 6 if len(datasets) == 1 else 4
    blocks = []
    for name, dataset in datasets.items():
        table = files.tiles(name)
        shown = diverse_tiles(table, dataset.classes, count)
        title = f"{dataset.title}: {len(shown)} of {len(table):,} tiles"
        blocks.append(panels(files, name, title, shown))
    return samples(blocks)


def diverse_tiles(table: pd.DataFrame, classes: list[LandClass], count: int) -> np.ndarray:
    """The tiles with the most even mix of classes, one a scene, whole ones first: numbers [≤
    count], rising."""
    pixels = table[[pixels_column(c.name) for c in classes]].to_numpy(float)
    shares = np.nan_to_num(ratio(pixels, pixels.sum(1, keepdims=True)))
    mix = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(1)
    order = table.assign(mix=mix).sort_values(
        ["whole", "mix", "tile"], ascending=[False, False, True]
    )
    return np.sort(order.drop_duplicates("scene")["tile"].to_numpy()[:count])


def panels(files: Files, dataset: str, title: str, shown: np.ndarray) -> Panels:
    """Tiles of a dataset, read from its store."""
    table, classes = files.tiles(dataset), files.spec.datasets[dataset].classes
    images, masks = files.pixels(dataset, "images.npy"), files.pixels(dataset, "masks.npy")
    for name, array in {"images.npy": images, "masks.npy": masks}.items():
        if len(array) != len(table):
            path = files.data / "tiles" / dataset / name
            raise UserError(
                f"{path}: {len(array)} tiles, but tiles.csv has {len(table)}; tile again"
            )
    return Panels(title, classes, table["scene"].iloc[shown].tolist(), images[shown], masks[shown])


def draw_classes(files: Files) -> Figure:
    """How the pixels of each dataset, and of each subset of its splits, are shared among the
    classes."""
    recipes = files.spec.recipes.values()
    pools = dict.fromkeys((recipe.split, recipe.padded_tiles) for recipe in recipes)
    found = []
    for name, dataset in files.spec.datasets.items():
        table = files.tiles(name)
        columns = [pixels_column(c.name) for c in dataset.classes]
        for split, padded in pools:
            pool = table.merge(files.subsets(name, split)[["tile", "subset"]], on="tile")
            pool = pool if padded else pool[pool["whole"] == 1]
            sums = pool.groupby("subset")[columns].sum()
            subsets = {s: share(sums.loc[s].to_numpy()) for s in SUBSET_MARKS if s in sums.index}
            title = f"{dataset.title} · split {split}\n{len(pool):,} {'tiles' if padded else 'whole tiles'}"
            found.append(
                Shares(title, dataset.classes, share(pool[columns].sum().to_numpy()), subsets)
            )
    return class_shares(found)


def share(pixels: np.ndarray) -> np.ndarray:
    """Each part of the whole; NaN where there is nothing to share."""
    return ratio(pixels, pixels.sum())


def draw_architecture(files: Files) -> Figure:
    """What each model is made of."""
    inputs = []
    for name, dataset in files.spec.datasets.items():
        _, size, _, bands = files.pixels(name, "images.npy").shape
        inputs.append(Input(dataset.title, size, bands, len(dataset.classes)))
    rows = files.models.drop_duplicates("model").set_index("model")
    return architecture(files.spec.models, inputs, rows["parameters"].to_dict())


def runs(files: Files) -> list[Run]:
    """The histories of every dataset, recipe and model, with the losses a report printed."""
    losses = [
        p for p in files.spec.study.published if p.epoch and p.metric in ("train_loss", "val_loss")
    ]
    found = []
    for dataset, recipe, title in files.grid():
        for model in files.spec.study.models:
            histories = [files.history(c) for c in files.cells(dataset, recipe) if c.model == model]
            key = (dataset, recipe, model)
            points = [
                (p.metric, p.epoch, p.value)
                for p in losses
                if (p.dataset, p.recipe, p.model) == key
            ]
            found.append(Run(title, model, histories, points))
    return found


def draw_metrics(files: Files) -> Figure:
    """Metrics over epochs."""
    return metrics(runs(files), files.colors)


def draw_losses(files: Files) -> Figure:
    """Training and validation loss over epochs."""
    return losses(runs(files), files.colors)


def draw_predictions(files: Files) -> Figure:
    """The same tiles as every model sees them, by the first seed."""
    return predictions(judged_panels(files))


@cache  # the figure and the pictures of the page show the same
def judged_panels(files: Files) -> list[Panels]:
    """The shown tiles of each dataset and recipe, with every model's prediction."""
    seed, blocks = files.spec.study.seeds[0], []
    for dataset, recipe, title in files.grid():
        cells = {c.model: c for c in files.cells(dataset, recipe) if c.seed == seed}
        found = {model: files.panels(cell) for model, cell in cells.items()}
        shown, _, hard = next(iter(found.values()))
        masks = files.pixels(dataset, "masks.npy")
        for model, (tiles, guesses, _) in found.items():
            path = files.results / "runs" / cells[model].path / "panels.npz"
            if not np.array_equal(tiles, shown):
                raise UserError(
                    f"{path}: its tiles are not those of the other models; evaluate all again"
                )
            if guesses.shape != (len(tiles), *masks.shape[1:]) or max(tiles, default=0) >= len(
                masks
            ):
                raise UserError(
                    f"{path}: its tiles are not those of the tile store; evaluate again"
                )
        block = panels(files, dataset, title, shown)
        guesses = {model: guess for model, (_, guess, _) in found.items()}
        names = [
            f"{scene}: odd {name}" if name else scene
            for scene, name in zip(block.scenes, hard, strict=True)
        ]
        blocks.append(
            block._replace(
                scenes=names, predictions=guesses, counted=files.counted(dataset, recipe)
            )
        )
    return blocks


def pictures(files: Files) -> list[dict]:
    """The same panels as pictures apart, data URIs, for a page that lays one over another."""
    return [
        {
            "title": block.title,
            "classes": [{"name": land.name, "color": land.color} for land in block.classes],
            "layers": ["Truth", *block.predictions],
            "tiles": [
                {
                    "name": name,
                    "image": photograph_uri(image),
                    "layers": [
                        {"picture": mask_uri(layer, mask, block.classes), "accuracy": accuracy}
                        for layer, accuracy in layers(block, row, mask)
                    ],
                }
                for row, (name, image, mask) in enumerate(
                    zip(block.scenes, block.images, block.masks, strict=True)
                )
            ],
        }
        for block in judged_panels(files)
    ]


def layers(block: Panels, row: int, mask: np.ndarray) -> list[tuple[np.ndarray, float | None]]:
    """A tile's mask, then each model's prediction with its pixel accuracy, None where no pixel is
    judged."""
    found = [(mask, None)]
    for predicted in block.predictions.values():
        accuracy = shown_accuracy(predicted[row], mask, block.counted)
        found.append((predicted[row], None if np.isnan(accuracy) else round(accuracy, 4)))
    return found


def class_scores(files: Files, dataset: str, recipe: str, title: str) -> Scores:
    """The scores of a dataset and recipe, for the classes that count."""
    known = files.spec.datasets[dataset].classes
    counted = [known[i] for i in files.counted(dataset, recipe)]
    return Scores(title, counted, files.judged(dataset, recipe))


def draw_per_class(files: Files) -> Figure:
    """IoU of each class and model."""
    return per_class([class_scores(files, *place) for place in files.grid()], files.colors)


def draw_leakage(files: Files) -> Figure:
    """What the judged tiles share with the training tiles, and the score that goes with it."""
    audits = []
    for dataset, entry in files.spec.datasets.items():
        rows = pd.DataFrame([audit(files, dataset, recipe) for recipe in files.spec.recipes])
        judged = {recipe: files.judged(dataset, recipe) for recipe in files.spec.recipes}
        audits.append(Audit(entry.title, rows, judged))
    return leakage(audits, files.colors)


def audit(files: Files, dataset: str, name: str) -> dict:
    """The row of the leakage audit that a recipe's score stands on."""
    recipe = files.spec.recipes[name]
    path = files.data / "splits" / dataset / f"{recipe.split}.leakage.csv"
    table = read_csv(path, ["pool", "subset", "tiles", "scene_shared", "group_shared"])
    pool, subset = "all" if recipe.padded_tiles else "whole", recipe.evaluate.subset
    rows = table[(table["pool"] == pool) & (table["subset"] == subset)]
    if len(rows) != 1 or not rows["tiles"].all():
        raise UserError(
            f"{path}: no one row for the {subset} tiles of pool {pool!r}; delete it and split again"
        )
    return {"recipe": name, "split": recipe.split} | rows.iloc[0].to_dict()


def draw_cost(files: Files) -> Figure:
    """Score against epoch time, latency and memory."""
    blocks = []
    for dataset, recipe, title in files.grid():
        means = summary(files.judged(dataset, recipe), "miou_d", "all").drop(MAJORITY)
        costs = files.models[files.models["dataset"] == dataset]
        blocks.append(Cost(title, means.reset_index().merge(costs, on="model", how="left")))
    return cost(blocks, files.colors)


DRAW: dict[str, Callable[[Files], Figure]] = {
    "samples": draw_samples,
    "classes": draw_classes,
    "architecture": draw_architecture,
    "metrics": draw_metrics,
    "losses": draw_losses,
    "predictions": draw_predictions,
    "per_class": draw_per_class,
    "leakage": draw_leakage,
    "cost": draw_cost,
}
