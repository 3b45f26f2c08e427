"""A study's tables, from what its runs wrote."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from satseg.errors import UserError
from satseg.jobs.slices import Cell, StudySlice
from satseg.measures import DEFINITIONS, SIZES
from satseg.metrics.baseline import MAJORITY, majority_counts, training_pixels
from satseg.metrics.scores import resampled, resampling_unit, scores, scores_frame
from satseg.readers import read_counts, read_csv, read_json
from satseg.study.claims.evidence import Evidence
from satseg.study.comparison import Comparison, Result, scores_by_key

PROFILE = ["train_step_ms", "train_step_p95_ms", "latency_p95_ms", "sizes", "device", "input"]


COSTS = [
    "classes",
    "parameters",
    "memory_mb",
    "activations_mb",
    "gflops",
    "latency_ms",
    "peak_memory_mb",
]


SCORES = ["dataset", "model", "recipe", "seed", "subset", "metric", "class", "value", "low", "high"]


SPLITS = ["dataset", "split", "recipe", "pool", "subset", "tiles", "scene_shared", "group_shared"]


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


Histories = dict[Cell, pd.DataFrame]


Profiles = dict[tuple[str, str], dict]


Counts = dict[tuple[str, int], pd.DataFrame]
"""(model, seed) → counts.csv frame; the majority baseline last, with seed 0."""


def judged_counts(
    spec: StudySlice, dataset: str, recipe: str, tiles: pd.DataFrame, splits: Path, runs: Path
) -> tuple[Counts, str]:
    """The counts of every training on a dataset and of the baseline, and the class that one
    answers."""
    chosen, subset = spec.recipes[recipe], spec.recipes[recipe].evaluate.subset
    cells = [c for c in spec.cells if (c.dataset, c.recipe) == (dataset, recipe)]
    classes = counted_names(spec, cells[0])
    path = splits / dataset / f"{chosen.split}.csv"
    split = read_csv(path, ["tile", "subset"])
    baseline, said = majority_counts(tiles, split, classes, subset, chosen.padded_tiles)
    if baseline.empty:
        raise UserError(
            f"{path}: no {subset} tile that recipe {recipe!r} uses; choose another split or subset"
        )
    counts = {}
    for cell in cells:
        path = runs / cell.path / "counts.csv"
        counts[cell.model, cell.seed] = frame = read_counts(path, classes)
        if not np.array_equal(frame["tile"], baseline["tile"]):
            raise UserError(
                f"{path}: its tiles are not the {subset} tiles of split {chosen.split!r}; evaluate again"
            )
    return counts | {(MAJORITY, 0): baseline}, said


def counted_names(spec: StudySlice, cell: Cell) -> list[str]:
    """Names of the classes that count in a cell."""
    return [spec.datasets[cell.dataset].classes[i].name for i in spec.counted(cell)]


def scores_table(spec: StudySlice, judged: dict[tuple[str, str], Counts]) -> pd.DataFrame:
    """scores.csv: every metric of every training and baseline."""
    frames = []
    for (dataset, recipe), counts in judged.items():
        subset = spec.recipes[recipe].evaluate.subset
        for (model, seed), frame in counts.items():
            keys = {
                "dataset": dataset,
                "model": model,
                "recipe": recipe,
                "seed": seed,
                "subset": subset,
            }
            frames.append(scores([frame]).assign(**keys)[SCORES])
    return pd.concat(frames, ignore_index=True)


def compare(
    spec: StudySlice,
    dataset: str,
    recipe: str,
    counts: Counts,
    said: str,
    histories: Histories,
    profiles: Profiles,
    splits: pd.DataFrame,
) -> Comparison:
    """Put the models of one dataset × recipe side by side, each over all of its trainings."""
    subset = spec.recipes[recipe].evaluate.subset
    tiles = counts[MAJORITY, 0].drop_duplicates("tile")
    audit = splits[
        (splits["dataset"] == dataset) & (splits["recipe"] == recipe) & (splits["subset"] == subset)
    ]
    results = []
    for model in spec.models:
        trainings = [frame for (name, _), frame in counts.items() if name == model]
        mine = {
            c: h
            for c, h in histories.items()
            if (c.dataset, c.model, c.recipe) == (dataset, model, recipe)
        }
        costs = {
            name: profiles[dataset, model][name]
            for name in ("latency_ms", "memory_mb", "peak_memory_mb")
        }
        metrics = resampled(trainings)
        draws = {
            metric: found.draws for (metric, label), found in metrics.items() if label == "all"
        }
        keyed = scores_by_key(scores_frame(metrics))
        results.append(
            Result(model, keyed, epoch_seconds=epoch_seconds(mine), draws=draws, **costs)
        )
    return Comparison(
        dataset=dataset,
        title=spec.datasets[dataset].title,
        recipe=recipe,
        subset=subset,
        classes=list(counts[MAJORITY, 0]["class"].unique()),
        results=results,
        majority=Result(MAJORITY, scores_by_key(scores([counts[MAJORITY, 0]]))),
        majority_class=said,
        tiles=len(tiles),
        scenes=tiles["scene"].nunique(),
        unit=resampling_unit(tiles["scene"]),
        shared=int(audit["group_shared"].sum()),
        judged=tuple(tiles["tile"].tolist()),
    )


def gather(
    spec: StudySlice,
    comparison: Comparison,
    histories: Histories,
    profiles: Profiles,
    tiles: pd.DataFrame,
    splits: Path,
    runs: Path,
) -> Evidence:
    """What claims are tested with, beside the scores of a comparison."""
    dataset, recipe = comparison.dataset, spec.recipes[comparison.recipe]
    split = read_csv(splits / dataset / f"{recipe.split}.csv", ["tile", "subset"])
    cells = [c for c in histories if (c.dataset, c.recipe) == (dataset, comparison.recipe)]
    epochs = {
        m: [histories[c]["epoch_seconds"] for c in cells if c.model == m] for m in spec.models
    }
    devices = {c: read_json(runs / c.path / "run.json", ["device"])["device"] for c in cells}
    return Evidence(
        comparison=comparison,
        profiles={model: profiles[dataset, model] for model in spec.models},
        epochs={model: np.concatenate(each) for model, each in epochs.items()},
        devices={
            m: {device_name(d) for c, d in devices.items() if c.model == m} for m in spec.models
        },
        pixels=training_pixels(tiles, split, comparison.classes, recipe.padded_tiles),
    )


def device_name(device: dict) -> str:
    """A device in words; on a CPU the number of threads is part of what it can do."""
    name = device.get("name") or device["kind"]
    return f"{name}, {device.get('threads')} threads" if device["kind"] == "cpu" else name


def epoch_seconds(histories: Histories) -> float:
    """Mean epoch time: over the epochs of a training, then over trainings."""
    return float(np.mean([history["epoch_seconds"].mean() for history in histories.values()]))


def models_table(histories: Histories, profiles: Profiles) -> pd.DataFrame:
    """models.csv: what each model costs on each dataset."""
    rows = []
    for (dataset, model), profile in profiles.items():
        mine = {c: h for c, h in histories.items() if (c.dataset, c.model) == (dataset, model)}
        costs = {name: profile[name] for name in COSTS} | {"epoch_seconds": epoch_seconds(mine)}
        rows.append({"dataset": dataset, "model": model} | costs)
    return pd.DataFrame(rows)


def splits_table(spec: StudySlice, folder: Path) -> pd.DataFrame:
    """splits.csv: the leakage audit of each recipe's split, over the tiles the recipe uses."""
    parts = []
    for dataset in spec.datasets:
        for name, recipe in spec.recipes.items():
            path = folder / dataset / f"{recipe.split}.leakage.csv"
            audit = read_csv(path, SPLITS[3:])
            audit = audit[audit["pool"] == ("all" if recipe.padded_tiles else "whole")]
            if audit.empty:
                raise UserError(
                    f"{path}: no row for the tiles recipe {name!r} uses; delete the file and split again"
                )
            parts.append(audit.assign(dataset=dataset, split=recipe.split, recipe=name)[SPLITS])
    return pd.concat(parts, ignore_index=True)


