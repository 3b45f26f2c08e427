"""A user's own model, looked at without running it."""

import ast
from pathlib import Path

from satseg.config.models import PythonSpec


def problem(model: PythonSpec) -> str:
    """What a job would find wrong with the model's file; empty if nothing shows.

    The file is parsed, not run: what it computes is left to the job.
    """
    path = Path(model.file)
    if not path.is_file():
        return f"no such file in {Path.cwd()}"
    try:
        tree = ast.parse(path.read_bytes(), path)
    except SyntaxError as error:
        return f"line {error.lineno}: not valid Python: {error.msg}"
    except (ValueError, OSError) as error:
        return f"not readable: {error}"

    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    defined = {node.name: node for node in tree.body if isinstance(node, functions)}
    assigned = {name.id for name in ast.walk(tree) if isinstance(name, ast.Name)}
    if model.name not in defined:
        if model.name in assigned:  # made in some other way
            return ""
        return f"does not define {model.name!r}; it has {', '.join(defined) or 'nothing'}"
    return _signature_problem(defined[model.name], model)


def _signature_problem(node: ast.AST, model: PythonSpec) -> str:
    """Whether it takes the arguments it will be called with."""
    if isinstance(node, ast.ClassDef):
        methods = [item for item in node.body if isinstance(item, ast.FunctionDef)]
        makers = [item for item in methods if item.name in ("__init__", "__new__")]
        if len(makers) != 1 or node.decorator_list:
            return ""  # inherited, or made by a decorator
        node = makers[0]
    if node.decorator_list or node.args.kwarg:
        return ""

    taken = [argument.arg for argument in node.args.args + node.args.kwonlyargs]
    given = ["num_classes", "in_channels", *model.arguments]
    unknown = [name for name in given if name not in taken]
    if unknown:
        return f"{model.name} takes no argument {unknown[0]!r}; it takes {', '.join(taken)}"
    return ""
