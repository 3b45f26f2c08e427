"""The files `code()` finds are those Python loads when a stage runs."""

import ast
import json
import os
import subprocess
import sys
from inspect import unwrap
from itertools import chain
from pathlib import Path
from typing import get_args, get_origin

import pytest
from pydantic import BaseModel

from satseg.config import datasets, models, papers, recipes, root, sources, splits, studies, tunings
from satseg.config import types as config_types
from satseg.config.reading import ROOT, load
from satseg.jobs import dependencies, slices, tuned
from satseg.jobs.dependencies import (
    CARRIERS,
    PACKAGE,
    code,
    digest,
    download_code,
    model_code,
    tile_code,
    weights_files,
)

STAGES = sorted(path.stem for path in (PACKAGE / "stages").glob("[!_]*.py"))
# Started by hand, not by a rule, with what only they use: nothing the workflow keeps comes from
# them.
PROGRAMS = {"check", "commands", "compare", "estimate"}
# The configuration names these files and measures; what a stage is given of them is in its slice.
NAMED = {PACKAGE / "measures.py", PACKAGE / "paths.py", PACKAGE / "nested.py"}
# These look up what the configuration's classes work out; the digest of the classes' code is a
# parameter of their rules.
STUDY_STAGES = {"tables", "figures", "report"}
FAMILIES = {
    "models": "smp unet compact python",
    "data.sources": "demo http kaggle local",
    "data.official": "scenes tiles lists",
}
HELPERS = {  # of several kinds
    "satseg.data.official.reading",
    "satseg.models.bundle",
    "satseg.models.encoders",
    "satseg.models.outline",
    "satseg.models.segmenter",
    "satseg.models.skips",
    "satseg.models.voting",
}
STANDS_ON = {"satseg.models.compact": {"satseg.models.smp"}}  # its encoder
LOOKED_UP = {
    folder: [f"satseg.{folder}.{name}" for name in names.split()]
    for folder, names in FAMILIES.items()
}
LOADED = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps([m.__file__ for n, m in sys.modules.items() if n.split(".")[0] == "satseg"]))
"""


def found(stage, *modules):
    return {Path(path).resolve() for path in code(stage, *modules)}


def carried(path):
    """Whether a file is among those that only carry a configuration to a stage."""
    return any(path.is_relative_to(PACKAGE / name) for name in CARRIERS)


def loaded(*modules):
    """Files of the package that Python has loaded after importing these modules."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *modules], capture_output=True, text=True, check=True
    )
    return {Path(path).resolve() for path in json.loads(done.stdout)}


@pytest.mark.parametrize("stage", STAGES)
def test_covers_what_python_loads(stage):
    assert {
        path for path in loaded(f"satseg.stages.{stage}") if not carried(path)
    } - NAMED <= found(stage)


def test_names_no_file_that_only_looks_like_a_module():
    files = {path for path in found("train", "satseg.models.smp") if path.suffix == ".py"}
    names = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in files]
    imported = loaded(*(name.removesuffix(".__init__") for name in names))
    assert {path for path in imported if not carried(path)} - NAMED == files - NAMED


def test_further_modules_come_on_top():
    plain, more = found("profile"), found("profile", "satseg.models.smp")
    assert PACKAGE / "models" / "smp.py" in more - plain
    assert more >= plain


@pytest.mark.parametrize("folder", LOOKED_UP)
def test_every_module_that_is_looked_up_is_known_here(folder):
    files = (PACKAGE / folder.replace(".", "/")).glob("[!_]*")
    names = {f"satseg.{folder}.{path.stem}" for path in files} - HELPERS
    assert names == set(LOOKED_UP[folder])


def test_a_module_that_is_looked_up_counts_only_where_it_is():
    """One dataset's reader, one model's family: the others' files are not among the inputs."""
    for stage, folder in (
        ("download", "data.sources"),
        ("tile", "data.official"),
        ("train", "models"),
    ):
        for module in LOOKED_UP[folder]:
            others = {
                PACKAGE.parent / f"{name.replace('.', '/')}.py"
                for name in {*LOOKED_UP[folder]} - {module} - STANDS_ON.get(module, set())
            }
            assert not found(stage, module) & others
            assert found(stage, module) - found(stage)


