"""Two states of a small study, compared: against scores and differences worked out directly."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from satseg.commands.__main__ import main
from satseg.compare.__main__ import compare
from satseg.compare.pairing import matched, pair_up
from satseg.compare.sides import Row, find_sides
from satseg.errors import UserError
from satseg.metrics.scores import jackknifed
from satseg.readers import read_counts
from satseg.stages.tables import run
from satseg.statistics.differences import differences
from study_tree import study_slice, write_tree

ALPHA = Row("toy", "alpha", "leaky")
BETA = Row("toy", "beta", "leaky")
CLASSES = ["Field", "Wood", "Lake"]


def counts_path(root: Path, model: str, recipe: str = "leaky") -> Path:
    return root / f"results/runs/toy/{model}/{recipe}/seed0/counts.csv"


def rewrite(path: Path, change) -> None:
    frame = pd.read_csv(path, dtype={"scene": str})
    change(frame).to_csv(path, index=False)


def better(frame: pd.DataFrame) -> pd.DataFrame:
    """Half of what was missed is found; what it was taken for changes with it."""
    frame = frame.copy()
    found = frame["fn"] // 2 + frame["tile"] % 2
    found = np.minimum(found, frame["fn"])
    frame["tp"] += found
    frame["fn"] -= found
    return frame


@pytest.fixture(scope="module")
def states(tmp_path_factory) -> Path:
    """`before` and `after`: alpha is better, and was trained for longer; beta is the same."""
    root = tmp_path_factory.mktemp("states")
    job = study_slice(models=("alpha", "beta"), figures=[])
    data, results = write_tree(root / "before", job)
    run(job, data, results)
    shutil.copytree(root / "before", root / "after")

    rewrite(counts_path(root / "after", "alpha"), better)
    for state, epochs in (("before", 3), ("after", 5)):
        file = root / state / "results/runs/toy/alpha/leaky/seed0/run.json"
        record = json.loads(file.read_text())
        record["slice"] |= {"training": {"epochs": epochs, "loss": {"name": "jdt"}}}
        file.write_text(json.dumps(record))
    return root


def sides_of(root: Path):
    return find_sides(str(root / "before/results/mine"), str(root / "after/results/mine"))


def test_differences_are_those_of_the_same_units(states, tmp_path):
    before = str(states / "before/results/mine")
    page, told = compare(before, str(states / "after/results/mine"), output=tmp_path / "out")
    table = pd.read_csv(tmp_path / "out/scores.csv", keep_default_na=False)
    main_rows = table[(table["metric"] == "miou_d") & (table["class"] == "all")]
    assert len(main_rows) == 4

    tiles = pd.read_csv(states / "before/data/tiles/toy/tiles.csv", dtype={"group": str})
    groups = dict(zip(tiles["tile"], tiles["group"], strict=True))
    replicates = {}
    for recipe, expected in (("leaky", True), ("apart", False)):
        rows = main_rows[main_rows["recipe"] == recipe]
        for state in ("before", "after"):
            for model in ("alpha", "beta"):
                counts = read_counts(counts_path(states / state, model, recipe), CLASSES)
                metrics = jackknifed([counts], groups)
                replicates[f"{model} {state}"] = metrics["miou_d", "all"]
        sides = [(f"{model} after", f"{model} before") for model in ("alpha", "beta")]
        for row, wanted in zip(
            rows.to_dict("records"), differences(replicates, sides), strict=True
        ):
            assert row["difference"] == pytest.approx(wanted.difference, abs=1e-6)
            assert row["second"] - row["first"] == pytest.approx(wanted.difference, abs=2e-6)
            if wanted.known:
                ends = (float(row["low"]), float(row["high"]), float(row["p"]))
                assert ends == pytest.approx((wanted.low, wanted.high, wanted.p), abs=1e-6)
            assert (row["why"] == "the same on every tile") != (wanted.known and expected)

    text = page.read_text()
    assert text.startswith("# after against before\n")
    assert "| training.epochs | 3 | 5 | toy / alpha / leaky |" in text
    assert "loss" not in text  # it is the same
    assert "toy: the same 1 file." in text
    assert "| toy / beta / apart | 0.630 | 0.630 | +0.000 | – | – | 4 | 32 |" in text
    assert told.startswith("mIoUᴰ rose in 1 row: toy / alpha / leaky (+")
    assert told.endswith("3 rows counted the same on every tile.")
    assert (tmp_path / "out/differences.svg").read_text().count("toy / alpha / leaky") == 1


def test_only_tiles_with_the_same_place_and_mask_are_paired(states, tmp_path):
    shutil.copytree(states, tmp_path / "copy")
    root = tmp_path / "copy"
    first = pd.read_csv(counts_path(root / "before", "beta"))
    gone, relabelled = first["tile"].unique()[[0, 3]]

    def fewer(frame):
        frame = frame[frame["tile"] != gone].copy()
        frame.loc[(frame["tile"] == relabelled) & (frame["class"] == "Wood"), "fn"] += 1
        return frame.assign(tile=frame["tile"] + 1000)

    rewrite(counts_path(root / "after", "beta"), fewer)
    tiles = root / "after/data/tiles/toy/tiles.csv"
    rewrite(tiles, lambda frame: frame.assign(tile=frame["tile"] + 1000))

    pair = pair_up(sides_of(root), BETA, BETA)
    total = first["tile"].nunique()
    assert pair.tiles == (total, total - 1)
    assert (pair.relabelled, len(pair.units)) == (1, total - 2)
    assert pair.is_equal
    used = first[~first["tile"].isin([gone, relabelled])]
    for name in ("tp", "fp", "fn", "tn"):
        np.testing.assert_array_equal(pair.runs[1][0][name], used[name])


def test_groups_of_both_are_joined(states, tmp_path):
    shutil.copytree(states, tmp_path / "copy")
    root = tmp_path / "copy"
    table = pd.read_csv(root / "before/data/tiles/toy/tiles.csv", dtype={"group": str})
    tested = pd.read_csv(counts_path(root / "before", "alpha"))["tile"].unique()
    groups = list(table.set_index("tile").loc[tested, "group"].unique())
    merged = {groups[1]: groups[0], groups[3]: groups[2]}

    def join(frame):
        return frame.assign(group=frame["group"].astype(str).replace(merged))

    rewrite(root / "after/data/tiles/toy/tiles.csv", join)
    pair = pair_up(sides_of(root), ALPHA, ALPHA)
    assert len(set(pair.units.values())) == len(groups) - 2


def test_other_classes_are_not_paired(states, tmp_path):
    shutil.copytree(states, tmp_path / "copy")
    root = tmp_path / "copy"
    rewrite(
        counts_path(root / "after", "beta"),
        lambda frame: frame.assign(**{"class": frame["class"].replace("Wood", "Forest")}),
    )
    before = str(root / "before/results/mine")
    page, told = compare(before, str(root / "after/results/mine"), output=tmp_path / "out")
    assert "toy / beta / leaky: other classes are counted" in page.read_text()
    assert told.endswith(" In 1 row, no difference can be tested.")


def test_names_that_belong_together():
    first = [Row("d", model, "old") for model in "ab"]
    second = [Row("d", model, "new") for model in "abc"]
    assert matched(first, second) == list(zip(first, second, strict=False))
    assert matched(first, second, ["a=c"])[0] == (first[0], second[2])
    two = [*second, Row("d", "a", "newer")]
    assert matched(first, two) == []
    assert matched(first, two, ["old=newer"]) == [(first[0], two[-1])]
    with pytest.raises(UserError, match="--same x=new: not `A=B`"):
        matched(first, second, ["x=new"])


def test_the_command_compares_or_says_why_not(states, monkeypatch, capsys):
    monkeypatch.chdir(states / "before")
    with pytest.raises(SystemExit, match="results/min: no finished study; did you mean 'mine'"):
        main(["compare", "min", "mine"])
    with pytest.raises(SystemExit, match="one and the same study"):
        main(["compare", "mine", "../before/results/mine"])

    main(["compare", "mine", "../after/results/mine"])
    assert "The page: results/comparisons/mine-mine/README.md" in capsys.readouterr().out
    assert Path("results/comparisons/mine-mine/differences.svg").is_file()
    first, second = find_sides("mine", "../after/results/mine")
    assert (first.title, second.title) == ("here", "../after")
    first, second = find_sides("mine", str(states / "after/results/mine"))
    assert (first.title, second.title) == ("here", str(states / "after"))
