"""Outputs of stages, damaged or swapped before the next one reads them; and files that would run
code when read."""

import json
import pickle
import re
import shutil
import subprocess
import sys
from functools import partial
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import torch

from conftest import write_raster
from faults.conftest import contents
from satseg.config.models import UNetSpec
from satseg.config.reading import ROOT, load
from satseg.config.yaml_files import read_yaml
from satseg.data.splits import draw_split
from satseg.data.store import open_tiles
from satseg.data.tiling import build_tiles
from satseg.errors import UserError
from satseg.files import write_json
from satseg.jobs.slices import DownloadSlice, EvaluateSlice, SplitSlice, TileSlice
from satseg.models import build_model
from satseg.models.segmenter import save_weights
from small import unet
from study_tree import CLASSES, study_slice, write_tree

STALE = "Files between stages"
CODE = "Data that would run code"
YAML = "Configuration"
PAGE = "The report"
SPLIT = SplitSlice(split={"unit": "tile", "train": 0.5, "val": 0.5})
UNET = unet(4, bottleneck=4)


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.fixture
def bomb(tmp_path):
    yield Bomb(tmp_path / "boom")
    assert not (tmp_path / "boom").exists()


# --- the tile store, the split and the weights ----------------------------------------------------


@pytest.fixture(scope="module")
def evaluated_cell(scene_folder, tile_slice, tmp_path_factory):
    """A tile store, a split of it, and weights: all that evaluation reads."""
    folder = tmp_path_factory.mktemp("cell")
    build_tiles(tile_slice, scene_folder, folder / "tiles")
    draw_split(open_tiles(folder / "tiles").table, SPLIT.split).to_csv(
        folder / "split.csv", index=False
    )
    write_weights(folder / "run/best.pt", 3, tile_slice.classes)
    return folder


def write_weights(path, bands, classes):
    job = UNetSpec.model_validate(UNET)
    meta = {
        "classes": classes,
        "counted": list(range(len(classes))),
        "padded_tiles": True,
        "batch_size": 4,
    }
    model = build_model(job, len(classes), bands)
    save_weights(path, model, job, bands, **meta, scaling="unit", precision="32")


@pytest.fixture
def cell(evaluated_cell, tmp_path):
    shutil.copytree(evaluated_cell, tmp_path, dirs_exist_ok=True)
    return tmp_path


def evaluate(run, folder, **paths):
    """Evaluate by `run`, which is `command` or `refused`."""
    inputs = {"tiles": folder / "tiles", "split": folder / "split.csv", "run": folder / "run"}
    return run("evaluate", EvaluateSlice(evaluate={"subset": "val"}), **inputs | paths)


def test_sound_inputs_are_evaluated(cell, command):
    assert evaluate(command, cell) == ""
    split = pd.read_csv(cell / "split.csv")
    counts = pd.read_csv(cell / "run/counts.csv")
    assert sorted(counts["tile"].unique()) == sorted(split.loc[split["subset"] == "val", "tile"])


def table(folder, name, change):
    """Change a CSV file."""
    frame = pd.read_csv(folder / name, keep_default_na=False)
    change(frame).to_csv(folder / name, index=False)


def write(folder, name, content):
    (folder / name).write_bytes(content)


def cut(folder, name, share=0.5):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(len(content) * share)])


def array(folder, name, change):
    np.save(folder / name, change(np.load(folder / name)))


def drop(column):
    return lambda frame: frame.drop(columns=column)


def other_tiles(folder):
    """The split of a store that has been tiled again since."""
    table(folder, "split.csv", lambda f: f.assign(scene=f["scene"].to_numpy()[::-1]))


