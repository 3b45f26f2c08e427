"""Rules of the house: properties that no single module can guarantee."""

import ast
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from satseg.config.reading import ROOT, load
from satseg.jobs.dependencies import PACKAGE

MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
STAGES = sorted(name for name in MODULES if name.startswith("satseg.stages."))
# Who may import whom, from top to bottom.
PICTURE = re.search(
    r"```text\n(.+?)```", (ROOT / "docs" / "house.md").read_text(encoding="utf-8"), re.DOTALL
)[1]
ROOMS = {
    room: depth
    for depth, line in enumerate(PICTURE.split("\n"))
    for room in line.split(" · ")
    if room
}
LONGEST = 300  # lines of a module
HELP = """
import runpy, sys
for stage in sys.argv[1:]:
    sys.argv = [stage, "--help"]
    try:
        runpy.run_module(stage, run_name="__main__")
    except SystemExit as end:
        assert end.code == 0
"""
BY_HAND = ["satseg.stages.export"]  # no rule: the weights file holds all it needs
TORCH_FREE = ["tile", "split", "tables", "figures", "report"]


def room(module: str) -> str:
    """The folder or file of the package that a module lies in."""
    return module.removeprefix("satseg").lstrip(".").split(".")[0]


def imported(module: str) -> set[str]:
    """Modules of the package that a module imports, also inside functions and for type checking."""
    names = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names & set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_one_way(module):
    own = room(module)
    others = {room(name) for name in imported(module)} - {own, ""}
    assert own == "" or not {other for other in others if ROOMS[other] <= ROOMS[own]}


def test_every_room_is_in_the_picture():
    assert {room(module) for module in MODULES} - {""} == set(ROOMS)


def test_no_import_runs_in_a_circle():
    TopologicalSorter({module: imported(module) - packages(module) for module in MODULES}).prepare()


def packages(module: str) -> set[str]:
    """The packages around a module, which its imports name along the way."""
    parts = module.split(".")
    return {".".join(parts[:i]) for i in range(1, len(parts) + 1)}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_short(module):
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_paths_of_the_house_are_true():
    text = (ROOT / "docs" / "house.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"`((?:src|config|workflow)/[\w./]+)`", text))
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_imports_another(stage):
    assert not imported(stage) & set(STAGES)


@pytest.mark.parametrize("module", MODULES)
def test_every_module_and_public_name_says_what_it_is_for(module):
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), module
    kinds = (ast.FunctionDef, ast.ClassDef)
    silent = [
        node.name
        for node in tree.body
        if isinstance(node, kinds) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert not silent


@pytest.mark.parametrize("module", MODULES)
def test_code_knows_no_dataset_model_recipe_or_study(module):
    config = load(ROOT / "config")
    kinds = {model.family for model in config.models.values()}
    kinds |= {dataset.source.kind for dataset in config.datasets.values() if dataset.source}
    names = {*config.datasets, *config.models, *config.recipes, *config.study} - kinds
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert not texts & names


def test_workflow_knows_no_dataset_model_recipe_or_study():
    config = load(ROOT / "config")
    names = {*config.datasets, *config.models, *config.recipes, *config.study}
    for path in [
        ROOT / "Snakefile",
        *(ROOT / "workflow").rglob("*Snakefile"),
        *(ROOT / "workflow").rglob("*.smk"),
    ]:
        words = set(re.findall(r"\w+", path.read_text(encoding="utf-8")))
        assert not words & names, path


@pytest.mark.parametrize("stage", TORCH_FREE)
def test_stages_that_do_not_train_start_without_torch(stage):
    text = f"import sys, satseg.stages.{stage}\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_stage_explains_itself():
    done = subprocess.run(
        [sys.executable, "-c", HELP, *STAGES], capture_output=True, text=True, check=True
    )
    pages = done.stdout.split("usage: ")[1:]
    assert len(pages) == len(STAGES)
    for stage, page in zip(STAGES, pages, strict=True):
        assert page.startswith(f"python -m {stage} ")
        assert "--slice SLICE" in page or stage in BY_HAND


# --- what is installed ----------------------------------------------------------------------------


def lock() -> dict[str, str]:
    """Package → pinned version."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", text, re.MULTILINE))


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_lock_fits_the_project():
    pins, wanted = lock(), project()
    for text in wanted["project"]["dependencies"] + wanted["dependency-groups"]["dev"]:
        requirement = Requirement(text)
        version = pins.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is not in requirements.lock; run `make lock`"
        assert requirement.specifier.contains(version), f"{requirement}: {version} is locked"


def test_lock_is_complete_and_names_no_place():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    assert "-e " not in text
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(entries) > 100
    assert all("--hash=sha256:" in entry for entry in entries)


def test_environment_is_the_lock_and_nothing_else():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python, pip, block = environment["dependencies"]
    name, version = python.split("=")
    assert (name, pip) == ("python", "pip")
    assert SpecifierSet(project()["project"]["requires-python"]).contains(version)
    assert f"--python-version {version}" in (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert block == {"pip": ["-r requirements.lock"]}
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        for named in re.findall(r'conda:\s+"(.+?)"', path.read_text(encoding="utf-8")):
            assert (path.parent / named).resolve() == ROOT / "environment.yml"


def test_stage_files_are_packaged():
    """Files that modules read from the package are installed with it, not only found in a checkout."""
    data = [
        path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")
    ]
    patterns = project()["tool"]["setuptools"].get("package-data", {}).get("satseg", [])
    unpackaged = [
        path.name
        for path in data
        if not any(path.relative_to(PACKAGE).match(pattern) for pattern in patterns)
    ]
    assert not unpackaged


def test_committed_text_names_no_machine():
    """No absolute path of a home or work folder in what is committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in filter(None, listed.stdout.split("\0")):
        path = Path(ROOT, name)
        if path.is_file() and path != Path(__file__):
            text = path.read_text(encoding="utf-8", errors="ignore")
            assert not re.search(r"(?<![\w.])/(home|root|work|Users)/\w", text), name
