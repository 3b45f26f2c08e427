"""What one section alone cannot know: that names exist and that a study's parts fit together."""

from satseg.config.annotations import recipe_key
from satseg.config.claims import NoGainClaim
from satseg.config.entries import (
    check_architecture,
    check_members,
    check_start,
    check_teacher,
)
from satseg.config.fitting import check_batch, check_model, check_published
from satseg.config.messages import dotted, mistake_line
from satseg.config.models import PythonSpec, SmpSpec
from satseg.config.names import Names, Place
from satseg.config.papers import PaperTable
from satseg.config.recipes import Recipe, Training, counted_classes
from satseg.config.root import Config
from satseg.config.splits import Split
from satseg.errors import UserError
from satseg.measures import MAJORITY

# The kinds of names a prediction or a published value is made of, and the section of each.
SECTIONS = {"dataset": "datasets", "model": "models", "recipe": "recipes"}

# Names that a study cannot have: rules of the workflow, and folders of `results/` beside those of
# studies.
TAKEN = {
    *("all", "download", "tile", "split", "train", "profile", "evaluate", "tables", "figures"),
    *(
        "report",
        "predict",
        "predict_scene",
        "estimate",
        "check",
        "draw",
        "rung",
        "tune",
        "calibrate",
    ),
    *("runs", "profiles", "predictions", "published", "tunings", "comparisons"),
}


def check_names(config: Config, place: Place) -> None:
    """Refuse a name that no entry has.

    Raises:
        UserError: there is such a name, or a study lists one twice.
    """
    names = Names(place)

    for i, name in enumerate(config.studies):
        names.check(("studies", i), name, config.study, "study")

    for name, dataset in config.datasets.items():
        if dataset.scenes_of is not None:
            own = [other for other, entry in config.datasets.items() if entry.scenes_of is None]
            key = ("datasets", name, "scenes_of")
            names.check(key, dataset.scenes_of, own, "dataset with files of its own")

    for name, prediction in config.predictions.items():
        for kind, section in SECTIONS.items():
            key = ("predictions", name, kind)
            names.check(key, getattr(prediction, kind), getattr(config, section), kind)

    for name, split in config.splits.items():
        if split.test_of is not None:
            own = [other for other, entry in config.splits.items() if _has_test_of_its_own(entry)]
            kind = "split with test tiles of its own"
            names.check(("splits", name, "test_of"), split.test_of, own, kind)

    for name, recipe in config.recipes.items():
        names.check(("recipes", name, "split"), recipe.split, config.splits, "split")
        key = ("recipes", name, "evaluate", "subset")
        subsets = config.splits[recipe.split].subsets
        names.check(key, recipe.evaluate.subset, subsets, f"subset of split {recipe.split!r}")
        check_teacher(config, name, names)
        check_start(config, name, names)
        check_members(config, name, names)

    for name, model in config.models.items():
        if isinstance(model, SmpSpec):
            check_architecture(("models", name), model, names)

    for name in config.predictions:
        _check_fold(config, name, place)
    if MAJORITY in config.models:
        names.refuse(("models", MAJORITY), "the name of the baseline; give the model another one")

    for section in ("study", "tunings"):
        for name in TAKEN.intersection(getattr(config, section)):
            names.refuse((section, name), "is a rule or a folder of results; give it another name")
    for name in config.tunings:
        if name in config.study:
            names.refuse(("tunings", name), "a study has this name; give one of them another")

    for name in config.study:
        _check_study(config, name, names)

    for name in config.papers:
        _check_paper(config, name, names)


def _check_fold(config: Config, name: str, place: Place) -> None:
    """A prediction names a fold of its recipe, if that has folds."""
    prediction = config.predictions[name]
    split = config.splits[config.recipes[prediction.recipe].split]
    if prediction.fold not in split.fold_numbers:
        key = ("predictions", name, "fold")
        allowed = ["null" if number is None else str(number) for number in split.fold_numbers]
        problem = f"not a fold of recipe {prediction.recipe!r}"
        raise UserError(mistake_line(place(key), key, prediction.fold, problem, allowed))


def _has_test_of_its_own(split: Split) -> bool:
    return "test" in split.subsets and split.test_of is None and not split.folds


def _check_study(config: Config, name: str, names: Names) -> None:
    """Every name a study mentions exists: its grid, its published values, its paper and claims."""
    study = config.study[name]

    for section in (*SECTIONS.values(), "seeds"):
        names.check_distinct(("study", name, section), getattr(study, section))

    for kind, section in SECTIONS.items():
        for i, value in enumerate(getattr(study, section)):
            names.check(("study", name, section, i), value, getattr(config, section), kind)

    for i, figure in enumerate(study.published):
        for kind, section in SECTIONS.items():
            key = ("study", name, "published", i, kind)
            own = getattr(study, section)
            names.check(key, getattr(figure, kind), own, f"{kind} in this study")
        check_published(config, name, i, names.place)

    if study.paper is not None:
        names.check(("study", name, "paper"), study.paper, config.papers, "paper")

    claims = config.papers[study.paper].claims if study.paper else {}
    for i, claim in enumerate(study.claims or []):
        names.check(("study", name, "claims", i), claim, claims, "claim of this study's paper")


