"""Which source files decide what a stage writes, found by reading imports: a rule lists them as
input."""

import ast
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from satseg.config.models import ModelSpec, PythonSpec, SmpSpec
from satseg.files import sha256
from satseg.jobs.slices import DownloadSlice, TileSlice

PACKAGE = Path(__file__).resolve().parents[1]
# They check what a stage is told, tell what it does, and choose where it runs. All of it that can
# change a result reaches the stage as its slice, every default written out, and a slice is a
# parameter of the rule: what one of these files changes there reruns what it must, and an edit that
# changes no slice reruns nothing.
CARRIERS = {"config", "errors.py", "jobs", "progress.py", "text.py"}


def code(stage: str, *modules: str) -> list[str]:
    """Source files that `satseg.stages.<stage>` imports from this package, directly or not, in
    sorted order.

    Imports inside functions count, those under `if TYPE_CHECKING:` do not. A file of the package
    that a module names in a string, such as a template, counts too; `CARRIERS` do not, unless
    `modules` names them (a module of a folder stands for the whole folder).

    Args:
        stage: name of the stage.
        modules: further modules, as `satseg.models.unet`, that the stage looks up by name.

    Returns:
        Paths, relative to the working directory where they lie below it: moving the project changes
            none.

    Raises:
        ModuleNotFoundError: the stage, or one of `modules`, does not exist.
    """
    waiting, found = [f"satseg.stages.{stage}", *modules], set()
    for module in waiting:
        if not _files(module):
            raise ModuleNotFoundError(f"{module}: no such module in {PACKAGE}")
    named = set().union(*map(_files, modules))
    carriers = {
        PACKAGE / name
        for name in CARRIERS
        if not any(f.is_relative_to(PACKAGE / name) for f in named)
    }
    while waiting:
        for file in _files(waiting.pop()) - found:
            if any(file.is_relative_to(carrier) for carrier in carriers):
                continue
            found.add(file)
            if file.suffix == ".py":
                imports, named = _read(file, file.stat().st_mtime_ns)
                waiting += imports
                found |= named
    return sorted(_shown(file) for file in found)


def download_code(spec: DownloadSlice) -> list[str]:
    """What `code` gives for `download` from this source; a user's own folder is a source too."""
    kinds = ["local"] if spec.source is None else [spec.source.kind]
    fallback = getattr(spec.source, "fallback", None)
    kinds += [fallback.kind] if fallback else []
    return code("download", *(f"satseg.data.sources.{kind}" for kind in kinds))


def tile_code(spec: TileSlice) -> list[str]:
    """What `code` gives for `tile` of this dataset."""
    return code("tile", *([f"satseg.data.official.{spec.official.by}"] if spec.official else []))


def model_code(stage: str, model: ModelSpec) -> list[str]:
    """What `code` gives for a stage that builds this model, and the user's own file where it comes
    from one."""
    return code(stage, f"satseg.models.{model.family}") + (
        [model.file] if isinstance(model, PythonSpec) else []
    )


def weights_files(model: ModelSpec) -> list[str]:
    """The file whose weights a training of this model starts from, if any."""
    named = model.weights_file if isinstance(model, SmpSpec) else None
    return [os.fspath(named)] if named else []


def digest(files: Iterable[str | Path], *texts: str) -> str:
    """One digest of the content of several files, in this order, and of texts; a missing file
    counts as such."""
    each = [
        _digest(file, file.stat().st_mtime_ns) if file.exists() else "" for file in map(Path, files)
    ]
    return hashlib.sha256("\0".join([*each, *texts]).encode()).hexdigest()


@cache
def _digest(file: Path, modified: int) -> str:
    """Hash of a file's content: read once, until `modified` changes."""
    return sha256(file)


@cache
def _read(file: Path, modified: int) -> tuple[list[str], set[Path]]:
    """What a module may import of this package, and the files it names: read once, until `modified`
    changes."""
    nodes = list(_nodes(ast.parse(file.read_bytes(), file)))
    return list(_imports(nodes, file)), _named_files(nodes, file)


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a module, without those under `if TYPE_CHECKING:`."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        types_only = isinstance(node, ast.If) and ast.unparse(node.test) in (
            "TYPE_CHECKING",
            "typing.TYPE_CHECKING",
        )
        waiting += node.orelse if types_only else ast.iter_child_nodes(node)


def _files(module: str) -> set[Path]:
    """The file of a module and the `__init__.py` of each package around it; none where it is no
    module."""
    place = PACKAGE.parent.joinpath(*module.split("."))
    own = [f for f in (place.with_suffix(".py"), place / "__init__.py") if f.is_file()]
    above = [p / "__init__.py" for p in place.parents if p.is_relative_to(PACKAGE)]
    return {*own, *(f for f in above if f.is_file())} if own else set()


def _imports(nodes: list[ast.AST], file: Path) -> Iterator[str]:
    """Names that may be modules of this package: of `from satseg import x`, both `satseg` and
    `satseg.x`."""
    package = file.parent.relative_to(PACKAGE.parent).parts
    for node in nodes:
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            origin = ".".join([*base, *([node.module] if node.module else [])])
            names = [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if name.split(".")[0] == PACKAGE.name)


def _named_files(nodes: list[ast.AST], file: Path) -> set[Path]:
    texts = {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    names = [t for t in texts if re.fullmatch(r"[\w./-]+\.\w+", t)]
    return {p for name in names for p in (file.parent / name, PACKAGE / name) if p.is_file()}


def _shown(file: Path) -> str:
    here = Path.cwd().resolve()
    return os.fspath(file.relative_to(here) if file.is_relative_to(here) else file)
