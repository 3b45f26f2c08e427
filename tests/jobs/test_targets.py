"""The files the rules write are those that the package looks for."""

import re

from satseg.config.reading import ROOT, load
from satseg.jobs import slices, targets
from satseg.paths import Paths

CELL = "{dataset}/{model}/{recipe}/seed{seed}"


def test_rules_write_where_the_package_looks():
    rules = sorted((ROOT / "workflow" / "rules").glob("*.smk"))
    text = "".join(path.read_text(encoding="utf-8") for path in rules)
    written = {path.replace("{{", "{").replace("}}", "}") for path in re.findall(r'"(.+?)"', text)}
    paths = Paths()
    store = paths.tiles("{dataset}")
    looked_for = [
        paths.manifest("{dataset}"),
        paths.tiles_table("{dataset}"),
        *(store / name for name in ("images.npy", "masks.npy", "origin.json", "digests.json")),
        paths.split("{dataset}", "{split}"),
        paths.leakage("{dataset}", "{split}"),
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
        cells = len(slices.cells(study))
        runs = targets.run_files(config, name, targets.CELL_FILES)
        assert len(set(runs)) == len(runs) == cells * len(targets.CELL_FILES)

        profiles = targets.profile_files(config, name)
        assert len(set(profiles)) == len(study.datasets) * len(study.models)

        splits = {config.recipes[recipe].split for recipe in study.recipes}
        assert len(set(targets.split_files(config, name))) == 2 * len(study.datasets) * len(splits)
