"""What one section alone cannot know: that names exist and that a study's parts fit together."""

import fnmatch
from pathlib import Path
from typing import Any

from satseg.config.annotations import recipe_key
from satseg.config.messages import dotted, mistake_line
from satseg.config.models import PythonSpec
from satseg.config.papers import NoGainClaim, Paper
from satseg.config.recipes import Recipe, Training, counted_classes
from satseg.config.root import Config
from satseg.errors import UserError


def check_names(config: Config, place: Any) -> None:
    """Refuse a name that no entry has."""

    def known(key: tuple, value: str, allowed: Any, what: str) -> None:
        if value not in allowed:
            raise UserError(mistake_line(place(key), key, value, f"unknown {what}", list(allowed)))

    for i, name in enumerate(config.studies):
        known(("studies", i), name, config.study, "study")
    for name, prediction in config.predictions.items():
        for kind in ("dataset", "model", "recipe"):
            known(
                ("predictions", name, kind),
                getattr(prediction, kind),
                getattr(config, f"{kind}s"),
                kind,
            )
    for name, recipe in config.recipes.items():
        known(("recipes", name, "split"), recipe.split, config.splits, "split")
        key = ("recipes", name, "evaluate", "subset")
        known(
            key,
            recipe.evaluate.subset,
            config.splits[recipe.split].subsets,
            f"subset of split {recipe.split!r}",
        )
    for name, study in config.study.items():
        for kind in ("datasets", "models", "recipes", "seeds"):
            values = getattr(study, kind)
            twice = [i for i, value in enumerate(values) if value in values[:i]]
            if twice:
                key = ("study", name, kind, twice[0])
                raise UserError(mistake_line(place(key), key, values[twice[0]], "listed twice"))
        for kind in ("datasets", "models", "recipes"):
            for i, value in enumerate(getattr(study, kind)):
                known(("study", name, kind, i), value, getattr(config, kind), kind[:-1])
        for i, figure in enumerate(study.published):
            for kind in ("dataset", "model", "recipe"):
                key = ("study", name, "published", i, kind)
                known(
                    key, getattr(figure, kind), getattr(study, f"{kind}s"), f"{kind} in this study"
                )
        if study.paper is not None:
            known(("study", name, "paper"), study.paper, config.papers, "paper")
        claims = config.papers[study.paper].claims if study.paper else {}
        for i, claim in enumerate(study.claims or []):
            known(("study", name, "claims", i), claim, claims, "claim of this study's paper")
    for name, paper in config.papers.items():
        _check_paper(config, ("papers", name), paper, known)


def _check_paper(config: Config, at: tuple, paper: Paper, known: Any) -> None:
    """Every name a paper's entry mentions is there: models, recipes and their keys, datasets and
    their classes."""
    for i, pattern in enumerate(paper.models):
        found = (
            [pattern, *config.models] if fnmatch.filter(config.models, pattern) else config.models
        )
        known((*at, "models", i), pattern, found, "model")
    for i, line in enumerate(paper.protocol):
        for key in line.keys:
            found = [key] if recipe_key(key) else Recipe.model_fields
            known((*at, "protocol", i, "keys", key), key, found, "key of a recipe")
    for i, table in enumerate(paper.tables):
        here = (*at, "tables", i)
        known((*here, "dataset"), table.dataset, config.datasets, "dataset")
        known((*here, "recipe"), table.recipe, config.recipes, "recipe")
        dataset = config.datasets[table.dataset]
        classes = [
            dataset.classes[k].name for k in counted_classes(dataset, config.recipes[table.recipe])
        ]
        for k, column in enumerate(table.columns):
            key = (*here, "columns", k, "class_name")
            known(
                key, column.class_name, ["all", *classes], f"class that counts in {table.dataset!r}"
            )
    for name, claim in paper.claims.items():
        if isinstance(claim, NoGainClaim):
            here = (*at, "claims", name)
            known((*here, "baseline"), claim.baseline, config.recipes, "recipe")
            matching = fnmatch.filter(config.recipes, claim.recipes)
            known(
                (*here, "recipes"),
                claim.recipes,
                [claim.recipes] if matching else config.recipes,
                "recipe",
            )


