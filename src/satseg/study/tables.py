"""The frames of a study's tables: scores.csv, models.csv, splits.csv and published.csv."""

from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd

from satseg.config.papers import PaperTable
from satseg.data import leakage
from satseg.data.ground import independent_groups
from satseg.errors import UserError
from satseg.measures import CLASS_METRICS, MAJORITY, METRICS, SIZES
from satseg.metrics.baseline import majority_counts
from satseg.metrics.scores import scores
from satseg.study.inputs import PROFILE_COSTS, TRAINED_COSTS, StudyInputs

SCORES = ["dataset", "model", "recipe", "seed", "subset", "metric", "class", "value", "low", "high"]
SPLITS = ["dataset", "split", "recipe", *leakage.COLUMNS, "fold"]
PUBLISHED = [
    "dataset",
    "model",
    "recipe",
    "metric",
    "epoch",
    "class",
    "published",
    "ours",
    "difference",
]


class EvaluatedCounts(NamedTuple):
    """The counts of every run on a dataset under a recipe, all on the same tiles; the runs of all
    folds of a seed are one, whose tiles are those of every fold."""

    dataset: str
    recipe: str
    runs: dict[tuple[str, int], pd.DataFrame]
    """(model, seed) → counts.csv frame."""
    majority: pd.DataFrame
    """The baseline's counts."""
    majority_class: str
    """The class the baseline always answers; of folds, all that it answers in one of them."""
    groups: dict[int, str]
    """Group of each evaluated tile; tiles of two groups do not overlap on the ground, as far as
    they say where they lie."""
    folds: dict[int, list[int]]
    """The tiles that each fold tests; empty without folds."""


def evaluated_counts(inputs: StudyInputs, dataset_name: str, recipe_name: str) -> EvaluatedCounts:
    """The counts of every run on a dataset under a recipe, and those of the baseline.

    Raises:
        UserError: a file is missing or broken, the recipe uses no tile of its subset, or a run was
            evaluated on other tiles.
    """
    baselines = {}
    answers = {}
    for fold in inputs.folds(recipe_name):
        baselines[fold], answer = _baseline(inputs, dataset_name, recipe_name, fold)
        answers[answer] = None

    parts: dict[tuple[str, int], list[pd.DataFrame]] = {}
    for cell in inputs.cells(dataset_name, recipe_name):
        counts = inputs.counts(cell)
        if not np.array_equal(counts["tile"], baselines[cell.fold]["tile"]):
            recipe = inputs.job.recipes[recipe_name]
            raise UserError(
                f"{inputs.run_folder(cell) / 'counts.csv'}: its tiles are not the "
                f"{recipe.evaluate.subset} tiles of split {recipe.split!r}; evaluate again"
            )
        parts.setdefault((cell.model, cell.seed), []).append(counts)

    majority = _joined(list(baselines.values()))
    tiles = inputs.tiles[dataset_name]
    folds = {fold: frame["tile"].unique().tolist() for fold, frame in baselines.items() if fold}
    return EvaluatedCounts(
        dataset=dataset_name,
        recipe=recipe_name,
        runs={run: _joined(frames) for run, frames in parts.items()},
        majority=majority,
        majority_class=" or ".join(answers),
        groups=independent_groups(tiles[tiles["tile"].isin(majority["tile"])]),
        folds=folds,
    )


def _baseline(
    inputs: StudyInputs, dataset_name: str, recipe_name: str, fold: int | None
) -> tuple[pd.DataFrame, str]:
    """The baseline's counts, and the class it answers, in a fold or without folds."""
    recipe = inputs.job.recipes[recipe_name]
    subset = recipe.evaluate.subset
    counts, answer = majority_counts(
        inputs.tiles[dataset_name],
        inputs.split(dataset_name, recipe_name, fold),
        [c.name for c in inputs.counted_classes(dataset_name, recipe_name)],
        subset,
        recipe.padded_tiles,
    )
    if counts.empty:
        raise UserError(
            f"{inputs.split_path(dataset_name, recipe_name, fold)}: it has no {subset} tile that "
            f"recipe {recipe_name!r} uses; choose another split or subset"
        )
    return counts, answer


def _joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """The counts of all folds in the order of the tiles, which lie in one fold each."""
    if len(frames) == 1:
        return frames[0]
    return pd.concat(frames).sort_values("tile", kind="stable", ignore_index=True)


def scores_table(inputs: StudyInputs, evaluated: list[EvaluatedCounts]) -> pd.DataFrame:
    """scores.csv: every metric of every run and of the baseline, which has seed 0."""
    frames = []
    for counts in evaluated:
        for (model, seed), frame in [*counts.runs.items(), ((MAJORITY, 0), counts.majority)]:
            frames.append(
                scores([frame], counts.groups).assign(
                    dataset=counts.dataset,
                    model=model,
                    recipe=counts.recipe,
                    seed=seed,
                    subset=inputs.job.recipes[counts.recipe].evaluate.subset,
                )[SCORES]
            )
    return pd.concat(frames, ignore_index=True)


def epoch_seconds(histories: list[pd.DataFrame], limit: int | None = None) -> float:
    """Mean epoch time: over the epochs of a run, then over runs; with a limit of epochs, a run that
    stopped before it counts without its last epoch."""
    means = []
    for history in histories:
        stopped = limit is not None and 1 < len(history) < limit
        seconds = history["epoch_seconds"].iloc[: -1 if stopped else None]
        means.append(seconds.mean())
    return float(np.mean(means))


