"""What runs again after a change, and what does not: Snakemake's own dry-runs of the real rules,
and a few runs.

Dry-runs of many cells need no training: the files of `studies` are placeholders that Snakemake
takes for finished.
"""

import copy
import json
import os
import re
import shutil
from contextlib import ExitStack, contextmanager
from inspect import unwrap
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
import tiny_study
import torch
import yaml
from tiny_study import CELL, Server, snakemake, unet, write

from satseg.config.reading import load
from satseg.jobs import dependencies, slices
from satseg.training.record import identity

PUBLISHED = tiny_study.datasets()
DATASETS = ["demo", "dubai", "loveda", "landcoverai"]
OWN = "def small(num_classes, in_channels): ...\n"
CONFIG = {
    "config.yaml": {"studies": ["wide", "deep"]},
    "datasets.yaml": {"datasets": {name: PUBLISHED[name] for name in DATASETS}},
    "splits.yaml": {
        "splits": {
            "thirds": {"unit": "group", "train": 0.5, "val": 0.25, "test": 0.25},
            "halves": {"unit": "tile", "train": 0.5, "val": 0.25, "test": 0.25},
        }
    },
    "models.yaml": {
        "models": {
            "mini": unet(4),
            "maxi": unet(8),
            "other": {
                "family": "smp",
                "architecture": "Unet",
                "encoder": "resnet18",
                "encoder_weights": "encoder.pt",
            },
            "own": {"family": "python", "file": "mine/own.py", "name": "small"},
        }
    },
    "recipes.yaml": {
        "recipes": {
            "quick": {
                "split": "thirds",
                "loss": {"name": "cross_entropy"},
                "epochs": 2,
                "batch_size": 4,
            },
            "slow": {"split": "halves", "loss": {"name": "jdt"}, "epochs": 9, "batch_size": 4},
        }
    },
    "papers.yaml": {"papers": {}},
    "studies/wide.yaml": {"datasets": DATASETS, "models": ["mini"], "recipes": ["quick"]},
    "studies/deep.yaml": {
        "datasets": ["demo"],
        "models": ["mini", "maxi", "other", "own"],
        "recipes": ["quick", "slow"],
    },
}
MODELS = list(CONFIG["models.yaml"]["models"])
STUDIES = {
    "wide": {(dataset, "mini", "quick") for dataset in DATASETS},
    "deep": set(product(["demo"], MODELS, ["quick", "slow"])),
}
CELLS = STUDIES["wide"] | STUDIES["deep"]


# --- the jobs a change should start, written out from the grid ------------------------------------


def pages(*studies: str) -> set[str]:
    """Tables, figures and report."""
    return {f"{rule} {study}" for rule in ("tables", "figures", "report") for study in studies}


def shown(cells: set) -> set[str]:
    """The pages of the studies these cells belong to."""
    return pages(*(name for name, grid in STUDIES.items() if grid & cells))


def judged(cells: set) -> set[str]:
    return {f"evaluate {'/'.join(cell)}/0" for cell in cells} | shown(cells)


def trained(cells: set) -> set[str]:
    return {f"train {'/'.join(cell)}/0" for cell in cells} | judged(cells)


def profiled(cells: set) -> set[str]:
    return {f"profile {dataset}/{model}" for dataset, model, _ in cells} | compared(cells)


def compared(cells: set) -> set[str]:
    """The times of the studies' models on these datasets, and the pages."""
    return {
        f"speed {name}/{dataset}"
        for name, grid in STUDIES.items()
        for dataset in {cell[0] for cell in grid & cells}
    } | shown(cells)


def divided(cells: set) -> set[str]:
    names = {recipe: spec["split"] for recipe, spec in CONFIG["recipes.yaml"]["recipes"].items()}
    return {f"split {dataset}/{names[recipe]}" for dataset, _, recipe in cells} | trained(cells)


def tiled(*datasets: str) -> set[str]:
    return {f"tile {dataset}" for dataset in datasets} | divided(on(*datasets))


def downloaded(*datasets: str) -> set[str]:
    return {f"download {dataset}" for dataset in datasets} | tiled(*datasets)


