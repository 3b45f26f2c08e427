"""Tables of a small study, against recomputation from its files."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from satseg.errors import UserError
from satseg.measures import ERRORS
from satseg.pages.blocks import Table, read_pages
from satseg.paths import PAGES, TABLES
from satseg.stages.tables import plain, run
from satseg.statistics.goodness import class_fit, likeliest
from study_tree import PAPER, SCENES, study_slice, write_tree

PUBLISHED = [
    {
        "dataset": "toy",
        "model": "alpha",
        "recipe": "leaky",
        "metric": "train_loss",
        "epoch": 2,
        "value": 0.5,
    },
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
    "summary": "dataset,model,recipe,subset,metric,class,value,low,high,deviation,units,runs",
    "folds": "dataset,model,recipe,seed,fold,tiles,units,metric,class,value",
    "differences": "dataset,recipe,subset,metric,first,second,difference,low,high,p,units,seeds,why",
    "errors": "dataset,model,recipe,seed,metric,class,value",
    "brightness": "dataset,model,recipe,seed,brightness,class,share,value",
    "agreement": "dataset,group,pairs,metric,class,either,both,value",
    "models": "dataset,model,recipe,classes,parameters,memory_mb,activations_mb,gflops,latency_ms,peak_memory_mb,"
    "tile,tile_gflops,tile_latency_ms,tile_train_step_ms,tile_peak_memory_mb,epoch_seconds",
    "splits": "dataset,split,recipe,pool,subset,tiles,scene_shared,group_shared,placed,overlapping,"
    "touching,near,exposed,fold",
    "published": "dataset,model,recipe,metric,epoch,class,published,ours,difference",
    "claims": "claim,source,dataset,recipe,by,statistic,value,low,high,p,verdict,why",
    "speed": "dataset,measure,device,model,value,place,table,published,published_place,rho",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A study of three models, two recipes and two seeds, with its tables."""
    root = tmp_path_factory.mktemp("tables")
    spec = study_slice(seeds=[0, 1], figures=[], published=PUBLISHED)
    run(spec, *write_tree(root, spec))
    return root


@pytest.fixture(scope="module")
def beside(tmp_path_factory):
    """The same with a paper to compare with."""
    root = tmp_path_factory.mktemp("paper")
    spec = study_slice(seeds=[0, 1], figures=[], paper=PAPER, published=PUBLISHED[2:3])
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
    assert names == {f"{n}.md" for n in TABLES} | {f"{n}.csv" for n in COLUMNS} | {PAGES}


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
        assert found["pixel_accuracy", "all"] == pytest.approx(
            total["tp"].sum() / total.iloc[0].sum(), abs=1e-6
        )
        for name, value in iou.items():
            assert found["iou", name] == pytest.approx(value, abs=1e-6)


def test_errors_of_the_text_are_means_of_the_table(built):
    errors = read(built, "errors")
    assert set(errors["metric"]) == set(ERRORS)
    means = errors.groupby(["recipe", "model", "metric", "class"])["value"].mean()
    page = text(built, "errors")
    for model in ("alpha", "beta", "gamma"):
        assert f"{means['leaky', model, 'kappa', 'all']:.3f}" in page
        assert f"{means['apart', model, 'area', 'Lake']:.2f}" in page
    brightness = read(built, "brightness")
    assert set(brightness.loc[brightness["share"] > 0, "brightness"]) == {0, 224}
    assert "| Model | 0–31 (" in page and "224–255 (" in page
    leaky = brightness[brightness["recipe"] == "leaky"]
    mean = leaky[leaky["class"] == "Lake"].groupby("brightness")["value"].mean()
    row = "| Lake | " + " | ".join(f"{mean[low]:.3f}" for low in (0, 224)) + " |"
    assert "| Class | 0–31 | 224–255 |" in page and row in page


def test_scores_lie_in_their_intervals_and_in_the_unit_range(built):
    scores = read(built, "scores").dropna(subset="value")
    main = scores[scores["metric"] == "miou_d"]
    leaky = main[main["recipe"] == "leaky"]  # tested on tiles of ten groups,
    assert (leaky["low"] < leaky["value"]).all()
    assert (leaky["value"] < leaky["high"]).all()
    apart = scores[scores["recipe"] == "apart"]  # and of four
    assert apart[["low", "high"]].isna().all(axis=None)
    assert scores[["value", "low", "high"]].stack().dropna().between(0, 1).all()


