"""What a run was made of: the state of code, data and libraries."""

import hashlib
import json
import platform
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from satseg.config.reading import ROOT
from satseg.errors import UserError
from satseg.files import sha256
from satseg.jobs.cells import Cell
from satseg.readers import read_json

DISTRIBUTION = "satseg-studies"  # what pip calls this package
PACKAGES = (
    "torch",
    "torchvision",
    "lightning",
    "segmentation-models-pytorch",
    "numpy",
    "rasterio",
    "snakemake",
)


def read_run(folder: Path, cell: Cell, shape: dict[str, Any]) -> dict[str, Any]:
    """A cell's run.json.

    Args:
        folder: folder of the cell.
        cell: the cell that it should be.
        shape: the keys to expect, as `read_json` has them.

    Raises:
        UserError: it is missing or damaged, lacks a key, or is that of another cell.
    """
    path = folder / "run.json"
    recorded = read_json(path, shape | {"cell": dict})
    wanted = cell.model_dump()
    if wanted | recorded["cell"] != wanted:  # earlier versions name no fold
        raise UserError(f"{path}: that of another cell; train this one again")
    return recorded


def code_state() -> dict:
    """Commit, and whether the working tree differs from it; both None outside a git checkout."""
    commit = _git("rev-parse", "HEAD")
    status = _git("status", "--porcelain", "--", "src", "config", "workflow")
    return {"commit": commit, "dirty": None if status is None else bool(status)}


def commits_between(first: str, second: str) -> tuple[int, list[str]] | None:
    """Number of commits that only one of two states has, and the files of code and configuration
    that differ; None if this checkout does not have both."""
    paths = ("--", "src", "config", "workflow")
    number = _git("rev-list", "--count", f"{first}...{second}", *paths)
    files = _git("diff", "--name-only", first, second, *paths)
    return None if number is None or files is None else (int(number), files.splitlines())


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def data_digest(manifest: str | Path) -> str:
    """Hash of the files a manifest lists, wherever they lie.

    Raises:
        UserError: the manifest is missing or damaged.
    """
    files = read_json(manifest, {"files": [dict]})["files"]
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def lock_digest() -> str | None:
    """Hash of requirements.lock; None if there is none."""
    lock = ROOT / "requirements.lock"
    return sha256(lock) if lock.exists() else None


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can affect a result, of those that are
    installed: a stage runs without Snakemake, and from a folder of satseg's code."""
    found = {"python": platform.python_version()}
    distributions = {"satseg": DISTRIBUTION} | {name: name for name in PACKAGES}
    for name, distribution in distributions.items():
        with suppress(PackageNotFoundError):
            found[name] = version(distribution)
    return found
