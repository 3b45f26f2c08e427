"""The agreement of annotators in a study's tables, against masks compared pixel by pixel."""

import numpy as np
import pandas as pd
import pytest

from satseg.data.agreement import COLUMNS
from satseg.errors import UserError
from satseg.stages import tables
from study_tree import study_slice, write_csv, write_tree

NAMES = ["Void", "Field", "Wood", "Lake"]
PAIRS = [("0", "000", "001"), ("0", "000", "002"), ("3", "006", "007")]
HEADING = "How far annotators agree"


@pytest.fixture(scope="module")
def masks():
    """Two masks of the ground of each pair of scenes; the first group has no lake."""
    rng = np.random.default_rng(6)
    found = []
    for group, _, _ in PAIRS:
        first = rng.integers(0, 3 if group == "0" else 4, (40, 50))
        second = np.where(rng.random(first.shape) < 0.3, rng.permuted(first), first)
        found.append((first, second))
    return found


def write_agreement(root, masks, pairs=PAIRS):
    rows = []
    for pair, (first, second) in zip(pairs, masks, strict=False):
        for one in range(4):
            for other in range(4):
                pixels = ((first == one) & (second == other)).sum()
                rows.append([*pair, 5, -7, NAMES[one], NAMES[other], pixels])
    frame = pd.DataFrame(rows, columns=COLUMNS)
    write_csv(root / "data/tiles/toy/agreement.csv", frame[frame["pixels"] > 0])


@pytest.fixture(scope="module")
def built(tmp_path_factory, masks):
    root = tmp_path_factory.mktemp("twice")
    spec = study_slice(figures=[])
    folders = write_tree(root, spec)
    write_agreement(root, masks)
    tables.run(spec, *folders)
    return root


def expected(masks):
    """Agreement, mIoU and IoU of each class but the unlabelled one."""
    first = np.concatenate([one.ravel() for one, _ in masks])
    second = np.concatenate([other.ravel() for _, other in masks])
    both_say = (first > 0) & (second > 0)
    first, second = first[both_say], second[both_say]
    ious = {}
    for index, name in enumerate(NAMES[1:], start=1):
        either = ((first == index) | (second == index)).sum()
        both = ((first == index) & (second == index)).sum()
        ious[name] = both / either if either else np.nan
    return (first == second).mean(), np.nanmean(list(ious.values())), ious


def test_agreement_is_that_of_the_pixels_that_both_label(built, masks):
    table = pd.read_csv(built / "results/mine/tables/agreement.csv", dtype={"group": str})
    parts = {"0": masks[:2], "3": masks[2:], "all": masks}
    assert table["group"].unique().tolist() == list(parts)
    for group, own in parts.items():
        rows = table[table["group"] == group].set_index(["metric", "class"])
        assert (rows["pairs"] == len(own)).all()
        agreement, mean, ious = expected(own)
        assert rows.loc[("agreement", "all"), "value"] == pytest.approx(agreement, abs=1e-6)
        assert rows.loc[("miou_d", "all"), "value"] == pytest.approx(mean, abs=1e-6)
        shown = rows.loc["iou"]
        assert shown["value"].to_dict() == pytest.approx(ious, abs=1e-6, nan_ok=True)
        assert (shown["both"] <= shown["either"]).all()


def test_the_page_of_scores_shows_the_ceiling(built, masks):
    text = (built / "results/mine/tables/scores.md").read_text(encoding="utf-8")
    agreement, mean, ious = expected(masks)
    part = text.split(f"## {HEADING}: Toy land")[1]
    assert "3 pairs of scenes show the same ground, annotated twice" in part
    assert f"the two masks agree on {100 * agreement:.1f} %" in part
    assert "No model can be measured better than that" in part
    last = next(line for line in part.splitlines() if line.startswith("| all of it"))
    numbers = [f"{mean:.3f}", *(f"{iou:.3f}" for iou in ious.values())]
    assert last.strip("| ").split(" | ")[-4:] == numbers
    assert part.splitlines().index(last) > 0
    first = next(line for line in part.splitlines() if line.startswith("| 0"))
    assert first.endswith(" – |")  # no lake there


def test_one_pair_needs_no_total(tmp_path, masks):
    spec = study_slice(figures=[])
    folders = write_tree(tmp_path, spec)
    write_agreement(tmp_path, masks[2:], PAIRS[2:])
    tables.run(spec, *folders)
    text = (tmp_path / "results/mine/tables/scores.md").read_text(encoding="utf-8")
    part = text.split(HEADING)[1]
    assert "1 pair of scenes shows the same ground" in part
    assert "| 3 |" in part
    assert "all of it" not in part


def test_without_such_ground_nothing_is_said(tmp_path):
    spec = study_slice(figures=[])
    folders = write_tree(tmp_path, spec)
    tables.run(spec, *folders)
    assert len(pd.read_csv(tmp_path / "results/mine/tables/agreement.csv")) == 0
    text = (tmp_path / "results/mine/tables/scores.md").read_text(encoding="utf-8")
    assert "annotat" not in text


def test_a_missing_file_is_named(tmp_path):
    spec = study_slice(figures=[])
    folders = write_tree(tmp_path, spec)
    path = tmp_path / "data/tiles/toy/agreement.csv"
    path.unlink()
    with pytest.raises(UserError) as refused:
        tables.run(spec, *folders)
    assert str(refused.value) == f"{path}: no such file; run the stage that writes it"
