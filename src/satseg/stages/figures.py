"""Draw a study's figures from its runs, tables, tiles and splits."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from satseg import plots
from satseg.cli import log, stage
from satseg.config import FIGURES, PANELS, LandClass
from satseg.counts import ratio
from satseg.errors import UserError
from satseg.files import sha256, together, write_json
from satseg.metrics import MAJORITY
from satseg.outputs import present, read_array, read_csv
from satseg.slices import Cell, StudySlice

BROKEN = (ValueError, EOFError, BadZipFile)  # what numpy raises for a file it cannot read


def run(spec: StudySlice, data: str, results: str) -> None:
    """Write the figures that the study names, the pictures of the panels apart, and `figures.json`: digests of all.

    Raises:
        UserError: a file is missing, or does not hold what it should.
    """
    files = Files(spec, Path(data), Path(results))
    out = Path(results, spec.name, "figures")
    names = [f"{name}.{FIGURES[name]}" for name in spec.study.figures]
    names += [PANELS] if "predictions" in spec.study.figures else []
    with together(*(out / name for name in names)) as written:
        for name, file in zip(spec.study.figures, written, strict=False):
            plots.save(DRAW[name](files), file)
        if PANELS in names:
            written[-1].write_text(json.dumps({"blocks": pictures(files)}, ensure_ascii=False), encoding="utf-8")
    write_json(out.with_suffix(".json"), {name: sha256(out / name) for name in names})
    log.info("%s: %s in %s", spec.name, ", ".join(spec.study.figures), out)


# --- reading ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Files:
    """The files of a study, read when they are asked for."""

    spec: StudySlice
    data: Path
    results: Path

    def tiles(self, dataset: str) -> pd.DataFrame:
        """tiles.csv."""
        pixels = [pixel_column(c) for c in self.spec.datasets[dataset].classes]
        return read_csv(self.data / "tiles" / dataset / "tiles.csv", ["tile", "scene", "whole", *pixels])

    def pixels(self, dataset: str, name: str) -> np.ndarray:
        """`images.npy` or `masks.npy`, memory-mapped."""
        return read_array(self.data / "tiles" / dataset / name)

    def subsets(self, dataset: str, split: str) -> pd.DataFrame:
        """A split."""
        return read_csv(self.data / "splits" / dataset / f"{split}.csv", ["tile", "subset"])

    def history(self, cell: Cell) -> pd.DataFrame:
        """history.csv of a cell."""
        kinds = ["loss", *plots.METRICS]
        columns = ["epoch", *(f"{subset}_{kind}" for subset in ("train", "val") for kind in kinds)]
        path = self.results / "runs" / cell.path / "history.csv"
        history = read_csv(path, columns)
        if history.empty:
            raise UserError(f"{path}: no epoch in it; delete the file and train again")
        return history

    def panels(self, cell: Cell) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tiles [K], predictions [K, H, W], and the class that makes a tile hard, or "" [K], of a cell."""
        path = present(self.results / "runs" / cell.path / "panels.npz")
        try:
            with np.load(path) as arrays:
                return arrays["tiles"], arrays["predictions"], arrays["hard"]
        except (KeyError, *BROKEN):
            raise UserError(f"{path}: no panels in it; delete it and evaluate again") from None

    @cached_property
    def judged_blocks(self) -> list[plots.Panels]:
        """`judged_panels`, which the figure and the pictures apart both show."""
        return judged_panels(self)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """tables/scores.csv."""
        columns = ["dataset", "model", "recipe", "seed", "metric", "class", "value", "low", "high"]
        return read_csv(self.results / self.spec.name / "tables" / "scores.csv", columns)

    @cached_property
    def models(self) -> pd.DataFrame:
        """tables/models.csv."""
        columns = ["dataset", "model", "parameters", *plots.COSTS]
        return read_csv(self.results / self.spec.name / "tables" / "models.csv", columns)

    @property
    def colors(self) -> dict[str, str]:
        """Colour of each model and of the baseline."""
        return plots.model_colors(self.spec.study.models)

    def grid(self) -> list[tuple[str, str, str]]:
        """Every dataset and recipe, and how figures call the two together."""
        study = self.spec.study
        several = len(study.recipes) > 1
        return [
            (d, r, self.spec.datasets[d].title + (f" · {r}" if several else ""))
            for d in study.datasets
            for r in study.recipes
        ]

    def cells(self, dataset: str, recipe: str) -> list[Cell]:
        """Every cell of a dataset and recipe."""
        return [c for c in self.spec.cells if (c.dataset, c.recipe) == (dataset, recipe)]

    def counted(self, dataset: str, recipe: str) -> list[int]:
        """Class indices that count."""
        return self.spec.counted(self.cells(dataset, recipe)[0])

    def judged(self, dataset: str, recipe: str) -> pd.DataFrame:
        """Rows of scores.csv; every model must have some."""
        rows = self.scores[(self.scores["dataset"] == dataset) & (self.scores["recipe"] == recipe)]
        lacking = [model for model in self.colors if model not in set(rows["model"])]
        if lacking:
            path = self.results / self.spec.name / "tables" / "scores.csv"
            what = f"{lacking[0]!r} on {dataset!r} by {recipe!r}"
            raise UserError(f"{path}: no score of {what}; build the tables again")
        return rows


