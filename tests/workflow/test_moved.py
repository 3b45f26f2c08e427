"""A project that was copied or moved: its own scenes, its own code, its own environment."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from satseg.config.reading import ROOT
from satseg.jobs.slices import DownloadSlice
from satseg.stages import download


def said(folder: Path, *command: str, **variables: str) -> tuple[int, str]:
    """Exit status and output of a command in a folder."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def copied(tmp_path_factory) -> Path:
    """A copy of this checkout, without an environment of its own."""
    folder = tmp_path_factory.mktemp("copied")
    for name in ("workflow", "src", "config"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", folder)
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ["snakemake", "--dry-run", "--quiet", "--cores", "1", "demo"],
        ["satseg.commands", "status", "demo"],
        ["satseg.check", "demo"],
    ],
)
def test_the_code_of_another_checkout_is_refused(copied, command):
    start = [sys.executable, "-m", *command]
    status, text = said(copied, *start, PYTHONPATH=str(ROOT / "src"))
    assert status == 1
    (line,) = [line for line in text.splitlines() if "not the code that runs" in line]
    wrong = f"{copied}/src/satseg: not the code that runs, which is {ROOT}/src/satseg; run `make "
    assert line.removeprefix("error: ").startswith(wrong)
    assert line.endswith(f"setup` in {copied}, and use its .venv")


def test_its_own_code_is_not(copied):
    start = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "--cores", "1", "demo"]
    status, text = said(copied, *start, PYTHONPATH=str(copied / "src"))
    assert status == 0, text


def test_a_relative_path_leads_to_its_own_scenes(scene_folder, tmp_path, monkeypatch):
    """Also through a link, and whatever becomes of the first project."""
    job = DownloadSlice(dataset="mine", path="fields", source=None)
    first = tmp_path / "first"
    shutil.copytree(scene_folder, first / "scenes of mine")
    (first / "fields").symlink_to("scenes of mine")
    monkeypatch.chdir(first)
    download.run(job, "data/raw/mine")

    second = tmp_path / "deeper/down/second"
    shutil.copytree(first, second, symlinks=True)
    for project in (first, second):
        raw = project / "data/raw/mine"
        root = Path(raw, json.loads((raw / "manifest.json").read_text())["root"])
        assert root.samefile(project / "fields")


def test_an_absolute_path_stays_one(scene_folder, tmp_path):
    job = DownloadSlice(dataset="mine", path=str(scene_folder), source=None)
    download.run(job, str(tmp_path))
    assert json.loads((tmp_path / "manifest.json").read_text())["root"] == str(scene_folder)


@pytest.fixture
def installed(tmp_path) -> Path:
    """A project whose environment looks installed."""
    folder = tmp_path / "first"
    (folder / ".venv/bin").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, folder)
    (folder / ".venv/pyvenv.cfg").write_text(
        f"version = 3.11.7\ncommand = /usr/bin/python3 -m venv --clear {folder}/.venv\n"
    )
    version = next(
        line.split()[-1] for line in (ROOT / "Makefile").read_text().splitlines() if "UV_V" in line
    )
    for stamp in (f".uv-{version}", ".torch-cpu"):
        (folder / ".venv" / stamp).touch()
    return folder


def test_a_copied_environment_is_made_anew(installed, tmp_path):
    status, text = said(installed, "make", "--dry-run", "setup")
    assert status == 0 and "Nothing to be done" in text

    copy = tmp_path / "second"
    shutil.copytree(installed, copy)
    status, text = said(copy, "make", "--dry-run", "setup")
    assert status == 0
    steps = ["rm -rf .venv", "-m venv --clear .venv", "--torch-backend cpu", "--editable ."]
    places = [text.index(step) for step in steps]
    assert places == sorted(places)
    assert f"a copy of {installed}/.venv; it is made anew" in text


def test_a_linked_environment_stays_where_it_is(installed, tmp_path):
    borrower = tmp_path / "second"
    borrower.mkdir()
    shutil.copy(installed / "Makefile", borrower)
    (borrower / ".venv").symlink_to(installed / ".venv")
    status, _ = said(borrower, "make", "anew")
    assert status == 0
    assert not (borrower / ".venv").exists() and (installed / ".venv/pyvenv.cfg").exists()
