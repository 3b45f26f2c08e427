"""Lay out a study's numbers: CSV files for programs, Markdown for people."""

from pathlib import Path

import numpy as np
import pandas as pd

from satseg import writeup
from satseg.cli import log, stage
from satseg.comparison import Comparison, Result, gaps, scores_by_key
from satseg.config import TABLES
from satseg.errors import UserError
from satseg.files import atomic
from satseg.metrics import DEFINITIONS, MAJORITY, majority_counts, resampling_unit, scores
from satseg.outputs import read_counts, read_csv, read_json
from satseg.slices import Cell, StudySlice

COSTS = ["classes", "parameters", "memory_mb", "activations_mb", "gflops", "latency_ms", "peak_memory_mb"]
SCORES = ["dataset", "model", "recipe", "seed", "subset", "metric", "class", "value", "low", "high"]
SPLITS = ["dataset", "split", "recipe", "pool", "subset", "tiles", "scene_shared", "group_shared"]
PUBLISHED = ["dataset", "model", "recipe", "metric", "epoch", "class", "published", "ours", "difference"]

Histories = dict[Cell, pd.DataFrame]
Profiles = dict[tuple[str, str], dict]


def run(spec: StudySlice, data: str, results: str) -> None:
    """Write the study's tables from counts, histories, profiles and splits.

    Raises:
        UserError: a file is missing, or does not hold what it should.
    """
    if MAJORITY in spec.models:
        raise UserError(f"models.{MAJORITY}: this is the name of the baseline; call the model something else")
    runs = Path(results, "runs")
    histories = {c: read_csv(runs / c.path / "history.csv", ["epoch", "epoch_seconds"]) for c in spec.cells}
    profiles = {
        (dataset, model): read_json(Path(results, "profiles", dataset, f"{model}.json"), [*COSTS, "device", "input"])
        for dataset in spec.datasets
        for model in spec.models
    }
    tiles = {
        d: read_csv(Path(data, "tiles", d, "tiles.csv"), ["tile", "scene", "group", "whole"]) for d in spec.datasets
    }
    models = models_table(histories, profiles)
    splits = splits_table(spec, Path(data, "splits"))
    judged = {
        (dataset, recipe): judged_counts(spec, dataset, recipe, tiles[dataset], Path(data, "splits"), runs)
        for dataset in spec.datasets
        for recipe in spec.recipes
    }
    rows = scores_table(spec, {key: counts for key, (counts, _) in judged.items()})
    published = published_table(spec, histories, rows)
    comparisons = [
        compare(spec, dataset, recipe, counts, said, histories, profiles, splits)
        for (dataset, recipe), (counts, said) in judged.items()
    ]
    leaks = gaps(comparisons, {name: recipe.model_dump() for name, recipe in spec.recipes.items()})
    texts = {
        "scores": writeup.scores(spec, comparisons, leaks),
        "per_class": writeup.per_class(comparisons),
        "models": writeup.models(spec, models, profiles),
        "splits": writeup.splits(spec, splits, tiles, leaks),
        "published": writeup.published(spec, published),
    }
    out = Path(results, spec.name, "tables")
    for name, frame in {"scores": rows, "models": models, "splits": splits, "published": published}.items():
        with atomic(out / f"{name}.csv") as temporary:
            frame.to_csv(temporary, index=False, float_format=plain)
    for name in TABLES:
        with atomic(out / f"{name}.md") as temporary:
            temporary.write_text(texts[name] + "\n", encoding="utf-8")
    log.info("%s: %d cells, %d scores in %s", spec.name, len(spec.cells), len(rows), out)


def plain(value: float) -> str:
    """Six decimals at most, never an exponent."""
    return np.format_float_positional(value, precision=6, trim="-")


# --- counts and scores -----------------------------------------------------------------------------------

Counts = dict[tuple[str, int], pd.DataFrame]
"""(model, seed) → counts.csv frame; the majority baseline last, with seed 0."""


def judged_counts(
    spec: StudySlice, dataset: str, recipe: str, tiles: pd.DataFrame, splits: Path, runs: Path
) -> tuple[Counts, str]:
    """The counts of every training on a dataset and of the baseline, and the class that one answers."""
    chosen, subset = spec.recipes[recipe], spec.recipes[recipe].evaluate.subset
    cells = [c for c in spec.cells if (c.dataset, c.recipe) == (dataset, recipe)]
    classes = counted_names(spec, cells[0])
    path = splits / dataset / f"{chosen.split}.csv"
    split = read_csv(path, ["tile", "subset"])
    baseline, said = majority_counts(tiles, split, classes, subset, chosen.padded_tiles)
    if baseline.empty:
        raise UserError(f"{path}: no {subset} tile that recipe {recipe!r} uses; choose another split or subset")
    counts = {}
    for cell in cells:
        path = runs / cell.path / "counts.csv"
        counts[cell.model, cell.seed] = frame = read_counts(path, classes)
        if not np.array_equal(frame["tile"], baseline["tile"]):
            raise UserError(f"{path}: its tiles are not the {subset} tiles of split {chosen.split!r}; evaluate again")
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
            keys = {"dataset": dataset, "model": model, "recipe": recipe, "seed": seed, "subset": subset}
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
    audit = splits[(splits["dataset"] == dataset) & (splits["recipe"] == recipe) & (splits["subset"] == subset)]
    results = []
    for model in spec.models:
        trainings = [frame for (name, _), frame in counts.items() if name == model]
        mine = {c: h for c, h in histories.items() if (c.dataset, c.model, c.recipe) == (dataset, model, recipe)}
        costs = {name: profiles[dataset, model][name] for name in ("latency_ms", "memory_mb")}
        keyed = scores_by_key(scores(trainings))
        results.append(Result(model, keyed, epoch_seconds=epoch_seconds(mine), **costs))
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
    )


# --- the other tables ------------------------------------------------------------------------------------


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
                raise UserError(f"{path}: no row for the tiles recipe {name!r} uses; delete the file and split again")
            parts.append(audit.assign(dataset=dataset, split=recipe.split, recipe=name)[SPLITS])
    return pd.concat(parts, ignore_index=True)


def published_table(spec: StudySlice, histories: Histories, rows: pd.DataFrame) -> pd.DataFrame:
    """published.csv: each published figure beside ours (mean over seeds; empty for epochs not reached)."""
    found = []
    for i, figure in enumerate(spec.study.published):
        key = f"study {spec.name}: published.{i}.metric"
        cell = (figure.dataset, figure.model, figure.recipe)
        if figure.epoch is not None:
            mine = [h for c, h in histories.items() if (c.dataset, c.model, c.recipe) == cell]
            if figure.metric not in mine[0]:
                raise UserError(f"{key}: {figure.metric!r} is no column of history.csv ({', '.join(mine[0])})")
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


if __name__ == "__main__":
    paths = {
        "data": "folder of tiles and splits",
        "results": "folder of runs and profiles; the study's go there too",
    }
    stage("tables", __doc__, StudySlice, run, paths)
