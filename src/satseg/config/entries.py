"""What a single model or recipe alone cannot know: what its library takes, and what its teacher
is."""

from satseg.config.library import architectures, misfit
from satseg.config.messages import dotted, mistake_line
from satseg.config.models import SmpSpec
from satseg.config.names import Names
from satseg.config.root import Config
from satseg.errors import UserError

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
    """A recipe's teacher exists, is trained on the same tiles and classes, and is no pupil of its
    own."""
    teacher = config.recipes[name].teacher
    if teacher is None:
        return

    here = ("recipes", name, "teacher")
    names.check((*here, "model"), teacher.model, config.models, "model")
    names.check((*here, "recipe"), teacher.recipe, config.recipes, "recipe")

    for key in SHARED:
        own = getattr(config.recipes[name], key)
        other = getattr(config.recipes[teacher.recipe], key)
        if own != other:
            raise UserError(
                f"{names.place(here)}: {dotted((*here, 'recipe'))}: {teacher.recipe!r} has {key}: "
                f"{other!r}, this recipe {own!r}; give both the same"
            )

    chain = [name]
    while teacher is not None and teacher.recipe in config.recipes:
        if teacher.recipe in chain:
            line = " → ".join([*chain, teacher.recipe])
            problem = f"recipes that teach themselves ({line}); name a recipe without a teacher"
            key = (*here, "recipe")
            raise UserError(mistake_line(names.place(key), key, chain[-1], problem))
        chain.append(teacher.recipe)
        teacher = config.recipes[teacher.recipe].teacher