def pixel_column(land: LandClass) -> str:
    """Column of tiles.csv that counts a class's pixels."""
    return f"pixels_{land.name}"


# --- one function per figure -----------------------------------------------------------------------------


def samples(files: Files) -> Figure:
    """A few tiles of each dataset beside their masks."""
    datasets = files.spec.datasets
    count = 6 if len(datasets) == 1 else 4
    blocks = []
    for name, dataset in datasets.items():
        table = files.tiles(name)
        shown = diverse_tiles(table, dataset.classes, count)
        title = f"{dataset.title}: {len(shown)} of {len(table):,} tiles"
        blocks.append(panels(files, name, title, shown))
    return plots.samples(blocks)


def diverse_tiles(table: pd.DataFrame, classes: list[LandClass], count: int) -> np.ndarray:
    """The tiles with the most even mix of classes, one a scene, whole ones first: numbers [≤ count], rising."""
    pixels = table[[pixel_column(c) for c in classes]].to_numpy(float)
    shares = np.nan_to_num(ratio(pixels, pixels.sum(1, keepdims=True)))
    mix = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(1)
    order = table.assign(mix=mix).sort_values(["whole", "mix", "tile"], ascending=[False, False, True])
    return np.sort(order.drop_duplicates("scene")["tile"].to_numpy()[:count])


def panels(files: Files, dataset: str, title: str, shown: np.ndarray) -> plots.Panels:
    """Tiles of a dataset, read from its store."""
    table, classes = files.tiles(dataset), files.spec.datasets[dataset].classes
    images, masks = files.pixels(dataset, "images.npy"), files.pixels(dataset, "masks.npy")
    for name, array in {"images.npy": images, "masks.npy": masks}.items():
        if len(array) != len(table):
            path = files.data / "tiles" / dataset / name
            raise UserError(f"{path}: {len(array)} tiles, but tiles.csv has {len(table)}; tile again")
    return plots.Panels(title, classes, table["scene"].iloc[shown].tolist(), images[shown], masks[shown])


def classes(files: Files) -> Figure:
    """How the pixels of each dataset, and of each subset of its splits, are shared among the classes."""
    recipes = files.spec.recipes.values()
    pools = dict.fromkeys((recipe.split, recipe.padded_tiles) for recipe in recipes)
    found = []
    for name, dataset in files.spec.datasets.items():
        table = files.tiles(name)
        columns = [pixel_column(c) for c in dataset.classes]
        for split, padded in pools:
            pool = table.merge(files.subsets(name, split)[["tile", "subset"]], on="tile")
            pool = pool if padded else pool[pool["whole"] == 1]
            sums = pool.groupby("subset")[columns].sum()
            subsets = {s: share(sums.loc[s].to_numpy()) for s in plots.SUBSET_MARKS if s in sums.index}
            title = f"{dataset.title} · split {split}\n{len(pool):,} {'tiles' if padded else 'whole tiles'}"
            found.append(plots.Shares(title, dataset.classes, share(pool[columns].sum().to_numpy()), subsets))
    return plots.class_shares(found)


def share(pixels: np.ndarray) -> np.ndarray:
    """Each part of the whole; NaN where there is nothing to share."""
    return ratio(pixels, pixels.sum())


def architecture(files: Files) -> Figure:
    """What each model is made of."""
    inputs = []
    for name, dataset in files.spec.datasets.items():
        _, size, _, bands = files.pixels(name, "images.npy").shape
        inputs.append(plots.Input(dataset.title, size, bands, len(dataset.classes)))
    rows = files.models.drop_duplicates("model").set_index("model")
    return plots.architecture(files.spec.models, inputs, rows["parameters"].to_dict())


def runs(files: Files) -> list[plots.Run]:
    """The histories of every dataset, recipe and model, with the losses a report printed."""
    losses = [p for p in files.spec.study.published if p.epoch and p.metric in ("train_loss", "val_loss")]
    found = []
    for dataset, recipe, title in files.grid():
        for model in files.spec.study.models:
            histories = [files.history(c) for c in files.cells(dataset, recipe) if c.model == model]
            key = (dataset, recipe, model)
            points = [(p.metric, p.epoch, p.value) for p in losses if (p.dataset, p.recipe, p.model) == key]
            found.append(plots.Run(title, model, histories, points))
    return found