def _check_paper(config: Config, name: str, names: Names) -> None:
    """Every name a paper's entry mentions exists: models, recipes and their keys, datasets and
    their classes."""
    paper = config.papers[name]
    here = ("papers", name)

    for i, pattern in enumerate(paper.models):
        names.check_pattern((*here, "models", i), pattern, config.models, "model")

    for i, line in enumerate(paper.protocol):
        for key in line.keys:
            if not recipe_key(key):
                place = (*here, "protocol", i, "keys", key)
                names.check(place, key, Recipe.model_fields, "key of a recipe")

    for i, table in enumerate(paper.tables):
        _check_table(config, (*here, "tables", i), table, names)

    for i, draw in enumerate(paper.draws):
        key = (*here, "draws", i)
        names.check((*key, "dataset"), draw.dataset, config.datasets, "dataset")
        classes = [land.name for land in config.datasets[draw.dataset].classes]
        for name in draw.pixels:
            names.check((*key, "pixels", name), name, classes, f"class of {draw.dataset!r}")

    for claim_name, claim in paper.claims.items():
        if isinstance(claim, NoGainClaim):
            key = (*here, "claims", claim_name)
            names.check((*key, "baseline"), claim.baseline, config.recipes, "recipe")
            names.check_pattern((*key, "recipes"), claim.recipes, config.recipes, "recipe")


def _check_table(config: Config, here: tuple, table: PaperTable, names: Names) -> None:
    """The dataset and recipe of a paper's table exist, and the classes of its columns count."""
    names.check((*here, "dataset"), table.dataset, config.datasets, "dataset")
    names.check((*here, "recipe"), table.recipe, config.recipes, "recipe")

    dataset = config.datasets[table.dataset]
    counted = counted_classes(dataset, config.recipes[table.recipe])
    allowed = ["all", *(dataset.classes[index].name for index in counted)]
    for i, column in enumerate(table.columns):
        key = (*here, "columns", i, "class_name")
        kind = f"class that counts in {table.dataset!r}"
        names.check(key, column.class_name, allowed, kind)


def check_cells(config: Config, place: Place) -> None:
    """Refuse a study whose datasets, models and recipes do not fit together.

    Raises:
        UserError: there is one; the message says which key to change.
    """
    for study_name, study in config.study.items():
        for dataset_name in study.datasets:
            _check_source(config, dataset_name, place)
            for model_name in study.models:
                check_model(config, study_name, dataset_name, model_name, place)
            for recipe_name in study.recipes:
                _check_official(config, study_name, dataset_name, recipe_name, place)
                _check_recipe(config, study_name, dataset_name, recipe_name, place)


def _check_source(config: Config, dataset_name: str, place: Place) -> None:
    """A study's dataset comes from somewhere."""
    owner = config.files_of(dataset_name)
    dataset = config.datasets[owner]
    if dataset.path is None and dataset.source is None:
        key = ("datasets", owner, "path")
        problem = "give the folder or zip of the data, or a source"
        raise UserError(mistake_line(place(key), key, None, problem))


def _check_official(
    config: Config, study_name: str, dataset_name: str, recipe_name: str, place: Place
) -> None:
    """A recipe with an official split needs a dataset that has one, with the subset to evaluate."""
    dataset = config.datasets[dataset_name]
    recipe = config.recipes[recipe_name]
    split = config.splits[recipe.split]
    if split.unit != "official":
        return

    if dataset.official_here is None:
        key = ("datasets", dataset_name, "official")
        advice = "give the recipe a split by tile or group"
        if dataset.official:
            advice += f", or set tile_size: {dataset.official.tile_size}"
        raise UserError(
            f"{place(key)}: {dotted(key)}: the dataset has no official split of "
            f"{dataset.tile_size}² tiles, but recipe {recipe_name!r} of study {study_name!r} "
            f"needs one; {advice}"
        )

    subsets = split.official_subsets(dataset.official_here)
    if recipe.evaluate.subset not in subsets:
        key = ("recipes", recipe_name, "evaluate", "subset")
        problem = f"unknown subset of the official split of {dataset_name!r}"
        line = mistake_line(place(key), key, recipe.evaluate.subset, problem, list(subsets))
        raise UserError(line)


def _check_recipe(
    config: Config, study_name: str, dataset_name: str, recipe_name: str, place: Place
) -> None:
    """A study's recipe must leave two classes, and fit the bands and the models."""
    dataset = config.datasets[dataset_name]
    recipe = config.recipes[recipe_name]

    if len(counted_classes(dataset, recipe)) < 2:
        key = ("datasets", dataset_name, "classes")
        raise UserError(
            f"{place(key)}: {dotted(key)}: fewer than two classes count under recipe "
            f"{recipe_name!r}; add classes that are not `unlabelled`, or set the recipe's "
            f"count_unlabelled: true"
        )

    check_batch(config, dataset_name, recipe_name, place)

    if dataset.pixels.bands:
        key = ("recipes", recipe_name)
        where = f"{place(key)}: {dotted(key)}"
        check_bands(recipe, len(dataset.pixels.bands), where, dataset_name)

    _check_ensemble(config, study_name, recipe_name, place)
    for model_name in config.study[study_name].models:
        own_head = isinstance(config.models[model_name], PythonSpec)
        if recipe.head_dropout is not None and own_head:
            key = ("recipes", recipe_name, "head_dropout")
            problem = (
                f"study {study_name!r} uses it for {model_name!r}, whose own file decides its "
                f"dropout; use another recipe"
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
