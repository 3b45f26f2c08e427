"""Whether the datasets, models and recipes that are trained together fit: those of each study and
tuning, and of the cells that these need."""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from satseg.config.fitting import check_batch, check_model
from satseg.config.messages import dotted, mistake_line
from satseg.config.models import PythonSpec
from satseg.config.names import Place
from satseg.config.recipes import Training, counted_classes
from satseg.config.root import Config
from satseg.config.tuned import changed_recipes
from satseg.errors import UserError
from satseg.paths import cell_of


class Trained(NamedTuple):
    """A dataset, a model and a recipe that are trained together."""

    dataset: str
    model: str
    recipe: str


def check_cells(config: Config, place: Place) -> None:
    """Refuse a study or a tuning whose datasets, models and recipes do not fit together, or do not
    fit the cells that are trained for them: a teacher, weights to start from, members of an
    ensemble.

    Raises:
        UserError: there is one; the message says which key to change.
    """
    for name, study in config.study.items():
        for cell in product(study.datasets, study.models, study.recipes):
            _check(config, f"study {name!r}", Trained(*cell), place)
        for recipe in study.recipes:
            _check_ensemble(config, name, recipe, place)

    for name, tuning in config.tunings.items():
        cell = Trained(tuning.dataset, tuning.model, tuning.recipe)
        _check(config, f"tuning {name!r}", cell, place)
        dataset = config.datasets[tuning.dataset]
        for key, recipe in changed_recipes(tuning, config.recipes[tuning.recipe]):
            here = ("tunings", name, "space", *key)
            check_batch(recipe.batch_size, tuning.dataset, dataset, here, place)
            if dataset.pixels.bands:
                where = f"{place(here)}: {dotted(here[:3])}"
                check_bands(recipe, len(dataset.pixels.bands), where, tuning.dataset)


def _check(config: Config, user: str, cell: Trained, place: Place) -> None:
    """Check a cell and those it needs; `user` says who needs it, such as `study 'demo'`."""
    for needed in _with_needed(config, cell):
        _check_source(config, needed.dataset, place)
        check_model(config, user, needed.dataset, needed.model, place)
        _check_official(config, user, needed, place)
        _check_recipe(config, user, needed, place)


def _with_needed(config: Config, cell: Trained) -> Iterator[Trained]:
    """A cell, and those that are trained for it, each once."""
    waiting = [cell]
    for found in waiting:
        yield found
        recipe = config.recipes[found.recipe]
        needed = [
            Trained(found.dataset, member.model or found.model, member.recipe or found.recipe)
            for member in recipe.evaluate.ensemble
        ]
        if recipe.teacher:
            needed.append(Trained(found.dataset, recipe.teacher.model, recipe.teacher.recipe))
        start = cell_of(recipe.init_from or "")
        if start:
            needed.append(Trained(start["dataset"], start["model"], start["recipe"]))
        waiting += [other for other in dict.fromkeys(needed) if other not in waiting]


def _check_source(config: Config, dataset_name: str, place: Place) -> None:
    """The dataset comes from somewhere."""
    owner = config.files_of(dataset_name)
    dataset = config.datasets[owner]
    if dataset.path is None and dataset.source is None:
        key = ("datasets", owner, "path")
        problem = "give the folder or zip of the data, or a source"
        raise UserError(mistake_line(place(key), key, None, problem))


def _check_official(config: Config, user: str, cell: Trained, place: Place) -> None:
    """A recipe with an official split needs a dataset that has one, with the subset to evaluate."""
    dataset = config.datasets[cell.dataset]
    recipe = config.recipes[cell.recipe]
    split = config.splits[recipe.split]
    if split.unit != "official":
        return

    if dataset.official_here is None:
        key = ("datasets", cell.dataset, "official")
        advice = "give the recipe a split by tile or group"
        if dataset.official:
            advice += f", or set tile_size: {dataset.official.tile_size}"
        raise UserError(
            f"{place(key)}: {dotted(key)}: the dataset has no official split of "
            f"{dataset.tile_size}² tiles, but recipe {cell.recipe!r} of {user} "
            f"needs one; {advice}"
        )

    subsets = split.official_subsets(dataset.official_here)
    if recipe.evaluate.subset not in subsets:
        key = ("recipes", cell.recipe, "evaluate", "subset")
        problem = f"unknown subset of the official split of {cell.dataset!r}"
        line = mistake_line(place(key), key, recipe.evaluate.subset, problem, list(subsets))
        raise UserError(line)


def _check_recipe(config: Config, user: str, cell: Trained, place: Place) -> None:
    """A recipe must leave two classes, and fit the bands and the model."""
    dataset = config.datasets[cell.dataset]
    recipe = config.recipes[cell.recipe]

    if len(counted_classes(dataset, recipe)) < 2:
        key = ("datasets", cell.dataset, "classes")
        raise UserError(
            f"{place(key)}: {dotted(key)}: fewer than two classes count under recipe "
            f"{cell.recipe!r}; add classes that are not `unlabelled`, or set the recipe's "
            f"count_unlabelled: true"
        )

    key = ("recipes", cell.recipe, "batch_size")
    check_batch(recipe.batch_size, cell.dataset, dataset, key, place)

    if dataset.pixels.bands:
        key = ("recipes", cell.recipe)
        where = f"{place(key)}: {dotted(key)}"
        check_bands(recipe, len(dataset.pixels.bands), where, cell.dataset)

    own_head = isinstance(config.models[cell.model], PythonSpec)
    if recipe.head_dropout is not None and own_head:
        key = ("recipes", cell.recipe, "head_dropout")
        problem = (
            f"{user} uses it for {cell.model!r}, whose own file decides its dropout; use another "
            "recipe"
        )
        raise UserError(mistake_line(place(key), key, recipe.head_dropout, problem))


def _check_ensemble(config: Config, study_name: str, recipe_name: str, place: Place) -> None:
    """No cell of a study votes twice."""
    study = config.study[study_name]
    for i, member in enumerate(config.recipes[recipe_name].evaluate.ensemble):
        own_recipe = member.recipe in (None, recipe_name)
        own_model = member.model is None or member.model in study.models
        if own_recipe and own_model and (member.seed is None or member.seed in study.seeds):
            key = ("recipes", recipe_name, "evaluate", "ensemble", i)
            raise UserError(
                f"{place(key)}: {dotted(key)}: study {study_name!r} also shows this cell, whose "
                f"vote would count twice; leave its seed or model out of the study"
            )


def check_bands(recipe: Training, bands: int, where: str, dataset_name: str) -> None:
    """Refuse a recipe that needs images of three bands for a dataset with another number.

    Raises:
        UserError: it needs three; `where` says which recipe of which file it is.
    """
    if bands == 3:
        return

    for key, alternative in recipe.rgb_only.items():
        raise UserError(
            f"{where}.{key}: needs images of 3 bands; {dataset_name!r} has {bands}; use "
            f"{alternative}, or choose three with the dataset's pixels.bands"
        )
