"""What Snakemake adds to the stages it runs, and how long stages take to start."""

import subprocess
import sys
from functools import partial
from pathlib import Path

from benchmarks import projects
from benchmarks.row import Row, Run

FAST_STAGES = ["tile", "split", "tables", "figures"]


def make_demo(folder: Path, small: bool, epochs: int | None, **_: object) -> None:
    """The demo's project twice: one for Snakemake, one with a shell script of the same commands."""
    for name in ("snakemake", "shell"):
        projects.copy(folder / name, small, epochs)
    projects.script(folder / "shell", "demo")


def by_snakemake(folder: Path, **_: object) -> Run:
    """`snakemake demo` from nothing."""

    def run(_: int) -> dict:
        projects.clean(folder / "snakemake")
        projects.snakemake(folder / "snakemake", "demo")
        return _made(folder / "snakemake")

    return run


def by_shell(folder: Path, **_: object) -> Run:
    """The script, from nothing."""

    def run(_: int) -> dict:
        projects.clean(folder / "shell")
        projects.run(folder / "shell", "bash", "stages.sh")
        return _made(folder / "shell")

    return run


def _made(folder: Path) -> dict:
    scores = (folder / "results" / "demo" / "tables" / "scores.csv").read_text(encoding="utf-8")
    results = folder / "results"
    files = [path for path in results.rglob("*") if path.is_file()]
    # Snakemake marks a folder that it has made with a hidden file.
    visible = [path for path in files if not path.name.startswith(".")]
    names = sorted(str(path.relative_to(results)) for path in visible)
    return {"files": names, "scores": scores}


def same_outputs(results: dict[str, list[dict]]) -> dict:
    """Both made the same files, and the same scores."""
    ours = results["snakemake"][0]
    theirs = results["shell"][0]
    assert ours["files"] == theirs["files"], set(ours["files"]) ^ set(theirs["files"])
    assert ours["scores"] == theirs["scores"]
    return {"files": len(ours["files"]), "equal_scores": True}


def make_done(folder: Path, small: bool) -> None:
    """A project whose default studies count as built, with empty files."""
    projects.copy(folder / "done", small)
    (folder / "count").write_text(str(projects.pretend(folder / "done")))


def no_op(folder: Path, **_: object) -> Run:
    """`snakemake` with nothing to do."""

    def run(_: int) -> dict:
        printed = projects.snakemake(folder / "done")
        return {
            "nothing_to_do": "Nothing to be done" in printed,
            "files": int((folder / "count").read_text()),
        }

    return run


def nothing_done(results: dict[str, list[dict]]) -> dict:
    """Snakemake found nothing to do."""
    facts = results["snakemake"][0]
    assert facts["nothing_to_do"]
    return facts


def start(folder: Path, stage: str, **_: object) -> Run:
    """Import a stage's module in a new interpreter."""
    text = f"import sys, satseg.stages.{stage}\nprint('torch' in sys.modules)"

    def run(_: int) -> dict:
        done = subprocess.run(
            [sys.executable, "-c", text], capture_output=True, text=True, check=True
        )
        return {"torch": done.stdout.strip() == "True"}

    return run


def bare(folder: Path, **_: object) -> Run:
    """Import numpy and pandas in a new interpreter."""

    def run(_: int) -> dict:
        subprocess.run([sys.executable, "-c", "import numpy, pandas"], check=True)
        return {"torch": False}

    return run


def without_torch(results: dict[str, list[dict]]) -> dict:
    """No stage imports torch."""
    assert not any(result["torch"] for runs in results.values() for result in runs)
    return {"imports_torch": False}


def nothing(folder: Path, **_: object) -> None:
    """No side reads anything."""


DEMO = {
    "what": "orchestration: {about}, from nothing to the report",
    "against": "a shell script of the same stages",
    "sides": {"snakemake": by_snakemake, "shell": by_shell},
    "make": make_demo,
    "check": same_outputs,
    "at_least": round(1 / 1.2, 3),
    "memory": False,
    "warmups": 0,
    "threads": 2,
}
ROWS = [
    Row(
        name="orchestration_demo",
        sizes={"small": False, "epochs": None, "about": "the demo"},
        quick={"small": True, "epochs": 1},
        repeats=1,
        notes="Training runs, evaluations and profiles on two threads, one after the other on both "
        "sides.",
        **DEMO,
    ),
    Row(
        name="orchestration_short",
        sizes={"small": False, "epochs": 1, "about": "the demo with one epoch"},
        quick={"small": True},
        repeats=3,
        notes="The demo's stages with hardly any training: Snakemake's share is at its largest.",
        **DEMO,
    ),
    Row(
        name="orchestration_nothing",
        what="a run of the default configuration with nothing to do",
        against="",
        sides={"snakemake": no_op},
        make=make_done,
        sizes={"small": False},
        quick={"small": True},
        check=nothing_done,
        below_seconds=6,
        memory=False,
        notes="Whole process; the studies' files exist, empty.",
    ),
    Row(
        name="start",
        what="start of the stages that do not train",
        against="an interpreter that imports numpy and pandas",
        sides={
            **{stage: partial(start, stage=stage) for stage in FAST_STAGES},
            "numpy, pandas": bare,
        },
        make=nothing,
        sizes={},
        quick={},
        check=without_torch,
        below_seconds=1,
        memory=False,
        notes="Whole process: a new interpreter that imports the stage.",
    ),
]
