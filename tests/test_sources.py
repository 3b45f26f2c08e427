"""The files `code()` finds are those Python loads when a stage runs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from satseg import sources
from satseg.sources import PACKAGE, code

STAGES = sorted(path.stem for path in (PACKAGE / "stages").glob("[!_]*.py"))
LOADED = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps([m.__file__ for n, m in sys.modules.items() if n.split(".")[0] == "satseg"]))
"""


def found(stage, *modules):
    return {Path(path).resolve() for path in code(stage, *modules)}


def loaded(*modules):
    """Files of the package that Python has loaded after importing these modules."""
    done = subprocess.run([sys.executable, "-c", LOADED, *modules], capture_output=True, text=True, check=True)
    return {Path(path).resolve() for path in json.loads(done.stdout)}


@pytest.mark.parametrize("stage", STAGES)
def test_covers_what_python_loads(stage):
    assert loaded(f"satseg.stages.{stage}") <= found(stage)


def test_names_no_file_that_only_looks_like_a_module():
    files = {path for path in found("train", "satseg.models.smp") if path.suffix == ".py"}
    names = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in files]
    assert loaded(*(name.removesuffix(".__init__") for name in names)) == files


def test_further_modules_come_on_top():
    plain, more = found("profile"), found("profile", "satseg.models.smp")
    assert PACKAGE / "models" / "smp.py" in more - plain
    assert more >= plain


def test_template_of_the_report_counts():
    assert PACKAGE / "report.html.j2" in found("report")


@pytest.mark.parametrize("arguments", [("tyle",), ("tile", "satseg.models.unett")])
def test_unknown_module(arguments):
    with pytest.raises(ModuleNotFoundError, match=arguments[-1]):
        code(*arguments)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package in place of satseg; returns a function that writes a file of it."""
    monkeypatch.setattr(sources, "PACKAGE", tmp_path / "satseg")

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
    assert code("one") == sorted(str(sources.PACKAGE / name) for name in [*always, *files])


def test_modules_that_import_each_other(package):
    package("a.py", "import satseg.b")
    package("b.py", "import satseg.a")
    package("stages/one.py", "import satseg.b")
    assert {Path(path).name for path in code("one")} == {"__init__.py", "one.py", "a.py", "b.py"}


def test_paths_are_relative_where_they_lie_below_the_working_directory(package, tmp_path, monkeypatch):
    package("stages/one.py")
    monkeypatch.chdir(tmp_path)
    assert code("one") == ["satseg/__init__.py", "satseg/stages/__init__.py", "satseg/stages/one.py"]
