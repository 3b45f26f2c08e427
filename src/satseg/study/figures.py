"""A study's figures, from what its runs wrote."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from satseg.data import leakage
from satseg.data.labels import pixels_column
from satseg.errors import UserError
from satseg.figures.architecture import architecture_figure
from satseg.figures.augmentations import augmentations_figure
from satseg.figures.calibration import calibration_figure
from satseg.figures.classes import ClassShares, classes_figure
from satseg.figures.confusion import Confusions, confusion_figure
from satseg.figures.cost import CostScores, cost_figure
from satseg.figures.curves import ModelRuns
from satseg.figures.leakage import Audit, leakage_figure
from satseg.figures.loss_curves import losses_figure
from satseg.figures.metric_curves import metrics_figure
from satseg.figures.per_class import ClassScores, per_class_figure
from satseg.figures.predictions import predictions_figure
from satseg.figures.samples import samples_figure
from satseg.figures.slabs import ModelInput
from satseg.figures.style import SUBSET_MARKS, model_colors, model_scores
from satseg.figures.trials import TunedTrials, trials_figure
from satseg.measures import MAJORITY
from satseg.metrics.counts import ratio
from satseg.study.calibration import calibrated_models
from satseg.study.errors import model_confusions
from satseg.study.inputs import Place, StudyInputs
from satseg.study.panels import diverse_tiles, evaluated_tiles, stored_tiles
from satseg.study.spread import alike
from satseg.study.tuning import tuning_results
from satseg.text import counted, fold_title

TIMES = ("latency_ms",)  # the profiled costs that have a spread


def draw_samples(inputs: StudyInputs) -> Figure:
    """A few tiles of each dataset beside their masks."""
    datasets = inputs.job.datasets
    count = 6 if len(datasets) == 1 else 4
    groups = []
    for dataset_name, dataset in datasets.items():
        table = inputs.tiles[dataset_name]
        numbers = diverse_tiles(table, dataset.classes, count)
        title = f"{dataset.title}: {len(numbers)} of {len(table):,} tiles"
        groups.append(stored_tiles(inputs, dataset_name, title, numbers))
    return samples_figure(groups)


def draw_augmentations(inputs: StudyInputs) -> Figure:
    """What the recipes may make of a tile."""
    # Torch takes seconds to import, and no other figure needs it.
    from satseg.study.augmentations import changed_tiles

    return augmentations_figure(changed_tiles(inputs))


def draw_trials(inputs: StudyInputs) -> Figure:
    """What the tunings of the study's recipes tried."""
    results = tuning_results(inputs).items()
    tunings = inputs.job.tunings
    groups = [TunedTrials(name, tunings[name], *result) for name, result in results]
    return trials_figure(groups)


def draw_classes(inputs: StudyInputs) -> Figure:
    """How the pixels of each dataset, and of each subset of its splits, are shared among the
    classes."""
    pools: dict[tuple[str, bool], str] = {}
    for name, recipe in inputs.job.recipes.items():
        pools.setdefault((recipe.split, recipe.padded_tiles), name)
    shares = []
    for dataset_name, recipe_name in product(inputs.job.datasets, pools.values()):
        for fold in inputs.folds(recipe_name):
            shares.append(_class_shares(inputs, dataset_name, recipe_name, fold))
    return classes_figure(shares)


def _class_shares(
    inputs: StudyInputs, dataset_name: str, recipe_name: str, fold: int | None
) -> ClassShares:
    """The classes' shares of the tiles that a recipe uses, in a fold if its split has folds."""
    dataset = inputs.job.datasets[dataset_name]
    recipe = inputs.job.recipes[recipe_name]
    padded = recipe.padded_tiles
    columns = [pixels_column(land_class.name) for land_class in dataset.classes]
    split = inputs.split(dataset_name, recipe_name, fold)
    pool = inputs.tiles[dataset_name].merge(split[["tile", "subset"]], on="tile")
    pool = pool if padded else pool[pool["whole"] == 1]

    sums = pool.groupby("subset")[columns].sum()
    subsets = {name: _of_total(sums.loc[name]) for name in SUBSET_MARKS if name in sums.index}
    tiles = counted(len(pool), "tile" if padded else "whole tile")
    title = f"{dataset.title} · split {fold_title(recipe.split, fold)}\n{tiles}"
    return ClassShares(title, dataset.classes, _of_total(pool[columns].sum()), subsets)


