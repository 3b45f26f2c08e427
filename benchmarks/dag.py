"""What Snakemake needs to plan a large study: seconds and MB of the first dry run and of a run with
nothing to do.

    python benchmarks/dag.py [--datasets 5 --models 10 --recipes 4 --seeds 5] [--json FILE]

Plans the project's own workflow in a temporary folder, on copies of the demo's dataset, model and
recipe. Nothing
is trained: before the second run every output is created empty and recorded with `snakemake
    --touch`. A bare
Snakefile with the same jobs, files and triggers is planned beside it, for comparison.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
STUDY = "large"
# The entry of each file of config/ that is copied, as often as the study is wide.
KINDS = {"datasets": "demo", "models": "unet_tiny", "recipes": "demo"}
# The same jobs and files with neither configuration nor code of this project.
BARE = """
D, M, R = ([f"{kind}{i}" for i in range(config[kind + "s"])] for kind in ("dataset", "model", "recipe"))
S = range(config["seeds"])
SOURCES = glob_wildcards("src/satseg/{name}.py").name
CODE = expand("src/satseg/{name}.py", name=SOURCES[:30])
RUN = "results/runs/{d}/{m}/{r}/seed{s}/"
TILES = ["data/tiles/{d}/images.npy", "data/tiles/{d}/masks.npy", "data/tiles/{d}/tiles.csv"]
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
        expand("results/profiles/{d}/{m}.json", d=D, m=M), expand("data/splits/{d}.csv", d=D), CODE
    output: "tables.csv"
    shell: "exit 1"
rule evaluate:
    input: TILES, "data/splits/{d}.csv", RUN + "best.pt", RUN + "final.pt", RUN + "run.json", CODE
    output: RUN + "counts.csv", RUN + "panels.npz"
    shell: "exit 1"
rule train:
    input: "data/raw/{d}/manifest.json", TILES, "data/splits/{d}.csv", CODE
    output: RUN + "history.csv", RUN + "best.pt", RUN + "final.pt", RUN + "run.json"
    shell: "exit 1"
rule profile:
    input: CODE
    output: "results/profiles/{d}/{m}.json"
    shell: "exit 1"
rule split:
    input: "data/tiles/{d}/tiles.csv", CODE
    output: "data/splits/{d}.csv"
    shell: "exit 1"
rule tile:
    input: "data/raw/{d}/manifest.json", CODE
    output: TILES
    shell: "exit 1"
rule download:
    input: CODE
    output: "data/raw/{d}/manifest.json"
    shell: "exit 1"
"""


def write_project(folder: Path, datasets: int, models: int, recipes: int, seeds: int) -> None:
    """Copy the workflow and the code into `folder`, with the configuration of a study of that many
    cells."""
    for name in ("workflow", "src"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    for name in ("Snakefile", "environment.yml"):
        shutil.copy(ROOT / name, folder)
    (folder / "profiles").symlink_to("workflow/profiles")
    shutil.copytree(ROOT / "config", folder / "config", ignore=shutil.ignore_patterns("studies"))
    known = {
        kind: yaml.safe_load((ROOT / "config" / f"{kind}.yaml").read_text())[kind] for kind in KINDS
    }
    grid = {}
    for kind, count in {"datasets": datasets, "models": models, "recipes": recipes}.items():
        copies = {f"{kind[:-1]}{i}": known[kind][KINDS[kind]] for i in range(count)}
        grid[kind] = list(copies)
        (folder / "config" / f"{kind}.yaml").write_text(yaml.safe_dump({kind: copies}))
    (folder / "config" / "papers.yaml").write_text("papers: {}\n")
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump({"studies": [STUDY]}))
    (folder / "config" / "studies").mkdir()
    study = grid | {"title": "A large study", "seeds": list(range(seeds))}
    (folder / "config" / "studies" / f"{STUDY}.yaml").write_text(yaml.safe_dump(study))


def snakemake(folder: Path, *arguments: str) -> tuple[str, float, float, float]:
    """Run Snakemake in `folder`; what it printed, wall seconds, CPU seconds and peak memory in MB
    (10⁶ bytes)."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--nolock", *arguments]
    measured = folder / "measured.json"
    script = (
        "import json, resource, subprocess, sys, time\n"
        "began = time.perf_counter()\n"
        "status = subprocess.run(sys.argv[2:]).returncode\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "numbers = time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6\n"
        "open(sys.argv[1], 'w').write(json.dumps(numbers))\n"
        "sys.exit(status)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, measured, *command],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(folder / "src")}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stdout[-4000:])
    return done.stdout, *json.loads(measured.read_text())


def outputs(folder: Path, *arguments: str) -> list[str]:
    """Every file that is made on the way, in the order of `snakemake --summary`."""
    table, *_ = snakemake(folder, "--summary", *arguments)
    lines = [line.split("\t") for line in table.splitlines()]
    head = next(i for i, line in enumerate(lines) if line[0] == "output_file")
    return [line[0] for line in lines[head + 1 :] if len(line) > 1]


def main() -> None:
    """Measure, print a line per run, and write the numbers where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, count in {"datasets": 5, "models": 10, "recipes": 4, "seeds": 5}.items():
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--json", type=Path, help="write the numbers here")
    parser.add_argument("--keep", type=Path, help="folder to leave the project in")
    options = parser.parse_args()
    place = contextlib.nullcontext(options.keep) if options.keep else tempfile.TemporaryDirectory()
    with place as folder:
        folder = Path(folder)
        folder.mkdir(exist_ok=True)
        write_project(folder, options.datasets, options.models, options.recipes, options.seeds)
        counts = {name: getattr(options, name) for name in (*KINDS, "seeds")}
        (folder / "bare").mkdir()
        (folder / "bare" / "src").symlink_to("../src")
        (folder / "bare" / "Snakefile").write_text(BARE)
        bare = ["--config", *(f"{name}={count}" for name, count in counts.items())]
        report = counts | {
            "this workflow": measure(folder, STUDY),
            "a bare Snakefile": measure(folder / "bare", "report.html", *bare),
            "files": files(folder),
        }
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


def measure(folder: Path, target: str, *arguments: str) -> dict:
    """Wall seconds, CPU seconds and peak MB of the dry run and of the run with nothing to do."""
    report = {}

    def run(name: str, *more: str) -> str:
        said, wall, cpu, peak = snakemake(folder, target, *arguments, *more)
        report[name] = {
            "seconds": round(wall, 1),
            "cpu_seconds": round(cpu, 1),
            "peak_mb": round(peak),
        }
        print(f"{target}: {name}: {wall:.1f} s ({cpu:.1f} s of CPU), {peak:.0f} MB", flush=True)
        return said

    run("dry run", "--dry-run", "--quiet", "all")
    for name in outputs(folder, target, *arguments):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(exist_ok=True) if path.name == "figures" else path.touch()
    snakemake(folder, target, *arguments, "--touch", "--quiet", "all")
    said = run("nothing to do")
    if "Nothing to be done" not in said:
        sys.exit(f"jobs are left:\n{said[-2000:]}")
    return report


def files(folder: Path) -> dict[str, int]:
    """Files of the study on disk: what the rules write, and what Snakemake notes about them."""
    return {
        place: sum(path.is_file() for path in (folder / place).rglob("*"))
        for place in ("data", "results", ".snakemake/metadata")
    }


if __name__ == "__main__":
    main()
