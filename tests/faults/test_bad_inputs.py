"""What stages wrote, damaged or exchanged before the next one reads it; and files that would run
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
from study_tree import CLASSES, study_slice, write_tree

STALE, CODE, YAML, PAGE = (
    "Files between stages",
    "Data that would run code",
    "Configuration",
    "The report",
)
SPLIT = SplitSlice(split={"unit": "tile", "train": 0.5, "val": 0.5})
UNET = {
    "family": "unet",
    "widths": [4],
    "convs": [1],
    "bottleneck": {"width": 4, "convs": 1},
    "decoder_convs": [1],
}


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
def judged_cell(scene_folder, tile_slice, tmp_path_factory):
    """A tile store, a split of it, and weights: all that judging reads."""
    folder = tmp_path_factory.mktemp("cell")
    build_tiles(tile_slice, scene_folder, folder / "tiles")
    draw_split(open_tiles(folder / "tiles").table, SPLIT.split).to_csv(
        folder / "split.csv", index=False
    )
    write_weights(folder / "run/best.pt", 3, tile_slice.classes)
    return folder


def write_weights(path, bands, classes):
    spec = UNetSpec.model_validate(UNET)
    meta = {
        "classes": classes,
        "counted": list(range(len(classes))),
        "padded_tiles": True,
        "batch_size": 4,
    }
    model = build_model(spec, len(classes), bands)
    save_weights(path, model, spec, bands, **meta, scaling="unit", precision="32")


@pytest.fixture
def cell(judged_cell, tmp_path):
    shutil.copytree(judged_cell, tmp_path, dirs_exist_ok=True)
    return tmp_path


def judge(run, folder, **paths):
    """Evaluate by `run`, which is `command` or `refused`."""
    paths = {
        "tiles": folder / "tiles",
        "split": folder / "split.csv",
        "run": folder / "run",
    } | paths
    return run("evaluate", EvaluateSlice(evaluate={"subset": "val"}), **paths)


def test_what_is_sound_is_judged(cell, command):
    assert judge(command, cell) == ""
    split = pd.read_csv(cell / "split.csv")
    counts = pd.read_csv(cell / "run/counts.csv")
    assert sorted(counts["tile"].unique()) == sorted(split.loc[split["subset"] == "val", "tile"])


def table(folder, what, change):
    """Change a CSV file."""
    frame = pd.read_csv(folder / what, keep_default_na=False)
    change(frame).to_csv(folder / what, index=False)


def write(folder, what, content):
    (folder / what).write_bytes(content)


def cut(folder, what, share=0.5):
    content = (folder / what).read_bytes()
    (folder / what).write_bytes(content[: int(len(content) * share)])


def array(folder, what, change):
    np.save(folder / what, change(np.load(folder / what)))


def drop(column):
    return lambda frame: frame.drop(columns=column)


def other_tiles(folder):
    """The split of a store that has been tiled anew since."""
    table(folder, "split.csv", lambda f: f.assign(scene=f["scene"].to_numpy()[::-1]))


REFUSED = [
    (
        "no tile store",
        lambda f: shutil.rmtree(f / "tiles"),
        r"tiles/images\.npy: no such file; run the stage that",
    ),
    (
        "images.npy cut off",
        partial(cut, what="tiles/images.npy"),
        r"images\.npy: not a readable array of numbers",
    ),
    (
        "masks.npy of no bytes",
        partial(write, what="tiles/masks.npy", content=b""),
        r"masks\.npy: not a readable array",
    ),
    (
        "images.npy of another store",
        partial(array, what="tiles/images.npy", change=lambda a: a[:-1]),
        r"images\.npy: uint8 \[\d+, 32, 32, 3\] does not fit the \d+ tiles of tiles\.csv; delete the folder",
    ),
    (
        "masks.npy of another type",
        partial(array, what="tiles/masks.npy", change=lambda a: a.astype(np.int16)),
        r"masks\.npy: int16 .* does not fit",
    ),
    (
        "tiles.csv of no bytes",
        partial(write, what="tiles/tiles.csv", content=b""),
        r"tiles\.csv: not a readable table",
    ),
    (
        "tiles.csv that is not text",
        partial(write, what="tiles/tiles.csv", content=b"\xff\xfe\x00tile"),
        r"tiles\.csv: not a readable table",
    ),
    ("tiles.csv cut off", partial(cut, what="tiles/tiles.csv", share=0.7), r"tiles\.csv"),
    (
        "tiles.csv without a column",
        partial(table, what="tiles/tiles.csv", change=drop("whole")),
        r"tiles\.csv: column 'whole' is missing; delete the file and build it again",
    ),
    (
        "tiles.csv with words for numbers",
        partial(table, what="tiles/tiles.csv", change=lambda f: f.assign(row="first")),
        r"tiles\.csv: column 'row' holds something else than numbers",
    ),
    (
        "tiles.csv in another order",
        partial(table, what="tiles/tiles.csv", change=lambda f: f[::-1]),
        r"tiles\.csv: its tiles are not numbered from 0",
    ),
    (
        "no split",
        lambda f: (f / "split.csv").unlink(),
        r"split\.csv: no such file; run the stage that writes it",
    ),
    (
        "a split that lists a tile twice",
        partial(table, what="split.csv", change=lambda f: pd.concat([f, f[:1]])),
        r"split\.csv: tile 0 is listed twice",
    ),
    (
        "a split with an unknown subset",
        partial(table, what="split.csv", change=lambda f: f.assign(subset="holdout")),
        r"split\.csv: 'holdout' is no subset",
    ),
    (
        "a split of other tiles",
        other_tiles,
        r"split\.csv: its tiles are not those of tiles\.csv; delete the file",
    ),
    (
        "a split without the subset to be judged",
        partial(table, what="split.csv", change=lambda f: f.assign(subset="train")),
        r"no tile is left in subset 'val'",
    ),
    (
        "no weights",
        lambda f: (f / "run/best.pt").unlink(),
        r"best\.pt: no such weights; train the cell first",
    ),
    (
        "weights cut off",
        partial(cut, what="run/best.pt"),
        r"best\.pt: not weights of this program, or damaged",
    ),
    (
        "weights for another number of bands",
        lambda f: write_weights(f / "run/best.pt", 4, ["ground", "water", "road"]),
        r"best\.pt: trained on 4 bands, the tiles have 3; train the cell again",
    ),
    (
        "weights for other classes",
        lambda f: write_weights(f / "run/best.pt", 3, ["ground", "lava"]),
        r"best\.pt: knows class 'lava', the tiles do not; train the cell again",
    ),
]


@pytest.mark.parametrize(("tried", "make", "said"), REFUSED, ids=[case[0] for case in REFUSED])
def test_bad_inputs_are_refused(cell, refused, fault, tried, make, said):
    make(cell)
    found = judge(refused, cell)
    assert re.search(said, found), found
    fault(STALE, tried, found)


def test_scenes_named_like_numbers_and_gaps(raw_names, command, fault, tmp_path):
    """Names stay what they are in every file that mentions them."""
    spec, folder, names = raw_names
    assert command("tile", spec, raw=folder, out=tmp_path / "tiles") == ""
    assert command("split", SPLIT, tiles=tmp_path / "tiles", out=tmp_path / "split.csv") == ""
    assert set(open_tiles(tmp_path / "tiles").table["scene"]) == names
    write_weights(tmp_path / "run/best.pt", 3, spec.classes)
    assert judge(command, tmp_path) == ""
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
        "counts of which a row is missing",
        "tables",
        partial(table, what=f"{CELL}/counts.csv", change=lambda f: f[1:]),
        r"counts\.csv: \d+ rows for \d+ tiles × 3 classes; one each is expected; delete the file and evaluate again",
    ),
    (
        "counts of other classes",
        "tables",
        partial(
            table, what=f"{CELL}/counts.csv", change=lambda f: f.replace({"class": {"Lake": "Sea"}})
        ),
        r"counts\.csv: holds .*Sea.*, but .*Lake.* count; evaluate again",
    ),
    (
        "a history that is no table",
        "tables",
        partial(write, what=f"{CELL}/history.csv", content=b'epoch,"lr\n1,2,3\n'),
        r"history\.csv: (not a readable table|column)",
    ),
    (
        "a history without an epoch",
        "figures",
        partial(table, what=f"{CELL}/history.csv", change=lambda f: f[:0]),
        r"history\.csv: it has no epoch; delete the file and train again",
    ),
    (
        "a profile that is no JSON",
        "tables",
        partial(write, what="results/profiles/toy/alpha.json", content=b"{"),
        r"alpha\.json: not valid JSON",
    ),
    (
        "a profile that is a list",
        "tables",
        partial(write, what="results/profiles/toy/alpha.json", content=b"[]"),
        r"alpha\.json: holds no keys and values; delete the file",
    ),
    (
        "no tables",
        "report",
        lambda f: None,
        r"tables/pages\.json: no such file; run the stage that writes it",
    ),
]


@pytest.mark.parametrize(
    ("tried", "stage", "make", "said"), RESULTS, ids=[case[0] for case in RESULTS]
)
def test_bad_results_are_refused(study_folder, refused, fault, tmp_path, tried, stage, make, said):
    shutil.copytree(study_folder, tmp_path, dirs_exist_ok=True)
    make(tmp_path)
    spec = study_slice(models=["alpha"], figures=["losses"])
    found = refused(stage, spec, data=tmp_path / "data", results=tmp_path / "results")
    assert re.search(said, found), found
    fault(STALE, tried, found)


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


@pytest.mark.parametrize(("stage", "spec", "paths"), STAGES, ids=[case[0] for case in STAGES])
def test_a_stage_without_its_inputs_ends_with_status_1_and_one_line(
    stage, spec, paths, fault, tmp_path
):
    arguments = [part for path in paths for part in (f"--{path}", str(tmp_path / path))]
    command = [
        sys.executable,
        "-m",
        f"satseg.stages.{stage}",
        "--slice",
        spec.model_dump_json(),
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
    said = judge(refused, cell)
    assert said == f"{path}: not weights of this program, or damaged; train the cell again"
    fault(CODE, f"weights that would run code, by {how}", said)


def test_arrays_that_would_run_code(cell, bomb, refused, fault):
    np.save(cell / "tiles/images.npy", np.array([bomb], object), allow_pickle=True)
    said = judge(refused, cell)
    assert "images.npy: not a readable array of numbers" in said
    fault(CODE, "an array of objects as images.npy", said)


def test_panels_that_would_run_code(bomb, refused, fault, tmp_path):
    spec = study_slice(models=["alpha"], figures=["predictions"])
    data, results = write_tree(tmp_path, spec)
    masks = np.zeros((120, 16, 16), np.uint8)
    for name, pixels in (("masks", masks), ("images", masks[..., None])):
        np.save(tmp_path / f"data/tiles/toy/{name}.npy", pixels)
    for cell in spec.cells:
        objects = np.array([bomb], object)
        np.savez(
            tmp_path / "results/runs" / cell.path / "panels.npz",
            tiles=objects,
            predictions=objects,
            hard=objects,
        )
    said = refused("figures", spec, data=data, results=results)
    assert said.endswith("panels.npz: it has no panels; delete it and evaluate again")
    fault(CODE, "an array of objects in panels.npz", said)


def test_yaml_that_would_run_code(bomb, refused, fault, tmp_path):
    path = tmp_path / "slice.yaml"
    path.write_text(f"split: !!python/object/apply:builtins.open ['{bomb.path}', w]\n")
    said = refused("split", path, tiles=tmp_path / "tiles", out=tmp_path / "split.csv")
    assert re.search(
        r"slice\.yaml, line 1: not valid YAML: tag 'tag:yaml\.org,2002:python/object/apply.*' is not read; write plain",
        said,
    )
    fault(CODE, "a YAML tag that would run code", said)


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
        "a tab for blanks",
        b"split:\n\tunit: tile\n",
        "line 2: not valid YAML: found character '\\t' that cannot start",
    ),
    ("a bracket that is not closed", b"split: [tile\n", "not valid YAML: "),
    (
        "text that is not UTF-8",
        "split: Größe".encode("latin-1"),
        "not UTF-8 text; save it as UTF-8",
    ),
    ("brackets in brackets, two thousand deep", b"[" * 2000, "not valid YAML: nested too deeply"),
    ("no text at all", b"", "--slice: the whole: Input should be"),
]


@pytest.mark.parametrize(("tried", "content", "words"), TEXTS, ids=[case[0] for case in TEXTS])
def test_yaml_that_says_nothing_clear(refused, fault, tmp_path, tried, content, words):
    path = tmp_path / "slice.yaml"
    path.write_bytes(content)
    said = refused("split", path, tiles=tmp_path / "tiles", out=tmp_path / "split.csv")
    assert words in said
    fault(YAML, tried, said)


def test_yaml_merge_keys_still_work(tmp_path):
    text = "base: &base {x: 1, y: 2}\ninner:\n  a: &a {<<: *base, x: 0}\nb: {<<: *a, y: 3}\n"
    (tmp_path / "a.yaml").write_text(text)
    found = read_yaml(tmp_path / "a.yaml")
    assert found["inner"]["a"] == {"x": 0, "y": 2} and found["b"] == {"x": 0, "y": 3}


@pytest.mark.parametrize("kind", ["missing", "a folder"])
def test_no_file_of_a_slice(refused, fault, tmp_path, kind):
    if kind == "a folder":
        (tmp_path / "slice.yaml").mkdir()
    said = refused(
        "split", tmp_path / "slice.yaml", tiles=tmp_path / "tiles", out=tmp_path / "split.csv"
    )
    assert "slice.yaml: no" in said
    fault(YAML, f"a file that is {kind}", said)


def test_a_section_twice_in_the_project(fault, tmp_path):
    """What used to be lost without a word: of two entries of one name, the first."""
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
        self.tags, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def hostile(tmp_path, command):
    """The report of a study of which every name and text is markup."""
    classes = [(EVIL if name == "Wood" else name, color, void) for name, color, void in CLASSES]
    spec = study_slice(
        models=[EVIL, "beta"],
        classes=classes,
        about=EVIL,
        title=EVIL,
        figures=["losses", "classes"],
    )
    update = {"title": f"land {EVIL}", "licence": f"licence {EVIL}", "url": "javascript:alert(1)"}
    spec.datasets["toy"] = spec.datasets["toy"].model_copy(update=update)
    data, results = write_tree(tmp_path, spec)
    for record in (tmp_path / "results/runs").rglob("run.json"):
        said = json.loads(record.read_text())
        said["device"]["name"] = f"device {EVIL}"
        record.write_text(json.dumps(said))
    for stage in ("tables", "figures", "report"):
        assert command(stage, spec, data=data, results=results) == ""
    return Elements((tmp_path / "results/mine/report.html").read_text(encoding="utf-8"))


def test_names_stay_text(hostile, fault):
    assert not [
        tag for tag, attributes in hostile.tags if any(name.startswith("on") for name in attributes)
    ]
    assert all(
        attributes["src"].startswith("data:image/")
        for tag, attributes in hostile.tags
        if tag == "img"
    )
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