def check_cells(config: Config, place: Any) -> None:
    """Refuse a study whose datasets, models and recipes do not fit together."""
    for name, study in config.study.items():
        for dataset_name in study.datasets:
            dataset = config.datasets[dataset_name]
            if dataset.path is None and dataset.source is None:
                key = ("datasets", dataset_name, "path")
                raise UserError(
                    mistake_line(
                        place(key), key, None, "give the folder or zip of the data, or a source"
                    )
                )
            for model_name in study.models:
                _check_model(config, name, dataset_name, model_name, place)
            for recipe_name in study.recipes:
                _check_official(config, name, dataset_name, recipe_name, place)
                _check_recipe(config, name, dataset_name, recipe_name, place)


def _check_model(config: Config, study: str, dataset: str, model: str, place: Any) -> None:
    """A study's model needs tiles it can halve often enough; one of the user's own needs its
    file."""
    spec, size = config.models[model], config.datasets[dataset].tile_size
    if size % spec.stride:
        key = ("datasets", dataset, "tile_size")
        raise UserError(
            mistake_line(place(key), key, size, f"study {study!r} trains {model!r} on it")
            + f"; allowed: multiples of {spec.stride}"
            + f"; nearest: {max(spec.stride, round(size / spec.stride) * spec.stride)}"
        )
    if isinstance(spec, PythonSpec) and not Path(spec.file).is_file():
        key = ("models", model, "file")
        raise UserError(mistake_line(place(key), key, spec.file, f"no such file in {Path.cwd()}"))


def _check_recipe(config: Config, study: str, dataset: str, recipe: str, place: Any) -> None:
    """A study's recipe must leave two classes, and fit the bands and the models."""
    entry, chosen = config.datasets[dataset], config.recipes[recipe]
    if len(counted_classes(entry, chosen)) < 2:
        key = ("datasets", dataset, "classes")
        raise UserError(
            f"{place(key)}: {dotted(key)}: fewer than two classes count under recipe {recipe!r}; add classes that "
            f"are not `unlabelled`, or set the recipe's count_unlabelled: true"
        )
    if entry.pixels.bands:
        check_bands(
            chosen,
            len(entry.pixels.bands),
            f"{place(('recipes', recipe))}: recipes.{recipe}",
            dataset,
        )
    for model in config.study[study].models:
        if chosen.head_dropout is not None and isinstance(config.models[model], PythonSpec):
            key = ("recipes", recipe, "head_dropout")
            problem = f"study {study!r} trains {model!r} with it, whose own file decides that; use another recipe"
            raise UserError(mistake_line(place(key), key, chosen.head_dropout, problem))


def check_bands(recipe: Training, bands: int, where: str, dataset: str) -> None:
    """Refuse a recipe that needs images of three bands for a dataset of another number.

    Raises:
        UserError: it needs three; `where` says which recipe of which file it is.
    """
    if bands != 3:
        for key, other in recipe.rgb_only.items():
            raise UserError(
                f"{where}.{key}: needs images of 3 bands; {dataset!r} has {bands}; use {other}, "
                f"or choose three with the dataset's pixels.bands"
            )


def _check_official(config: Config, study: str, dataset: str, recipe: str, place: Any) -> None:
    """A recipe with an official split needs a dataset that has one, and the subset to be judged in
    it."""
    entry, chosen = config.datasets[dataset], config.recipes[recipe]
    if config.splits[chosen.split].unit != "official":
        return
    if entry.official_here is None:
        key, size = ("datasets", dataset, "official"), entry.tile_size
        raise UserError(
            f"{place(key)}: {dotted(key)}: the dataset has no official split of {size}² tiles, but recipe {recipe!r} "
            f"of study {study!r} wants it; give the recipe a split by tile or group"
            + (f", or set tile_size: {entry.official.tile_size}" if entry.official else "")
        )
    subsets = config.splits[chosen.split].official_subsets(entry.official_here)
    if chosen.evaluate.subset not in subsets:
        key, what = (
            ("recipes", recipe, "evaluate", "subset"),
            f"subset of the official split of {dataset!r}",
        )
        raise UserError(
            mistake_line(place(key), key, chosen.evaluate.subset, f"unknown {what}", list(subsets))
        )