def on(*names: str) -> set:
    """Cells of these datasets, models or recipes."""
    return {cell for cell in CELLS if set(cell) & set(names)}


def using(key: str) -> list[str]:
    """Published datasets whose configuration says this, such as `kind: http`."""
    name, value = key.split(": ")
    return [d for d in DATASETS if re.search(rf"\b{name}\W+{value}\b", json.dumps(PUBLISHED[d]))]


# --- many cells, not trained ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """A project of two studies that Snakemake takes for finished: its folder, and Snakemake in
    it."""
    folder = tmp_path_factory.mktemp("studies")
    tiny_study.copy_code(folder)
    write(folder, CONFIG)
    (folder / "mine").mkdir()
    (folder / "mine/own.py").write_text(OWN)
    (folder / "encoder.pt").write_text("weights\n")
    # There are no scenes to look at before they are tiled again.
    (folder / "src/satseg/check/look.py").write_text("def look(*arguments): ...\n")
    (folder / "src/satseg/check/building.py").write_text("def try_model(*arguments): ...\n")
    server = Server(folder)
    for line in re.findall(r"^    output: (.+)$", server.run("--dry-run"), re.MULTILINE):
        for name in line.split(", "):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            # The digests of no figures: none is missing.
            content = "{}" if path.name == "figures.json" else name
            path.write_text(content) if path.suffix else path.mkdir()
    server.run("--touch", "--forceall")
    yield folder, server
    server.close()


@contextmanager
def changed(path: Path, content: str):
    """Give a file this content for a while."""
    before = path.read_bytes()
    path.write_text(content, encoding="utf-8")
    try:
        yield
    finally:
        path.write_bytes(before)


def checkpoints(folder: Path, monkeypatch, overrides: dict | None = None) -> dict[tuple, str]:
    """Cell → what a checkpoint of it would have to be marked with, to be gone on from."""
    monkeypatch.setattr(dependencies, "PACKAGE", folder / "src" / "satseg")
    monkeypatch.setattr(dependencies, "_code", unwrap(dependencies._code))
    monkeypatch.chdir(folder)
    config = load(folder / "config", overrides)
    tiles, splits = folder / "data" / "tiles", folder / "data" / "splits"
    return {
        (d, m, r): identity(
            slices.train_slice(config, d, m, r, 0),
            tiles / d,
            splits / d / f"{config.recipes[r].split}.csv",
        )
        for d, m, r in CELLS
    }


def test_nothing_changed_nothing_runs(studies):
    assert studies[1].planned() == set()


PACKAGE_EDITS = [
    ("losses.py", trained(CELLS)),
    ("training/trainer.py", trained(CELLS)),
    ("data/store.py", divided(CELLS) | profiled(CELLS)),
    ("data/tiling.py", tiled(*DATASETS)),
    ("data/official/scenes.py", tiled(*using("by: scenes"))),
    ("data/official/tiles.py", tiled(*using("by: tiles"))),
    ("data/sources/http.py", downloaded(*using("kind: http"))),
    ("data/sources/demo/canvas.py", downloaded(*using("kind: demo"))),
    ("data/sources/kaggle.py", downloaded(*using("kind: kaggle"))),
    ("data/splits.py", divided(CELLS)),
    ("models/unet.py", trained(on("mini", "maxi")) | profiled(on("mini", "maxi"))),
    ("models/smp.py", trained(on("other")) | profiled(on("other"))),
    ("stages/evaluate.py", judged(CELLS)),
    ("profiling.py", profiled(CELLS)),
    ("metrics/scores.py", pages(*STUDIES)),
    (
        "figures/leakage.py",
        {f"{rule} {study}" for rule in ("figures", "report") for study in STUDIES},
    ),
    ("pages/report.html.j2", {f"report {study}" for study in STUDIES}),
    ("config/recipes.py jobs/slices.py paths.py", pages(*STUDIES)),
    ("errors.py progress.py text.py jobs/gpus.py jobs/dependencies.py jobs/targets.py", set()),
    ("check/survey.py estimate/expect.py", set()),
]


def test_the_reader_of_one_dataset_is_its_own():
    """The rows above that say so are about one dataset."""
    assert using("by: scenes") == ["loveda"]
    assert using("by: tiles") == ["landcoverai"]
    assert using("kind: demo") == ["demo"]


@pytest.mark.parametrize(
    ("name", "expected"), PACKAGE_EDITS, ids=[name for name, _ in PACKAGE_EDITS]
)
def test_an_edit_runs_what_imports_the_file(studies, monkeypatch, name, expected):
    folder, server = studies
    before = checkpoints(folder, monkeypatch)
    with ExitStack() as stack:
        for path in (folder / "src/satseg" / each for each in name.split()):
            stack.enter_context(changed(path, path.read_text(encoding="utf-8") + "\n"))
        assert server.planned() == expected
        after = checkpoints(folder, monkeypatch)
    # A checkpoint stands where training would not run, and where it would only because its tiles
    # may become others.
    anew = {cell for cell in CELLS if f"train {'/'.join(cell)}/0" in expected}
    stale = {cell for cell in CELLS if before[cell] != after[cell]}
    assert stale <= anew
    assert stale == anew or any(job.startswith(("tile", "split")) for job in expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mine/own.py", trained(on("own")) | profiled(on("own"))),
        ("encoder.pt", trained(on("other"))),
        ("data/tiles/loveda/digests.json", trained(on("loveda"))),
        ("data/tiles/loveda/origin.json", trained(on("loveda"))),
        ("data/splits/demo/halves.csv", trained(on("slow"))),
    ],
)
def test_an_edit_of_other_files(studies, monkeypatch, name, expected):
    """Of one's own model, of weights to start from, and of the data a training sees."""
    folder, server = studies
    path, before = folder / name, checkpoints(folder, monkeypatch)
    with changed(path, path.read_text(encoding="utf-8") + "\n"):
        pages_too = {
            job for job in server.planned() if job.split()[0] not in ("figures", "report", "tables")
        }
        assert pages_too >= {job for job in expected if job.split()[0] in ("train", "profile")}
        assert {job for job in pages_too if job.startswith("train")} == {
            j for j in expected if j.startswith("train")
        }
        after = checkpoints(folder, monkeypatch)
    anew = {cell for cell in CELLS if f"train {'/'.join(cell)}/0" in expected}
    assert {cell for cell in CELLS if before[cell] != after[cell]} == anew