def test_the_majority_baseline_is_judged_once_per_recipe(built):
    scores = read(built, "scores")
    tiles = pd.read_csv(built / "data/tiles/toy/tiles.csv")
    majority = scores[scores["model"] == "majority"]
    assert majority["seed"].unique().tolist() == [0]
    pixels = [f"pixels_{name}" for name in ("Field", "Wood", "Lake")]
    for recipe in ("leaky", "apart"):
        subset = pd.read_csv(built / f"data/splits/toy/by_{recipe}.csv")["subset"]
        whole = tiles["whole"] == 1
        most = tiles.loc[whole & (subset == "train"), pixels].sum().idxmax()
        judged = tiles.loc[whole & (subset == "test"), pixels].sum()
        found = majority[majority["recipe"] == recipe].set_index(["metric", "class"])["value"]
        assert found["pixel_accuracy", "all"] == pytest.approx(
            judged[most] / judged.sum(), abs=1e-6
        )
        assert found["miou_d", "all"] == pytest.approx(judged[most] / judged.sum() / 3, abs=1e-6)
        assert f"always {most.removeprefix('pixels_')} (majority)" in text(built, "scores")


def test_models_hold_the_profile_and_the_mean_epoch_time(built):
    models = read(built, "models")
    assert models["model"].tolist() == ["alpha", "alpha", "beta", "beta", "gamma", "gamma"]
    assert models["recipe"].tolist() == ["leaky", "apart"] * 3
    assert models["parameters"].tolist() == [1234567] * 2 + [2469134] * 2 + [3703701] * 2
    assert models["memory_mb"].tolist() == [1292.25] * 6
    assert models["epoch_seconds"].tolist() == [2.5] * 6


def test_splits_hold_the_audit_of_the_tiles_the_recipe_uses(built):
    found = read(built, "splits")
    assert found[["recipe", "split", "subset"]].to_numpy().tolist() == [
        [r, f"by_{r}", s] for r in ("leaky", "apart") for s in ("val", "test")
    ]
    assert (found["pool"] == "whole").all()
    for recipe, mine in found.groupby("recipe"):
        audit = pd.read_csv(built / f"data/splits/toy/by_{recipe}.leakage.csv")
        columns = ["subset", "tiles", "scene_shared", "group_shared", "touching", "near", "exposed"]
        np.testing.assert_array_equal(mine[columns], audit.loc[audit["pool"] == "whole", columns])


def test_published_figures_stand_beside_the_mean_over_seeds(built):
    found = read(built, "published")
    scores = read(built, "scores")
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
    assert "the run ended before this epoch" in text(built, "published")


def test_the_best_is_bold_and_what_cannot_be_told_from_it_is_marked(built):
    lines = text(built, "scores").splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| ") and "±" in line]
    leaky, apart = rows[:3], rows[3:]
    assert leaky[0][0] == apart[0][0] == "| **alpha**"
    assert leaky[0][1].startswith("**0.")
    assert leaky[2][0] == "| gamma"  # three times as many errors
    assert [row[0] for row in apart[1:]] == ["| beta ≈", "| gamma ≈"]  # four groups are too few
    assert [row[2] for row in apart] == ["–"] * 3


def test_the_summary_is_what_the_text_shows(built):
    found = read(built, "summary")
    scores = read(built, "scores")
    keys = ["recipe", "model", "metric", "class"]
    means = scores.groupby(keys)["value"].mean()
    mine = found.set_index(keys)["value"]
    assert len(mine) == len(means)
    np.testing.assert_allclose(mine.reindex(means.index), means, atol=2e-6)
    main = found[found["metric"] == "miou_d"]
    models = main[main["model"] != "majority"]
    assert (models["runs"] == 2).all()
    assert dict(zip(models["recipe"], models["units"], strict=True)) == {"leaky": 10, "apart": 4}
    for row in main[main["recipe"] == "leaky"].itertuples():
        assert f"[{row.low:.3f}, {row.high:.3f}]" in text(built, "scores")


