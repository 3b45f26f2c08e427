"""A copy of the workflow in a folder of its own, and commands to run there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from satseg.config.reading import ROOT

SNAKEMAKE = [sys.executable, "-m", "snakemake", "--cores", "2"]
MODEL = {
    "family": "unet",
    "widths": [4, 8],
    "convs": [1, 1],
    "bottleneck": {"width": 16, "convs": 1},
    "decoder_convs": [1, 1],
}
SMALL = {
    "config.yaml": {"studies": ["demo"]},
    "models.yaml": {"models": {"unet_tiny": MODEL}},
    "papers.yaml": {"papers": {}},
    "tunings.yaml": {"tunings": {}},
    "studies/demo.yaml": {"datasets": ["demo"], "models": ["unet_tiny"], "recipes": ["demo"]},
}
SCENES = {"kind": "demo", "scenes": 6, "size": 128, "seed": 0}


def copy(folder: Path, small: bool = False, epochs: int | None = None) -> None:
    """Copy the workflow, its code and its configuration.

    Args:
        folder: does not exist yet.
        small: reduce the configuration to a demo of six small scenes and one small model, which
            takes seconds.
        epochs: of the demo's recipe, instead of the configured ones.
    """
    for name in ("workflow", "src", "config"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("Snakefile", "environment.yml", "requirements.lock"):
        shutil.copy(ROOT / name, folder)
    (folder / "profiles").symlink_to((ROOT / "profiles").readlink())

    config = folder / "config"
    if small:
        shutil.rmtree(config / "studies")
        for name, tree in SMALL.items():
            (config / name).parent.mkdir(exist_ok=True)
            (config / name).write_text(yaml.safe_dump(tree, sort_keys=False))
        _edit(config / "datasets.yaml", "datasets", "demo", source=SCENES, tile_size=64)
    if epochs:
        _edit(config / "recipes.yaml", "recipes", "demo", epochs=epochs, scheduler=None)
    if small:
        _keep_only(config / "datasets.yaml", "datasets", "demo")
        _keep_only(config / "recipes.yaml", "recipes", "demo")


def _edit(path: Path, kind: str, name: str, **changes: object) -> None:
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    tree[kind][name] |= changes
    path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")


def _keep_only(path: Path, kind: str, name: str) -> None:
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({kind: {name: tree[kind][name]}}), encoding="utf-8")


def run(folder: Path, *command: str) -> str:
    """Run a command in the folder, with the code there; what it printed.

    Raises:
        RuntimeError: it fails.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    done = subprocess.run(
        command, cwd=folder, text=True, check=False, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment(folder) | {"PATH": path},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)[:200]}:\n{done.stdout[-3000:]}")
    return done.stdout


def environment(folder: Path) -> dict[str, str]:
    """The environment of commands in the folder; Snakemake sets the number of threads itself."""
    kept = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    return kept | {"PYTHONPATH": str(folder / "src")}


def snakemake(folder: Path, *arguments: str) -> str:
    """Run Snakemake on two cores; what it printed."""
    return run(folder, *SNAKEMAKE, *arguments)


def script(folder: Path, *targets: str) -> Path:
    """Write the commands that Snakemake would run for the targets as a shell script, one after the
    other."""
    plan = snakemake(folder, "--dry-run", "--printshellcmds", *targets)
    commands = re.findall(r"^Shell command: *\n(.+?)\n\s*\n", plan, re.MULTILINE | re.DOTALL)
    log_folders = [Path(log).parent for log in re.findall(r"&>(\S+)", plan)]

    lines = ["set -e", "export OMP_NUM_THREADS=$(nproc)"]
    lines += [f"mkdir -p {log_folder}" for log_folder in log_folders]
    lines += [f"({command})" for command in commands]  # some `exec`
    path = folder / "stages.sh"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def clean(folder: Path) -> None:
    """Remove what a run leaves behind."""
    for name in ("data", "results", "logs", ".snakemake"):
        shutil.rmtree(folder / name, ignore_errors=True)


def outputs(folder: Path, *targets: str) -> list[str]:
    """Every file that is made for the targets."""
    lines = [line.split("\t") for line in snakemake(folder, "--summary", *targets).splitlines()]
    head = next(i for i, line in enumerate(lines) if line[0] == "output_file")
    return [line[0] for line in lines[head + 1 :] if len(line) > 1]


def pretend(folder: Path, *targets: str) -> int:
    """Create every output of the targets empty and record it as made; the number of outputs."""
    names = outputs(folder, *targets)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix:
            path.touch()
        else:
            path.mkdir(exist_ok=True)
    snakemake(folder, "--touch", "--quiet", "all", "--", *targets)
    return len(names)