def _of_total(pixels: pd.Series) -> np.ndarray:
    """Each part of the total; NaN if the total is zero."""
    return ratio(pixels.to_numpy(), pixels.to_numpy().sum())


def draw_architecture(inputs: StudyInputs) -> Figure:
    """What each model is made of."""
    model_inputs = []
    for dataset_name, dataset in inputs.job.datasets.items():
        _, size, _, bands = inputs.array(dataset_name, "images.npy").shape
        model_inputs.append(ModelInput(dataset.title, size, bands, len(dataset.classes)))
    parameters = inputs.models.drop_duplicates("model").set_index("model")["parameters"]
    first = next(iter(inputs.job.datasets))
    outlines = {name: inputs.profiles[first, name].get("outline") for name in inputs.job.models}
    return architecture_figure(inputs.job.models, model_inputs, parameters.to_dict(), outlines)


def draw_metrics(inputs: StudyInputs) -> Figure:
    """Metrics over epochs."""
    return metrics_figure(_model_runs(inputs), _colors(inputs))


def draw_losses(inputs: StudyInputs) -> Figure:
    """Training and validation loss over epochs."""
    return losses_figure(_model_runs(inputs), _colors(inputs))


def _model_runs(inputs: StudyInputs) -> list[ModelRuns]:
    """The histories of every dataset, recipe and model, with the losses that a report published."""
    losses = [
        figure
        for figure in inputs.job.study.published
        if figure.epoch and figure.metric in ("train_loss", "val_loss")
    ]
    runs = []
    for place in inputs.places():
        for model in inputs.job.study.models:
            cell = (place.dataset, model, place.recipe)
            published = [
                (loss.metric, loss.epoch, loss.value)
                for loss in losses
                if (loss.dataset, loss.model, loss.recipe) == cell
            ]
            runs.append(ModelRuns(place.title, model, inputs.model_histories(*cell), published))
    return runs


def draw_predictions(inputs: StudyInputs) -> Figure:
    """The same tiles as every model sees them, by the first seed."""
    return predictions_figure(evaluated_tiles(inputs))


def draw_per_class(inputs: StudyInputs) -> Figure:
    """IoU of each class and model."""
    groups = []
    for place in inputs.places():
        classes = inputs.counted_classes(place.dataset, place.recipe)
        rows = _rows(inputs, "summary", place.dataset, place.recipe)
        seeds = _rows(inputs, "scores", place.dataset, place.recipe)
        groups.append(ClassScores(place.title, classes, rows, seeds))
    return per_class_figure(groups, _colors(inputs))


def draw_confusion(inputs: StudyInputs) -> Figure:
    """Which class each model takes for which."""
    groups = []
    for place in inputs.places():
        names = [c.name for c in inputs.counted_classes(place.dataset, place.recipe)]
        matrices = model_confusions(inputs, place.dataset, place.recipe)
        groups.append(Confusions(place.title, names, matrices))
    return confusion_figure(groups)


def draw_leakage(inputs: StudyInputs) -> Figure:
    """What the evaluated tiles share with the training tiles, and the score that goes with it."""
    recipe_names = list(inputs.job.recipes)
    audits = []
    for dataset_name, dataset in inputs.job.datasets.items():
        rows = pd.DataFrame([_audit_row(inputs, dataset_name, name) for name in recipe_names])
        scores = {name: _rows(inputs, "summary", dataset_name, name) for name in recipe_names}
        audits.append(Audit(dataset.title, rows, scores))
    return leakage_figure(audits, _colors(inputs))


def _audit_row(inputs: StudyInputs, dataset_name: str, recipe_name: str) -> dict:
    """The leakage audit of the tiles that a recipe's score comes from, those of all folds."""
    recipe = inputs.job.recipes[recipe_name]
    subset = recipe.evaluate.subset
    evaluated = []
    for fold in inputs.folds(recipe_name):
        path, audit = inputs.audit(dataset_name, recipe_name, fold)
        rows = audit[audit["subset"] == subset]
        if len(rows) != 1 or not rows["tiles"].all():
            raise UserError(
                f"{path}: there must be one row for the {subset} tiles that recipe {recipe_name!r} "
                "uses; delete the file and split again"
            )
        evaluated.append(rows)
    counts = pd.concat(evaluated)[leakage.COUNTS].sum()
    return {"recipe": recipe_name, "split": recipe.split, "subset": subset} | counts.to_dict()


