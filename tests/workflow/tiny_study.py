"""A project with a study small enough to train here, and Snakemake run on it."""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import yaml

from satseg.config.reading import ROOT

SCENES = 6
SIZE = 128
TILE = 64
CELL = "results/runs/demo/mini/quick/seed0"


def unet(width: int) -> dict:
    """A U-Net of two levels."""
    return {
        "family": "unet",
        "widths": [width, 2 * width],
        "convs": [1, 1],
        "bottleneck": {"width": 4 * width, "convs": 1},
        "decoder_convs": [1, 1],
    }


CONFIG = {
    "config.yaml": {"studies": ["tiny"]},
    "splits.yaml": {
        "splits": {"thirds": {"unit": "group", "train": 0.5, "val": 0.25, "test": 0.25}}
    },
    "models.yaml": {"models": {"mini": unet(12), "maxi": unet(16)}},
    "recipes.yaml": {
        "recipes": {
            "quick": {
                "split": "thirds",
                "loss": {"name": "cross_entropy"},
                "epochs": 2,
                "batch_size": 4,
            }
        }
    },
    "papers.yaml": {"papers": {}},
    "studies/tiny.yaml": {"datasets": ["demo"], "models": ["mini"], "recipes": ["quick"]},
}
# Snakemake loaded once: each line of its input is a command line, run in a child process.
SERVER = """
import json, os, sys, tempfile
import satseg.jobs.slices
from satseg.jobs.dependencies import code
from snakemake.cli import main

for stage in ("download", "tile", "split", "train", "evaluate", "profile", "speed", "tables", "figures", "report"):
    code(stage)  # the children inherit what it has read
for line in sys.stdin:
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if not child:
            code = 1
            try:
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                for stream in (1, 2):
                    os.dup2(said.fileno(), stream)
                main(json.loads(line))
            except SystemExit as end:
                code = end.code or 0
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said.seek(0)
        print(json.dumps([code, said.read().decode()]), flush=True)
"""


def write(folder: Path, files: dict) -> None:
    """Write configuration files."""
    for name, tree in files.items():
        path = folder / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")


def environment(folder: Path) -> dict[str, str]:
    """The folder's own copy of the code, and no virtual environment activated."""
    path = os.pathsep.join(p for p in os.get_exec_path() if Path(p) != Path(sys.prefix, "bin"))
    return os.environ | {"PYTHONPATH": str(folder / "src"), "PATH": path}


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run the folder's own copy of workflow, configuration and code."""
    return subprocess.run(
        [str(Path(sys.prefix, "bin", "snakemake")), "--cores", "2", *arguments],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


class Server:
    """Snakemake in a folder, loaded once for many dry-runs."""

    def __init__(self, folder: Path):
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            cwd=folder,
            env=environment(folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> str:
        """The output of `snakemake`, which must succeed."""
        print(
            json.dumps(["--cores", "2", "--nocolor", *arguments]),
            file=self.process.stdin,
            flush=True,
        )
        code, said = json.loads(self.process.stdout.readline())
        assert code == 0, said
        return said

    def planned(self, *arguments: str) -> set[str]:
        """The jobs a run would start: rule and wildcards, as `train demo/mini/quick/0`; not the
        targets."""
        said = self.run("--dry-run", *arguments)
        rules = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", said, re.MULTILINE)
        assert rules or "Nothing to be done" in said, said
        jobs = set()
        for rule, text in rules:
            for line in re.findall(r"^    wildcards: .*$", text, re.MULTILINE):
                values = re.findall(r"(?<=[ ,])\w+=([^,\n]+)", line)
                jobs.add(f"{rule} {'/'.join(values)}")
        return jobs

    def close(self) -> None:
        """End it."""
        self.process.stdin.close()
        self.process.wait()


def copy_code(folder: Path) -> None:
    """The workflow and the package, as they are in this checkout."""
    for name in ("workflow", "src"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    for name in ("Snakefile", "environment.yml", "requirements.lock"):
        shutil.copy(ROOT / name, folder)
    (folder / "profiles").symlink_to((ROOT / "profiles").readlink())


def datasets() -> dict:
    """The datasets of this checkout's configuration, as written."""
    return yaml.safe_load((ROOT / "config" / "datasets.yaml").read_text(encoding="utf-8"))[
        "datasets"
    ]


@cache
def build(base: Path) -> tuple[Path, str]:
    """Build the study below `base`, once however many modules ask; the project, and what Snakemake
    said."""
    folder = base / "tiny_study"
    folder.mkdir()
    copy_code(folder)
    demo = datasets()["demo"] | {
        "source": {"kind": "demo", "scenes": SCENES, "size": SIZE},
        "tile_size": TILE,
    }
    write(folder, CONFIG | {"datasets.yaml": {"datasets": {"demo": demo}}})
    done = snakemake(folder)
    logs = "\n".join(f"{p}:\n{p.read_text()}" for p in folder.glob("logs/**/*.log"))
    assert done.returncode == 0, done.stdout + logs
    return folder, done.stdout
