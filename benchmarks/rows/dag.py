"""What Snakemake needs to plan a large study: time and memory of a first dry run, and of a run with
nothing to do.

The project's own workflow is planned on copies of the demo's dataset, model and recipe. Nothing is
trained: before the second run every output is created empty and recorded with `snakemake --touch`.
A bare Snakefile with the same jobs, files and triggers is planned for comparison.
"""

import json
import shutil
import sys
from pathlib import Path

import yaml

from benchmarks import projects
from benchmarks.row import circumstances

STUDY = "large"
FULL = {"datasets": 5, "models": 10, "recipes": 4, "seeds": 5}
QUICK = {"datasets": 1, "models": 1, "recipes": 1, "seeds": 1}
# The entry of each file of config/ that is copied, as often as the study is wide.
ORIGINALS = {"datasets": "demo", "models": "unet_tiny", "recipes": "demo"}
BARE_TARGET = "report.html"
# The same jobs and files with neither configuration nor code of this project.
BARE = """
configfile: "counts.json"
D = [f"dataset{i}" for i in range(config["datasets"])]
M = [f"model{i}" for i in range(config["models"])]
R = [f"recipe{i}" for i in range(config["recipes"])]
S = range(config["seeds"])
SOURCES = glob_wildcards("src/satseg/{name}.py").name
CODE = expand("src/satseg/{name}.py", name=SOURCES[:30])
RUN = "results/runs/{d}/{m}/{r}/seed{s}/"
T = "data/tiles/{d}/"
TILES = [T + "images.npy", T + "masks.npy", T + "digests.json", T + "tiles.csv", T + "origin.json"]
SPLIT = ["data/splits/{d}.csv", "data/splits/{d}.leakage.csv"]
wildcard_constraints: d="|".join(D), m="|".join(M), r="|".join(R)
rule report:
    input: "tables.csv", "figures.svg", CODE
    output: "report.html"
    shell: "exit 1"
rule figures:
    input: expand([RUN + "history.csv", RUN + "panels.npz"], d=D, m=M, r=R, s=S), "tables.csv", CODE
    output: "figures.svg"
    shell: "exit 1"
rule tables:
    input:
        expand([RUN + "counts.csv", RUN + "history.csv", RUN + "run.json"], d=D, m=M, r=R, s=S),
        expand("results/profiles/{d}/{m}.json", d=D, m=M), expand("speed/{d}.json", d=D),
        expand([*SPLIT, T + "tiles.csv", T + "agreement.csv"], d=D), CODE
    output: "tables.csv"
    shell: "exit 1"
rule evaluate:
    input: TILES, "data/splits/{d}.csv", RUN + "best.pt", RUN + "final.pt", RUN + "run.json", CODE
    output: RUN + "counts.csv", RUN + "confusion.csv", RUN + "panels.npz"
    shell: "exit 1"
rule train:
    input: "data/raw/{d}/manifest.json", TILES, "data/splits/{d}.csv", CODE
    output: RUN + "history.csv", RUN + "best.pt", RUN + "final.pt", RUN + "run.json"
    shell: "exit 1"
rule profile:
    input: CODE
    output: "results/profiles/{d}/{m}.json"
    shell: "exit 1"
rule speed:
    input: CODE
    output: "speed/{d}.json"
    shell: "exit 1"
rule split:
    input: T + "tiles.csv", CODE
    output: SPLIT
    shell: "exit 1"
rule tile:
    input: "data/raw/{d}/manifest.json", CODE
    output: TILES, T + "agreement.csv"
    shell: "exit 1"
rule download:
    input: CODE
    output: "data/raw/{d}/manifest.json"
    shell: "exit 1"
"""
# Runs a command and writes its wall seconds, CPU seconds and peak memory in MB (10⁶ bytes).
TIMER = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
status = subprocess.run(sys.argv[2:]).returncode
seconds = time.perf_counter() - began
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
cpu_seconds = usage.ru_utime + usage.ru_stime
peak_memory_mb = usage.ru_maxrss * 1024 / 1e6
numbers = {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_memory_mb": peak_memory_mb}
with open(sys.argv[1], "w") as file:
    json.dump(numbers, file)
sys.exit(status)
"""


def measure(folder: Path, quick: bool) -> dict:
    """Plan a study of 1,000 cells with this workflow and with a bare Snakefile."""
    counts = QUICK if quick else FULL
    project = folder / "project"
    write_project(project, **counts)
    bare = folder / "bare"
    write_bare(bare, project, counts)

    plans = {
        "this workflow": plans_of(project, STUDY),
        "a bare Snakefile": plans_of(bare, BARE_TARGET),
    }
    return {
        "row": "dag",
        "what": "planning a study of {datasets} × {models} × {recipes} × {seeds} cells".format(
            **counts
        ),
        "against": "a bare Snakefile with the same jobs and files",
        "sizes": counts,
        "plans": plans,
        "facts": {"files": files(project)},
    } | circumstances()


def write_project(folder: Path, datasets: int, models: int, recipes: int, seeds: int) -> None:
    """Copy the workflow and the code into `folder`, with the configuration of a study of that many
    cells."""
    projects.copy(folder)
    config = folder / "config"
    grid = {}
    for kind, count in (("datasets", datasets), ("models", models), ("recipes", recipes)):
        path = config / f"{kind}.yaml"
        original = yaml.safe_load(path.read_text(encoding="utf-8"))[kind][ORIGINALS[kind]]
        copies = {f"{kind[:-1]}{i}": original for i in range(count)}
        path.write_text(yaml.safe_dump({kind: copies}), encoding="utf-8")
        grid[kind] = list(copies)

    (config / "papers.yaml").write_text("papers: {}\n")
    (config / "tunings.yaml").unlink()
    (config / "config.yaml").write_text(yaml.safe_dump({"studies": [STUDY]}))
    shutil.rmtree(config / "studies")
    (config / "studies").mkdir()
    study = grid | {"title": "A large study", "seeds": list(range(seeds))}
    (config / "studies" / f"{STUDY}.yaml").write_text(yaml.safe_dump(study))


def write_bare(folder: Path, project: Path, counts: dict[str, int]) -> None:
    """A bare Snakefile of that many cells, with the project's code as its sources."""
    folder.mkdir()
    (folder / "src").symlink_to(project / "src")
    (folder / "Snakefile").write_text(BARE)
    (folder / "counts.json").write_text(json.dumps(counts))


def plans_of(folder: Path, target: str) -> dict[str, dict]:
    """Seconds and peak MB of the dry run and of the run with nothing to do."""
    _, dry_run = timed(folder, target, "--dry-run", "--quiet", "all")
    projects.pretend(folder, target)
    printed, no_op = timed(folder, target)
    if "Nothing to be done" not in printed:
        raise RuntimeError(f"jobs are left:\n{printed[-2000:]}")
    return {"dry run": dry_run, "nothing to do": no_op}


def timed(folder: Path, *arguments: str) -> tuple[str, dict[str, float]]:
    """Run Snakemake in `folder`: what it printed, and what it took."""
    measured = folder / "measured.json"
    printed = projects.run(
        folder, sys.executable, "-c", TIMER, str(measured), *projects.SNAKEMAKE, *arguments
    )
    numbers = json.loads(measured.read_text())
    return printed, {
        "seconds": round(numbers["seconds"], 1),
        "cpu_seconds": round(numbers["cpu_seconds"], 1),
        "peak_memory_mb": round(numbers["peak_memory_mb"]),
    }


def files(folder: Path) -> dict[str, int]:
    """Files of the study on disk: what the rules write, and what Snakemake records about them."""
    counts = {}
    for place in ("data", "results", ".snakemake/metadata"):
        counts[place] = sum(path.is_file() for path in (folder / place).rglob("*"))
    return counts
