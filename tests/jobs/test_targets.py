"""The files the rules write are those that the package looks for."""

import re

from satseg.config.reading import ROOT, load
from satseg.jobs import slices, targets
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
        paths.speed("{study}", "{dataset}"),
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
        assert len(set(targets.speed_files(config, name))) == len(study.datasets)

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
