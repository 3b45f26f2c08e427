"""A recipe with folds, planned and built by the real workflow."""

import re
import shutil

import pandas as pd
import pytest
import tiny_study
from tiny_study import CONFIG, SCENES, SIZE, TILE, snakemake, write

FOLDS = 3
RUNS = "results/runs/demo/mini/folded/seed0"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The tiny project, with a study of one model in folds beside its own."""
    built, _ = tiny_study.build(tmp_path_factory.getbasetemp())
    folder = tmp_path_factory.mktemp("folds") / "project"
    shutil.copytree(built, folder, symlinks=True)
    quick = CONFIG["recipes.yaml"]["recipes"]["quick"]
    split = {"unit": "group", "folds": FOLDS, "train": 0.75, "val": 0.25}
    splits = CONFIG["splits.yaml"]["splits"] | {"in_three": split}
    study = CONFIG["studies/tiny.yaml"] | {
        "recipes": ["folded"],
        "figures": ["predictions", "leakage"],
    }
    files = {
        "splits.yaml": {"splits": splits},
        "recipes.yaml": {"recipes": {"quick": quick, "folded": quick | {"split": "in_three"}}},
        "studies/folded.yaml": study,
    }
    write(folder, files)
    return folder


def test_a_fold_needs_its_own_split_and_no_other(project):
    said = snakemake(project, "--dry-run", f"{RUNS}/fold2/best.pt").stdout
    jobs = re.findall(r"^ +output: (.+)$", said, re.MULTILINE)
    assert [job.split(", ")[0] for job in jobs] == [
        "data/splits/demo/in_three/fold2.csv",
        f"{RUNS}/fold2/run.json",
    ]


def test_every_tile_is_tested_once_by_a_model_of_its_own_fold(project):
    done = snakemake(project, "folded")
    assert done.returncode == 0, done.stdout
    assert "tiny" not in done.stdout.split("Job stats:")[1].split("total")[0]

    tested = []
    for fold in range(1, FOLDS + 1):
        split = pd.read_csv(project / f"data/splits/demo/in_three/fold{fold}.csv")
        audit = pd.read_csv(project / f"data/splits/demo/in_three/fold{fold}.leakage.csv")
        assert (audit[["scene_shared", "group_shared"]] == 0).all(axis=None)
        counts = pd.read_csv(project / RUNS / f"fold{fold}" / "counts.csv")
        own = split.loc[split["subset"] == "test", "tile"]
        assert counts["tile"].unique().tolist() == own.tolist()
        tested.append(counts)
        assert (project / f"logs/train/demo/mini/folded/seed0/fold{fold}.log").exists()
    together = pd.concat(tested)
    assert sorted(together["tile"].unique()) == list(range(SCENES * (SIZE // TILE) ** 2))
    assert not together.duplicated(["tile", "class"]).any()

    sums = together.groupby("class")[["tp", "fp", "fn"]].sum()
    sums = sums[sums.sum(axis=1) > 0]
    scores = pd.read_csv(project / "results/folded/tables/scores.csv")
    main = scores[(scores["model"] == "mini") & (scores["metric"] == "miou_d")]
    expected = (sums["tp"] / sums.sum(axis=1)).mean()
    assert main["value"].item() == pytest.approx(expected, abs=1e-6)
    assert len(pd.read_csv(project / "results/folded/tables/folds.csv")["fold"].unique()) == FOLDS
    page = (project / "results/folded/report.html").read_text(encoding="utf-8")
    assert "Fold by fold" in page and "seed 0, fold 3" in page

    assert "Nothing to be done" in snakemake(project, "--dry-run", "folded").stdout
