"""`satseg run` and `satseg status` on a study that Snakemake has built."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tiny_study import CELL, build, environment


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """The tiny study, finished, in a folder of this module's own."""
    finished, _ = build(tmp_path_factory.getbasetemp())
    folder = tmp_path_factory.mktemp("command") / "tiny_study"
    shutil.copytree(finished, folder, symlinks=True)
    return folder


def satseg(folder: Path, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "satseg.commands", *words],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def test_a_finished_study_is_done(project):
    done = satseg(project, "status")
    assert done.returncode == 0, done.stderr
    first, _, cell = done.stdout.splitlines()
    assert first == "tiny: 1 of 1 cell done"
    assert cell.split()[:2] == [CELL.removeprefix("results/runs/"), "done"]


def test_a_run_ends_with_the_report(project):
    done = satseg(project, "run", "--cores", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "The report: results/tiny/report.html"
    assert "rule" not in done.stdout + done.stderr  # none of Snakemake's blocks


def test_a_run_that_fails_ends_with_the_one_error(project):
    """The tables of a study, with a folder in the way of one."""
    scores = project / "results/tiny/tables/scores.csv"
    scores.unlink()
    (scores / "kept").mkdir(parents=True)
    done = satseg(project, "run", "tiny", "--cores", "1")
    shutil.rmtree(scores)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "scores.csv" in done.stderr, done.stderr


def test_a_changed_key_and_a_changed_file_are_told(project):
    file = project / "config/recipes.yaml"
    recipes = yaml.safe_load(file.read_text(encoding="utf-8"))
    recipes["recipes"]["quick"]["epochs"] = 3
    file.write_text(yaml.safe_dump(recipes), encoding="utf-8")
    assert "training.epochs: 2 → 3" in satseg(project, "status", "tiny").stdout

    recipes["recipes"]["quick"]["epochs"] = 2
    file.write_text(yaml.safe_dump(recipes), encoding="utf-8")
    source = project / "src/satseg/losses.py"
    source.write_text(source.read_text(encoding="utf-8") + "# more\n", encoding="utf-8")
    assert "its code has changed" in satseg(project, "status", "tiny").stdout


def test_questions_to_snakemake_are_answered_by_it(project):
    done = satseg(project, "run", "tiny", "--cores", "1", "--", "--list-rules")
    assert done.returncode == 0 and "train" in done.stdout.split()