def test_an_edit_that_leaves_the_file_an_old_date(studies):
    """As `rsync`, `cp -p` and archives do; and as an edit looks that was made while the job still
    ran."""
    folder, server = studies
    path = folder / "src/satseg/losses.py"
    with changed(path, path.read_text(encoding="utf-8") + "\n"):
        os.utime(path, (1e9, 1e9))
        assert server.planned() == trained(CELLS)


def recolored(dataset: str) -> list[dict]:
    """The classes of a published dataset, one in another colour."""
    classes = copy.deepcopy(PUBLISHED[dataset]["classes"])
    classes[-1]["color"] = "#123456"
    return classes


KEYS = {
    "a recipe's text": ({"recipes": {"slow": {"about": "Slowly."}}}, pages("deep")),
    "a default, written out": ({"recipes": {"slow": {"accumulate": 1}}}, pages()),
    "a recipe's epochs": ({"recipes": {"slow": {"epochs": 8}}}, trained(on("slow"))),
    "a teacher, which is trained first": (
        {
            "recipes": {
                "slow": {"teacher": {"model": "maxi", "recipe": "calm"}},
                "calm": CONFIG["recipes.yaml"]["recipes"]["slow"],
            }
        },
        trained(on("slow")) | {"train demo/maxi/calm/0"},
    ),
    "weights to start from, which are trained first": (
        {
            "recipes": {
                "slow": {"init_from": "results/runs/demo/maxi/calm/seed0/best.pt"},
                "calm": CONFIG["recipes.yaml"]["recipes"]["slow"],
            }
        },
        trained(on("slow")) | {"train demo/maxi/calm/0"},
    ),
    "the judged subset": (
        {"recipes": {"slow": {"evaluate": {"subset": "val"}}}},
        judged(on("slow")),
    ),
    "a model's widths": (
        {"models": {"maxi": {"widths": [8, 12]}}},
        trained(on("maxi")) | profiled(on("maxi")),
    ),
    "a split's seed": ({"splits": {"halves": {"seed": 1}}}, divided(on("slow"))),
    "a colour, masks of indices": (
        {"datasets": {"loveda": {"classes": recolored("loveda")}}},
        pages("wide"),
    ),
    "a colour, masks of colours": (
        {"datasets": {"dubai": {"classes": recolored("dubai")}}},
        tiled("dubai"),
    ),
    "a tile size": (
        {"datasets": {"loveda": {"tile_size": 256}}},
        tiled("loveda") | profiled(on("loveda")),
    ),
    "a dataset's licence": ({"datasets": {"loveda": {"licence": "none"}}}, pages("wide")),
    "a dataset's size": (
        {"datasets": {"dubai": {"expected": {"scenes": 7, "pixels": 8}, "source": {"bytes": 9}}}},
        pages(),
    ),
    "a source's seed": ({"datasets": {"demo": {"source": {"seed": 1}}}}, downloaded("demo")),
    "a study's title": ({"study": {"wide": {"title": "Wide"}}}, pages("wide")),
}