def test_every_two_models_are_compared_by_every_metric(built):
    found = read(built, "differences")
    scores = read(built, "scores")
    values = scores[scores["class"] == "all"].groupby(["recipe", "metric", "model"])["value"].mean()
    assert len(found) == 2 * scores.loc[scores["class"] == "all", "metric"].nunique() * 6
    assert not found.duplicated(["recipe", "metric", "first", "second"]).any()
    for row in found.itertuples():
        expected = values[row.recipe, row.metric, row.first]
        expected -= values[row.recipe, row.metric, row.second]
        assert row.difference == pytest.approx(expected, abs=2e-6)
    assert (found["seeds"] == 2).all()

    leaky = found[found["recipe"] == "leaky"]
    assert (leaky["units"] == 10).all() and leaky["why"].isna().all()
    assert leaky["low"].lt(leaky["difference"]).all() and leaky["high"].gt(leaky["low"]).all()
    clear = (leaky["low"] > 0) | (leaky["high"] < 0)
    assert (clear == (leaky["p"] <= 0.05)).all() and clear.any()

    apart = found[found["recipe"] == "apart"]
    assert apart[["low", "high", "p"]].isna().all(axis=None)
    assert set(apart["why"]) == {"rests on 4 groups of tiles; 6 are needed"}


def test_the_differences_of_the_text_are_those_of_the_table(built):
    page = read_pages(built / "results/mine/tables" / PAGES)["scores"]
    found = read(built, "differences")
    found = found[found["metric"] == "miou_d"].set_index("recipe")
    tables = [block for block in page.blocks if isinstance(block, Table)]
    tables = [block for block in tables if block.columns[1].label == "Second model"]
    for table, recipe in zip(tables, ("leaky", "apart"), strict=True):
        shown = [[cell.value for cell in row[2:]] for row in table.rows]
        columns = ["difference", "low", "p", "units", "seeds"]
        wanted = found.loc[recipe, columns].to_numpy(float)
        np.testing.assert_allclose(np.array(shown, float), wanted, atol=1e-6)
    body = text(built, "scores")
    assert "No difference has an interval: each rests on 4 groups of tiles; 6 are needed." in body
    assert "it is two sets of weights" not in body  # two seeds


def test_the_answer_opens_the_scores(built):
    opening = text(built, "scores").split("## ")[0]
    assert opening.count("On Toy land with recipe") == 2
    assert "Leakage on Toy land: with recipe leaky" in opening


def test_the_audit_says_that_weights_to_start_from_may_have_seen_the_tested_ground(tmp_path):
    spec = study_slice(figures=[])
    tuned = spec.recipes["apart"].model_copy(update={"init_from": "other.zip"})
    spec = spec.model_copy(update={"recipes": spec.recipes | {"apart": tuned}})
    run(spec, *write_tree(tmp_path, spec))
    page = (tmp_path / "results/mine/tables/splits.md").read_text(encoding="utf-8")
    unknown = "training starts from other.zip, and the audit does not know which ground"
    lines = {line.split("**")[1]: unknown in line for line in page.splitlines() if "**" in line}
    assert lines["apart"] and not lines["leaky"]


def test_groups_that_overlap_on_the_ground_are_one_unit(tmp_path):
    """Of the tested groups of the recipe `leaky`, two have a tile in the same place."""
    spec = study_slice(figures=[])
    folders = write_tree(tmp_path, spec)
    run(spec, *folders)
    before = read(tmp_path, "summary").query("recipe == 'leaky' and model == 'alpha'")

    path = tmp_path / "data/tiles/toy/tiles.csv"
    tiles = pd.read_csv(path, dtype=str).astype({"tile": int})
    counts = pd.read_csv(tmp_path / "results/runs/toy/alpha/leaky/seed0/counts.csv")
    tested = tiles[tiles["tile"].isin(counts["tile"])].drop_duplicates("group")
    places = tiles["tile"].to_numpy() * 0.01
    places[tested["tile"].iloc[1]] = places[tested["tile"].iloc[0]]
    outlines = []
    for x in places:
        ring = [(x, 0.001), (x + 0.001, 0.001), (x + 0.001, 0), (x, 0), (x, 0.001)]
        outlines.append(f"POLYGON(({','.join(f'{a:.6f} {b:.6f}' for a, b in ring)}))")
    tiles.assign(footprint=outlines).to_csv(path, index=False)
    run(spec, *folders)
    after = read(tmp_path, "summary").query("recipe == 'leaky' and model == 'alpha'")

    units = [frame.set_index(["metric", "class"])["units"] for frame in (before, after)]
    assert units[0]["miou_d", "all"] == len(tested)
    assert units[1]["miou_d", "all"] == len(tested) - 1
    assert before["value"].tolist() == after["value"].tolist()


