"""What a tuning alone cannot know: that its names and keys exist, and that its values fit the
recipe they change."""

from typing import Any, get_args

from pydantic import ValidationError

from satseg.config.annotations import recipe_key, step
from satseg.config.messages import mistake_line
from satseg.config.names import Names, Place
from satseg.config.recipes import EpochMeans, Recipe, Training
from satseg.config.root import Config
from satseg.config.tunings import Range, Tuning
from satseg.errors import UserError
from satseg.nested import with_keys

# What decides which tiles and classes are compared, and for how long a trial trains.
FIXED = {
    *("epochs", "stop_after", "devices", "padded_tiles", "count_unlabelled", "means", "teacher"),
    "augmentation.everywhere",
}
SECTIONS = {"dataset": "datasets", "model": "models", "recipe": "recipes"}
# mIoU^D is the mean over classes of the IoU from the counts of all validation tiles.
MIOU_D = EpochMeans(val="tiles", classes="macro")


def with_tuned_recipes(config: Config, place: Place) -> Config:
    """The configuration with a recipe for each tuning, of its name: the base recipe for as long as
    the last rung. The values that the tuning finds stand in a file of their own.

    Raises:
        UserError: a tuning names something that does not exist or does not fit.
    """
    names = Names(place)
    tuned = {}
    for name, tuning in config.tunings.items():
        _check(config, name, names)
        changes = {
            "about": tuning.about or f"{tuning.recipe}, tuned in {tuning.trials} trials.",
            "epochs": tuning.rungs[-1],
            "stop_after": None,
        }
        tuned[name] = config.recipes[tuning.recipe].model_copy(update=changes)
    return config.model_copy(update={"recipes": config.recipes | tuned})


def _check(config: Config, name: str, names: Names) -> None:
    """The parts of a tuning exist, and its base recipe can be tuned."""
    tuning = config.tunings[name]
    here = ("tunings", name)
    if name in config.recipes:
        names.refuse(here, "a recipe has this name; the tuned one needs another")
    for kind, section in SECTIONS.items():
        names.check((*here, kind), getattr(tuning, kind), getattr(config, section), kind)

    base = config.recipes[tuning.recipe]
    problem = ""
    if config.folds.get(tuning.recipe):
        problem = "its split has folds, whose validation tiles are tested in turn; use another"
    elif base.augmentation.everywhere:
        problem = "it changes validation tiles at random; use one without augmentation.everywhere"
    elif base.means.model_copy(update={"train": "tiles"}) != MIOU_D:
        problem = "its validation Jaccard is not mIoU^D; use means: {val: tiles, classes: macro}"
    if problem:
        key = (*here, "recipe")
        raise UserError(mistake_line(names.place(key), key, tuning.recipe, problem))

    for key in tuning.space:
        place = (*here, "space", key)
        if key in FIXED or key.split(".")[0] in FIXED:
            names.refuse(place, "stays as it is in the base recipe; choose another key")
        if key.split(".")[0] not in Training.model_fields or not recipe_key(key):
            names.check(place, key, Training.model_fields, "key of a recipe's training")
    _check_values(tuning, base, here, names)


def _check_values(tuning: Tuning, base: Recipe, here: tuple, names: Names) -> None:
    """Every value of a list and both ends of a range fit the recipe, one at a time."""
    plain = base.model_dump()
    for key, values in tuning.space.items():
        tried = values
        if isinstance(values, Range):
            tried = [number(values.low, key), number(values.high, key)]
        for value in tried:
            try:
                Recipe.model_validate(with_keys(plain, {key: value}))
            except ValidationError as error:
                place = (*here, "space", key)
                message = error.errors()[0]["msg"].removeprefix("Value error, ")
                problem = f"recipe {tuning.recipe!r} does not take {value!r} ({message})"
                raise UserError(mistake_line(names.place(place), place, {}, problem)) from None


def number(value: float, key: str) -> int | float:
    """An end of a key's range, as the key takes it."""
    return int(value) if takes_whole(key) and value == int(value) else value


def takes_whole(key: str) -> bool:
    """Whether a recipe's key takes whole numbers only."""
    kinds: list[Any] = [Recipe]
    for part in key.split("."):
        kinds = step(kinds, part)
    leaves = set()
    while kinds:
        kind = kinds.pop()
        kinds += get_args(kind)
        leaves.add(kind if isinstance(kind, type) else None)
    return int in leaves and float not in leaves
