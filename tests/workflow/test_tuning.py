"""A tuning through Snakemake: a real one of three trials, the second of which diverges; it is killed
at five moments."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
import yaml

from satseg.config.reading import load
from satseg.config.tunings import Tuning
from satseg.search.drawing import draw_qmc
from satseg.settings import read_settings
from workflow import tiny_study, tiny_tuning

NUMBERS = range(1, tiny_tuning.TRIALS + 1)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return tiny_tuning.build(tmp_path_factory.getbasetemp())


def run(project, trial: int, rung: int):
    return project / f"results/runs/demo/mini/tuned.trial{trial}.rung{rung}/seed1"


def test_the_best_of_three_becomes_a_recipe(project):
    found = project / tiny_tuning.RESULTS
    tuning = Tuning.model_validate(tiny_tuning.TUNING)
    settings = {number: read_settings(found / f"trials/{number}.yaml") for number in NUMBERS}
    for number in NUMBERS:
        drawn = draw_qmc(tuning.space, ["batch_size"], tuning.seed, number)
        assert settings[number] == drawn

    first, second = (pd.read_csv(found / f"rung{rung}.csv") for rung in (1, 2))
    histories = {number: pd.read_csv(run(project, number, 1) / "history.csv") for number in NUMBERS}
    values = {number: history["val_jaccard"].max() for number, history in histories.items()}
    assert first["trial"].tolist() == list(NUMBERS)
    assert first["value"].isna().tolist() == [False, True, False]
    known = sorted((number for number in NUMBERS if number != 2), key=values.get, reverse=True)
    assert second["trial"].tolist() == known[:1]

    best = int(second.loc[second["value"].idxmax(), "trial"])
    assert read_settings(found / "settings.yaml") == settings[best]
    recipe = yaml.safe_load((found / "recipe.yaml").read_text())["recipes"]["tuned"]
    assert recipe["optimizer"]["lr"] == settings[best]["optimizer.lr"]
    assert recipe["batch_size"] == settings[best]["batch_size"]
    assert recipe["epochs"] == 2


def test_a_rung_goes_on_where_the_one_below_ended(project):
    going_on = pd.read_csv(project / tiny_tuning.RESULTS / "rung2.csv")["trial"]
    for number in going_on:
        record = json.loads((run(project, number, 2) / "run.json").read_text())
        assert record["resumed_at"] == [2]
        above, below = (pd.read_csv(run(project, number, rung) / "history.csv") for rung in (2, 1))
        pd.testing.assert_frame_equal(above.head(1), below)
        assert len(above) == 2


def test_a_trial_that_diverges_is_dropped(project):
    folder = run(project, 2, 1)
    record = json.loads((folder / "run.json").read_text())
    assert record["slice"]["training"]["optimizer"]["lr"] == 1e30
    assert "is nan" in record["diverged"] or "not finite" in record["diverged"]
    assert pd.read_csv(folder / "history.csv").empty
    assert not run(project, 2, 2).exists()


def test_no_checkpoint_is_left(project):
    assert list(project.rglob("checkpoints")) == []
    assert len(list(project.rglob("run.json"))) == 4


def test_the_recipe_is_one_like_any_other(project):
    config = load(project / "config")
    assert config.recipes["tuned"].epochs == 2
    assert config.study["shown"].recipes == ["tuned"]


RUNS = "results/runs/demo/mini"
LOGS = "logs/train/demo/mini"
MOMENTS = {
    "a trial has begun": f"{LOGS}/tuned.trial*.rung1/seed1.log",
    "one trial is done": f"{RUNS}/tuned.trial*.rung1/seed1/run.json",
    "the best is known": f"{tiny_tuning.RESULTS}/rung1.csv",
    "the best goes on": f"{RUNS}/tuned.trial*.rung2/seed1/checkpoints/progress.json",
    "its recipe is made": "logs/tune/tuned.log",
}


def kill_when(folder, pattern: str) -> None:
    """Run the tuning; end Snakemake and all its jobs at once when there is such a file."""
    with (folder / "said.txt").open("w") as said:
        snakemake = subprocess.Popen(
            [str(Path(sys.prefix, "bin", "snakemake")), "--cores", "2", "--nolock", "tuned"],
            cwd=folder,
            env=tiny_study.environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    while not any(folder.glob(pattern)):
        assert snakemake.poll() is None, (folder / "said.txt").read_text()
        time.sleep(0.02)

    top = psutil.Process(snakemake.pid)
    top.suspend()  # no job starts between the listing and the end
    for process in [*top.children(recursive=True), top]:
        process.kill()
    snakemake.wait()


def test_killed_at_five_moments_it_ends_with_the_same_recipe(project, tmp_path):
    folder = tmp_path / "killed"
    tiny_tuning.copy_tiled(project, folder)
    for pattern in MOMENTS.values():
        kill_when(folder, pattern)
        assert not (folder / tiny_tuning.RESULTS / "recipe.yaml").exists()

    done = tiny_study.snakemake(folder, "tuned")
    assert done.returncode == 0, done.stdout
    for name in ("recipe.yaml", "settings.yaml", "trials.csv", "importance.csv"):
        file = Path(tiny_tuning.RESULTS, name)
        assert (folder / file).read_bytes() == (project / file).read_bytes()
    assert list(folder.rglob("checkpoints")) == []
