"""Which source files decide what a stage writes, found by reading imports: their digest is a
parameter of its rule."""

import ast
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from satseg.config.models import ModelSpec, PythonSpec
from satseg.files import sha256
from satseg.jobs.slices import DownloadSlice, TileSlice

PACKAGE = Path(__file__).resolve().parents[1]
# These check what a stage is given, report what it does, and choose where it runs. Whatever of it
# can change a result reaches the stage in its slice, every default written out, and a slice is a
# parameter of the rule: an edit here that changes a slice reruns what it must, and one that does
# not reruns nothing.
CARRIERS = {
    "config",
    "errors.py",
    "jobs",
    "processes.py",
    "progress.py",
    "records.py",
    "text.py",
}


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
    return _code(stage, modules, Path.cwd())


@cache
def _code(stage: str, modules: tuple[str, ...], here: Path) -> list[str]:
    """What `code` gives in the folder `here`: found once per process, not once per model."""
    waiting = [f"satseg.stages.{stage}", *modules]
    for module in waiting:
        if not _files(module):
            raise ModuleNotFoundError(f"{module}: no such module in {PACKAGE}")

    asked_for = set().union(*map(_files, modules))
    carriers = {name for name in CARRIERS if not _any_below(asked_for, PACKAGE / name)}

    sources: set[Path] = set()
    found: set[str] = set()
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        found.add(module)
        for file in _files(module) - sources:
            if file.relative_to(PACKAGE).parts[0] in carriers:
                continue
            sources.add(file)
            if file.suffix == ".py":
                imports, named = _read(file, file.stat().st_mtime_ns)
                waiting += imports
                sources |= named
    shown = [file.relative_to(here) if file.is_relative_to(here) else file for file in sources]
    return sorted(map(os.fspath, shown))


def _any_below(files: Iterable[Path], place: Path) -> bool:
    return any(file.is_relative_to(place) for file in files)


def download_code(job: DownloadSlice) -> list[str]:
    """What `code` gives for `download` from this source; a user's own folder is a source too."""
    kinds = ["local"] if job.source is None else [job.source.kind]
    fallback = getattr(job.source, "fallback", None)
    if fallback:
        kinds.append(fallback.kind)
    return code("download", *(f"satseg.data.sources.{kind}" for kind in kinds))


def tile_code(job: TileSlice) -> list[str]:
    """What `code` gives for `tile` of this dataset."""
    readers = [f"satseg.data.official.{job.official.by}"] if job.official else []
    return code("tile", *readers)


def model_code(stage: str, model: ModelSpec) -> list[str]:
    """What `code` gives for a stage that builds this model, with the user's own file if it comes
    from one."""
    own = [model.file] if isinstance(model, PythonSpec) else []
    return code(stage, f"satseg.models.{model.family}") + own


def weights_files(model: ModelSpec) -> list[str]:
    """The file of the weights that a run of this model starts from, if any."""
    file = getattr(model, "weights_file", None)
    return [os.fspath(file)] if file else []


def digest(files: Iterable[str | Path], *texts: str) -> str:
    """One digest of the content of several files, in this order, and of texts; a missing file
    counts as such."""
    digests = [
        _digest(file, file.stat().st_mtime_ns) if file.exists() else "" for file in map(Path, files)
    ]
    return hashlib.sha256("\0".join([*digests, *texts]).encode()).hexdigest()


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
    """The file of a module and the `__init__.py` of each package around it; none if there is no
    such module."""
    place = PACKAGE.parent.joinpath(*module.split("."))
    own = [file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()]
    if not own:
        return set()

    packages = [folder for folder in place.parents if folder.is_relative_to(PACKAGE)]
    above = [folder / "__init__.py" for folder in packages]
    return {*own, *(file for file in above if file.is_file())}


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
            origin = ".".join(filter(None, [*base, node.module]))
            names = [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if name.split(".")[0] == PACKAGE.name)


def _named_files(nodes: list[ast.AST], file: Path) -> set[Path]:
    """Files of the package that a module names in a string."""
    values = [node.value for node in nodes if isinstance(node, ast.Constant)]
    names = {
        value
        for value in values
        if isinstance(value, str) and re.fullmatch(r"[\w./-]+\.\w+", value)
    }
    places = [folder / name for folder in (file.parent, PACKAGE) for name in names]
    return {place for place in places if place.is_file()}
