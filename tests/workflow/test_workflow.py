"""The real workflow on a study small enough to train here: what it writes, and what it says of
mistakes."""

import io
import json
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny_study
import yaml
from tiny_study import CELL, CONFIG, SCENES, SIZE, TILE, snakemake, write

from conftest import write_raster
from satseg.paths import FIGURES, PANELS, TABLES, USUAL_FIGURES

METRICS = ["jaccard", "dice", "pixel_accuracy", "precision", "recall"]


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A project whose study has been built, and what Snakemake said."""
    return tiny_study.build(tmp_path_factory.getbasetemp())


@pytest.fixture
def project(built, tmp_path):
    """A copy of that project, for a test to change."""
    return shutil.copytree(built[0], tmp_path / "project", symlinks=True)


# --- what it writes -------------------------------------------------------------------------------


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
    pixels = [
        f"pixels_{name}" for name in ("No data", "Field", "Woodland", "Water", "Road", "Building")
    ]
    names = ["tile", "scene", "group", "row", "col", "whole", "height", "width", "official_split"]
    names += ["footprint", *pixels]
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
    shared = ["scene_shared", "group_shared", "placed", "overlapping", "touching", "near"]
    assert list(leakage) == ["pool", "subset", "tiles", *shared, "exposed"]
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
    names = {"dataset": "demo", "model": "mini", "recipe": "quick"}
    assert run["cell"] == names | {"seed": 0, "fold": None}
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
    drawn = tiles[panels["hard"] == ""]
    assert len(drawn) and drawn["tile"].is_unique
    assert set(panels["hard"]) <= {"", "Field", "Woodland", "Water", "Road", "Building"}
    assert panels["predictions"].shape == (len(tiles), TILE, TILE)
    assert panels["predictions"].dtype == np.uint8
    assert set(np.unique(panels["predictions"])) <= {1, 2, 3, 4, 5}


def test_profile(built):
    profile = json.loads((built[0] / "results/profiles/demo/mini.json").read_text())
    assert (profile["dataset"], profile["model"]) == ("demo", "mini")
    # 3×3 convolutions 3-4-8-16, 2×2 up-convolutions, 3×3 after each joining, head; batch norm after
    # the 3×3.
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
    assert figures == {f"{name}.{FIGURES[name]}" for name in USUAL_FIGURES} | {PANELS}
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "mini" in page
    assert page.count("data:image/") >= len(figures)


def test_every_job_left_a_log_and_its_cost(built):
    rules = [
        "download",
        "tile",
        "split",
        "train",
        "evaluate",
        "profile",
        "speed",
        "tables",
        "figures",
        "report",
    ]
    for rule in rules:
        logs = list((built[0] / "logs" / rule).rglob("*.log"))
        assert len(logs) == 1, rule
        cost = pd.read_csv(logs[0].with_suffix(".tsv"), sep="\t")
        assert cost["s"].item() > 0


def test_default_profile_lets_one_job_use_the_accelerator(built):
    assert re.search(r"^Provided resources: gpu=.*1", built[1], re.MULTILINE)


# --- mistakes -------------------------------------------------------------------------------------


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
    assert done.stdout.splitlines()[-1] == f"{log.strip()} (logs/download/demo.log)"


def test_an_unknown_target_is_named(project):
    done = snakemake(project, "tinny")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "tinny: no such study or rule; did you mean 'tiny'?"


def test_a_dataset_is_looked_at_before_the_first_job(project, tmp_path):
    """From another folder, where nothing is tiled yet."""
    write_raster(tmp_path / "mine/images/1.tif", np.zeros((3, 70, 64), np.uint8))
    write_raster(tmp_path / "mine/masks/1.tif", np.full((1, 70, 64), 9, np.uint8))
    layout = {
        "images": "images/{n}.tif",
        "masks": "masks/{n}.tif",
        "scene": "{n}",
        "mask_values": "index",
    }

    def last_line(**changes):
        entry = {"path": "mine", "source": None, "layout": layout} | changes
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"datasets": {"demo": entry}}))
        here = ("--directory", str(tmp_path), "--configfile", str(tmp_path / "mine.yaml"))
        done = snakemake(project, "--dry-run", *here)
        assert done.returncode == 1
        return done.stdout.splitlines()[-1]

    where = "mine.yaml: datasets.demo: "
    assert last_line(path="mime").startswith(f"{where}path: mime: no such folder or zip")
    masks = layout | {"masks": "mask/{n}.tif"}
    assert last_line(layout=masks).startswith(f"{where}mine/images/1.tif: no mask belongs to it")
    assert last_line().startswith(
        f"{where}mine/masks/1.tif: value 9 in 4,480 pixels is not a class"
    )


# --- Snakemake's own reports ----------------------------------------------------------------------


def test_lint_finds_nothing(project):
    done = snakemake(project, "--lint")
    assert done.returncode == 0, done.stdout


def test_snakemake_report_holds_tables_and_figures(built):
    done = snakemake(built[0], "--report", "report.zip", "tiny")
    assert done.returncode == 0, done.stdout
    archive = zipfile.ZipFile(io.BytesIO((built[0] / "report.zip").read_bytes()))
    packed = {Path(name).name for name in archive.namelist()}
    assert packed >= {f"{name}.{FIGURES[name]}" for name in USUAL_FIGURES}
    assert packed >= {"scores.csv", "models.csv", "splits.csv", "published.csv"}
    page = archive.read("report/report.html").decode("utf-8")

    def listed(name: str) -> dict:
        """What Snakemake's page holds under a name: the one of its variables that is filled with
        the study's files."""
        start = re.search(rf'var {name} = (?={{"(?:results/)?tiny)', page).end()
        return json.JSONDecoder().raw_decode(page[start:])[0]

    results = listed("results")
    for file, what in results.items():
        assert what["caption"].strip(), file
        assert what["labels"]["shows"], file
    costs = results["results/tiny/tables/models.csv"]
    assert costs["labels"] == {"shows": "Cost of the models"}
    assert "parameters, memory and operations" in costs["caption"]
    cost = results["results/tiny/figures/cost.svg"]
    assert cost["labels"] == {"shows": "cost"}
    assert "<em>cost</em>" in cost["caption"] and "<em>tiny</em>" in cost["caption"]
    categories = listed("categories")
    assert set(categories) == {"tiny"}
    assert set(categories["tiny"]) == {"Report", "Tables", "Figures"}
    assert sorted(file for files in categories["tiny"].values() for file in files) == sorted(
        results
    )


def test_workflow_runs_from_another_folder(built, tmp_path):
    """Configuration and code are found beside the workflow; data and results go to the working
    directory."""
    done = snakemake(built[0], "--directory", str(tmp_path), "--dry-run", "tiny")
    assert done.returncode == 0, done.stdout
    assert re.search(r"^total +11$", done.stdout, re.MULTILINE)
