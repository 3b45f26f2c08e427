"""Tables of a small study, against recomputation from its files."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from study_tree import study_slice, write_tree

from satseg.config import TABLES
from satseg.errors import UserError
from satseg.stages.tables import plain, run
from satseg.writeup import share

PUBLISHED = [
    {"dataset": "toy", "model": "alpha", "recipe": "leaky", "metric": "train_loss", "epoch": 2, "value": 0.5},
    {
        "dataset": "toy",
        "model": "alpha",
        "recipe": "leaky",
        "metric": "train_loss",
        "epoch": 25,
        "value": 0.72,
    },
    {"dataset": "toy", "model": "beta", "recipe": "apart", "metric": "miou_d", "value": 0.3},
    {
        "dataset": "toy",
        "model": "beta",
        "recipe": "apart",
        "metric": "iou",
        "class_name": "Lake",
        "value": 0.3,
    },
]
COLUMNS = {
    "scores": "dataset,model,recipe,seed,subset,metric,class,value,low,high",
    "models": "dataset,model,classes,parameters,memory_mb,activations_mb,gflops,latency_ms,peak_memory_mb,"
    "epoch_seconds",
    "splits": "dataset,split,recipe,pool,subset,tiles,scene_shared,group_shared",
    "published": "dataset,model,recipe,metric,epoch,class,published,ours,difference",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A study of three models, two recipes and two seeds, with its tables."""
    root = tmp_path_factory.mktemp("tables")
    spec = study_slice(seeds=[0, 1], figures=[], published=PUBLISHED)
    run(spec, *write_tree(root, spec))
    return root


@pytest.fixture
def tree(tmp_path):
    """A study of one seed, without tables."""
    spec = study_slice(figures=[])
    return spec, tmp_path, write_tree(tmp_path, spec)


