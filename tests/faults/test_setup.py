"""`make setup` killed at any moment, or on a full disk, recovers by being run again: with two small
packages in place of all, which are installed in the same steps."""

import os
import re
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest

from conftest import ROOT
from faults.conftest import resize

AREA = "Set-up"
SEED = 143
KILLS = 20
FEW = 1  # without --record: each takes as long as a set-up
SHARES = (0.02, 0.3, 0.7, 0.9)  # of the space that an environment takes
# Of a `make` around this one, of its variables and of this checkout's code.
FOREIGN = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "PYTHONPATH", "VIRTUAL_ENV")
PACKAGES = ("packaging", "pluggy")
PYPROJECT = """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "small"
version = "0.1.0"

[tool.setuptools]
py-modules = []
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A project of the same Makefile that needs two packages, set up; its files, and the seconds
    that took; skips where nothing can be installed."""
    folder = tmp_path_factory.mktemp("setup")
    (folder / ".ci").mkdir()
    for name in ("Makefile", ".ci/whole.py"):
        shutil.copy(ROOT / name, folder / name)
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    blocks = [re.search(rf"^{name}==(?:.*\n    )+.*$", lock, re.M)[0] for name in PACKAGES]
    (folder / "requirements.lock").write_text("\n".join(blocks) + "\n", encoding="utf-8")
    (folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    began = time.monotonic()
    done = set_up(folder)
    if done.returncode:
        pytest.skip(f"nothing can be installed here: {done.stdout.splitlines()[-1:]}")
    seconds = time.monotonic() - began
    return folder, installed(folder), seconds


def start(folder):
    """`make setup`, as a user starts it, in a group of its own."""
    return subprocess.Popen(
        ["make", "setup", "TORCH=lock"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={name: value for name, value in os.environ.items() if name not in FOREIGN},
    )


def set_up(folder):
    running = start(folder)
    said, _ = running.communicate()
    return subprocess.CompletedProcess(running.args, running.returncode, said)


def installed(folder) -> dict[str, int]:
    """Every file of the environment that decides what runs, with its size."""
    place = folder / ".venv"
    files = [path for path in place.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    names = {path.relative_to(place).as_posix(): path.stat().st_size for path in files}
    # These hold times, a place, or the way to the same.
    return {
        name: size
        for name, size in names.items()
        if not re.search(r"\.dist-info/(RECORD|uv_\w+\.json)$|\.lock$|^pyvenv\.cfg$", name)
    }


def missing(folder, whole) -> set[str]:
    """Files that are not as in an undisturbed environment; some hold the path of their own."""
    ours = installed(folder)
    holds_path = re.compile(r"^bin/|__editable__|direct_url")
    return {
        name
        for name, size in whole.items()
        if name not in ours or (ours[name] != size and not holds_path.search(name))
    }


def works(folder) -> bool:
    """Whether what was installed is whole, and another `make setup` finds nothing to do."""
    python = folder / ".venv/bin/python"
    code = "import packaging.version, pluggy; packaging.version.Version('1.0')"
    for command in ([python, "-c", code], [python, folder / ".ci/whole.py", "--keep"]):
        assert subprocess.run(command, cwd=folder).returncode == 0
    again = set_up(folder)
    return again.returncode == 0 and "Installing" not in again.stdout


def test_killed_at_random_moments(undisturbed, fault, request):
    project, whole, seconds = undisturbed
    kills = KILLS if request.config.getoption("--record", False) else FEW
    rng = np.random.default_rng(SEED)
    shutil.rmtree(project / ".venv")
    for moment in rng.uniform(0, seconds, kills):
        running = start(project)
        time.sleep(moment)
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        if running.returncode == 0:  # over before its time
            assert missing(project, whole) == set()
            shutil.rmtree(project / ".venv")
    done = set_up(project)
    assert done.returncode == 0, done.stdout
    assert missing(project, whole) == set()
    assert works(project)
    fault(
        AREA,
        f"`make setup`, killed at {KILLS} random moments",
        "`make setup` again installs what an undisturbed one does",
    )


def test_a_full_disk(undisturbed, small_disk, fault, request):
    """At several sizes of disk, one after the other; then there is space."""
    project, whole, _ = undisturbed
    size = sum(whole.values())
    disk = small_disk(size)
    for name in ("Makefile", ".ci", "requirements.lock", "pyproject.toml"):
        source = project / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, disk / name)
    for share in SHARES if request.config.getoption("--record", False) else SHARES[1:2]:
        resize(disk, int(share * size))
        assert set_up(disk).returncode != 0
    resize(disk, 3 * size)
    done = set_up(disk)
    assert done.returncode == 0, done.stdout
    assert missing(disk, whole) == set()
    assert works(disk)
    fault(
        AREA,
        "`make setup` on a disk that fills up",
        "it fails; with space, `make setup` again installs all",
    )
