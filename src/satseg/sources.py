"""Which source files decide what a stage does, found by reading imports: a rule lists them as input."""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def code(stage: str, *modules: str) -> list[str]:
    """Source files that `satseg.stages.<stage>` imports from this package, directly or not, in sorted order.

    Imports inside functions count, those under `if TYPE_CHECKING:` do not. A file of the package that a
    module names in a string, such as a template, counts too.

    Args:
        stage: name of the stage.
        modules: further modules, as `satseg.models.unet`, that the stage looks up by name.

    Returns:
        Paths, relative to the working directory where they lie below it: moving the project changes none.

    Raises:
        ModuleNotFoundError: the stage, or one of `modules`, does not exist.
    """
    waiting, found = [f"satseg.stages.{stage}", *modules], set()
    for module in waiting:
        if not _files(module):
            raise ModuleNotFoundError(f"{module}: no such module in {PACKAGE}")
    while waiting:
        for file in _files(waiting.pop()) - found:
            found.add(file)
            if file.suffix == ".py":
                tree = _without_type_checking(ast.parse(file.read_bytes(), file))
                waiting += _imports(tree, file)
                found |= _named_files(tree, file)
    return sorted(_shown(file) for file in found)


def _files(module: str) -> set[Path]:
    """The file of a module and the `__init__.py` of each package around it; none where it is no module."""
    place = PACKAGE.parent.joinpath(*module.split("."))
    own = [f for f in (place.with_suffix(".py"), place / "__init__.py") if f.is_file()]
    above = [p / "__init__.py" for p in place.parents if p.is_relative_to(PACKAGE)]
    return {*own, *(f for f in above if f.is_file())} if own else set()


def _imports(tree: ast.AST, file: Path) -> Iterator[str]:
    """Names that may be modules of this package: of `from satseg import x`, both `satseg` and `satseg.x`."""
    package = file.parent.relative_to(PACKAGE.parent).parts
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            origin = ".".join([*base, *([node.module] if node.module else [])])
            names = [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if name.split(".")[0] == PACKAGE.name)


def _named_files(tree: ast.AST, file: Path) -> set[Path]:
    texts = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    names = [t for t in texts if re.fullmatch(r"[\w./-]+\.\w+", t)]
    return {p for name in names for p in (file.parent / name, PACKAGE / name) if p.is_file()}


def _without_type_checking(tree: ast.Module) -> ast.Module:
    class Drop(ast.NodeTransformer):
        def visit_If(self, node: ast.If):
            if ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
                return [self.visit(other) for other in node.orelse]
            return self.generic_visit(node)

    return Drop().visit(tree)


def _shown(file: Path) -> str:
    here = Path.cwd().resolve()
    return os.fspath(file.relative_to(here) if file.is_relative_to(here) else file)