def test_the_texts_say_what_intervals_rest_on_and_what_leaks(built):
    body = text(built, "scores")
    assert "The intervals are for other ground and other runs" in body
    assert "No interval: 4 groups are too few" in body
    assert "cannot be told from beta and gamma, because 4 groups of tiles are too few" in body
    assert "evaluated on different tiles, so that the scores cannot be paired" in body
    assert "The test tiles are evaluated, so the scores may be inflated." in text(built, "splits")
    assert "none of the 32 test tiles touches a training tile or shares its ground" in text(
        built, "splits"
    )


@pytest.mark.parametrize("name", ["scores", "per_class", "models", "published"])
def test_every_metric_in_a_text_is_defined_there(built, name):
    body, definitions = text(built, name).split("## Definitions")
    headers = {
        cell
        for line in body.splitlines()
        if line.startswith("| Model |")
        for cell in line.split(" | ")[1:]
    }
    names = {"Field", "Wood", "Lake", "Classes", "Recipe", "Tile"}
    assert all(
        f"**{header.strip(' |')}**" in definitions
        for header in headers
        if header.strip(" |") not in names
    )


def test_the_same_files_give_the_same_bytes(tree):
    spec, root, folders = tree
    contents = []
    for _ in range(2):
        run(spec, *folders)
        contents.append({p.name: p.read_bytes() for p in (root / "results/mine/tables").iterdir()})
    assert contents[0] == contents[1]


def test_the_cells_of_the_pages_hold_the_numbers_of_the_csv_files(built):
    page = read_pages(built / "results/mine/tables" / PAGES)["scores"]
    rows = read(built, "scores")
    tables = [block for block in page.blocks if isinstance(block, Table)]
    tables = [block for block in tables if "Second model" not in [c.label for c in block.columns]]
    assert len(tables) == 2
    for table, recipe in zip(tables, ("leaky", "apart"), strict=True):
        assert len(table.rows) == 4
        for name, main, interval, *_ in table.rows:
            model = "majority" if name.text.startswith("always") else name.text.split()[0]
            own = rows[(rows["recipe"] == recipe) & (rows["model"] == model)]
            mean = own.loc[own["metric"] == "miou_d", "value"].mean()
            assert main.value == pytest.approx(mean, abs=2e-6)
            if recipe == "apart":
                assert (interval.text, interval.interval) == ("–", None)
            else:
                assert interval.interval[0] < main.value < interval.interval[1]
                assert interval.value == interval.interval[0]


def test_a_study_without_published_figures_has_an_empty_table(tree):
    spec, root, folders = tree
    run(spec, *folders)
    assert (root / "results/mine/tables/published.csv").read_text() == COLUMNS["published"] + "\n"
    assert "compares with no published figures" in text(root, "published")


def test_a_study_without_a_paper_tests_no_claims(built):
    assert read(built, "claims").empty
    assert "tests no claims" in text(built, "claims")


def test_the_papers_tables_stand_beside_ours(beside):
    found = read(beside, "published")
    scores = read(beside, "scores")
    assert len(found) == 2 * 5 + 1
    assert set(found["model"]) == {"alpha", "beta"}  # gamma is not the paper's
    ours = found.set_index(["model", "metric", "class"])["ours"]
    assert ours["alpha", "parameters", "9 classes"] == 1_000_009
    assert ours["alpha", "memory_mb", "9 classes"] == 1301.25
    assert ours["beta", "parameters", "4 classes"] == 2_000_004  # as printed for this one model
    assert ours["beta", "memory_mb", "9 classes"] == 1301.25
    assert ours["beta", "epoch_seconds", "all"] == 2.5
    for model in ("alpha", "beta"):
        mine = scores[(scores["model"] == model) & (scores["recipe"] == "leaky")]
        for metric, label in (("miou_published", "all"), ("iou_published", "Lake")):
            values = mine.loc[(mine["metric"] == metric) & (mine["class"] == label), "value"]
            assert ours[model, metric, label] == pytest.approx(values.mean(), abs=2e-6)
    np.testing.assert_allclose(found["difference"], found["ours"] - found["published"], atol=2e-6)


