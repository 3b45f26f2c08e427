"""The files the rules write are those that the package looks for."""

import re
from pathlib import Path

import pytest

from satseg.config.reading import ROOT, load
from satseg.errors import UserError
from satseg.jobs import slices, targets
from satseg.jobs.cells import Cell
from satseg.paths import Paths

CELL = "{dataset}/{model}/{recipe}/seed{seed}{fold}"


def test_rules_write_where_the_package_looks():
    rules = sorted((ROOT / "workflow" / "rules").glob("*.smk"))
    text = "".join(path.read_text(encoding="utf-8") for path in rules)
    written = {path.replace("{{", "{").replace("}}", "}") for path in re.findall(r'"(.+?)"', text)}
    paths = Paths()
    store = paths.tiles("{dataset}")
    looked_for = [
        paths.manifest("{dataset}"),
        paths.tiles_table("{dataset}"),
        paths.agreement("{dataset}"),
        *(store / name for name in ("images.npy", "masks.npy", "origin.json", "digests.json")),
        paths.split("{dataset}", "{split}{fold}"),
        paths.leakage("{dataset}", "{split}{fold}"),
        *(paths.run(CELL) / name for name in targets.CELL_FILES),
        paths.profile("{dataset}", "{model}"),
        paths.tables("{study}") / "{table}.md",
        paths.tables("{study}") / "{name}.csv",
        paths.figures("{study}"),
        paths.figures_digest("{study}"),
        paths.report("{study}"),
        paths.prediction("{prediction}", "{scene}"),
    ]
    assert [path for path in map(str, looked_for) if path not in written] == []


def test_a_study_is_its_grid():
    config = load(ROOT / "config")
    for name, study in config.study.items():
        cells = len(slices.cells(study, config.folds))
        runs = targets.run_files(config, name, targets.CELL_FILES)
        assert len(set(runs)) == len(runs) == cells * len(targets.CELL_FILES)

        profiles = targets.profile_files(config, name)
        assert len(set(profiles)) == len(study.datasets) * len(study.models)

        splits = {config.recipes[recipe].split for recipe in study.recipes}
        divisions = sum(config.splits[split].folds or 1 for split in splits)
        assert len(set(targets.split_files(config, name))) == 2 * len(study.datasets) * divisions


def test_a_fold_is_part_of_every_path():
    config = load(ROOT / "config")
    (recipe,) = [name for name, count in config.folds.items() if count == 5]
    (name,) = [name for name, study in config.study.items() if study.recipes == [recipe]]
    study = config.study[name]
    cells = slices.cells(study, config.folds)
    grid = len(study.datasets) * len(study.models) * len(study.seeds)
    assert [cell.fold for cell in cells] == [1, 2, 3, 4, 5] * grid
    assert cells[2].path.parts[-2:] == ("seed0", "fold3")
    assert slices.study_slice(config, name).cells == cells

    pattern = re.compile(f"(.*/seed0)({targets.FOLD})/best.pt")
    for cell in cells:
        found = pattern.fullmatch(str(Paths().run(cell.path) / "best.pt"))
        assert targets.fold_number(found[2]) == cell.fold
    assert targets.fold_number("") is None
    assert not pattern.fullmatch("results/runs/a/b/c/seed0/fold0/best.pt")

    split = targets.recipe_split(config, "dubai", recipe, 3)
    assert split in targets.split_files(config, name)
    assert split.name == "fold3.csv"


def test_a_teacher_is_that_of_the_same_fold():
    teacher = {"model": "unet_tiny", "recipe": "faster_unet_folds", "seed": 0, "share": 0.5}
    taught = load(ROOT / "config").recipes["faster_unet_folds"].model_dump()
    config = load(ROOT / "config", {"recipes": {"pupil": taught | {"teacher": teacher}}})
    (weights,) = targets.teacher_weights(config, "dubai", "pupil", 4)
    assert str(weights) == "results/runs/dubai/unet_tiny/faster_unet_folds/seed0/fold4/best.pt"


def test_weights_to_start_from_are_a_cell_of_this_project_or_a_file(tmp_path):
    recipe = load(ROOT / "config").recipes["demo"].model_dump()
    weights = "results/runs/dubai/unet_pocket/pocket/seed0/best.pt"
    config = load(ROOT / "config", {"recipes": {"tuned": recipe | {"init_from": weights}}})
    assert targets.start_weights(config, "tuned") == [Path(weights)]
    assert targets.start_record(config, "tuned") == [Path(weights).with_name("run.json")]
    assert targets.foreign_start(config, "tuned") == []
    assert targets.start_weights(config, "demo") == targets.start_record(config, "demo") == []

    bundle = tmp_path / "bundle.zip"
    wrong = {
        str(bundle): "no such file; correct the path",
        "results/runs/dubai/unet_pocket/tuned/seed0/best.pt": "of this very recipe",
        "results/runs/dubai/unet_pocke/pocket/seed0/best.pt": "did you mean 'unet_pocket'",
        "weights.safetensors": "expected the path of a weights file",
    }
    for path, message in wrong.items():
        with pytest.raises(UserError, match=message):
            load(ROOT / "config", {"recipes": {"tuned": recipe | {"init_from": path}}})
    bundle.touch()
    config = load(ROOT / "config", {"recipes": {"tuned": recipe | {"init_from": str(bundle)}}})
    assert targets.start_weights(config, "tuned") == [bundle]
    assert targets.start_record(config, "tuned") == []
    assert targets.foreign_start(config, "tuned") == [bundle]


def test_members_of_an_ensemble_are_cells_of_the_same_fold():
    recipe = load(ROOT / "config").recipes["faster_unet_folds"].model_dump()
    study = {
        "title": "Mine", "datasets": ["dubai"], "models": ["unet_tiny"], "recipes": ["voted"],
        "seeds": [0],
    }  # fmt: skip

    def config(*members):
        evaluate = {"ensemble": list(members), "calibrate": True}
        changes = {"recipes": {"voted": recipe | {"evaluate": evaluate}}, "study": {"mine": study}}
        return load(ROOT / "config", changes)

    cell = Cell(dataset="dubai", model="unet_tiny", recipe="voted", seed=0, fold=2)
    found = config({"seed": 1}, {"model": "unet_shallow", "recipe": "faster_unet_folds"})
    assert [str(path) for path in targets.member_weights(found, cell)] == [
        "results/runs/dubai/unet_tiny/voted/seed1/fold2/best.pt",
        "results/runs/dubai/unet_shallow/faster_unet_folds/seed0/fold2/best.pt",
    ]
    names = [path.name for path in targets.calibration_files(found, "mine")]
    assert names == ["calibration.json", "calibration.svg"] * 5
    assert targets.calibration_files(found, "demo") == []

    for member, message in [
        ({"recipe": "demo"}, "has split: 'groups_test', this recipe 'five_folds'"),
        ({"seed": 0}, "whose vote would count twice"),
        ({"model": "unet_tin"}, "did you mean 'unet_tiny'"),
        ({}, "is the evaluated cell itself"),
    ]:
        with pytest.raises(UserError, match=message):
            config(member)
