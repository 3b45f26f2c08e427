"""What a tuning alone cannot know: that its names and keys exist, and that its values fit the
recipe they change."""

from collections.abc import Iterator
from itertools import islice, product
from typing import Any

from pydantic import ValidationError

from satseg.config.annotations import plain_types, recipe_key, step
from satseg.config.messages import mistake_line
from satseg.config.names import Names, Place
from satseg.config.recipes import EpochMeans, Recipe, Training
from satseg.config.root import Config
from satseg.config.tunings import Range, Tuning
from satseg.errors import UserError
from satseg.nested import with_keys

# What decides which tiles and classes are compared, for how long a trial trains, and which other
# cells are trained before it.
FIXED = {
    *("epochs", "stop_after", "devices", "padded_tiles", "count_unlabelled", "means"),
    *("teacher", "init_from", "augmentation.everywhere"),
}
SECTIONS = {"dataset": "datasets", "model": "models", "recipe": "recipes"}
MOST = 1000  # combinations of values that are tried
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
    if tuning.recipe in config.tunings and tuning.recipe not in config.recipes:
        problem = "is what another tuning finds; name a recipe of recipes.yaml"
        names.refuse((*here, "recipe"), f"{tuning.recipe!r} {problem}")
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
    """Every value of a list and both ends of a range fit the recipe, one at a time, and values of
    several keys fit each other."""
    for key, values in tuning.space.items():
        place = (*here, "space", key)
        if isinstance(values, Range) and not _kinds(key) & {int, float}:
            names.refuse(place, "takes no numbers; give a list of values")
    plain = base.model_dump()
    for key, changes in _changes(tuning):
        try:
            Recipe.model_validate(with_keys(plain, changes))
        except ValidationError as error:
            problem = _misfit(tuning, changes, error)
            place = (*here, "space", *key)
            raise UserError(mistake_line(names.place(place), place, {}, problem)) from None


def _misfit(tuning: Tuning, changes: dict[str, Any], error: ValidationError) -> str:
    """What is wrong with values that the base recipe does not take."""
    message = error.errors()[0]["msg"].removeprefix("Value error, ")
    given = " with ".join(f"{key}: {value!r}" for key, value in changes.items())
    return f"recipe {tuning.recipe!r} does not take {given} ({message})"


def changed_recipes(tuning: Tuning, base: Recipe) -> Iterator[tuple[tuple, Recipe]]:
    """The base recipe with values of the space, and the key of its values, as a path of one key; an
    empty path if several keys have other values."""
    plain = base.model_dump()
    for key, changes in _changes(tuning):
        yield key, Recipe.model_validate(with_keys(plain, changes))


def _changes(tuning: Tuning) -> Iterator[tuple[tuple, dict[str, Any]]]:
    """Values to try, as of `changed_recipes`: each of a list and both ends of a range, one at a
    time, then those of all keys together."""
    tried = {}
    for key, values in tuning.space.items():
        ends = values
        if isinstance(values, Range):
            ends = [number(values.low, key), number(values.high, key)]
        tried[key] = ends
        for value in ends:
            yield (key,), {key: value}

    # Of a range its upper end: a draw hardly ever hits the lower one, which may be 0.
    several = [
        ends[1:] if isinstance(tuning.space[key], Range) else ends for key, ends in tried.items()
    ]
    for values in islice(product(*several), MOST):
        yield (), dict(zip(tried, values, strict=True))


def number(value: float, key: str) -> int | float:
    """An end of a key's range, as the key takes it."""
    return int(value) if takes_whole(key) and value == int(value) else value


def takes_whole(key: str) -> bool:
    """Whether a recipe's key takes whole numbers only."""
    kinds = _kinds(key)
    return int in kinds and float not in kinds


def _kinds(key: str) -> set[type]:
    """The types that the values of a recipe's key may have, apart from sections."""
    kinds: list[Any] = [Recipe]
    for part in key.split("."):
        kinds = step(kinds, part)
    return set().union(*map(plain_types, kinds))