def models_table(inputs: StudyInputs) -> pd.DataFrame:
    """models.csv: what each model costs on each dataset, a row per recipe, because epochs of
    different recipes are different work."""
    rows = []
    for (dataset, model), recipe in product(inputs.profiles, inputs.job.recipes):
        profile = inputs.profiles[dataset, model]
        row = {"dataset": dataset, "model": model, "recipe": recipe}
        trained = profile["trained"]
        row["classes"] = profile["classes"]
        row["parameters"] = trained["parameters"]
        row |= {name: profile[name] for name in PROFILE_COSTS}
        row["tile"] = "×".join(map(str, trained["input"]))
        row |= {f"tile_{name}": trained[name] for name in TRAINED_COSTS}
        row["epoch_seconds"] = epoch_seconds(inputs.model_histories(dataset, model, recipe))
        rows.append(row)
    return pd.DataFrame(rows)


def splits_table(inputs: StudyInputs) -> pd.DataFrame:
    """splits.csv: the leakage audit of each recipe's split and of each of its folds, over the tiles
    the recipe uses."""
    frames = []
    for dataset_name, (recipe_name, recipe) in product(
        inputs.job.datasets, inputs.job.recipes.items()
    ):
        for fold in inputs.folds(recipe_name):
            path, audit = inputs.audit(dataset_name, recipe_name, fold)
            if audit.empty:
                raise UserError(
                    f"{path}: it has no row for the tiles that recipe {recipe_name!r} uses; delete "
                    "the file and split again"
                )
            keys = {"dataset": dataset_name, "split": recipe.split, "recipe": recipe_name}
            numbers = pd.array([fold] * len(audit), "Int64")
            frames.append(audit.assign(**keys, fold=numbers)[SPLITS])
    return pd.concat(frames, ignore_index=True)


def published_table(inputs: StudyInputs, score_rows: pd.DataFrame) -> pd.DataFrame:
    """published.csv: each published figure beside ours (mean over seeds; empty for epochs not
    reached).

    Args:
        inputs: the study's files.
        score_rows: the frame of scores.csv.
    """
    rows = []
    if inputs.job.paper:
        for table, model in product(inputs.job.paper.tables, inputs.job.models):
            rows += _paper_rows(inputs, table, model, score_rows)

    for i, figure in enumerate(inputs.job.study.published):
        key = f"study {inputs.job.name}: published.{i}.metric"
        cell = [figure.dataset, figure.model, figure.recipe]
        if figure.epoch is None:
            values = _scored(score_rows, [*cell, figure.metric, figure.class_name], key)
        else:
            values = _at_epoch(inputs.model_histories(*cell), figure.metric, figure.epoch, key)
        ours = float(values.mean()) if len(values) else float("nan")
        named = [*cell, figure.metric, figure.epoch, figure.class_name]
        rows.append([*named, figure.value, ours, ours - figure.value])
    return pd.DataFrame(rows, columns=PUBLISHED).astype({"epoch": "Int64"})


def _scored(score_rows: pd.DataFrame, wanted: list[str], key: str) -> pd.Series:
    """A metric of every seed: dataset, model, recipe, metric and class are `wanted`."""
    columns = ["dataset", "model", "recipe", "metric", "class"]
    values = score_rows.loc[(score_rows[columns] == wanted).all(axis=1), "value"]
    if values.empty:
        *_, metric, class_name = wanted
        metrics = ", ".join(dict.fromkeys([*METRICS, *CLASS_METRICS]))
        raise UserError(
            f"{key}: scores.csv has no {metric!r} of class {class_name!r}; metrics: {metrics}"
        )
    return values


def _at_epoch(histories: list[pd.DataFrame], metric: str, epoch: int, key: str) -> pd.Series:
    """A metric of every history that reached an epoch, after it."""
    if metric not in histories[0]:
        raise UserError(
            f"{key}: {metric!r} is not a column of history.csv ({', '.join(histories[0])})"
        )
    return pd.concat([history.loc[history["epoch"] == epoch, metric] for history in histories])


def _paper_rows(
    inputs: StudyInputs, table: PaperTable, model: str, score_rows: pd.DataFrame
) -> list[list]:
    """Rows of published.csv for a model's row of a published table.

    Sizes depend only on the number of classes, which takes the place of a class; the other figures
    are compared if the study has the table's dataset and recipe.
    """
    rows = []
    cell = [table.dataset, model, table.recipe]
    histories = inputs.model_histories(*cell)
    keys = ["dataset", "model", "recipe", "metric", "class"]
    means = score_rows.groupby(keys)["value"].mean()

    for column, published, classes in table.row(model):
        class_name = column.class_name
        if column.metric in SIZES:
            class_name = f"{classes} classes"
            ours = _size(inputs, model, str(classes), column.metric)
        elif not histories:
            continue
        elif column.metric == "epoch_seconds":
            limit = None if table.stopping_epoch else inputs.job.recipes[table.recipe].epochs
            ours = epoch_seconds(histories, limit)
        else:
            ours = means[*cell, column.metric, class_name]
        rows.append([*cell, column.metric, None, class_name, published, ours, ours - published])
    return rows


def _size(inputs: StudyInputs, model: str, classes: str, metric: str) -> float:
    """A model's size with this many classes, whichever dataset it was profiled for."""
    dataset = next(dataset for dataset, name in inputs.profiles if name == model)
    sizes = inputs.profiles[dataset, model]["sizes"]
    if classes not in sizes:
        raise UserError(
            f"profile of {model} on {dataset}: it has no size for {classes} classes; delete it and "
            "profile again"
        )
    return sizes[classes][metric]
