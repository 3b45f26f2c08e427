"""How many jobs a study is, and how they share a machine: planned, not run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from benchmarks.rows import dag

from satseg.config.reading import ROOT

COUNTS = {"datasets": 2, "models": 3, "recipes": 2, "seeds": 2}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """The project that `python -m benchmarks dag` plans, smaller."""
    folder = tmp_path_factory.mktemp("scale") / "project"
    dag.write_project(folder, **COUNTS)
    return folder


def plan(folder: Path, *arguments: str) -> str:
    """What a dry run says."""
    done = subprocess.run(
        [str(Path(sys.prefix, "bin/snakemake")), "--dry-run", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_one_job_for_each_thing_to_make(project):
    table = plan(project, "--cores", "2", dag.STUDY).split("Job stats:")[1].split("total")[0]
    jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}
    datasets, models, recipes, seeds = COUNTS.values()
    cells = datasets * models * recipes * seeds
    # Both recipes are copies of one, so they share its split.
    per_dataset = dict.fromkeys(("download", "tile", "split"), datasets)
    once = dict.fromkeys(("tables", "figures", "report", dag.STUDY), 1)
    assert (
        jobs
        == per_dataset
        | {"train": cells, "evaluate": cells, "profile": datasets * models, "speed": datasets}
        | once
    )


@pytest.mark.parametrize(
    ("cores", "gpus", "threads"), [(8, 1, 8), (8, 4, 2), (2, 4, 1), (64, 2, 16)]
)
def test_jobs_on_gpus_share_the_cores(project, cores, gpus, threads):
    said = plan(project, "--cores", str(cores), "--resources", f"gpu={gpus}", "--", dag.STUDY)
    trainings = [text.split("\n    resources:")[0] for text in said.split("rule train:")[1:]]
    assert len(trainings) == 24
    found = [re.search(r"threads: (\d+)", text) for text in trainings]
    # Snakemake does not mention one thread.
    assert {int(match[1]) if match else 1 for match in found} == {threads}


# --- the cluster's profile ------------------------------------------------------------------------


def profile(name: str) -> dict:
    return yaml.safe_load(
        (ROOT / "workflow/profiles" / name / "config.yaml").read_text(encoding="utf-8")
    )


def test_profiles_differ_only_in_where_jobs_run():
    """What runs again, and what is said, is the same on a cluster."""
    ours, cluster = profile("default"), profile("slurm")
    assert {key: cluster.get(key) for key in ours} == ours | {
        "cores": None,
        "resources": {"turn": 1},
    }


def test_every_rule_on_a_gpu_has_its_own_resources_on_a_cluster():
    text = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "workflow/rules").glob("*.smk")
    )
    rules = {
        name: body
        for name, body in re.findall(r"^rule (\w+):\n((?:[ ].*\n|\n)+)", text, re.MULTILINE)
    }
    on_gpu = {name for name, body in rules.items() if re.search(r"^ +gpu=", body, re.MULTILINE)}
    assert len(on_gpu) >= 3
    cluster = profile("slurm")
    assert set(cluster["set-resources"]) == set(cluster["set-threads"]) == on_gpu
    assert set(cluster["groups"]) <= set(rules)