def test_code_of_datasets_and_models(tmp_path):
    everything = load(ROOT / "config")
    for name, dataset in everything.datasets.items():
        kinds = {dataset.source.kind} if dataset.source and not dataset.path else {"local"}
        fallback = getattr(dataset.source, "fallback", None)
        kinds |= {fallback.kind} if fallback else set()
        files = map(Path, download_code(slices.download_slice(everything, name)))
        brought = {
            part
            for file in files
            if "sources" in file.parts
            for part in (file.stem, file.parent.name)
        }
        assert brought & {"demo", "http", "kaggle", "local"} == kinds
        spec = slices.tile_slice(everything, name)
        official = {Path(file) for file in tile_code(spec) if Path(file).parent.name == "official"}
        assert ({f.stem for f in official} & {"scenes", "lists", "tiles"}) == (
            {spec.official.by} if spec.official else set()
        )
    own = models.PythonSpec(family="python", file="mine/net.py", name="Net")
    assert model_code("train", own)[-1] == "mine/net.py"
    pretrained = {"family": "smp", "architecture": "Unet", "encoder": "resnet18"}
    assert weights_files(models.SmpSpec(**pretrained, encoder_weights="imagenet")) == []
    assert weights_files(models.SmpSpec(**pretrained, encoder_weights="mine/a.pt")) == ["mine/a.pt"]


def test_every_file_decides_something_or_is_an_exception():
    """A new file that decides no rule's outputs, and that is no program of its own, fails here."""
    every = {path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in (".pyc",)}
    covered = set().union(
        *(found(stage, *chain.from_iterable(LOOKED_UP.values())) for stage in STAGES)
    )
    exceptions = {
        path
        for path in every
        for name in CARRIERS | PROGRAMS
        if path.is_relative_to(PACKAGE / name)
    }
    assert sorted(every - covered) == sorted(exceptions)


# --- what is left out of it -----------------------------------------------------------------------


def trees(stages):
    """Syntax trees of the files that decide these stages."""
    files = set().union(
        *(found(stage, *chain.from_iterable(LOOKED_UP.values())) for stage in stages)
    )
    return {
        path: ast.parse(path.read_text(encoding="utf-8")) for path in files if path.suffix == ".py"
    }