def metrics(files: Files) -> Figure:
    """Metrics over epochs."""
    return plots.metrics(runs(files), files.colors)


def losses(files: Files) -> Figure:
    """Training and validation loss over epochs."""
    return plots.losses(runs(files), files.colors)


def predictions(files: Files) -> Figure:
    """The same tiles as every model sees them, by the first seed."""
    return plots.predictions(files.judged_blocks)


def judged_panels(files: Files) -> list[plots.Panels]:
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
                raise UserError(f"{path}: its tiles are not those of the other models; evaluate all again")
            if guesses.shape != (len(tiles), *masks.shape[1:]) or max(tiles, default=0) >= len(masks):
                raise UserError(f"{path}: its tiles are not those of the tile store; evaluate again")
        block = panels(files, dataset, title, shown)
        guesses = {model: guess for model, (_, guess, _) in found.items()}
        names = [f"{scene}: odd {name}" if name else scene for scene, name in zip(block.scenes, hard, strict=True)]
        blocks.append(block._replace(scenes=names, predictions=guesses, counted=files.counted(dataset, recipe)))
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
                    "image": plots.photograph_uri(image),
                    "layers": [
                        {"picture": plots.mask_uri(layer, mask, block.classes), "accuracy": accuracy}
                        for layer, accuracy in layers(block, row, mask)
                    ],
                }
                for row, (name, image, mask) in enumerate(zip(block.scenes, block.images, block.masks, strict=True))
            ],
        }
        for block in files.judged_blocks
    ]


def layers(block: plots.Panels, row: int, mask: np.ndarray) -> list[tuple[np.ndarray, float | None]]:
    """A tile's mask, then each model's prediction with its pixel accuracy, None where no pixel is judged."""
    found = [(mask, None)]
    for predicted in block.predictions.values():
        accuracy = plots.shown_accuracy(predicted[row], mask, block.counted)
        found.append((predicted[row], None if np.isnan(accuracy) else round(accuracy, 4)))
    return found


def scores(files: Files, dataset: str, recipe: str, title: str) -> plots.Scores:
    """The scores of a dataset and recipe, for the classes that count."""
    known = files.spec.datasets[dataset].classes
    counted = [known[i] for i in files.counted(dataset, recipe)]
    return plots.Scores(title, counted, files.judged(dataset, recipe))


def per_class(files: Files) -> Figure:
    """IoU of each class and model."""
    return plots.per_class([scores(files, *place) for place in files.grid()], files.colors)


def leakage(files: Files) -> Figure:
    """What the judged tiles share with the training tiles, and the score that goes with it."""
    audits = []
    for dataset, entry in files.spec.datasets.items():
        rows = pd.DataFrame([audit(files, dataset, recipe) for recipe in files.spec.recipes])
        judged = {recipe: files.judged(dataset, recipe) for recipe in files.spec.recipes}
        audits.append(plots.Audit(entry.title, rows, judged))
    return plots.leakage(audits, files.colors)


def audit(files: Files, dataset: str, name: str) -> dict:
    """The row of the leakage audit that a recipe's score stands on."""
    recipe = files.spec.recipes[name]
    path = files.data / "splits" / dataset / f"{recipe.split}.leakage.csv"
    table = read_csv(path, ["pool", "subset", "tiles", "scene_shared", "group_shared"])
    pool, subset = "all" if recipe.padded_tiles else "whole", recipe.evaluate.subset
    rows = table[(table["pool"] == pool) & (table["subset"] == subset)]
    if len(rows) != 1 or not rows["tiles"].all():
        raise UserError(f"{path}: no one row for the {subset} tiles of pool {pool!r}; delete it and split again")
    return {"recipe": name, "split": recipe.split} | rows.iloc[0].to_dict()


def cost(files: Files) -> Figure:
    """Score against epoch time, latency and memory."""
    blocks = []
    for dataset, recipe, title in files.grid():
        means = plots.summary(files.judged(dataset, recipe), "miou_d", "all").drop(MAJORITY)
        costs = files.models[files.models["dataset"] == dataset]
        blocks.append(plots.Cost(title, means.reset_index().merge(costs, on="model", how="left")))
    return plots.cost(blocks, files.colors)


DRAW: dict[str, Callable[[Files], Figure]] = {
    "samples": samples,
    "classes": classes,
    "architecture": architecture,
    "metrics": metrics,
    "losses": losses,
    "predictions": predictions,
    "per_class": per_class,
    "leakage": leakage,
    "cost": cost,
}


if __name__ == "__main__":
    paths = {"data": "folder of tiles and splits", "results": "folder of runs and tables; figures go there too"}
    stage("figures", __doc__, StudySlice, run, paths)
