"""The real workflow on a study small enough to train here: what it writes, and what it runs again."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from satseg.config import FIGURES, ROOT, TABLES

SCENES, SIZE, TILE = 6, 128, 64
CELL = "results/runs/demo/mini/quick/seed0"
METRICS = ["jaccard", "dice", "pixel_accuracy", "precision", "recall"]
CONFIG = {
    "config.yaml": {"studies": ["tiny"]},
    "splits.yaml": {"splits": {"thirds": {"unit": "group", "train": 0.5, "val": 0.25, "test": 0.25}}},
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
        "recipes": {"quick": {"split": "thirds", "loss": {"name": "cross_entropy"}, "epochs": 2, "batch_size": 4}}
    },
    "studies/tiny.yaml": {"datasets": ["demo"], "models": ["mini"], "recipes": ["quick"]},
}


def write(folder: Path, files: dict) -> None:
    for name, tree in files.items():
        path = folder / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run the folder's own copy of workflow, configuration and code; no virtual environment is activated."""
    path = os.pathsep.join(p for p in os.get_exec_path() if Path(p) != Path(sys.prefix, "bin"))
    return subprocess.run(
        [str(Path(sys.prefix, "bin", "snakemake")), "--cores", "2", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder / "src"), "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def planned(folder: Path, *arguments: str) -> dict[str, int]:
    """Rule → number of jobs that a run would start."""
    done = snakemake(folder, "--dry-run", *arguments)
    assert done.returncode == 0, done.stdout
    if "Nothing to be done" in done.stdout:
        return {}
    table = done.stdout.split("Job stats:")[1].split("total")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


def copy_project(folder: Path) -> None:
    for name in ("workflow", "src"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("Snakefile", "environment.yml", "requirements.lock"):
        shutil.copy(ROOT / name, folder)
    (folder / "profiles").symlink_to((ROOT / "profiles").readlink())
    demo = yaml.safe_load((ROOT / "config" / "datasets.yaml").read_text(encoding="utf-8"))["datasets"]["demo"]
    demo |= {"source": {"kind": "demo", "scenes": SCENES, "size": SIZE}, "tile_size": TILE}
    write(folder, CONFIG | {"datasets.yaml": {"datasets": {"demo": demo}}})


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A project whose study has been built, and what Snakemake said."""
    folder = tmp_path_factory.mktemp("project")
    copy_project(folder)
    done = snakemake(folder)
    logs = "\n".join(f"{p}:\n{p.read_text()}" for p in folder.glob("logs/**/*.log"))
    assert done.returncode == 0, done.stdout + logs
    return folder, done.stdout


@pytest.fixture
def project(built, tmp_path):
    """A copy of that project, for a test to change."""
    return shutil.copytree(built[0], tmp_path / "project", symlinks=True)


# --- what it writes ------------------------------------------------------------------------------------


def test_tile_store(built):
    folder = built[0] / "data/tiles/demo"
    images, masks = np.load(folder / "images.npy"), np.load(folder / "masks.npy")
    table = pd.read_csv(folder / "tiles.csv")
    count = SCENES * (SIZE // TILE) ** 2
    assert images.shape == (count, TILE, TILE, 3)
    assert masks.shape == (count, TILE, TILE)
    assert images.dtype == masks.dtype == np.uint8
    assert list(table["tile"]) == list(range(count))
    assert table["scene"].nunique() == SCENES
    assert set(table["whole"]) == {1}
    pixels = [f"pixels_{name}" for name in ("No data", "Field", "Woodland", "Water", "Road", "Building")]
    names = ["tile", "scene", "group", "row", "col", "whole", "official_split", *pixels]
    assert list(table) == names
    expected = [[(mask == k).sum() for k in range(6)] for mask in masks]
    np.testing.assert_array_equal(table[pixels], expected)


def test_manifest_lists_every_scene(built):
    manifest = json.loads((built[0] / "data/raw/demo/manifest.json").read_text())
    assert manifest["dataset"] == "demo"
    assert len(manifest["files"]) == 2 * SCENES
    assert all(len(f["sha256"]) == 64 and f["bytes"] > 0 for f in manifest["files"])


def test_split(built):
    folder = built[0] / "data/splits/demo"
    split, leakage = pd.read_csv(folder / "thirds.csv"), pd.read_csv(folder / "thirds.leakage.csv")
    assert list(split) == ["tile", "scene", "subset"]
    assert set(split["subset"]) == {"train", "val", "test"}
    assert split.groupby("scene")["subset"].nunique().max() == 1
    assert list(leakage) == ["pool", "subset", "tiles", "scene_shared", "group_shared"]
    assert leakage[["scene_shared", "group_shared"]].to_numpy().sum() == 0
    whole = leakage[leakage["pool"] == "all"].set_index("subset")["tiles"]
    assert dict(whole) == dict(split["subset"].value_counts().drop("train"))


def test_training(built):
    folder = built[0] / CELL
    history = pd.read_csv(folder / "history.csv")
    metrics = [f"{subset}_{name}" for subset in ("train", "val") for name in METRICS]
    assert list(history) == ["epoch", "lr", "epoch_seconds", "train_loss", "val_loss", *metrics]
    assert list(history["epoch"]) == [1, 2]
    assert history[metrics].to_numpy().min() >= 0
    assert history[metrics].to_numpy().max() <= 1
    run = json.loads((folder / "run.json").read_text())
    assert run["cell"] == {"dataset": "demo", "model": "mini", "recipe": "quick", "seed": 0}
    assert run["epochs"] == 2
    subsets = pd.read_csv(built[0] / "data/splits/demo/thirds.csv")["subset"].value_counts()
    assert run["tiles"] == {"train": subsets["train"], "val": subsets["val"]}
    assert run["best_epoch"] == history["val_loss"].idxmin() + 1


def test_counts_are_those_of_the_masks(built):
    counts = pd.read_csv(built[0] / CELL / "counts.csv")
    tiles = pd.read_csv(built[0] / "data/tiles/demo/tiles.csv")
    split = pd.read_csv(built[0] / "data/splits/demo/thirds.csv")
    assert list(counts) == ["tile", "scene", "class", "tp", "fp", "fn", "tn"]
    judged = split.loc[split["subset"] == "test", "tile"]
    classes = ["Field", "Woodland", "Water", "Road", "Building"]
    assert len(counts) == len(judged) * len(classes)
    assert set(counts["tile"]) == set(judged)
    assert set(counts["class"]) == set(classes)
    for row in counts.itertuples():
        tile = tiles.loc[row.tile]
        assert row.tp + row.fn == tile[f"pixels_{row[3]}"]
        assert row.tp + row.fp + row.fn + row.tn == sum(tile[f"pixels_{name}"] for name in classes)


def test_panels(built):
    panels = np.load(built[0] / CELL / "panels.npz")
    tiles = pd.read_csv(built[0] / "data/tiles/demo/tiles.csv").loc[panels["tiles"]]
    assert tiles["scene"].is_unique
    assert panels["predictions"].shape == (len(tiles), TILE, TILE)
    assert panels["predictions"].dtype == np.uint8
    assert set(np.unique(panels["predictions"])) <= {1, 2, 3, 4, 5}


def test_profile(built):
    profile = json.loads((built[0] / "results/profiles/demo/mini.json").read_text())
    assert (profile["dataset"], profile["model"]) == ("demo", "mini")
    # 3×3 convolutions 3-4-8-16, 2×2 up-convolutions, 3×3 after each joining, head; batch norm after the 3×3.
    assert profile["parameters"] > 3 * 3 * (3 * 4 + 4 * 8 + 8 * 16)
    assert profile["latency_ms"] > 0


def test_scores_come_from_the_counts(built):
    scores = pd.read_csv(built[0] / "results/tiny/tables/scores.csv")
    cell = ["dataset", "model", "recipe", "seed", "subset"]
    assert list(scores) == [*cell, "metric", "class", "value", "low", "high"]
    mine = scores[(scores["model"] == "mini") & (scores["seed"] == 0)]
    counts = pd.read_csv(built[0] / CELL / "counts.csv").groupby("class")[["tp", "fp", "fn"]].sum()
    iou = counts["tp"] / counts.sum(axis=1)

    def value(metric, name="all"):
        return mine.loc[(mine["metric"] == metric) & (mine["class"] == name), "value"].item()

    assert value("miou_d") == pytest.approx(iou.dropna().mean(), abs=1e-6)
    for name, expected in iou.dropna().items():
        assert value("iou", name) == pytest.approx(expected, abs=1e-6)
    assert (mine["low"].fillna(0) <= mine["value"].fillna(0) + 1e-9).all()


def test_tables_figures_and_report(built):
    folder = built[0] / "results/tiny"
    for name in TABLES:
        assert (folder / f"tables/{name}.md").read_text().strip()
    models = pd.read_csv(folder / "tables/models.csv")
    assert list(models["model"]) == ["mini"]
    figures = {p.name for p in (folder / "figures").iterdir() if not p.name.startswith(".")}
    assert figures == {f"{name}.{extension}" for name, extension in FIGURES.items()}
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "mini" in page
    assert page.count("data:image/") >= len(figures)


def test_every_job_left_a_log_and_its_cost(built):
    rules = ["download", "tile", "split", "train", "evaluate", "profile", "tables", "figures", "report"]
    for rule in rules:
        logs = list((built[0] / "logs" / rule).rglob("*.log"))
        assert len(logs) == 1, rule
        cost = pd.read_csv(logs[0].with_suffix(".tsv"), sep="\t")
        assert cost["s"].item() > 0


def test_default_profile_lets_one_job_use_the_accelerator(built):
    assert re.search(r"^Provided resources: gpu=.*1", built[1], re.MULTILINE)


# --- what runs again -----------------------------------------------------------------------------------


def test_a_second_run_does_nothing(built):
    done = snakemake(built[0])
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout
    assert planned(built[0], "tiny") == {}


def test_a_touch_runs_nothing(project):
    for path in [
        *project.glob("src/**/*.py"),
        *project.glob("config/**/*.yaml"),
        *project.glob("workflow/**/*"),
    ]:
        path.touch()
    assert planned(project) == {}


@pytest.mark.parametrize(
    ("file", "rules"),
    [
        ("stages/report.py", {"report"}),
        ("report.html.j2", {"report"}),
        ("stages/tables.py", {"tables", "figures", "report"}),
        ("stages/evaluate.py", {"evaluate", "tables", "figures", "report"}),
        ("stages/profile.py", {"profile", "tables", "figures", "report"}),
        ("models/smp.py", set()),
    ],
)
def test_an_edit_runs_the_stages_that_import_the_file(project, file, rules):
    path = project / "src/satseg" / file
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert planned(project, "tiny") == {rule: 1 for rule in rules | ({"tiny"} if rules else set())}


def test_a_new_model_trains_only_itself(project):
    write(project, {"studies/tiny.yaml": CONFIG["studies/tiny.yaml"] | {"models": ["mini", "maxi"]}})
    new = {"train": 1, "evaluate": 1, "profile": 1, "tables": 1, "figures": 1, "report": 1}
    assert planned(project, "tiny") == new | {"tiny": 1}
    done = snakemake(project, "--dry-run", "tiny")
    trained = re.findall(r"results/runs/(\S+)/history\.csv", done.stdout.split("rule train:")[1].split("rule ")[0])
    assert set(trained) == {"demo/maxi/quick/seed0"}


def test_another_study_of_the_same_cells_trains_nothing(project):
    write(project, {"studies/again.yaml": CONFIG["studies/tiny.yaml"] | {"title": "Again"}})
    assert planned(project) == {}
    assert planned(project, "again") == {"tables": 1, "figures": 1, "report": 1, "again": 1}


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ({"quick": {"epochs": 3}}, {"train", "evaluate", "tables", "figures", "report"}),
        ({"quick": {"about": "Quick."}}, {"tables", "figures", "report"}),
        ({"quick": {"evaluate": {"weights": "final"}}}, {"evaluate", "tables", "figures", "report"}),
    ],
)
def test_a_change_of_the_recipe_runs_what_it_can_change(project, change, rules):
    (project / "mine.yaml").write_text(yaml.safe_dump({"recipes": change}))
    assert planned(project, "tiny", "--configfile", "mine.yaml") == {rule: 1 for rule in {*rules, "tiny"}}


def test_leakage_belongs_to_its_split(project):
    (project / "data/splits/demo/thirds.leakage.csv").unlink()
    assert planned(project, "data/splits/demo/thirds.leakage.csv") == {"split": 1}


# --- mistakes ------------------------------------------------------------------------------------------


def refused(folder: Path, *arguments: str) -> str:
    """What is printed, below the line that names the profile, when the configuration is wrong."""
    done = snakemake(folder, *arguments)
    assert done.returncode == 1
    return done.stdout.split("\n", 1)[1]


def test_a_wrong_key_stops_before_any_job(project):
    recipe = CONFIG["recipes.yaml"]["recipes"]["quick"] | {"epoch": 3}
    write(project, {"recipes.yaml": {"recipes": {"quick": recipe}}})
    said = refused(project)
    assert said.startswith("config/recipes.yaml: recipes.quick.epoch: unknown key; allowed: ")
    assert said.endswith("; did you mean 'epochs'?\n")
    assert said.count("\n") == 1


def test_a_wrong_key_in_a_configfile_names_that_file(project):
    (project / "mine.yaml").write_text("datasets: {demo: {pth: /elsewhere}}\n")
    said = refused(project, "--configfile", "mine.yaml")
    assert said.startswith("mine.yaml: datasets.demo.pth: unknown key; allowed: ")
    assert said.count("\n") == 1


def test_a_failed_job_shows_one_line_and_fails_the_run(project):
    (project / "mine.yaml").write_text("datasets: {demo: {path: nowhere/scenes}}\n")
    done = snakemake(project, "data/raw/demo/manifest.json", "--configfile", "mine.yaml")
    assert done.returncode == 1
    log = (project / "logs/download/demo.log").read_text()
    assert log.startswith("error: ")
    assert "nowhere/scenes" in log
    assert log.count("\n") == 1
    assert log.strip() in done.stdout  # shown, not only kept


def test_an_unknown_target_is_named(project):
    done = snakemake(project, "tinny")
    assert done.returncode == 1
    assert "tinny" in done.stdout
    assert "Traceback" not in done.stdout


# --- Snakemake's own reports ---------------------------------------------------------------------------


def test_lint_finds_nothing(project):
    done = snakemake(project, "--lint")
    assert done.returncode == 0, done.stdout


def test_snakemake_report_holds_tables_and_figures(built):
    done = snakemake(built[0], "--report", "report.zip", "tiny")
    assert done.returncode == 0, done.stdout
    archive = zipfile.ZipFile(io.BytesIO((built[0] / "report.zip").read_bytes()))
    packed = {Path(name).name for name in archive.namelist()}
    assert packed >= {f"{name}.{extension}" for name, extension in FIGURES.items()}
    assert packed >= {"scores.csv", "models.csv", "splits.csv", "published.csv"}


def test_workflow_runs_from_another_folder(built, tmp_path):
    """Configuration and code are found beside the workflow; data and results go to the working directory."""
    done = snakemake(built[0], "--directory", str(tmp_path), "--dry-run", "tiny")
    assert done.returncode == 0, done.stdout
    assert re.search(r"^total +10$", done.stdout, re.MULTILINE)
