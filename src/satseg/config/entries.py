"""What a single model or recipe alone cannot know: what its library takes, who its teacher is, and
which weights it starts from."""

from pathlib import Path

from satseg.config.library import architectures, misfit
from satseg.config.messages import dotted, mistake_line
from satseg.config.models import SmpSpec
from satseg.config.names import Names
from satseg.config.recipes import Recipe
from satseg.config.root import Config
from satseg.errors import UserError
from satseg.paths import cell_of

# What a student and its teacher must agree on: neither may have seen the other's test tiles, and
# both tell the same classes apart.
SHARED = ("split", "count_unlabelled")


def check_architecture(here: tuple, model: SmpSpec, names: Names) -> None:
    """The library has the architecture, and that takes the arguments given."""
    known = {name.lower(): name for name in architectures()}
    if not known:  # the library is not installed here
        return

    if model.architecture.lower() not in known:
        names.check((*here, "architecture"), model.architecture, known.values(), "architecture")

    allowed = architectures()[known[model.architecture.lower()]]
    for argument, value in model.arguments.items():
        key = (*here, "arguments", argument)
        if argument not in allowed:
            line = mistake_line(names.place(key), key, value, "unknown key", list(allowed))
            raise UserError(line)
        problem = misfit(allowed[argument], value)
        if problem:
            raise UserError(mistake_line(names.place(key), key, value, problem))


def check_teacher(config: Config, name: str, names: Names) -> None:
    """A recipe's teacher exists, and is trained on the same tiles and classes."""
    teacher = config.recipes[name].teacher
    if teacher is None:
        return

    here = ("recipes", name, "teacher")
    names.check((*here, "model"), teacher.model, config.models, "model")
    names.check((*here, "recipe"), teacher.recipe, config.recipes, "recipe")

    _check_shared(config, name, teacher.recipe, here, names)


def check_members(config: Config, name: str, names: Names) -> None:
    """The cells that vote with a recipe's exist, and are trained on the same tiles and classes."""
    for i, member in enumerate(config.recipes[name].evaluate.ensemble):
        here = ("recipes", name, "evaluate", "ensemble", i)
        if not member.model_fields_set:
            names.refuse(here, "is the evaluated cell itself; give a seed, a model or a recipe")
        if member.model is not None:
            names.check((*here, "model"), member.model, config.models, "model")
        if member.recipe is not None:
            names.check((*here, "recipe"), member.recipe, config.recipes, "recipe")
            _check_shared(config, name, member.recipe, here, names)


def _check_shared(config: Config, name: str, other: str, here: tuple, names: Names) -> None:
    """Two recipes divide the tiles alike, and tell the same classes apart."""
    for key in SHARED:
        own = getattr(config.recipes[name], key)
        others = getattr(config.recipes[other], key)
        if own != others:
            raise UserError(
                f"{names.place(here)}: {dotted((*here, 'recipe'))}: {other!r} has {key}: "
                f"{others!r}, this recipe {own!r}; give both the same"
            )


def check_start(config: Config, name: str, names: Names) -> None:
    """The weights that a recipe starts from are a file, or those of a cell that can be trained, of
    another recipe."""
    start = config.recipes[name].init_from
    if start is None:
        return

    key = ("recipes", name, "init_from")
    cell = cell_of(start)
    if cell is None:
        if not Path(start).is_file():
            names.refuse(key, f"{start}: no such file; correct the path, or leave the key out")
        return

    names.check(key, cell["dataset"], config.datasets, "dataset")
    names.check(key, cell["model"], config.models, "model")
    names.check(key, cell["recipe"], config.recipes, "recipe")
    if cell["recipe"] == name:
        names.refuse(key, f"{start} is a cell of this very recipe; name one of another recipe")


def check_order(config: Config, name: str, names: Names) -> None:
    """No recipe has to be trained before itself, through teachers and weights to start from."""
    for key, earlier in _earlier(config.recipes[name]).items():
        circle = _circle(config, [name, earlier])
        if circle:
            problem = f"recipes that need each other first ({' → '.join(circle)}); name another one"
            here = ("recipes", name, *key)
            raise UserError(mistake_line(names.place(here), here, earlier, problem))


def _earlier(recipe: Recipe) -> dict[tuple, str]:
    """The recipes that are trained before one, by the key that names them."""
    earlier = {}
    if recipe.teacher:
        earlier["teacher", "recipe"] = recipe.teacher.recipe
    start = cell_of(recipe.init_from or "")
    if start:
        earlier["init_from",] = start["recipe"]
    return earlier


def _circle(config: Config, chain: list[str]) -> list[str]:
    """A chain of recipes, each trained after the next, prolonged until one comes twice; empty if
    none does."""
    if chain[-1] in chain[:-1]:
        return chain
    recipe = config.recipes.get(chain[-1])
    further = _earlier(recipe).values() if recipe else []
    circles = [_circle(config, [*chain, earlier]) for earlier in further]
    return next(filter(None, circles), [])