def draw_cost(inputs: StudyInputs) -> Figure:
    """Score against epoch time, latency and memory."""
    groups = []
    for place in inputs.places():
        scores = _rows(inputs, "summary", place.dataset, place.recipe)
        own = model_scores(scores, "miou_d", "all")
        baseline = float(own.loc[MAJORITY, "value"]) if MAJORITY in own.index else float("nan")
        own = own.drop(MAJORITY, errors="ignore")
        models = inputs.models
        here = (models["dataset"] == place.dataset) & (models["recipe"] == place.recipe)
        costs = models[here].drop(columns=["dataset", "recipe"])
        rows = own.reset_index().merge(costs, on="model", how="left")
        same = {by: _same_times(inputs, place.dataset, list(rows["model"]), by) for by in TIMES}
        tied = _tied(inputs, place, own)
        failed = _failed(inputs, place, own, baseline)
        groups.append(CostScores(place.title, rows, tied, same, baseline, failed))
    return cost_figure(groups, _colors(inputs))


def _same_times(inputs: StudyInputs, dataset_name: str, models: list[str], by: str) -> np.ndarray:
    """Which times of these models cannot be told apart: bool [N, N]."""
    profiles = [inputs.profiles[dataset_name, model] for model in models]
    pairs = [alike(first, second, by) for first, second in product(profiles, profiles)]
    return np.array(pairs).reshape(len(models), len(models))


def _tied(inputs: StudyInputs, place: Place, scores: pd.DataFrame) -> list[str]:
    """The models that their paired difference does not tell from the best one."""
    best = scores["value"].idxmax()
    pairs = _pairs(inputs, place)
    told = pairs[(pairs["low"] > 0) | (pairs["high"] < 0)]
    apart = set(told.loc[told["first"] == best, "second"])
    apart |= set(told.loc[told["second"] == best, "first"])
    return [model for model in scores.index if model != best and model not in apart]


def _failed(inputs: StudyInputs, place: Place, scores: pd.DataFrame, baseline: float) -> list[str]:
    """The models that do not beat the majority baseline: the interval of their paired difference
    does not lie above zero or, where there is no interval, their score is no higher."""
    pairs = _pairs(inputs, place)
    own = pairs[pairs["second"] == MAJORITY].set_index("first")["low"].reindex(scores.index)
    told = own.fillna(scores["value"] - baseline)
    return list(scores.index[told <= 0])


def _pairs(inputs: StudyInputs, place: Place) -> pd.DataFrame:
    """The paired differences of mIoU^D at a place: rows of differences.csv."""
    rows = inputs.differences
    here = (rows["dataset"] == place.dataset) & (rows["recipe"] == place.recipe)
    return rows[here & (rows["metric"] == "miou_d")]


def draw_calibration(inputs: StudyInputs) -> Figure:
    """How far the models' probabilities hold."""
    return calibration_figure(calibrated_models(inputs), _colors(inputs))


def _rows(inputs: StudyInputs, table: str, dataset_name: str, recipe_name: str) -> pd.DataFrame:
    """Rows of scores.csv or summary.csv for a dataset and recipe; every model must have some."""
    frame = inputs.summary if table == "summary" else inputs.scores
    rows = frame[(frame["dataset"] == dataset_name) & (frame["recipe"] == recipe_name)]
    missing = [model for model in _colors(inputs) if model not in set(rows["model"])]
    if missing:
        raise UserError(
            f"{inputs.tables / table}.csv: no score of {missing[0]!r} on {dataset_name!r} with "
            f"{recipe_name!r}; build the tables again"
        )
    return rows


def _colors(inputs: StudyInputs) -> dict[str, str]:
    """Colour of each model and of the baseline."""
    return model_colors(inputs.job.study.models, inputs.job.places)


DRAW: dict[str, Callable[[StudyInputs], Figure]] = {
    "samples": draw_samples,
    "classes": draw_classes,
    "architecture": draw_architecture,
    "metrics": draw_metrics,
    "losses": draw_losses,
    "predictions": draw_predictions,
    "per_class": draw_per_class,
    "confusion": draw_confusion,
    "leakage": draw_leakage,
    "cost": draw_cost,
    "augmentations": draw_augmentations,
    "trials": draw_trials,
    "calibration": draw_calibration,
}
