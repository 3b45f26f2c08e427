"""What one section alone cannot know: that the names it mentions exist."""

from satseg.config.annotations import recipe_key
from satseg.config.claims import HigherClaim, NoGainClaim
from satseg.config.entries import (
    check_architecture,
    check_members,
    check_order,
    check_start,
    check_teacher,
)
from satseg.config.fitting import check_published
from satseg.config.messages import mistake_line
from satseg.config.models import SmpSpec
from satseg.config.names import Names, Place
from satseg.config.papers import PaperTable
from satseg.config.recipes import Recipe, counted_classes
from satseg.config.root import Config
from satseg.config.splits import Split
from satseg.errors import UserError
from satseg.measures import MAJORITY

# The kinds of names a prediction or a published value is made of, and the section of each.
SECTIONS = {"dataset": "datasets", "model": "models", "recipe": "recipes"}

# Names that a study cannot have: rules of the workflow, and folders of `results/` beside those of
# studies.
TAKEN = {
    *("all", "download", "tile", "split", "train", "evaluate", "profile", "speed", "calibrate"),
    *("tables", "figures", "report", "predict", "predict_scene", "estimate", "check"),
    *("draw", "rung", "tune"),
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
        check_order(config, name, names)
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
        key = (*here, "claims", claim_name)
        if isinstance(claim, HigherClaim) and claim.dataset:
            names.check((*key, "dataset"), claim.dataset, config.datasets, "dataset")
        for recipe in ("recipe", "than_recipe"):
            if getattr(claim, recipe, None):
                names.check((*key, recipe), getattr(claim, recipe), config.recipes, "recipe")
        if isinstance(claim, NoGainClaim):
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