def read(root: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(root / f"results/mine/tables/{name}.csv")


def text(root: Path, name: str) -> str:
    return (root / f"results/mine/tables/{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_are_those_of_the_contract(built, name):
    assert (built / f"results/mine/tables/{name}.csv").read_text().splitlines()[0] == COLUMNS[name]


def test_every_table_has_a_text_and_nothing_else_is_left(built):
    names = {p.name for p in (built / "results/mine/tables").iterdir()}
    assert names == {f"{n}.md" for n in TABLES} | {f"{n}.csv" for n in COLUMNS}


def test_scores_equal_recomputation_from_counts(built):
    scores = read(built, "scores")
    cells = scores[scores["model"] != "majority"].groupby(["model", "recipe", "seed"])
    assert len(cells) == 12
    for (model, recipe, seed), mine in cells:
        counts = pd.read_csv(built / f"results/runs/toy/{model}/{recipe}/seed{seed}/counts.csv")
        total = counts.groupby("class")[["tp", "fp", "fn", "tn"]].sum()
        iou = total["tp"] / total[["tp", "fp", "fn"]].sum(axis=1)
        found = mine.set_index(["metric", "class"])["value"]
        assert found["miou_d", "all"] == pytest.approx(iou.mean(), abs=1e-6)
        assert found["pixel_accuracy", "all"] == pytest.approx(total["tp"].sum() / total.iloc[0].sum(), abs=1e-6)
        for name, value in iou.items():
            assert found["iou", name] == pytest.approx(value, abs=1e-6)


def test_scores_lie_in_their_intervals_and_in_the_unit_range(built):
    scores = read(built, "scores").dropna(subset="value")
    main = scores[scores["metric"] == "miou_d"]
    assert (main["low"] <= main["value"]).all()
    assert (main["value"] <= main["high"]).all()
    assert scores[["value", "low", "high"]].stack().between(0, 1).all()


def test_the_majority_baseline_is_judged_once_per_recipe(built):
    scores, tiles = read(built, "scores"), pd.read_csv(built / "data/tiles/toy/tiles.csv")
    majority = scores[scores["model"] == "majority"]
    assert majority["seed"].unique().tolist() == [0]
    pixels = [f"pixels_{name}" for name in ("Field", "Wood", "Lake")]
    for recipe in ("leaky", "apart"):
        subset = pd.read_csv(built / f"data/splits/toy/by_{recipe}.csv")["subset"]
        whole = tiles["whole"] == 1
        most = tiles.loc[whole & (subset == "train"), pixels].sum().idxmax()
        judged = tiles.loc[whole & (subset == "test"), pixels].sum()
        found = majority[majority["recipe"] == recipe].set_index(["metric", "class"])["value"]
        assert found["pixel_accuracy", "all"] == pytest.approx(judged[most] / judged.sum(), abs=1e-6)
        assert found["miou_d", "all"] == pytest.approx(judged[most] / judged.sum() / 3, abs=1e-6)
        assert f"always {most.removeprefix('pixels_')} (majority)" in text(built, "scores")


def test_models_hold_the_profile_and_the_mean_epoch_time(built):
    models = read(built, "models")
    assert models["model"].tolist() == ["alpha", "beta", "gamma"]
    assert models["parameters"].tolist() == [1234567, 2469134, 3703701]
    assert models["memory_mb"].tolist() == [1292.25] * 3
    assert models["epoch_seconds"].tolist() == [2.5] * 3


def test_splits_hold_the_audit_of_the_tiles_the_recipe_uses(built):
    found = read(built, "splits")
    assert found[["recipe", "split", "subset"]].to_numpy().tolist() == [
        [r, f"by_{r}", s] for r in ("leaky", "apart") for s in ("val", "test")
    ]
    assert (found["pool"] == "whole").all()
    for recipe, mine in found.groupby("recipe"):
        audit = pd.read_csv(built / f"data/splits/toy/by_{recipe}.leakage.csv")
        columns = ["subset", "tiles", "scene_shared", "group_shared"]
        np.testing.assert_array_equal(mine[columns], audit.loc[audit["pool"] == "whole", columns])


def test_published_figures_stand_beside_the_mean_over_seeds(built):
    found, scores = read(built, "published"), read(built, "scores")
    beta = scores[(scores["model"] == "beta") & (scores["recipe"] == "apart")]
    expected = [
        np.mean([0.1 / 2, 0.11 / 2]),  # alpha's history at epoch 2, seeds 0 and 1
        np.nan,
        beta.loc[beta["metric"] == "miou_d", "value"].mean(),
        beta.loc[(beta["metric"] == "iou") & (beta["class"] == "Lake"), "value"].mean(),
    ]
    np.testing.assert_allclose(found["ours"], expected, atol=2e-6)
    np.testing.assert_allclose(found["difference"], found["ours"] - found["published"], atol=2e-6)
    assert found["epoch"].tolist()[:2] == [2, 25]
    assert "the training ended before this epoch" in text(built, "published")


def test_the_best_is_bold_and_what_cannot_be_told_from_it_is_marked(built):
    lines = text(built, "scores").splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| ") and "±" in line]
    for recipe_rows in (rows[:3], rows[3:]):
        alpha, beta, gamma = recipe_rows
        assert alpha[0] == "| **alpha**"
        assert alpha[1].startswith("**0.")
        low = float(alpha[2].strip("[]").split(", ")[0])
        high = float(beta[2].strip("[]").split(", ")[1])
        assert beta[0] == ("| beta ≈" if high >= low else "| beta")
        assert gamma[0] == "| gamma"


def test_the_answer_opens_the_scores(built):
    opening = text(built, "scores").split("## ")[0]
    assert opening.count("On Toy land with recipe") == 2
    assert "Leakage on Toy land: with recipe leaky" in opening


def test_the_texts_say_what_is_resampled_and_what_leaks(built):
    assert "The intervals resample scenes and trainings" in text(built, "scores")
    assert "there are fewer than ten scenes" in text(built, "scores")
    assert "The test tiles are judged, so the scores flatter." in text(built, "splits")
    assert "none of the 32 test tiles shares a scene or ground with a training tile" in text(built, "splits")


@pytest.mark.parametrize("name", ["scores", "per_class", "models", "published"])
def test_every_metric_in_a_text_is_defined_there(built, name):
    body, definitions = text(built, name).split("## Definitions")
    headers = {cell for line in body.splitlines() if line.startswith("| Model |") for cell in line.split(" | ")[1:]}
    names = {"Field", "Wood", "Lake", "Classes"}
    assert all(f"**{header.strip(' |')}**" in definitions for header in headers if header.strip(" |") not in names)


def test_the_same_files_give_the_same_bytes(tree):
    spec, root, folders = tree
    contents = []
    for _ in range(2):
        run(spec, *folders)
        contents.append({p.name: p.read_bytes() for p in (root / "results/mine/tables").iterdir()})
    assert contents[0] == contents[1]


def test_a_study_without_published_figures_has_an_empty_table(tree):
    spec, root, folders = tree
    run(spec, *folders)
    assert (root / "results/mine/tables/published.csv").read_text() == COLUMNS["published"] + "\n"
    assert "compares with no published figures" in text(root, "published")


@pytest.mark.parametrize(
    "path",
    [
        "results/runs/toy/beta/apart/seed0/counts.csv",
        "results/runs/toy/beta/apart/seed0/history.csv",
        "results/profiles/toy/gamma.json",
        "data/tiles/toy/tiles.csv",
        "data/splits/toy/by_apart.csv",
        "data/splits/toy/by_apart.leakage.csv",
    ],
)
def test_a_missing_file_is_named_and_nothing_is_written(tree, path):
    spec, root, folders = tree
    (root / path).unlink()
    with pytest.raises(UserError, match="no such file") as error:
        run(spec, *folders)
    assert str(root / path) in str(error.value)
    assert not (root / "results/mine/tables").exists()


def test_counts_of_other_tiles_are_refused(tree):
    spec, root, folders = tree
    path = root / "results/runs/toy/beta/apart/seed0/counts.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-3]) + "\n")
    with pytest.raises(UserError, match="its tiles are not the test tiles of split 'by_apart'"):
        run(spec, *folders)


@pytest.mark.parametrize(("metric", "epoch"), [("val_luck", 1), ("luck", None)])
def test_an_unknown_published_metric_is_named(tmp_path, metric, epoch):
    figure = {
        "dataset": "toy",
        "model": "alpha",
        "recipe": "leaky",
        "metric": metric,
        "epoch": epoch,
        "value": 1,
    }
    spec = study_slice(figures=[], published=[figure])
    with pytest.raises(UserError, match=rf"published\.0\.metric: .*'{metric}'"):
        run(spec, *write_tree(tmp_path, spec))


def test_a_model_may_not_take_the_name_of_the_baseline(tmp_path):
    with pytest.raises(UserError, match=r"models\.majority"):
        run(study_slice(models=["majority"]), str(tmp_path), str(tmp_path))


def test_it_runs_by_hand_without_torch(tree):
    spec, root, (data, results) = tree
    (root / "slice.json").write_text(spec.model_dump_json())
    probe = (
        "import sys, runpy; runpy.run_module('satseg.stages.tables', run_name='__main__'); "
        "assert 'torch' not in sys.modules"
    )
    arguments = ["--slice", root / "slice.json", "--data", data, "--results", results]
    subprocess.run([sys.executable, "-c", probe, *arguments], check=True)
    assert len(read(root, "scores")) == 8 * (8 + 5 * 3)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.1234567, "0.123457"), (1e-7, "0"), (2e-6, "0.000002"), (1292.25, "1292.25"), (3.0, "3")],
)
def test_numbers_are_plain(value, expected):
    assert plain(value) == expected


@pytest.mark.parametrize(
    ("part", "expected"), [(0, "0 %"), (1, "0.1 %"), (5000, "50.0 %"), (9999, "99.9 %"), (10000, "100 %")]
)
def test_shares_are_rounded_to_none_and_all_only_where_they_are(part, expected):
    assert share(part, 10000) == expected


def test_the_models_text_says_where_they_were_profiled(built):
    assert "Profiled with one input of 3×512×512 on Toy CPU." in text(built, "models")
