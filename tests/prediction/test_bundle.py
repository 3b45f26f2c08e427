"""A bundle predicts as its cell does, and says what it is."""

import json
import re
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pandas as pd
import pytest
import rasterio

from satseg.errors import UserError
from satseg.metrics.scores import scores
from satseg.models.segmenter import load_weights
from satseg.prediction import bundle, predict_scene
from satseg.prediction.bundle import write_bundle
from scenery import CLASSES, noise, save_cell, write_scene


@pytest.fixture
def cell(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "find_spec", lambda name: None)  # ONNX has tests of its own
    return save_cell(tmp_path / "cell", dataset="demo", metres=(0.5, 0.5))


def counts(cell) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        [t, f"s{t // 2}", name, *rng.integers(1, 99, 4)] for t in range(12) for name in CLASSES[1:]
    ]
    frame = pd.DataFrame(rows, columns=["tile", "scene", "class", "tp", "fp", "fn", "tn"])
    frame.to_csv(cell / "counts.csv", index=False)
    return frame


def write_groups(folder, groups: dict[int, str]):
    """A tile store's table, as far as the groups of its tiles go."""
    folder.mkdir()
    rows = [[tile, f"s{tile // 2}", group] for tile, group in groups.items()]
    table = pd.DataFrame(rows, columns=["tile", "scene", "group"])
    table.to_csv(folder / "tiles.csv", index=False)
    return folder


@pytest.mark.parametrize("name", ["model.zip", "model"])
def test_it_predicts_as_the_cell(cell, tmp_path, name):
    write_bundle(cell, tmp_path / name)
    write_bundle(cell, tmp_path / name)  # over an older one
    scene = write_scene(tmp_path / "scene.tif", noise(80, 70))
    maps = []
    for source in (cell, tmp_path / name):
        predict_scene(load_weights(source), scene, tmp_path / "map.tif")
        with rasterio.open(tmp_path / "map.tif") as file:
            maps.append((file.read(1).tobytes(), file.colormap(1)))
    assert maps[0] == maps[1]


def test_what_else_lies_in_its_folder_stays(cell, tmp_path):
    out = tmp_path / "model"
    write_bundle(cell, out)
    (out / "notes.txt").write_text("mine")
    (out / "model.onnx").write_text("of other weights")
    write_bundle(cell, out)
    assert (out / "notes.txt").read_text() == "mine"
    assert not (out / "model.onnx").exists()


def test_the_same_cell_is_the_same_archive(cell, tmp_path):
    for name in ("a.zip", "b.zip"):
        write_bundle(cell, tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_scores_are_those_of_the_counts(cell, tmp_path):
    frame = counts(cell)
    groups = {tile: f"g{tile // 2}" for tile in range(12)}
    store = write_groups(tmp_path / "tiles", groups)
    assert write_bundle(cell, tmp_path / "model.zip", tiles=store) == [
        "README.md",
        "bundle.json",
        "style.qml",
        "weights.pt",
    ]
    with ZipFile(tmp_path / "model.zip") as archive:
        about = json.loads(archive.read("bundle.json"))
        card = archive.read("README.md").decode()
    expected = scores([frame], groups)
    found = pd.DataFrame(about["scores"])
    for column in ("value", "low", "high"):
        np.testing.assert_allclose(found[column].astype(float), expected[column], atol=1e-6)
    assert about["tested"] == {"tiles": 12, "units": 6}
    assert "On 12 tiles" in card and "in 6 groups." in card
    assert "hold no variance of training, which a single run does not show" in card
    assert about["dataset"]["licence"] in card
    row = expected[(expected["metric"] == "miou_d") & (expected["class"] == "all")].iloc[0]
    assert f"| {row['value']:.3f} | {row['low']:.3f} to {row['high']:.3f} |" in card
    assert [land["name"] for land in about["classes"]] == CLASSES


@pytest.mark.parametrize("groups", [None, 5])
def test_scenes_are_not_taken_for_ground_of_their_own(cell, tmp_path, groups):
    """Six scenes, of whose ground nothing is known, or two of which show the same: no interval."""
    counts(cell)
    store = None
    if groups:
        store = write_groups(tmp_path / "tiles", {t: f"g{t // 2 % groups}" for t in range(12)})
    write_bundle(cell, tmp_path / "model.zip", tiles=store)
    with ZipFile(tmp_path / "model.zip") as archive:
        about = json.loads(archive.read("bundle.json"))
        card = archive.read("README.md").decode()
    assert about["tested"] == {"tiles": 12, "units": groups}
    assert all(row["low"] is None and row["high"] is None for row in about["scores"])
    why = "they take 6 groups" if groups else "which tiles share ground was not at hand"
    assert f"There are no intervals: {why}. How far the scores hold for other ground" in card


def test_what_is_no_bundle_is_refused(cell, tmp_path):
    (tmp_path / "other.zip").write_bytes(b"PK nothing")
    with pytest.raises(
        UserError, match=re.escape("other.zip: not a bundle of satseg, or damaged; ")
    ):
        load_weights(tmp_path / "other.zip")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="folder: exists and is not a bundle; "):
        write_bundle(cell, tmp_path / "folder")


@pytest.fixture
def changed(cell, tmp_path):
    """An archive of which one entry has another content; the refusal of its weights."""
    write_bundle(cell, tmp_path / "whole.zip")

    def refusal(name, content, **packing):
        with (
            ZipFile(tmp_path / "whole.zip") as whole,
            ZipFile(tmp_path / "other.zip", "w", **packing) as other,
        ):
            for entry in whole.namelist():
                other.writestr(entry, content if entry == name else whole.read(entry))
        with pytest.raises(UserError, match=r"other\.zip: ") as caught:
            load_weights(tmp_path / "other.zip")
        return str(caught.value)

    return refusal


def test_a_bundle_from_a_stranger(changed, cell, tmp_path):
    """What unpacks to far more than weights do is not unpacked."""
    bomb = bytes(50 * 2**20)
    for name in ("weights.pt", "bundle.json"):
        assert "not a bundle of satseg, or damaged" in changed(name, bomb, compression=ZIP_DEFLATED)
    about = json.loads(ZipFile(tmp_path / "whole.zip").read("bundle.json"))
    for wrong in (
        about | {"temperature": 0},
        about | {"temperature": float("nan")},
        about | {"classes": [land | {"color": "red"} for land in about["classes"]]},
        about | {"classes": 3},
    ):
        assert "not a weights file of satseg" in changed("bundle.json", json.dumps(wrong))


def test_a_bundle_with_a_changed_byte(cell, tmp_path):
    write_bundle(cell, tmp_path / "whole.zip")
    with ZipFile(tmp_path / "whole.zip") as whole:
        texts = {entry: whole.read(entry) for entry in ("weights.pt", "bundle.json")}
    with ZipFile(tmp_path / "packed.zip", "w", ZIP_DEFLATED) as packed:
        for entry, content in texts.items():
            packed.writestr(entry, content)
    content = (tmp_path / "packed.zip").read_bytes()
    rng = np.random.default_rng(4)
    places = [*rng.integers(len(content), size=12), len(content) - 30]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        (tmp_path / "damaged.zip").write_bytes(damaged)
        try:
            load_weights(tmp_path / "damaged.zip")
        except UserError as error:
            assert "damaged.zip: " in str(error)
