"""What the architectures of segmentation_models_pytorch take, read from its source: importing it
takes seconds, and stages that do not train do without torch."""

import ast
import typing
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

LIBRARY = "segmentation_models_pytorch"
# What other keys of an entry and the dataset decide, and what would not leave plain logits.
DECIDED = {"encoder_name", "encoder_weights", "in_channels", "classes", "activation", "aux_params"}


@cache
def architectures() -> dict[str, dict[str, str]]:
    """Architecture → its arguments and their annotations, as the source has them; empty without the
    library."""
    library = find_spec(LIBRARY)
    if library is None:
        return {}

    found = {}
    for file in sorted(Path(library.origin).parent.glob("decoders/*/model.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                found[node.name] = _arguments(node)
    return found


def _arguments(model: ast.ClassDef) -> dict[str, str]:
    """Annotated arguments of a class's `__init__`."""
    for node in model.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            annotated = [argument for argument in node.args.args if argument.annotation]
            return {
                argument.arg: ast.unparse(argument.annotation)
                for argument in annotated
                if argument.arg not in DECIDED
            }
    return {}


def misfit(annotation: str, value: object) -> str | None:
    """Why a value does not fit an argument's annotation; None if it does."""
    try:
        # Strictly: the library is given the value as it is written.
        TypeAdapter(eval(annotation, vars(typing))).validate_python(value, strict=True)
    except ValidationError as error:
        return error.errors()[0]["msg"].replace("Input should be", "must be")
    return None