@pytest.mark.parametrize(("overrides", "expected"), KEYS.values(), ids=list(KEYS))
def test_a_changed_key_runs_what_it_can_change(studies, monkeypatch, overrides, expected):
    folder, server = studies
    before = checkpoints(folder, monkeypatch)
    (folder / "mine.yaml").write_text(yaml.safe_dump(overrides))
    assert server.planned("--configfile", "mine.yaml") == expected
    if not any(job.startswith(("tile", "split")) for job in expected):
        after = checkpoints(folder, monkeypatch, overrides)
        anew = {cell for cell in CELLS if f"train {'/'.join(cell)}/0" in expected}
        assert {cell for cell in CELLS if before[cell] != after[cell]} == anew


def added(cells: set, seed: int = 0) -> set[str]:
    """The jobs of new cells, without their datasets' own, and the pages of `deep`."""
    names = ["/".join(cell) for cell in cells]
    return {f"{rule} {name}/{seed}" for rule in ("train", "evaluate") for name in names} | pages(
        "deep"
    )


NEW = {
    "model": (
        {
            "models": {"fresh": unet(6)},
            "study": {"deep": {"models": [*MODELS, "fresh"]}},
        },
        added({("demo", "fresh", "quick"), ("demo", "fresh", "slow")})
        | {"profile demo/fresh", "speed deep/demo"},
    ),
    "recipe": (
        {
            "recipes": {"fresh": CONFIG["recipes.yaml"]["recipes"]["slow"] | {"epochs": 3}},
            "study": {"deep": {"recipes": ["quick", "slow", "fresh"]}},
        },
        added({("demo", model, "fresh") for model in MODELS}),
    ),
    "seed": ({"study": {"deep": {"seeds": [0, 1]}}}, added(STUDIES["deep"], seed=1)),
    "dataset": (
        {
            "datasets": {"fresh": PUBLISHED["demo"]},
            "study": {"deep": {"datasets": ["demo", "fresh"]}},
        },
        added({("fresh", model, recipe) for model in MODELS for recipe in ("quick", "slow")})
        | {"download fresh", "tile fresh", "split fresh/thirds", "split fresh/halves"}
        | {f"profile fresh/{model}" for model in MODELS}
        | {"speed deep/fresh"},
    ),
    "study": (
        {
            "study": {"fresh": {"datasets": ["loveda"], "models": ["mini"], "recipes": ["quick"]}},
            "studies": ["wide", "deep", "fresh"],
        },
        pages("fresh") | {"speed fresh/loveda"},
    ),
}


@pytest.mark.parametrize(("overrides", "expected"), NEW.values(), ids=list(NEW))
def test_what_is_new_adds_its_own_cells(studies, overrides, expected):
    folder, server = studies
    (folder / "mine.yaml").write_text(yaml.safe_dump(overrides))
    assert server.planned("--configfile", "mine.yaml") == expected


# --- a study that was built -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A copy of the built project, and Snakemake in it; every test leaves it as it was."""
    base = tmp_path_factory.getbasetemp()
    folder = shutil.copytree(tiny_study.build(base)[0], base / "reruns", symlinks=True)
    server = Server(folder)
    yield folder, server
    server.close()