REFUSED = [
    (
        "no tile store",
        lambda f: shutil.rmtree(f / "tiles"),
        r"tiles/images\.npy: no such file; run the stage that",
    ),
    (
        "images.npy truncated",
        partial(cut, name="tiles/images.npy"),
        r"images\.npy: not a readable array of numbers",
    ),
    (
        "masks.npy empty",
        partial(write, name="tiles/masks.npy", content=b""),
        r"masks\.npy: not a readable array",
    ),
    (
        "images.npy of another store",
        partial(array, name="tiles/images.npy", change=lambda a: a[:-1]),
        r"images\.npy: uint8 \[\d+, 32, 32, 3\] does not fit the \d+ tiles of tiles\.csv; delete the folder",
    ),
    (
        "masks.npy of another type",
        partial(array, name="tiles/masks.npy", change=lambda a: a.astype(np.int16)),
        r"masks\.npy: int16 .* does not fit",
    ),
    (
        "masks.npy of another size",
        partial(array, name="tiles/masks.npy", change=lambda a: a[:, :16]),
        r"masks\.npy: \[\d+, 16, 32\] does not fit the images, \[\d+, 32, 32, 3\]; delete",
    ),
    (
        "tiles.csv with a footprint of no corners",
        partial(table, name="tiles/tiles.csv", change=lambda f: f.assign(footprint="POLYGON(())")),
        r"tiles\.csv: the footprint of tile 0 is no polygon of four corners; delete it and tile",
    ),
    (
        "tiles.csv empty",
        partial(write, name="tiles/tiles.csv", content=b""),
        r"tiles\.csv: not a readable table",
    ),
    (
        "tiles.csv that is not text",
        partial(write, name="tiles/tiles.csv", content=b"\xff\xfe\x00tile"),
        r"tiles\.csv: not a readable table",
    ),
    ("tiles.csv truncated", partial(cut, name="tiles/tiles.csv", share=0.7), r"tiles\.csv"),
    (
        "tiles.csv without a column",
        partial(table, name="tiles/tiles.csv", change=drop("whole")),
        r"tiles\.csv: column 'whole' is missing; delete the file and build it again",
    ),
    (
        "tiles.csv with words for numbers",
        partial(table, name="tiles/tiles.csv", change=lambda f: f.assign(row="first")),
        r"tiles\.csv: column 'row' holds something other than numbers",
    ),
    (
        "tiles.csv in another order",
        partial(table, name="tiles/tiles.csv", change=lambda f: f[::-1]),
        r"tiles\.csv: its tiles are not numbered from 0",
    ),
    (
        "no split",
        lambda f: (f / "split.csv").unlink(),
        r"split\.csv: no such file; run the stage that writes it",
    ),
    (
        "a split that lists a tile twice",
        partial(table, name="split.csv", change=lambda f: pd.concat([f, f[:1]])),
        r"split\.csv: tile 0 is listed twice",
    ),
    (
        "a split with an unknown subset",
        partial(table, name="split.csv", change=lambda f: f.assign(subset="holdout")),
        r"split\.csv: 'holdout' is not a subset",
    ),
    (
        "a split of other tiles",
        other_tiles,
        r"split\.csv: its tiles are not those of tiles\.csv; delete the file",
    ),
    (
        "a split without the subset to evaluate",
        partial(table, name="split.csv", change=lambda f: f.assign(subset="train")),
        r"no tile is left in subset 'val'",
    ),
    (
        "no weights",
        lambda f: (f / "run/best.pt").unlink(),
        r"best\.pt: no such weights; train the cell first",
    ),
    (
        "weights truncated",
        partial(cut, name="run/best.pt"),
        r"best\.pt: not a weights file of satseg, or damaged",
    ),
    (
        "weights for another number of bands",
        lambda f: write_weights(f / "run/best.pt", 4, ["ground", "water", "road"]),
        r"best\.pt: trained on 4 bands, the tiles have 3; train the cell again",
    ),
    (
        "weights for other classes",
        lambda f: write_weights(f / "run/best.pt", 3, ["ground", "lava"]),
        r"best\.pt: was trained with class 'lava', which the tiles do not have; train the cell again",
    ),
]


@pytest.mark.parametrize(("tried", "make", "pattern"), REFUSED, ids=[case[0] for case in REFUSED])
def test_bad_inputs_are_refused(cell, refused, fault, tried, make, pattern):
    make(cell)
    message = evaluate(refused, cell)
    assert re.search(pattern, message), message
    fault(STALE, tried, message)