def reachable(kind, seen):
    """Section classes among a slice's keys."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if kind not in seen:
            seen.add(kind)
            for field in kind.model_fields.values():
                reachable(field.annotation, seen)
    elif get_origin(kind) is not None:
        for argument in get_args(kind):
            reachable(argument, seen)
    return seen


def test_what_is_left_out_gives_a_stage_nothing_but_its_slice():
    """From the files left out, the stages that make cells take classes, and functions that change
    no result."""
    harmless = {
        "config": {
            "ROOT",  # where provenance looks
            "load",  # a model by name
            "check_bands",  # refuses, or does nothing
            "LOWEST_MASK_VALUE",  # the configuration refuses values beyond
            "HIGHEST_MASK_VALUE",
        },
        "errors": {"UserError", "is_innocent", "one_line", "out_of_memory"},
        "jobs": {
            "stage",
            "guarded",
            "Parser",
            "parse",
            "claim_device",
            "model_code",
            "weights_files",
            "digest",
            # Who may write an output.
            "Output",
            "cell",
            "file",
            "folder",
            "refuse_inputs",
            "refuse_folder_of_cells",
            "sole_writer",
            "starter_pid",
            "missing_logger",  # refuses, or does nothing
        },
        # When a process ends, and whose a temporary file is.
        "processes": {
            "OWNER",
            "Owner",
            "end_with_parent",
            "end_with_starter",
            "starter",
            "this_process",
        },
        "progress": {"FILE", "log", "watched", "Pace"},  # they report, and change nothing
        # They compare what is read, and write down what it was.
        "records": {"digest_of", "is_copy", "note", "write_record"},
        "text": {"columns", "counted", "duration", "listing"},
    }
    modules = [datasets, sources, splits, models, recipes, papers, studies, root, config_types]
    modules += [tunings, slices, tuned]
    types = {
        name
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type)
    }
    aliases = {"ModelSpec", "Source", "Official"}  # unions of classes
    taken = {
        (node.module.split(".")[1], alias.name, path.name)
        for path, tree in trees(set(STAGES) - STUDY_STAGES).items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("satseg.")
        if carried(PACKAGE.parent / f"{node.module.replace('.', '/')}.py")
        for alias in node.names
    }
    assert len(taken) > 20
    wrong = {
        (m, name, file) for m, name, file in taken if name not in harmless[m] | types | aliases
    }
    assert not wrong


def test_the_classes_of_a_slice_work_nothing_out_that_a_result_hangs_on():
    """Properties and methods of the classes that make up a cell's slices are used nowhere in what
    decides it."""
    kinds = ("Download", "Tile", "Split", "Train", "Evaluate", "Profile")
    classes = set().union(*(reachable(getattr(slices, f"{kind}Slice"), set()) for kind in kinds))
    assert {
        splits.Split,
        datasets.Pixels,
        models.UNetSpec,
        recipes.Augmentation,
        datasets.OfficialTiles,
    } <= classes
    worked_out = {
        name
        for kind in classes
        for name, value in vars(kind).items()
        if not name.startswith(("_", "model_")) and (isinstance(value, property) or callable(value))
    }
    keys = {name for kind in classes for name in kind.model_fields}
    # Weights that were named a file load as one or not at all, whatever else a file may be called.
    worked_out -= keys | {"weights_file"}
    assert {"subsets", "logical_batch_size"} <= worked_out
    used = {
        (path.name, node.attr)
        for path, tree in trees(set(STAGES) - STUDY_STAGES).items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
    }
    assert not {(file, name) for file, name in used if name in worked_out}


# --- digests --------------------------------------------------------------------------------------


def test_a_digest_is_of_content_order_and_texts(tmp_path):
    a, b = tmp_path / "a.py", tmp_path / "b.py"
    a.write_text("1")
    b.write_text("2")
    first = digest([a, b])
    os.utime(a, (1e9, 1e9))
    assert digest([a, b]) == first
    assert (
        len(
            {
                first,
                digest([b, a]),
                digest([a]),
                digest([a, b], "x"),
                digest([a, tmp_path / "c.py"]),
            }
        )
        == 5
    )
    b.write_text("3")
    os.utime(b, (1e9, 1e9))
    assert digest([a, b]) != first


# --- imports --------------------------------------------------------------------------------------


def test_template_of_the_report_counts():
    assert PACKAGE / "pages" / "report.html.j2" in found("report")


@pytest.mark.parametrize("arguments", [("tyle",), ("tile", "satseg.models.unett")])
def test_unknown_module(arguments):
    with pytest.raises(ModuleNotFoundError, match=arguments[-1]):
        code(*arguments)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package in place of satseg; returns a function that writes a file of it."""
    monkeypatch.setattr(dependencies, "PACKAGE", tmp_path / "satseg")
    monkeypatch.setattr(dependencies, "_code", unwrap(dependencies._code))

    def write(path, text=""):
        file = tmp_path / "satseg" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    write("__init__.py")
    write("stages/__init__.py")
    return write


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("import satseg.a", ["a.py"]),
        ("import satseg.a as b, os", ["a.py"]),
        ("import satseg.sub.c", ["sub/__init__.py", "sub/c.py", "a.py"]),
        ("from satseg import a", ["a.py"]),
        ("from satseg.a import thing", ["a.py"]),
        ("from satseg.sub import c", ["sub/__init__.py", "sub/c.py", "a.py"]),
        ("from satseg.sub import name", ["sub/__init__.py"]),
        ("from ..sub import c", ["sub/__init__.py", "sub/c.py", "a.py"]),
        ("from .. import a", ["a.py"]),
        ("from . import other", ["stages/other.py"]),
        ("def f():\n    from satseg import a", ["a.py"]),
        ("if TYPE_CHECKING:\n    from satseg import a", []),
        (
            "import typing\nif typing.TYPE_CHECKING:\n    import satseg.sub\nelse:\n    import satseg.a",
            ["a.py"],
        ),
        ("if x:\n    from satseg import a", ["a.py"]),
        ("import os, satsegment\nfrom json import a", []),
        ("NAME = 'page.html'", ["page.html"]),
        ("NAME = 'nothing.html'", []),
        ("'''import satseg.a'''", []),
    ],
)
def test_forms_of_imports(package, text, files):
    package("a.py")
    package("page.html")
    package("sub/__init__.py")
    package("sub/c.py", "from .. import a")
    package("stages/other.py")
    package("stages/one.py", text)
    always = ["__init__.py", "stages/__init__.py", "stages/one.py"]
    assert code("one") == sorted(str(dependencies.PACKAGE / name) for name in [*always, *files])


def test_modules_that_import_each_other(package):
    package("a.py", "import satseg.b")
    package("b.py", "import satseg.a")
    package("stages/one.py", "import satseg.b")
    assert {Path(path).name for path in code("one")} == {"__init__.py", "one.py", "a.py", "b.py"}


def test_paths_are_relative_where_they_lie_below_the_working_directory(
    package, tmp_path, monkeypatch
):
    package("stages/one.py")
    monkeypatch.chdir(tmp_path)
    assert code("one") == [
        "satseg/__init__.py",
        "satseg/stages/__init__.py",
        "satseg/stages/one.py",
    ]