def published_table(
    spec: StudySlice, histories: Histories, profiles: Profiles, rows: pd.DataFrame
) -> pd.DataFrame:
    """published.csv: each published figure beside ours (mean over seeds; empty for epochs not
    reached)."""
    found = paper_rows(spec, histories, profiles, rows)
    for i, figure in enumerate(spec.study.published):
        key = f"study {spec.name}: published.{i}.metric"
        cell = (figure.dataset, figure.model, figure.recipe)
        if figure.epoch is not None:
            mine = [h for c, h in histories.items() if (c.dataset, c.model, c.recipe) == cell]
            if figure.metric not in mine[0]:
                raise UserError(
                    f"{key}: {figure.metric!r} is no column of history.csv ({', '.join(mine[0])})"
                )
            values = pd.concat([h.loc[h["epoch"] == figure.epoch, figure.metric] for h in mine])
        else:
            wanted = [*cell, figure.metric, figure.class_name]
            columns = ["dataset", "model", "recipe", "metric", "class"]
            values = rows.loc[(rows[columns] == wanted).all(axis=1), "value"]
            if values.empty:
                raise UserError(
                    f"{key}: scores.csv has no {figure.metric!r} of class {figure.class_name!r}; "
                    f"metrics: {', '.join(DEFINITIONS)}"
                )
        ours = float(values.mean()) if len(values) else float("nan")
        named = [*cell, figure.metric, figure.epoch, figure.class_name]
        found.append([*named, figure.value, ours, ours - figure.value])
    return pd.DataFrame(found, columns=PUBLISHED).astype({"epoch": "Int64"})


def paper_rows(
    spec: StudySlice, histories: Histories, profiles: Profiles, rows: pd.DataFrame
) -> list[list]:
    """Rows of published.csv for the paper's tables.

    Sizes depend on nothing but the number of classes, which stands in place of a class; the other
    figures are compared where the study has the table's dataset and recipe.
    """
    found = []
    ours = rows.groupby(["dataset", "model", "recipe", "metric", "class"])["value"].mean()
    for table, model in product(spec.paper.tables if spec.paper else [], spec.models):
        cell = (table.dataset, model, table.recipe)
        mine = {c: h for c, h in histories.items() if (c.dataset, c.model, c.recipe) == cell}
        for column, printed, classes in table.row(model):
            metric, label = column.metric, column.class_name
            if metric in SIZES:
                label = f"{classes} classes"
                value = size(profiles, model, str(classes), metric)
            elif mine:
                value = (
                    epoch_seconds(mine) if metric == "epoch_seconds" else ours[*cell, metric, label]
                )
            else:
                continue
            found.append([*cell, metric, None, label, printed, value, value - printed])
    return found


def size(profiles: Profiles, model: str, classes: str, metric: str) -> float:
    """A model's size with this many classes, whichever dataset it was profiled for."""
    (dataset, _), profile = next((key, p) for key, p in profiles.items() if key[1] == model)
    if classes not in profile["sizes"]:
        raise UserError(
            f"profile of {model} on {dataset}: no size for {classes} classes; delete it and profile again"
        )
    return profile["sizes"][classes][metric]