def test_scenes_named_like_numbers_and_gaps(raw_names, command, fault, tmp_path):
    """Names stay as they are in every file that mentions them."""
    job, folder, names = raw_names
    assert command("tile", job, raw=folder, out=tmp_path / "tiles") == ""
    assert command("split", SPLIT, tiles=tmp_path / "tiles", out=tmp_path / "split.csv") == ""
    assert set(open_tiles(tmp_path / "tiles").table["scene"]) == names
    write_weights(tmp_path / "run/best.pt", 3, job.classes)
    assert evaluate(command, tmp_path) == ""
    split = pd.read_csv(tmp_path / "split.csv", dtype=str, keep_default_na=False)
    counts = pd.read_csv(tmp_path / "run/counts.csv", dtype=str, keep_default_na=False)
    wanted = split[split["subset"] == "val"].set_index("tile")["scene"].to_dict()
    assert counts.groupby("tile")["scene"].first().to_dict() == wanted
    fault(STALE, "scenes named nan, NA, 007 and 1e5", "they keep their names")


@pytest.fixture
def raw_names(tile_slice, tmp_path):
    names = {"nan", "NA", "None", "007", "1e5", "True"}
    for name in names:
        write_raster(
            tmp_path / f"raw/scenes/images/{name}.tif", np.full((3, 64, 64), len(name), np.uint8)
        )
        write_raster(tmp_path / f"raw/scenes/masks/{name}.tif", np.zeros((1, 64, 64), np.uint8))
    write_json(tmp_path / "raw/manifest.json", {"root": "scenes", "files": []})
    # The names differ in more than their number: else equal images would be copies.
    for i, name in enumerate(sorted(names)):
        write_raster(tmp_path / f"raw/scenes/images/{name}.tif", np.full((3, 64, 64), i, np.uint8))
    return tile_slice.model_copy(update={"groups": []}), tmp_path / "raw", names


# --- results --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    write_tree(folder, study_slice(models=["alpha"], figures=["losses"]))
    return folder


CELL = "results/runs/toy/alpha/leaky/seed0"
RESULTS = [
    (
        "no counts",
        "tables",
        lambda f: (f / CELL / "counts.csv").unlink(),
        r"counts\.csv: no such file",
    ),
    (
        "counts with a missing row",
        "tables",
        partial(table, name=f"{CELL}/counts.csv", change=lambda f: f[1:]),
        r"counts\.csv: \d+ rows for \d+ tiles × 3 classes; one each is expected; delete the file and evaluate again",
    ),
    (
        "counts of other classes",
        "tables",
        partial(
            table, name=f"{CELL}/counts.csv", change=lambda f: f.replace({"class": {"Lake": "Sea"}})
        ),
        r"counts\.csv: holds .*Sea.*, but .*Lake.* are counted; evaluate again",
    ),
    (
        "a history that is not a table",
        "tables",
        partial(write, name=f"{CELL}/history.csv", content=b'epoch,"lr\n1,2,3\n'),
        r"history\.csv: (not a readable table|column)",
    ),
    (
        "a history without an epoch",
        "figures",
        partial(table, name=f"{CELL}/history.csv", change=lambda f: f[:0]),
        r"history\.csv: it has no epoch; delete the file and train again",
    ),
    (
        "a profile that is not JSON",
        "tables",
        partial(write, name="results/profiles/toy/alpha.json", content=b"{"),
        r"alpha\.json: not valid JSON",
    ),
    (
        "no tables",
        "report",
        lambda f: None,
        r"tables/pages\.json: no such file; run the stage that writes it",
    ),
]


@pytest.mark.parametrize(
    ("tried", "stage", "make", "pattern"), RESULTS, ids=[case[0] for case in RESULTS]
)
def test_bad_results_are_refused(
    study_folder, refused, fault, tmp_path, tried, stage, make, pattern
):
    shutil.copytree(study_folder, tmp_path, dirs_exist_ok=True)
    make(tmp_path)
    job = study_slice(models=["alpha"], figures=["losses"])
    message = refused(stage, job, data=tmp_path / "data", results=tmp_path / "results")
    assert re.search(pattern, message), message
    fault(STALE, tried, message)


# --- exit status ----------------------------------------------------------------------------------

