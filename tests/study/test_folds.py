"""A study whose split has folds, against counting over the files of its folds."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from satseg.errors import UserError
from satseg.jobs.slices import StudySlice
from satseg.stages import figures, tables
from satseg.study.claims.evidence import gather_evidence
from satseg.study.figures import draw_classes, draw_leakage
from satseg.study.inputs import StudyInputs
from satseg.study.numbers import study_numbers
from study_tree import SCENES, study_slice, write_csv, write_tree

FOLDS = 4
NAMES = ["Field", "Wood", "Lake"]
DRAWN = ["classes", "losses", "per_class", "leakage", "cost"]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, StudySlice]:
    """Three models under a split without and one with folds, two seeds."""
    root = tmp_path_factory.mktemp("folds")
    spec = study_slice(seeds=[0, 1], figures=DRAWN)
    spec = spec.model_copy(update={"folds": {"apart": FOLDS}})
    folders = write_tree(root, spec)
    tables.run(spec, *folders)
    return root, spec


def counts(root: Path, model: str, seed: int, fold: int) -> pd.DataFrame:
    return pd.read_csv(root / f"results/runs/toy/{model}/apart/seed{seed}/fold{fold}/counts.csv")


def table(root: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(root / f"results/mine/tables/{name}.csv")


def mean_iou(frame: pd.DataFrame) -> float:
    sums = frame.groupby("class")[["tp", "fp", "fn"]].sum()
    return (sums["tp"] / sums.sum(axis=1)).mean()


def test_a_score_is_that_of_the_tiles_of_all_folds(built):
    root, spec = built
    assert len(spec.cells) == 3 * 2 * (1 + FOLDS)
    scores = table(root, "scores")
    main = scores[(scores["metric"] == "miou_d") & (scores["recipe"] == "apart")]
    for (model, seed), row in main.groupby(["model", "seed"]):
        if model != "majority":
            frames = [counts(root, model, seed, fold) for fold in range(1, FOLDS + 1)]
            assert row["value"].item() == pytest.approx(mean_iou(pd.concat(frames)), abs=1e-6)

    # All twelve groups are tested: enough for an interval, unlike one fold of them.
    summary = table(root, "summary")
    whole = summary[(summary["recipe"] == "apart") & (summary["metric"] == "miou_d")]
    assert (whole.loc[whole["model"] != "majority", "units"] == SCENES // 2).all()
    assert whole["low"].lt(whole["value"]).all()
    text = (root / "results/mine/tables/scores.md").read_text(encoding="utf-8")
    assert "96 test tiles of 24 scenes in 12 groups" in text
    assert "Each group is tested in one of 4 folds" in text
    assert "groups of one fold share its training" in text  # three in each


def test_the_folds_of_a_seed_are_one_training_of_a_model(built):
    root, spec = built
    inputs = StudyInputs(spec, root / "data", root / "results")
    comparisons = {c.recipe: c for c in study_numbers(inputs).comparisons}
    for recipe, runs in (("leaky", 2), ("apart", 2 * FOLDS)):
        found = gather_evidence(inputs, comparisons[recipe])
        assert [len(found.histories[model]) for model in found.models] == [runs] * 3
        assert [found.seeds(model) for model in found.models] == [2] * 3

        # Every run has 20 training tiles.
        batches = -(-20 // spec.recipes[recipe].logical_batch_size)
        for model, histories in found.histories.items():
            assert found.steps[model] == [len(history) * batches for history in histories]


def test_the_baseline_answers_what_each_fold_trains_on(built):
    root, _ = built
    tiles = pd.read_csv(root / "data/tiles/toy/tiles.csv")
    pixels = [f"pixels_{name}" for name in NAMES]
    whole = tiles["whole"] == 1
    right = 0
    for fold in range(1, FOLDS + 1):
        subset = pd.read_csv(root / f"data/splits/toy/by_apart/fold{fold}.csv")["subset"]
        most = tiles.loc[whole & (subset == "train"), pixels].sum().idxmax()
        right += tiles.loc[whole & (subset == "test"), most].sum()
    scores = table(root, "scores").set_index(["recipe", "model", "metric"])["value"]
    share = right / tiles.loc[whole, pixels].sum().sum()
    assert scores["apart", "majority", "pixel_accuracy"].item() == pytest.approx(share, abs=1e-6)


def test_the_spread_over_folds_is_shown(built):
    root, _ = built
    folds = table(root, "folds")
    main = folds[folds["metric"] == "miou_d"]
    assert len(main) == 3 * 2 * FOLDS
    assert set(main["recipe"]) == {"apart"}
    assert (main["units"] == SCENES // 2 // FOLDS).all()
    for row in main.itertuples():
        expected = mean_iou(counts(root, row.model, row.seed, row.fold))
        assert row.value == pytest.approx(expected, abs=1e-6)

    text = (root / "results/mine/tables/scores.md").read_text(encoding="utf-8")
    assert text.count("### Fold by fold\n") == 1
    lines = text.split("### Fold by fold\n")[1].splitlines()
    shown = next(line for line in lines if line.startswith("| alpha"))
    alpha = main[main["model"] == "alpha"].groupby("fold")["value"].mean()
    numbers = [*alpha, alpha.std(), alpha.min(), alpha.max()]
    assert shown.strip("| ").split(" | ")[2:] == [f"{number:.3f}" for number in numbers]


def test_every_fold_is_audited(built):
    root, spec = built
    found = table(root, "splits")
    apart = found[found["recipe"] == "apart"]
    assert apart["fold"].tolist() == [1, 1, 2, 2, 3, 3, 4, 4]
    assert (apart["group_shared"] == 0).all()
    assert apart.loc[apart["subset"] == "test", "tiles"].sum() == 96
    assert found.loc[found["recipe"] == "leaky", "fold"].isna().all()
    text = (root / "results/mine/tables/splits.md").read_text(encoding="utf-8")
    assert "(split by_apart, 4 folds): none of the 96 val tiles touches" in text
    assert "| by_apart, fold 3 | test |" in text

    inputs = StudyInputs(spec, root / "data", root / "results")
    shared, _ = draw_leakage(inputs).axes
    assert shared.get_yticklabels()[1].get_text() == "apart\nsplit by_apart, test tiles"
    assert len(shared.patches) == 2  # those of the other recipe
    assert shared.texts[-1].get_text() == "none of the 96 tiles"
    assert len(draw_classes(inputs).axes) == 1 + FOLDS


def test_the_figures_can_be_drawn(built):
    root, spec = built
    figures.run(spec, str(root / "data"), str(root / "results"))
    drawn = {path.stem for path in (root / "results/mine/figures").iterdir()}
    assert drawn == set(DRAWN)


def test_a_fold_evaluated_on_the_tiles_of_another_is_refused(built):
    root, spec = built
    path = root / "results/runs/toy/beta/apart/seed1/fold2/counts.csv"
    before = pd.read_csv(path)
    write_csv(path, counts(root, "beta", 1, 3))
    try:
        with pytest.raises(UserError) as refused:
            tables.run(spec, str(root / "data"), str(root / "results"))
    finally:
        write_csv(path, before)
    assert str(refused.value) == (
        f"{path}: its tiles are not the test tiles of split 'by_apart'; evaluate again"
    )


def test_a_study_without_folds_has_an_empty_table(tmp_path):
    spec = study_slice(figures=[])
    tables.run(spec, *write_tree(tmp_path, spec))
    assert len(table(tmp_path, "folds")) == 0
    text = (tmp_path / "results/mine/tables/scores.md").read_text(encoding="utf-8")
    assert "fold" not in text.lower()
    np.testing.assert_array_equal(table(tmp_path, "splits")["fold"].isna(), True)