def test_the_papers_tables_are_laid_out_as_printed(beside):
    body = text(beside, "published")
    assert (
        "| Model | Parameters, 9 classes | Memory (MB), 9 classes | Epoch (s) | Published rule | Lake |"
        in body
    )
    assert (
        "| alpha | 1,000,009 → 1,000,009 (0) | 1,300 → 1,301.25 (+1.25) | 30.5² → 2.5 (−28.0) | 0.5¹ → "
        in body
    )
    assert (
        "| beta | 2,000,004 → 2,000,004 (0), 4 classes | 1 → 1,301.25 (+1,300.25) | 20¹ → 2.5 (−17.5) |"
        in body
    )
    assert (
        body.index("Table 3: Toys")
        < body.index("## Single figures")
        < body.index("| Toy land | beta | apart |")
    )


def test_the_papers_protocol_stands_beside_each_recipe(beside):
    lines = text(beside, "published").splitlines()
    for recipe in ("leaky", "apart"):
        assert f"| Epochs | 50 at most | {recipe} | epochs 3 | **differs** |" in lines
        assert f"| Loss | CE | {recipe} | name cross_entropy, class_weights none | same |" in lines
        assert f"| Schedule | plateau | {recipe} | name null | **differs** |" in lines
        assert f"| Logical batch | 2 | {recipe} | logical_batch_size 2 | same |" in lines
    (metric,) = [
        line
        for line in lines
        if line.startswith("| mIOU | A mean. | Published rule | For each class,")
    ]
    assert metric.endswith("Beware. |")


def test_sizes_are_compared_without_the_papers_dataset(tmp_path):
    table = PAPER["tables"][0] | {"recipe": "another"}
    spec = study_slice(figures=[], paper=PAPER | {"tables": [table]})
    run(spec, *write_tree(tmp_path, spec))
    found = read(tmp_path, "published")
    assert found["metric"].tolist() == ["parameters", "memory_mb"] * 2
    assert found["ours"].tolist() == [1_000_009, 1301.25, 2_000_004, 1301.25]
    assert "| Model | Parameters, 9 classes | Memory (MB), 9 classes |" in text(
        tmp_path, "published"
    )
    assert "does not train recipe another on its dataset" in text(tmp_path, "published")


def test_a_profile_without_the_printed_number_of_classes_is_named(tmp_path):
    table = PAPER["tables"][0] | {
        "columns": [{"metric": "parameters", "classes": 77}],
        "rows": {"alpha": [1]},
    }
    spec = study_slice(figures=[], paper=PAPER | {"tables": [table]})
    with pytest.raises(UserError, match="profile of alpha on toy: it has no size for 77 classes"):
        run(spec, *write_tree(tmp_path, spec))


def test_costs_are_the_times_of_the_models_turns(tmp_path):
    """Not those of each model's own profile."""
    spec = study_slice(figures=[])
    data, results = write_tree(tmp_path, spec)
    path = Path(results, "mine/speed/toy.json")
    speed = json.loads(path.read_text())
    speed["models"]["alpha"] |= {"latency_ms": 123.5}
    speed["models"]["alpha"]["trained"] |= {"train_step_ms": 67.25}
    path.write_text(json.dumps(speed))
    run(spec, data, results)
    alpha = read(tmp_path, "models").iloc[0]
    assert alpha["model"] == "alpha"
    assert (alpha["latency_ms"], alpha["tile_train_step_ms"]) == (123.5, 67.25)

    del speed["models"]["alpha"]
    path.write_text(json.dumps(speed))
    with pytest.raises(UserError, match=r"speed/toy\.json: it has no alpha; delete the file"):
        run(spec, data, results)


def test_the_page_of_splits_says_which_scenes_published_pixels_fit(beside):
    said = text(beside, "splits").split("## Its 5 images: where from")[1]
    tiles = pd.read_csv(beside / "data/tiles/toy/tiles.csv", dtype={"scene": str})
    pixels = tiles.groupby("scene")[["pixels_Field", "pixels_Wood", "pixels_Lake"]].sum()
    fits = {}
    for name, count in (("all of it", SCENES), ("its start", 10)):
        fits[name] = class_fit(np.array([100, 80, 60]), pixels.iloc[:count].to_numpy(), 5)
        value = f"{fits[name].statistic:,.1f}"
        assert f"{count} | {value} | {fits[name].p:.4f} |" in said.replace("**", "")
    best = likeliest(fits)
    assert f"a draw of 5 scenes from **{best}**" in said