TILING = {
    "dataset": "mine",
    "layout": {"images": "{s}.tif", "masks": "{s}.png", "scene": "{s}", "mask_values": "index"},
    "classes": ["a", "b"],
    "colors": None,
    "gaps": [],
    "tile_size": 32,
    "groups": [],
}
STAGES = [
    ("download", DownloadSlice(dataset="mine", path="nowhere", source=None), ["out"]),
    ("split", SPLIT, ["tiles", "out"]),
    ("tables", study_slice(), ["data", "results"]),
    ("figures", study_slice(figures=["losses"]), ["data", "results"]),
    ("report", study_slice(), ["data", "results"]),
    ("tile", TileSlice.model_validate(TILING), ["raw", "out"]),
]


@pytest.mark.parametrize(("stage", "job", "paths"), STAGES, ids=[case[0] for case in STAGES])
def test_a_stage_without_its_inputs_ends_with_status_1_and_one_line(
    stage, job, paths, fault, tmp_path
):
    arguments = [part for path in paths for part in (f"--{path}", str(tmp_path / path))]
    command = [
        sys.executable,
        "-m",
        f"satseg.stages.{stage}",
        "--slice",
        job.model_dump_json(),
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1 and not done.stdout
    assert contents(tmp_path) == {}
    fault("Commands", f"{stage} without its inputs", f"exit status 1; {done.stderr.strip()}")


# --- data, not code -------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["pickle", "torch.save"])
def test_weights_that_would_run_code(cell, bomb, refused, fault, how):
    path = cell / "run/best.pt"
    if how == "pickle":
        path.write_bytes(pickle.dumps(bomb))
    else:
        torch.save({"format": 1, "state_dict": bomb}, path)
    message = evaluate(refused, cell)
    assert message == f"{path}: not a weights file of satseg, or damaged; train the cell again"
    fault(CODE, f"weights that would run code, by {how}", message)


def test_arrays_that_would_run_code(cell, bomb, refused, fault):
    np.save(cell / "tiles/images.npy", np.array([bomb], object), allow_pickle=True)
    message = evaluate(refused, cell)
    assert "images.npy: not a readable array of numbers" in message
    fault(CODE, "an array of objects as images.npy", message)


def test_panels_that_would_run_code(bomb, refused, fault, tmp_path):
    job = study_slice(models=["alpha"], figures=["predictions"])
    data, results = write_tree(tmp_path, job)
    masks = np.zeros((120, 16, 16), np.uint8)
    for name, pixels in (("masks", masks), ("images", masks[..., None])):
        np.save(tmp_path / f"data/tiles/toy/{name}.npy", pixels)
    for cell in job.cells:
        objects = np.array([bomb], object)
        np.savez(
            tmp_path / "results/runs" / cell.path / "panels.npz",
            tiles=objects,
            predictions=objects,
            hard=objects,
        )
    message = refused("figures", job, data=data, results=results)
    assert "panels.npz: not readable arrays (" in message
    assert message.endswith("; delete the file and build it again")
    fault(CODE, "an array of objects in panels.npz", message)


def test_yaml_that_would_run_code(bomb, refused, fault, tmp_path):
    path = tmp_path / "slice.yaml"
    path.write_text(f"split: !!python/object/apply:builtins.open ['{bomb.path}', w]\n")
    message = refused("split", path, tiles=tmp_path / "tiles", out=tmp_path / "split.csv")
    assert re.search(
        r"slice\.yaml, line 1: not valid YAML: tag 'tag:yaml\.org,2002:python/object/apply.*' is not read; write plain",
        message,
    )
    fault(CODE, "a YAML tag that would run code", message)


# --- YAML -----------------------------------------------------------------------------------------

TWICE = b"split:\n  unit: tile\n  train: 0.5\n  val: 0.5\n  train: 0.8\n"
TEXTS = [
    ("a key that occurs twice", TWICE, "line 5: not valid YAML: key 'train' occurs twice"),
    (
        "a section that occurs twice",
        b"split: 1\nsplit: 2\n",
        "line 2: not valid YAML: key 'split' occurs twice",
    ),
    (
        "a tab for indentation",
        b"split:\n\tunit: tile\n",
        "line 2: not valid YAML: found character '\\t' that cannot start",
    ),
    ("a bracket that is never closed", b"split: [tile\n", "not valid YAML: "),
    (
        "text that is not UTF-8",
        "split: Größe".encode("latin-1"),
        "not UTF-8 text; save it as UTF-8",
    ),
    ("brackets nested two thousand deep", b"[" * 2000, "not valid YAML: nested too deeply"),
    ("an empty file", b"", "--slice: the whole: Input should be"),
]


@pytest.mark.parametrize(("tried", "content", "words"), TEXTS, ids=[case[0] for case in TEXTS])
def test_yaml_that_is_ambiguous_or_broken(refused, fault, tmp_path, tried, content, words):
    path = tmp_path / "slice.yaml"
    path.write_bytes(content)
    message = refused("split", path, tiles=tmp_path / "tiles", out=tmp_path / "split.csv")
    assert words in message
    fault(YAML, tried, message)


def test_yaml_merge_keys_still_work(tmp_path):
    text = "base: &base {x: 1, y: 2}\ninner:\n  a: &a {<<: *base, x: 0}\nb: {<<: *a, y: 3}\n"
    (tmp_path / "a.yaml").write_text(text)
    value = read_yaml(tmp_path / "a.yaml")
    assert value["inner"]["a"] == {"x": 0, "y": 2} and value["b"] == {"x": 0, "y": 3}


@pytest.mark.parametrize("kind", ["missing", "a folder"])
def test_no_file_of_a_slice(refused, fault, tmp_path, kind):
    if kind == "a folder":
        (tmp_path / "slice.yaml").mkdir()
    message = refused(
        "split", tmp_path / "slice.yaml", tiles=tmp_path / "tiles", out=tmp_path / "split.csv"
    )
    assert "slice.yaml: no" in message
    fault(YAML, f"a file that is {kind}", message)


def test_a_section_twice_in_the_project(fault, tmp_path):
    """Of two entries with one name, the first must not be lost silently."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    path = tmp_path / "config/splits.yaml"
    name = next(iter(load(tmp_path / "config").splits))
    path.write_text(path.read_text() + f"\n  {name}: {{unit: tile, train: 0.5, val: 0.5}}\n")
    with pytest.raises(UserError, match=f"key '{name}' occurs twice") as caught:
        load(tmp_path / "config")
    fault(YAML, "an entry that occurs twice in config/", str(caught.value))


# --- the report -----------------------------------------------------------------------------------

EVIL = '<img src=x onerror="alert(1)">'


class Elements(HTMLParser):
    """Start tags with their attributes, and all text."""

    def __init__(self, html):
        super().__init__()
        self.tags = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def hostile(tmp_path, command):
    """The report of a study whose names and texts are all markup."""
    classes = [(EVIL if name == "Wood" else name, color, void) for name, color, void in CLASSES]
    job = study_slice(
        models=[EVIL, "beta"],
        classes=classes,
        about=EVIL,
        title=EVIL,
        figures=["losses", "classes"],
    )
    update = {"title": f"land {EVIL}", "licence": f"licence {EVIL}", "url": "javascript:alert(1)"}
    job.datasets["toy"] = job.datasets["toy"].model_copy(update=update)
    data, results = write_tree(tmp_path, job)
    for record in (tmp_path / "results/runs").rglob("run.json"):
        run = json.loads(record.read_text())
        run["device"]["name"] = f"device {EVIL}"
        record.write_text(json.dumps(run))
    for stage in ("tables", "figures", "report"):
        assert command(stage, job, data=data, results=results) == ""
    return Elements((tmp_path / "results/mine/report.html").read_text(encoding="utf-8"))


def test_names_stay_text(hostile, fault):
    names = {name for _, attributes in hostile.tags for name in attributes}
    assert not {name for name in names if name.startswith("on")}
    sources = [attributes["src"] for tag, attributes in hostile.tags if tag == "img"]
    assert all(source.startswith("data:image/") for source in sources)
    for known in ("", "land ", "licence ", "device "):
        assert known + EVIL in hostile.text
    fault(
        PAGE,
        "markup as class, model, dataset, title, about, licence and device",
        "shown as the text it is",
    )
    links = [attributes.get("href", "") for tag, attributes in hostile.tags if tag == "a"]
    assert all(link.startswith(("#", "https://", "http://")) for link in links)
    fault(PAGE, "javascript: as a dataset's address", "no link")
