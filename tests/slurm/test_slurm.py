"""The workflow on a real SLURM cluster of one machine: uninterrupted, and through every way a job
can be interrupted."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cluster
import pandas as pd
import pytest
import torch
import yaml
from cluster import until

from satseg.config.reading import ROOT
from small import flatten

PROFILE = "workflow/profiles/slurm"
TARGET = "results/runs/demo/mini/quick/seed0/history.csv"
CELL = Path(TARGET).parent
CONFIG = {
    "config.yaml": {"studies": ["tiny"]},
    "splits.yaml": {
        "splits": {"thirds": {"unit": "group", "train": 0.5, "val": 0.25, "test": 0.25}}
    },
    "models.yaml": {
        "models": {
            name: {
                "family": "unet",
                "widths": [width, 2 * width],
                "convs": [1, 1],
                "bottleneck": {"width": 4 * width, "convs": 1},
                "decoder_convs": [1, 1],
            }
            for name, width in (("mini", 4), ("maxi", 8))
        }
    },
    "recipes.yaml": {
        "recipes": {
            "quick": {
                "split": "thirds",
                "loss": {"name": "cross_entropy"},
                "epochs": 40,
                "batch_size": 4,
            }
        }
    },
    "studies/tiny.yaml": {"datasets": ["demo"], "models": ["mini", "maxi"], "recipes": ["quick"]},
    "papers.yaml": {"papers": {}},
}
# Changes to the profile: the size of the jobs, as a user would set it, and how often their state is
# polled.
CHANGES = {
    "set-threads": {"train": 1, "evaluate": 1, "profile": 1, "speed": 1},
    "slurm-init-seconds-before-status-checks": 1,
    "latency-wait": 10,
}
DRIVERS: list[subprocess.Popen] = []


@pytest.fixture(scope="module", autouse=True)
def slurm():
    """A cluster of this machine, stopped afterwards."""
    if not os.environ.get("SATSEG_SLURM"):
        pytest.skip("it would start a SLURM on this machine: SATSEG_SLURM=1 or `make test-slurm`")
    if reason := cluster.missing():
        pytest.fail(reason)
    cluster.start()
    yield
    for driver in DRIVERS:
        driver.kill()
        driver.wait()
    cluster.stop()


class Project:
    """A copy of the workflow with a study small enough to train here."""

    def __init__(self, folder: Path):
        self.folder = folder
        for name in ("workflow", "src"):
            shutil.copytree(
                ROOT / name,
                folder / name,
                ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"),
            )
        for name in ("Snakefile", "environment.yml", "requirements.lock"):
            shutil.copy(ROOT / name, folder)
        demo = yaml.safe_load((ROOT / "config/datasets.yaml").read_text(encoding="utf-8"))[
            "datasets"
        ]["demo"]
        demo |= {"source": {"kind": "demo", "scenes": 6, "size": 128}, "tile_size": 64}
        for name, tree in (CONFIG | {"datasets.yaml": {"datasets": {"demo": demo}}}).items():
            path = folder / "config" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump(tree), encoding="utf-8")
        profile = folder / PROFILE / "config.yaml"
        changed = yaml.safe_load(profile.read_text(encoding="utf-8")) | CHANGES
        changed["set-resources"]["train"]["local_tiles"] = 1
        profile.write_text(yaml.safe_dump(changed), encoding="utf-8")

    def driver(self, *arguments: str) -> subprocess.Popen:
        """Start Snakemake; its output goes to `said.txt`."""
        with (self.folder / "said.txt").open("w") as said:
            driver = subprocess.Popen(
                [str(Path(sys.prefix, "bin/snakemake")), "--workflow-profile", PROFILE, *arguments],
                cwd=self.folder,
                env=os.environ | {"PYTHONPATH": str(self.folder / "src")},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        DRIVERS.append(driver)
        return driver

    def said(self) -> str:
        """The output of the last driver so far."""
        return (self.folder / "said.txt").read_text()

    def log(self) -> str:
        """The log of the cell's training, of its latest attempt."""
        path = self.folder / "logs/train/demo/mini/quick/seed0.log"
        return path.read_text() if path.exists() else ""

    def set_aside(self) -> None:
        """Forget the cell, so that it is trained again."""
        shutil.rmtree(self.folder / CELL)

    def pause_at(self, epoch: int) -> tuple[str, int]:
        """Suspend the cell's training once it has done that many epochs; its SLURM job and
        process."""

        def done() -> bool:
            running = self.trainings()
            if f"epoch {epoch}/" not in self.log() or not running:
                return False
            os.kill(running[-1], signal.SIGSTOP)
            return True

        until(done, f"epoch {epoch} is done: {self.said()[-500:]}", every=0.02)
        training = self.trainings()[-1]
        return environment(training)["SLURM_JOB_ID"], training

    def trainings(self) -> list[int]:
        """The processes that train in this folder."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                words = (place / "cmdline").read_bytes().split(b"\0")
                if (
                    words[1:3] == [b"-m", b"satseg.stages.train"]
                    and (place / "cwd").readlink() == self.folder
                ):
                    found.append(int(place.name))
            except OSError:  # it has just ended
                continue
        return found


def environment(pid: int) -> dict[str, str]:
    text = Path(f"/proc/{pid}/environ").read_text()
    return dict(line.split("=", 1) for line in text.split("\0") if "=" in line)


def resume(pid: int) -> None:
    """Let a stopped process continue, if SLURM has not ended it."""
    if not gone(pid):
        os.kill(pid, signal.SIGCONT)


def told_to_end(pid: int) -> bool:
    """Whether SIGTERM is pending for a stopped process, or has ended it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return True
    pending = [int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd", "ShdPnd"))]
    return any(mask >> (signal.SIGTERM - 1) & 1 for mask in pending)


def jobs() -> pd.DataFrame:
    """Every job the cluster knows, in order of its start."""
    text = cluster.run("squeue", "--noheader", "--states=all", "--format=%A|%T|%P|%k|%S|%e|%V")
    names = ["id", "state", "partition", "what", "started", "ended", "submitted"]
    rows = [line.strip().split("|") for line in text.splitlines()]
    return pd.DataFrame(rows, columns=names).sort_values("started", ignore_index=True)


def gone(pid: int) -> bool:
    """Whether a process has ended."""
    return not Path(f"/proc/{pid}").exists()


def state(job: str) -> str:
    """The state of a job."""
    return jobs().set_index("id").loc[job, "state"]


def finished(driver: subprocess.Popen, project: Project) -> str:
    """The output of a driver, which must succeed."""
    assert driver.wait(timeout=300) == 0, project.said() + project.log()
    return project.said()


@pytest.fixture(scope="module")
def study(slurm, tmp_path_factory):
    """A project whose study was built through `sbatch`, the driver's output, and the jobs that it
    took."""
    project = Project(tmp_path_factory.mktemp("slurm") / "project")
    said = finished(project.driver(), project)
    shutil.copytree(project.folder / CELL, project.folder / "uninterrupted")
    return project, said, jobs()


def assert_same_training(project: Project, times_resumed: int | None) -> None:
    """The cell equals that of an uninterrupted run, and its log says where it resumed."""
    ours = project.folder / CELL
    whole = project.folder / "uninterrupted"
    for name in ("best.pt", "final.pt"):
        weights, expected = (torch.load(place / name, weights_only=True) for place in (ours, whole))
        flat, wanted = (dict(flatten(tree)) for tree in (weights, expected))
        assert flat.keys() == wanted.keys()
        assert sum(isinstance(value, torch.Tensor) for value in wanted.values()) > 10
        for key, value in wanted.items():
            same = (
                torch.equal(flat[key], value)
                if isinstance(value, torch.Tensor)
                else flat[key] == value
            )
            assert same, (name, key)
    history, expected = (
        pd.read_csv(place / "history.csv").drop(columns="epoch_seconds") for place in (ours, whole)
    )
    pd.testing.assert_frame_equal(history, expected, check_exact=True)
    resumed = json.loads((ours / "run.json").read_text())["resumed_at"]
    if times_resumed is not None:
        assert len(resumed) == times_resumed
    if resumed:
        assert f"resuming in epoch {resumed[-1]}" in project.log()


# --- the whole study ------------------------------------------------------------------------------


def test_study_is_whole(study):
    project, _, _ = study
    scores = pd.read_csv(project.folder / "results/tiny/tables/scores.csv")
    assert set(scores["model"]) >= {"mini", "maxi"}
    assert "maxi" in (project.folder / "results/tiny/report.html").read_text(encoding="utf-8")


def test_each_rule_is_a_job_of_its_partition_and_small_ones_are_none(study):
    _, said, table = study
    kinds = Counter(
        (what.split("_")[1], where)
        for what, where in zip(table["what"], table["partition"], strict=True)
    )
    # Two profiles and the comparison of their speed, one job.
    assert kinds == {
        ("tile", "main"): 1,
        ("train", "gpu"): 2,
        ("evaluate", "gpu"): 2,
        ("profiles", "gpu"): 1,
    }
    for rule in ("download", "split", "tables", "figures", "report"):
        assert f"localrule {rule}:" in said
    assert set(table["state"]) == {"COMPLETED"}


def test_a_gpu_job_gets_its_gpu(study):
    project, _, table = study
    for model in ("mini", "maxi"):
        for rule in ("train", "evaluate"):
            log = (project.folder / f"logs/{rule}/demo/{model}/quick/seed0.log").read_text()
            job = table.loc[
                table["what"].str.rstrip("_") == f"rule_{rule}_wildcards_demo_{model}_quick_0", "id"
            ].item()
            assert f"CUDA_VISIBLE_DEVICES=0 is set, by SLURM job {job}\n" in log


def test_tiles_are_read_from_the_node(study):
    project, *_ = study
    log = (project.folder / "logs/train/demo/mini/quick/seed0.log").read_text()
    copy = re.search("data/tiles/demo has been copied to (.+)", log)[1]
    assert not Path(copy).exists()


def test_two_jobs_are_not_on_one_gpu_at_once(study):
    on_gpu = study[2].query("partition == 'gpu'")
    assert len(on_gpu) == 5
    assert (on_gpu["started"].to_numpy()[1:] >= on_gpu["ended"].to_numpy()[:-1]).all()
    # They would have been: the second was in the queue before the first had ended.
    assert on_gpu["submitted"].iloc[1] < on_gpu["ended"].iloc[0]


def test_a_second_run_submits_nothing(study):
    project, _, table = study
    assert "Nothing to be done" in finished(project.driver(), project)
    assert len(jobs()) == len(table)


def test_a_training_on_several_gpus_asks_for_them(study):
    """More than this cluster has: it says so at once."""
    project, *_ = study
    recipes = project.folder / "config/recipes.yaml"
    before = recipes.read_text(encoding="utf-8")
    twin = CONFIG["recipes.yaml"]["recipes"]["quick"] | {"devices": 2}
    recipes.write_text(
        yaml.safe_dump(
            {"recipes": {"quick": CONFIG["recipes.yaml"]["recipes"]["quick"], "twin": twin}}
        )
    )
    driver = project.driver("--retries", "0", TARGET.replace("quick", "twin"))
    assert driver.wait(timeout=100) == 1
    recipes.write_text(before, encoding="utf-8")
    assert "--gpus=2" in project.said() and "node configuration is not available" in project.said()


# --- cut off --------------------------------------------------------------------------------------


def attempts(last: int) -> pd.DataFrame:
    """The last jobs that trained the cell, in order of their start."""
    table = jobs()
    return table[table["what"].str.rstrip("_") == "rule_train_wildcards_demo_mini_quick_0"].tail(
        last
    )


def test_a_training_that_hits_its_time_limit_is_continued(study):
    project, *_ = study
    project.set_aside()
    driver = project.driver(TARGET)
    job, training = project.pause_at(3)
    cluster.run("scontrol", "update", f"jobid={job}", "EndTime=now+30")
    until(lambda: told_to_end(training), "SLURM warns the job that its time is up")
    resume(training)
    said = finished(driver, project)
    assert f"SLURM-job '{job}' failed" in said
    assert "SIGTERM: stopped" in said
    assert "Trying to restart job" in said
    assert attempts(2)["state"].tolist() == ["FAILED", "COMPLETED"]
    assert_same_training(project, times_resumed=1)


def test_a_job_that_waited_trains_what_was_submitted(study):
    project, *_ = study
    project.set_aside()
    recipes = project.folder / "config/recipes.yaml"
    before = recipes.read_text(encoding="utf-8")
    cluster.run("scontrol", "update", "partition=gpu", "state=down")
    driver = project.driver(TARGET)
    try:
        until(lambda: "PENDING" in cluster.run("squeue", "-h", "-o", "%T"), "the job waits")
        changed = yaml.safe_load(before)
        for recipe in changed["recipes"].values():
            recipe["epochs"] += 1
        recipes.write_text(yaml.safe_dump(changed), encoding="utf-8")
        cluster.run("scontrol", "update", "partition=gpu", "state=up")
        finished(driver, project)
    finally:
        cluster.run("scontrol", "update", "partition=gpu", "state=up")
        recipes.write_text(before, encoding="utf-8")
    assert_same_training(project, times_resumed=0)


def test_cancelled_requeued_and_left_by_its_node(study):
    """`scancel`, `scontrol requeue` and a dead slurmd, one after the other, on one training."""
    project, *_ = study
    project.set_aside()
    driver = project.driver(TARGET)
    first, training = project.pause_at(3)
    cluster.run("scancel", first)
    until(lambda: gone(training), "the cancelled training has ended")
    second, training = project.pause_at(10)
    assert second != first
    cluster.run("scontrol", "requeue", second)
    until(lambda: gone(training), "the requeued job's first process has ended")
    same, training = project.pause_at(17)
    assert same == second
    cluster.kill_node()
    until(
        lambda: state(second) == "PENDING",
        "SLURM has given the node up and put the job back into the queue",
    )
    assert not gone(training)
    cluster.start_node()
    until(lambda: told_to_end(training), "SLURM ends what its node still runs of the job")
    resume(training)
    said = finished(driver, project)
    assert f"SLURM-job '{first}' failed, SLURM status is: 'CANCELLED'" in said
    assert attempts(2)["state"].tolist() == ["CANCELLED", "COMPLETED"]
    assert_same_training(project, times_resumed=3)


def test_driver_killed_and_started_again(study):
    """Its job continues; the new driver's waits for the GPU, and they never write at the same time."""
    project, *_ = study
    project.set_aside()
    driver = project.driver(TARGET)
    orphan, training = project.pause_at(3)
    driver.kill()
    driver.wait()
    finished(project.driver("--unlock"), project)
    driver = project.driver(TARGET)
    until(
        lambda: len(jobs()) > 0 and jobs()["state"].eq("PENDING").any(),
        "the new driver has submitted its job",
    )
    assert state(orphan) == "RUNNING"
    resume(training)
    finished(driver, project)
    table = attempts(2)
    assert table["state"].tolist() == ["COMPLETED", "COMPLETED"]
    assert table["started"].iloc[1] >= table["ended"].iloc[0]
    assert_same_training(project, times_resumed=None)