def test_claims_are_tested_on_the_results_and_on_the_printed_tables(beside):
    found = read(beside, "claims")
    places = found.drop_duplicates(["claim", "source", "recipe", "by"])
    verdict = places.groupby(["claim", "source", "by"])["verdict"].agg(list)
    # Beta's profile is faster by a quarter; the epochs of all models are the same; printed 20 s
    # against 30.5 s.
    assert verdict["beta_first", "results", "latency_ms"] == ["holds"]
    assert verdict["beta_first", "results", "epoch_seconds"] == ["cannot tell"] * 2
    assert verdict["beta_first", "Table 3: Toys", "epoch_seconds"] == ["so printed"]
    assert verdict["size", "results", "latency_ms"] == ["cannot tell"]
    assert (
        verdict["rare", "results", "iou"] == ["cannot tell"] * 2
    )  # six orders of three classes: p ≥ 1/6
    ratio = found[(found["claim"] == "beta_first") & (found["by"] == "latency_ms")].set_index(
        "statistic"
    )
    assert ratio.loc["alpha / beta", ["value", "low", "high"]].tolist() == pytest.approx(
        [40 / 30, 40 / 33, 44 / 30], abs=1e-6
    )


def test_claims_about_scores_rest_on_paired_differences(beside):
    found = read(beside, "claims")
    scores = read(beside, "scores")
    main = scores[scores["metric"] == "miou_d"].groupby(["recipe", "model"])["value"].mean()
    mine = found[
        (found["claim"] == "alpha_best") & (found["statistic"] == "beta − alpha")
    ].set_index("recipe")
    row = mine.loc["leaky"]
    assert row["value"] == pytest.approx(main["leaky", "beta"] - main["leaky", "alpha"], abs=2e-6)
    assert row["low"] < row["value"] < row["high"]
    assert row["verdict"] == ("holds" if row["high"] < 0 else "cannot tell")
    apart = found[(found["claim"] == "alpha_best") & (found["recipe"] == "apart")]
    assert apart["verdict"].tolist() == ["cannot tell"]
    assert "4 groups of tiles are too few" in apart["why"].iloc[0]
    gain = found[found["claim"] == "gain"]
    assert gain["verdict"].tolist() == ["cannot tell"]
    assert "leaky and apart are evaluated on different tiles" in gain["why"].iloc[0]


def test_the_claims_text_opens_with_a_verdict_for_each(beside):
    body = text(beside, "claims")
    summary = body.split("\n## ")[0]
    assert (
        "| Beta is the fastest | Epoch (s) | cannot tell | 0 of 2 | Table 3: Toys: so printed |"
        in summary
    )
    assert "| Beta is the fastest | Latency (ms) | holds | 1 of 1 | – |" in summary
    assert "| Nothing helps | mIoUᴰ | cannot tell | 0 of 1 | – |" in summary
    assert "- Toy land, by Latency (ms): **holds**; beta ranks 1 of 2 from the lowest, " in body
    assert "- Every dataset, by mIoUᴰ: **cannot tell**; " in body


def test_models_run_on_different_devices_cannot_be_told_apart_by_their_epochs(tmp_path):
    spec = study_slice(figures=[], paper=PAPER)
    folders = write_tree(tmp_path, spec)
    path = tmp_path / "results/runs/toy/beta/leaky/seed0/run.json"
    path.write_text(path.read_text().replace("Toy CPU", "Toy GPU"))
    run(spec, *folders)
    found = read(tmp_path, "claims")
    mine = found[
        (found["claim"] == "beta_first")
        & (found["by"] == "epoch_seconds")
        & (found["recipe"] == "leaky")
    ]
    assert mine["why"].tolist() == [
        "the runs were made on different devices (Toy CPU, 2 threads and Toy GPU, 2 threads)"
    ]


def test_the_order_of_speed_stands_beside_the_papers(beside):
    found = read(beside, "speed").set_index(["measure", "model"])
    assert found.loc["latency_ms", "place"].to_dict() == {"alpha": 2, "beta": 1}
    assert found.loc["latency_ms", "published_place"].to_dict() == {"alpha": 2, "beta": 1}
    assert (found["table"] == "Table 3: Toys").all()
    assert "| alpha | 100.0 (1) | 40.0 (2) | 30.5 (2) |" in text(beside, "models")


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


def test_the_models_text_says_where_they_were_profiled(built):
    assert "Profiled with a single input of 3×512×512 on Toy CPU." in text(built, "models")
    # Gamma's forward passes took 19.5 to 20.5 ms.
    assert (
        "timed in turns, in 3 rounds, whose times of one model differ by up to 5 %; the load "
        "average of the machine was 0.5 to 1.2."
    ) in text(built, "models")
