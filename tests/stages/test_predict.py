"""Prediction as a command, as in docs/predict.md, with weights from a training run."""

import json
import logging
import re
import shlex
import sys
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import rasterio
import torch

from conftest import ROOT, write_raster
from satseg.config.splits import Split
from satseg.data.splits import draw_split
from satseg.data.store import open_tiles
from satseg.data.tiling import build_tiles
from satseg.errors import UserError
from satseg.jobs.slices import TileSlice, TrainSlice
from satseg.models.segmenter import load_weights, probabilities
from satseg.prediction import predict_scene
from satseg.stages import export, predict
from satseg.training.cell import train
from scenery import CLASSES, COLORS, SPEC, metres, noise, save_cell, write_scene

CELL = "results/runs/demo/unet_tiny/demo/seed0"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a trained cell and a scene."""
    monkeypatch.chdir(tmp_path)
    save_cell(tmp_path / CELL, dataset="demo", metres=(0.5, 0.5))
    write_scene(tmp_path / "scene.tif", noise(100, 90))
    return tmp_path


def call(monkeypatch, stage, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["stage", *arguments])
    before = logging.root.handlers[:]
    try:
        stage.main()
    finally:
        logging.root.handlers[:] = before


def blocks(language: str) -> list[str]:
    """The code blocks of the page about prediction."""
    text = (ROOT / "docs" / "predict.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_every_command_of_the_page(folder, monkeypatch):
    stages = {"predict": predict, "export": export}
    written = []
    for line in "".join(blocks("sh")).splitlines():
        program, name, *arguments = shlex.split(line)
        assert program == "satseg"
        call(monkeypatch, stages[name], *arguments)
        names = {path.name for path in folder.iterdir() if path.is_file()}
        written.append(sorted(names - {"scene.tif"}))
    maps = ["map.geojson", "map.tif", "shares.tif"]
    gis = [*maps, "confidence.tif", "map.csv", "map.gpkg", "map.html", "map.qml"]
    bundle = [*gis, "model.zip"]
    expected = [["map.tif"], maps, gis, bundle, bundle, [*bundle, "model.onnx"]]
    assert written == [sorted(names) for names in expected]
    first = (folder / "map.tif").read_bytes()
    (folder / "map.tif").unlink()
    short, with_onnx = blocks("python")
    assert len(short.split("\n\n")[-1].splitlines()) == 2
    exec(short, {})
    assert (folder / "map.tif").read_bytes() == first
    found = {}
    exec(with_onnx, found)
    image = torch.from_numpy(found["image"])[None, :, : found["height"], : found["width"]]
    segmenter = load_weights(CELL)
    shares = probabilities(segmenter, image)[0].numpy()
    clear = np.diff(np.sort(shares, 0)[-2:], axis=0)[0] > 1e-3
    expected = np.array(segmenter.counted)[shares.argmax(0)]
    assert clear.mean() > 0.9 and (found["indices"] == expected)[clear].all()
    with rasterio.open(folder / "map.tif") as file, rasterio.open(folder / "scene.tif") as scene:
        assert (file.crs, file.bounds) == (scene.crs, scene.bounds)
        assert file.colormap(1)[1][:3] == tuple(bytes.fromhex(COLORS["Field"][1:]))  # the demo's
        indices = set(np.unique(file.read(1)))
    features = json.loads((folder / "map.geojson").read_text())["features"]
    assert {f["properties"]["class"] for f in features} == {CLASSES[i] for i in indices}


@pytest.mark.parametrize(
    ("scene", "run", "said"),
    [
        (
            "scene.tif",
            "results/runs/demo",
            f"results/runs/demo: holds cells, but is none; name one, such as {CELL}",
        ),
        ("results", CELL, "results: a folder; name an image in it, or give all of them an entry"),
    ],
)
def test_a_folder_is_neither_a_cell_nor_a_scene(folder, monkeypatch, scene, run, said):
    with pytest.raises(SystemExit) as ended:
        call(monkeypatch, predict, scene, "--run", run, "-o", "map.tif")
    assert str(ended.value).startswith(f"error: {said}")
    assert not (folder / "map.tif").exists()


def test_colours_of_a_slice_and_options(folder, monkeypatch):
    colors = {name: f"#0000{i:02}" for i, name in enumerate(CLASSES)}
    options = ["--slice", json.dumps({"colors": colors}), "--overlap", "48", "--batch-size", "1"]
    call(monkeypatch, predict, "scene.tif", "--run", CELL, "-o", "maps/map.tif", *options)
    predict_scene(load_weights(Path(CELL, "best.pt")), "scene.tif", "expected.tif", overlap=48)
    with rasterio.open("maps/map.tif") as file, rasterio.open("expected.tif") as expected:
        assert [file.colormap(1)[i] for i in range(4)] == [(0, 0, i, 255) for i in range(4)]
        np.testing.assert_array_equal(file.read(1), expected.read(1))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"--run": "results/none"}, "error: results/none/best.pt: no such weights; "),
        ({"--run": "none.zip"}, "error: none.zip: no such bundle; "),
        ({"--weights": "final"}, f"error: {CELL}/final.pt: no such weights; "),
        ({"scene.tif": "none.tif"}, "error: none.tif: no such file; "),
        ({"--overlap": "64"}, "error: overlap: 64 pixels do not fit windows of 64; "),
        ({"--slice": "{}"}, "error: --slice: colors: "),
        ({"--out": "scene.tif/map.tif"}, "error: scene.tif"),
    ],
)
def test_a_mistake_ends_in_one_line(folder, monkeypatch, change, words):
    options = {"--run": CELL, "--out": "map.tif"}
    options |= {name: value for name, value in change.items() if name.startswith("-")}
    scene = change.get("scene.tif", "scene.tif")
    arguments = [scene, *(part for pair in options.items() for part in pair)]
    with pytest.raises(SystemExit) as caught:
        call(monkeypatch, predict, *arguments)
    assert caught.value.code.startswith(words) and "\n" not in caught.value.code
    assert sorted(p.name for p in folder.iterdir()) == ["results", "scene.tif"]


@pytest.mark.parametrize(
    ("option", "value"), [("--overlap", "-1"), ("--batch-size", "0"), ("--batch-size", "two")]
)
def test_a_wrong_number_is_status_2(folder, monkeypatch, capsys, option, value):
    with pytest.raises(SystemExit) as caught:
        call(monkeypatch, predict, "scene.tif", "--run", CELL, "-o", "map.tif", f"{option}={value}")
    assert caught.value.code == 2
    assert f"{option}: '{value}' is not a whole number from " in capsys.readouterr().err


def test_progress_is_reported(folder, monkeypatch, caplog):
    monkeypatch.setattr("satseg.progress.LOG_EVERY", 0.0)
    caplog.set_level(logging.INFO, "satseg")
    predict_scene(
        load_weights(Path(CELL, "best.pt")), "scene.tif", "map.tif", overlap=0, batch_size=1
    )
    lines = [record.getMessage() for record in caplog.records]
    starts = [line.split(";")[0] for line in lines]
    assert starts == [f"map.tif: {i} of 4 windows" for i in (1, 2, 3, 4)]
    assert lines[-1].endswith("; about 0 s left")


def test_weights_remember_what_the_training_images_were(tmp_path):
    for i in range(4):
        write_scene(tmp_path / f"images/{i}.tif", noise(64, 64, seed=i))
        mask = np.random.default_rng(i).integers(0, 4, (1, 64, 64)).astype(np.uint8)
        write_scene(tmp_path / f"masks/{i}.tif", mask)
    layout = {
        "images": "images/{i}.tif",
        "masks": "masks/{i}.tif",
        "scene": "{i}",
        "mask_values": "index",
    }
    shared = {"classes": CLASSES}
    tiling = TileSlice(
        dataset="own", layout=layout, colors=None, gaps=[], tile_size=32, groups=[],
        pixels={"bands": [2, 1, 3], "scale": [0, 200]}, **shared,
    )  # fmt: skip
    build_tiles(tiling, tmp_path, tmp_path / "tiles")
    store = open_tiles(tmp_path / "tiles")
    training = TrainSlice(
        cell={"dataset": "own", "model": "m", "recipe": "r", "seed": 0},
        model=SPEC,
        training={
            "loss": {"name": "cross_entropy"},
            "epochs": 1,
            "batch_size": 4,
            "precision": "32",
        },
        counted=[1, 2, 3],
        **shared,
    )
    split = draw_split(store.table, Split(unit="tile", train=0.6, val=0.4))
    train(training, store, split, tmp_path / "run", "x")
    known = load_weights(tmp_path / "run/best.pt")
    assert (known.dataset, known.tile_size, known.bands, known.stride) == ("own", 32, 3, 4)
    assert known.origin == store.origin
    assert known.origin.pixels == tiling.pixels and known.origin.dtypes == ("uint8",)
    assert known.origin.metres == pytest.approx((0.5, 0.5), rel=1e-3)
    assert predict_scene(known, tmp_path / "images/0.tif", tmp_path / "map.tif") == 9
    other = write_scene(tmp_path / "other.tif", noise(64, 64), transform=metres(2))
    with pytest.raises(UserError, match=r"pixels of 2 m, but the model was trained on 0\.5 m; "):
        predict_scene(known, other, tmp_path / "other_map.tif")


def test_the_published_bundle_predicts(tmp_path, monkeypatch):
    """The README's third command, on an image of two plain halves."""
    bundle = ROOT / "results/published/dubai_pocket.zip"
    assert bundle.stat().st_size < 10**6
    with ZipFile(bundle) as archive:
        names = set(archive.namelist())
        about = json.loads(archive.read("bundle.json"))
    assert names == {"README.md", "bundle.json", "model.onnx", "style.qml", "weights.pt"}
    assert about["dataset"]["licence"] == "CC0"
    (score,) = [
        row for row in about["scores"] if (row["metric"], row["class"]) == ("miou_d", "all")
    ]
    page = (ROOT / "results/published/README.md").read_text(encoding="utf-8")
    assert f"| mIoUᴰ | {score['value']:.3f} |" in page

    monkeypatch.chdir(tmp_path)
    image = np.full((3, 300, 400), 200, np.uint8)
    image[:, :, 200:] = np.array([20, 60, 110], np.uint8)[:, None, None]
    write_raster(tmp_path / "photo.jpg", image)
    options = ["--run", str(bundle), "-o", "map.png", "--web", "map.html"]
    call(monkeypatch, predict, "photo.jpg", *options)
    with rasterio.open("map.png") as file:
        assert file.shape == (300, 400)
        colors = {land["color"] for land in about["classes"] if land["counted"]}
        palette = file.colormap(1)
        shown = {palette[index][:3] for index in np.unique(file.read(1))}
        assert shown <= {tuple(bytes.fromhex(color[1:])) for color in colors}
    assert "Water" in Path("map.html").read_text(encoding="utf-8")


def test_a_bundle_can_be_exported_but_makes_no_bundle(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    taken = []
    monkeypatch.setattr(export, "export", lambda *given: taken.append(given) or 0.0)
    bundle = str(ROOT / "results/published/dubai_pocket.zip")
    call(monkeypatch, export, "--run", bundle, "-o", "model.onnx")
    (found, _, name) = taken[0]
    assert found.classes[0] == "Building" and name == bundle
    with pytest.raises(SystemExit, match="not the folder of a trained cell"):
        call(monkeypatch, export, "--run", bundle, "-o", "again.zip", "--bundle")