@pytest.fixture
def project(built, tmp_path):
    """A copy of it, for a test to change."""
    return shutil.copytree(built[0], tmp_path / "project", symlinks=True)


def test_a_second_run_does_nothing(built):
    assert built[1].planned("all") == built[1].planned("tiny") == set()


def test_a_second_checkout_with_the_same_folders_does_nothing(built, tmp_path):
    """Nor does a container that has them mounted: without logs, without Snakemake's own notes."""
    folder = tmp_path / "second"
    folder.mkdir()
    tiny_study.copy_code(folder)
    shutil.copytree(built[0] / "config", folder / "config")
    for shared in ("data", "results"):
        (folder / shared).symlink_to(built[0] / shared)
    done = snakemake(folder, "--dry-run", "all")
    assert done.returncode == 0 and "Nothing to be done" in done.stdout, done.stdout
    assert not (folder / "logs").exists()


def test_a_touch_of_everything_runs_nothing(built):
    """Even where the arrays and the weights are too large to be compared."""
    folder, server = built
    large = [*folder.glob("data/tiles/demo/*.npy"), *folder.glob(f"{CELL}/*.pt")]
    limit = min(path.stat().st_size for path in large) - 1
    assert len(large) == 4
    files = [
        path
        for path in folder.rglob("*")
        if path.is_file() and folder / ".snakemake" not in path.parents
    ]
    assert {
        folder / CELL / "history.csv",
        folder / "results/tiny/figures/.snakemake_timestamp",
    } <= set(files)
    for path in sorted(files, reverse=True):
        path.touch()
    assert server.planned("--max-checksum-file-size", str(limit)) == set()
    assert server.planned() == set()


LAST = {"tables tiny", "figures tiny", "report tiny"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(
            (f"{CELL}/{name}", "train evaluate")
            for name in ("history.csv", "best.pt", "final.pt", "run.json")
        ),
        *((f"{CELL}/{name}", "evaluate") for name in ("counts.csv", "confusion.csv", "panels.npz")),
        ("results/profiles/demo/mini.json", "profile"),
        ("results/tiny/speed/demo.json", "speed"),
    ],
)
def test_a_deleted_file_is_built_again(built, name, expected):
    folder, server = built
    rules = {
        "train": "demo/mini/quick/0",
        "evaluate": "demo/mini/quick/0",
        "profile": "demo/mini",
        "speed": "tiny/demo",
    }
    aside = (folder / name).rename(folder / "aside")
    try:
        assert server.planned() == {f"{rule} {rules[rule]}" for rule in expected.split()} | LAST
    finally:
        aside.rename(folder / name)


def test_a_cell_that_is_built_again_is_the_same(project):
    cell, old = project / CELL, shutil.copytree(project / CELL, project / "old")
    (cell / "best.pt").unlink()
    done = snakemake(project)
    assert done.returncode == 0, done.stdout
    ran = re.findall(r"^(?:local)?rule (\w+):$", done.stdout, re.MULTILINE)
    assert sorted(ran) == ["all", "evaluate", "figures", "report", "tables", "train"]
    for name in ("counts.csv", "confusion.csv", "panels.npz"):
        assert (cell / name).read_bytes() == (old / name).read_bytes()
    now, then = (
        pd.read_csv(folder / "history.csv").drop(columns="epoch_seconds") for folder in (cell, old)
    )
    pd.testing.assert_frame_equal(now, then, check_exact=True)
    for name in ("best.pt", "final.pt"):
        now, then = (
            torch.load(folder / name, weights_only=True)["state_dict"] for folder in (cell, old)
        )
        assert all(torch.equal(now[key], then[key]) for key in then) and len(now) == len(then)


def test_tiles_deleted_for_their_space_come_back_and_nothing_trains(project):
    images = project / "data/tiles/demo/images.npy"
    before = images.read_bytes()
    images.unlink()
    assert "Nothing to be done" in snakemake(project, "--dry-run").stdout
    done = snakemake(project, str(images.relative_to(project)))
    assert done.returncode == 0, done.stdout
    assert images.read_bytes() == before
    assert "Nothing to be done" in snakemake(project, "--dry-run").stdout
