"""What is told before a study starts, against closed forms and what lies on disk."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from conftest import ROOT
from satseg.config.reading import load
from satseg.data.tiling import build_tiles
from satseg.devices import describe_device
from satseg.errors import UserError
from satseg.estimate.expect import Estimate
from satseg.estimate.words import report
from satseg.files import write_json
from satseg.jobs import slices


@pytest.fixture
def folders(tmp_path):
    return {"data": tmp_path / "data", "results": tmp_path / "results"}


def profiled(folders, config, dataset, model, step_ms, **device):
    """A profile as the stage writes it, of this device unless `device` says another."""
    entry = {
        "dataset": dataset,
        "parameters": 1000,
        "train_step_ms": step_ms,
        "spec": config.models[model].model_dump(),
    }
    path = folders["results"] / f"profiles/{dataset}/{model}.json"
    write_json(path, entry | {"device": describe_device() | device})


def trained(folders, cell, epoch_seconds, train, val, **device):
    run = folders["results"] / "runs" / cell.path
    made = {
        "device": describe_device() | device,
        "tiles": {"train": train, "val": val},
        "slice": {"training": {}},
    }
    write_json(run / "run.json", made)
    pd.DataFrame({"epoch_seconds": epoch_seconds}).to_csv(run / "history.csv", index=False)


def test_jobs_are_those_of_the_grid(folders):
    config = load()
    study = config.study["faster_unet"]
    jobs = {
        rule: len(files)
        for rule, files in Estimate(config, ["faster_unet"], **folders).jobs().items()
    }
    cells = len(study.datasets) * len(study.models) * len(study.recipes) * len(study.seeds)
    assert jobs == {
        "download": len(study.datasets), "tile": len(study.datasets), "train": cells, "evaluate": cells,
        "split": len(study.datasets) * len({config.recipes[r].split for r in study.recipes}),
        "profile": len(study.datasets) * len(study.models), "tables": 1, "figures": 1, "report": 1,
        "speed": len(study.datasets),
    }  # fmt: skip
    # A cell that two studies show is trained once.
    both = Estimate(config, ["faster_unet", "faster_unet_leakage"], **folders).jobs()
    shown = {
        cell.path
        for name in ("faster_unet", "faster_unet_leakage")
        for cell in slices.cells(config.study[name], config.folds)
    }
    assert (
        len(both["train"])
        == len(shown)
        < cells + len(slices.cells(config.study["faster_unet_leakage"], config.folds))
    )


def test_teachers_are_trained_too(folders):
    config = load()
    name = "faster_unet_found_recipes"
    study = config.study[name]
    taught = study.model_copy(update={"recipes": [study.recipes[0], "faster_unet_short_taught"]})
    config.study[name] = taught
    jobs = Estimate(config, [name], **folders).jobs()
    assert len(jobs["train"]) == len(jobs["evaluate"]) + 1
    teacher = "runs/dubai/deeplabv3plus_scratch/faster_unet_short/seed0/history.csv"
    assert folders["results"] / teacher in jobs["train"]
    both = Estimate(config, [name, "faster_unet_found"], **folders).jobs()
    assert len(both["train"]) == len(both["evaluate"])  # the teacher is a cell of the other study


def test_the_trials_of_a_tuning_count(folders):
    config = load()
    tuning = config.tunings["demo_tuned"]
    estimate = Estimate(config, ["demo_tuning"], **folders)
    jobs = {rule: len(files) for rule, files in estimate.jobs().items()}
    assert (jobs["draw"], jobs["rung"], jobs["tune"], jobs["evaluate"]) == (4, 2, 1, 1)
    assert jobs["train"] == 1 + 4 + 2  # half of the trials go on
    times = [estimate.times(cell) for cell in estimate.trained]
    assert [time.epochs for time in times] == [tuning.rungs[-1], *[1] * 4, *[1] * 2]


def test_the_snakefile_plans_as_many_jobs(tmp_path):
    """Snakemake's own dry run of the same study, in a folder where nothing is."""
    command = [sys.executable, "-m", "snakemake", "--directory", str(tmp_path), "--dry-run", "demo"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    planned = dict(
        re.findall(
            r"^(\w+) +(\d+)$", (done.stdout + done.stderr).split("Job stats:")[1], re.MULTILINE
        )
    )
    del planned["demo"]  # the target itself
    jobs = Estimate(load(), ["demo"], tmp_path / "data", tmp_path / "results").jobs()
    assert {rule: str(len(files)) for rule, files in jobs.items()} | {
        "total": planned["total"]
    } == planned
    assert int(planned["total"]) == sum(map(len, jobs.values())) + 1


def test_downloads_and_tiles_of_what_is_not_here(folders):
    config = load()
    estimate = Estimate(config, ["faster_unet"], **folders)
    archives = config.datasets["loveda"].source.files
    assert (
        estimate.download_bytes("loveda") == sum(file.bytes for file in archives) == 6_447_627_517
    )
    assert estimate.download_bytes("landcoverai") == 1_538_212_277
    # 2,522 and 1,669 scenes of 1024², four tiles each; three bands and a mask.
    assert estimate.tiles("loveda").count == (2522 + 1669) * 4
    assert estimate.tile_bytes("loveda") == (2522 + 1669) * 1024**2 * 4
    subsets = estimate.subset_tiles("loveda", "faster_unet")
    assert subsets["train"] == pytest.approx(2522 * 4, rel=0.002)
    assert subsets["val"] == pytest.approx(
        1669 * 4 / 2, rel=0.002
    )  # the other half becomes the test set
    # At most 378 scenes, whose tiles the paper counts as 1,512, and a third as many beside them.
    published = estimate.subset_tiles("loveda", "faster_unet_published")
    assert published == {"train": 1512, "val": 504, "test": 504}
    assert "To download: 8 GB." in report(estimate)


def test_a_download_of_unknown_size_is_called_unknown(folders):
    source = {
        "files": [{"url": "https://example.org/landcoverai.zip", "checksum": f"md5:{'0' * 32}"}]
    }
    estimate = Estimate(
        load(overrides={"datasets": {"landcoverai": {"source": source}}}),
        ["faster_unet"],
        **folders,
    )
    assert estimate.download_bytes("landcoverai") is None
    assert "To download: 6.4 GB, and landcoverai, whose size is unknown." in report(estimate)


def test_a_path_of_ones_own_is_nothing_to_fetch(folders, tmp_path):
    config = load(overrides={"datasets": {"loveda": {"path": str(tmp_path)}}})
    assert Estimate(config, ["faster_unet"], **folders).download_bytes("loveda") == 0
    assert Estimate(config, ["demo"], **folders).download_bytes("demo") == 0


def test_tiles_on_disk_are_counted_not_guessed(folders, scene_folder, tile_slice):
    config = load()
    table = build_tiles(tile_slice, scene_folder, folders["data"] / "tiles/demo")
    estimate = Estimate(config, ["demo"], **folders)
    assert estimate.tiles("demo") == (len(table), 3, True)
    drawn = estimate.subset_tiles("demo", "demo")
    assert sum(drawn.values()) == len(table) and set(drawn) == {"train", "val", "test"}


def test_each_fold_has_tiles_of_its_own(folders):
    """Groups of unequal size: what one fold tests, the others train on."""
    sizes = {"a": 40, "b": 10, "c": 10, "d": 10}
    groups = [name for name, size in sizes.items() for _ in range(size)]
    table = pd.DataFrame({"tile": range(len(groups)), "scene": groups, "group": groups})
    places = {"row": 0, "col": table["tile"], "height": 1, "width": 1, "footprint": ""}
    places |= {"whole": 1, "official_split": ""}
    store = folders["data"] / "tiles/demo"
    store.mkdir(parents=True)
    table.assign(**places).to_csv(store / "tiles.csv", index=False)
    np.save(store / "images.npy", np.zeros((len(table), 1, 1, 3), np.uint8))

    split = {"unit": "group", "folds": 4, "train": 0.7, "val": 0.3}
    recipe = {"split": "in_four", "loss": {"name": "jdt"}, "epochs": 5, "batch_size": 1}
    study = {"datasets": ["demo"], "models": ["unet_tiny"], "recipes": ["in_turn"]}
    entries = {"splits": {"in_four": split}, "recipes": {"in_turn": recipe}}
    config = load(overrides=entries | {"study": {"folded": study}})
    estimate = Estimate(config, ["folded"], **folders)
    assert [cell.fold for cell in estimate.cells] == [1, 2, 3, 4]
    trained = []
    for cell in estimate.cells:
        drawn = estimate.subset_tiles("demo", "in_turn", cell.fold)
        assert sum(drawn.values()) == len(table)
        assert estimate.times(cell).tiles == drawn["train"]
        trained.append(drawn["train"])
    assert sorted(trained) == [20, 40, 40, 40]


def test_hours_follow_the_profile(folders):
    config = load()
    profiled(folders, config, "demo", "unet_tiny", 800)
    estimate = Estimate(config, ["demo"], **folders)
    cell = next(c for c in estimate.cells if c.model == "unet_tiny")
    # 12 scenes of 512² are 192 tiles of 128², each a sixteenth of the profile's image; 60 % train,
    # 20 % val, and a forward pass is a third of a step.
    expected = (round(0.6 * 192) + round(0.2 * 192) / 3) * 0.8 / 16
    found = estimate.times(cell)
    assert (
        found.epoch_seconds == pytest.approx(expected)
        and found.epochs == config.recipes["demo"].epochs
    )
    assert found.source == "profile on demo" and found.target is None
    assert f"Together {12 * expected / 60:.3g} min for 1 run," in report(estimate)


@pytest.mark.parametrize("device", [{"name": "another"}, {"kind": "another"}])
def test_a_profile_of_another_device_or_model_is_not_used(folders, device):
    config = load()
    profiled(folders, config, "demo", "unet_tiny", 800, **device)
    profiled(
        folders,
        load(overrides={"models": {"unet_shallow": {"dropout": 0.2}}}),
        "demo",
        "unet_shallow",
        800,
    )
    estimate = Estimate(config, ["demo"], **folders)
    found = [estimate.times(cell) for cell in estimate.cells]
    assert [t.epoch_seconds for t in found] == [None] * 3
    text = report(estimate)
    targets = [f"{folders['results']}/profiles/demo/{m}.json" for m in config.study["demo"].models]
    assert f"snakemake --force {' '.join(targets)}" in text
    assert "Not yet profiled on this device: unet_tiny, unet_shallow, linknet_resnet18." in text


def test_an_earlier_training_knows_better(folders):
    config = load()
    profiled(folders, config, "demo", "unet_tiny", 800)
    cell = slices.Cell(dataset="demo", model="unet_tiny", recipe="another", seed=3)
    trained(folders, cell, [30.0, 10.0, 10.0], train=90, val=30)
    estimate = Estimate(config, ["demo"], **folders)
    found = estimate.times(next(c for c in estimate.cells if c.model == "unet_tiny"))
    # 10 s for 90 steps and 30 forward passes.
    assert found.epoch_seconds == pytest.approx(10 / (90 + 10) * (115 + 38 / 3))
    assert found.source == "an earlier run"


def test_finished_trainings_are_left_out(folders):
    config = load()
    estimate = Estimate(config, ["demo"], **folders)
    for cell in estimate.cells:
        trained(folders, cell, [1.0], train=115, val=38)
    text = report(estimate)
    assert "All runs are finished." in text
    assert re.search(r"^ +train +3 +3$", text, re.MULTILINE)


def test_a_dataset_of_unknown_size_says_how_to_know(folders):
    config = load(overrides={"datasets": {"loveda": {"expected": None}}})
    estimate = Estimate(config, ["faster_unet"], **folders)
    assert estimate.tiles("loveda") is None
    assert f"snakemake {folders['data']}/tiles/loveda/tiles.csv" in report(estimate)
    told = report(estimate, " --configfile my.yaml").splitlines()
    assert f"    snakemake {folders['data']}/tiles/loveda/tiles.csv --configfile my.yaml" in told


def test_it_agrees_with_a_training_that_was_measured(tmp_path, monkeypatch):
    """The published runs, told from the profile that was measured on the same device."""
    published = ROOT / "results/published/random_split"
    shutil.copytree(published / "profiles", tmp_path / "results/profiles")
    (trained,) = published.glob("runs/*/lab_unet/lab_report/seed0")
    run = json.loads((trained / "run.json").read_text())
    monkeypatch.setattr("satseg.estimate.measured.this_device", lambda: run["device"])
    config = load(overrides={"models": {"lab_unet": {"dropout": 0.1}}})  # as it was then
    estimate = Estimate(config, ["random_split"], tmp_path / "data", tmp_path / "results")
    (cell,) = [cell for cell in estimate.cells if cell.recipe == "random"]
    history = pd.read_csv(trained / "history.csv")
    assert 0.5 < estimate.times(cell).epoch_seconds / history["epoch_seconds"].median() < 2


@pytest.mark.parametrize(("text", "said"), [("{", "not valid JSON"), ("{}", "'device' is missing")])
def test_a_damaged_profile_is_one_line(folders, text, said):
    config = load()
    profiled(folders, config, "demo", "unet_tiny", 800)
    (folders["results"] / "profiles/demo/unet_tiny.json").write_text(text)
    with pytest.raises(UserError, match=rf"profiles/demo/unet_tiny\.json: {said}"):
        report(Estimate(config, ["demo"], **folders))
