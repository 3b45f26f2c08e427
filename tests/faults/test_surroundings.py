"""What surrounds a project: the console, other installations, little shared memory, the place it was
copied to, the queue of a cluster; and scenes at the edges of the world."""

import json
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml
from matplotlib import font_manager
from matplotlib.figure import Figure
from rasterio.rpc import RPC
from rasterio.transform import from_origin
from rasterio.warp import transform

from conftest import ROOT, write_raster
from satseg.check.dataset import check
from satseg.check.look import look
from satseg.config.reading import load
from satseg.data.origin import pixel_size
from satseg.errors import UserError
from satseg.figures import fonts
from satseg.figures.saving import save
from satseg.figures.style import house_style
from satseg.jobs import submission
from satseg.jobs.slices import DownloadSlice
from satseg.paths import Paths
from satseg.prediction import predict_scene
from satseg.stages import download
from scenery import noise, segmenter, write_scene

AREA = "Surroundings"
NAMES = ["Straße", "水 $5$", "Road"]
COLORS = ["#808080", "#0000FF", "#202020"]


def dataset(path, **changes) -> dict:
    """The entry of scenes like those of `scene_folder`."""
    classes = [{"name": name, "color": color} for name, color in zip(NAMES, COLORS, strict=True)]
    layout = {"images": "images/{scene}.tif", "masks": "masks/{scene}.tif", "scene": "{scene}"}
    entry = {"title": "Mine", "licence": "CC0", "path": str(path), "tile_size": 32}
    return entry | {"layout": layout | {"mask_values": "index"}, "classes": classes} | changes


def configured(path, **changes):
    return load(overrides={"datasets": {"mine": dataset(path, **changes)}})


def run(folder, *command, **variables) -> tuple[int, str]:
    """Exit status and output of a program in a folder, with no environment activated."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    return done.returncode, done.stdout


# --- the console, and other installations ---------------------------------------------------------


def test_a_console_that_is_not_utf_8_and_tables_of_another_proj(fault, tmp_path):
    place = {"crs": "EPSG:32633", "transform": from_origin(500_000, 5_000_000, 1, 1)}
    labels = np.random.default_rng(5).integers(0, 3, (1, 64, 64), dtype=np.uint8)
    write_raster(tmp_path / "fields/images/a.tif", noise(64, 64), **place)
    write_raster(tmp_path / "fields/masks/a.tif", labels, **place)
    entry = {"datasets": {"mine": dataset("fields")}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(entry))

    foreign = tmp_path / "foreign"
    foreign.mkdir()
    with sqlite3.connect(foreign / "proj.db") as tables:
        tables.execute("CREATE TABLE metadata (key TEXT, value TEXT)")
        for part, number in (("MAJOR", "1"), ("MINOR", "0")):
            row = (f"DATABASE.LAYOUT.VERSION.{part}", number)
            tables.execute("INSERT INTO metadata VALUES (?, ?)", row)
    variables = dict.fromkeys(("PROJ_LIB", "PROJ_DATA", "GDAL_DATA"), str(foreign))
    status, text = run(
        tmp_path, "-c", "import rasterio; rasterio.CRS.from_epsg(32633).to_wkt()", **variables
    )
    assert status == 1 and "It comes from another PROJ installation" in text

    check_it = ["-m", "satseg.check", "mine", "--configfile", "mine.yaml"]
    status, text = run(tmp_path, *check_it, PYTHONIOENCODING="ascii", **variables)
    assert status == 0, text
    for name, value in (("Stra?e", 0), ("? $5$", 1), ("Road", 2)):
        (line,) = [line for line in text.splitlines() if name in line]
        assert f" {(labels == value).sum():,} " in line
    assert "EPSG:32633, pixels of 1: 1 image" in text
    fault(AREA, "a console that is not UTF-8", "it shows question marks for what it lacks")
    fault(
        AREA,
        "PROJ_LIB, PROJ_DATA and GDAL_DATA of another installation",
        "not used: rasterio brings its own",
    )


def test_names_in_chinese(fault, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [])
    monkeypatch.setattr(fonts, "_warned", set())
    fonts.fonts_with.cache_clear()
    with house_style():
        figure = Figure()
        figure.text(0, 0, NAMES[1])
    with caplog.at_level(logging.WARNING, logger="satseg"):
        for name in ("a.svg", "b.png"):
            save(figure, tmp_path / name)
    fonts.fonts_with.cache_clear()
    assert NAMES[1] in (tmp_path / "a.svg").read_text(encoding="utf-8")
    (record,) = caplog.records
    fault(AREA, "a class called 水, and no font that has it", f"warning: {record.getMessage()}")
    fault(AREA, "a dollar in the name of a class", "a dollar in figures")


# --- shared memory --------------------------------------------------------------------------------

READ = """
import numpy as np
from types import SimpleNamespace
from satseg.data.loader import TileDataset, loader

store = SimpleNamespace(
    images=np.zeros((40, 128, 128, 3), np.uint8), masks=np.zeros((40, 128, 128), np.uint8)
)
batches = loader(TileDataset(store, np.arange(40)), 8, workers=4)
print(batches.num_workers, sum(len(batch[2]) for batch in batches))
"""


@pytest.mark.parametrize(("size", "workers"), [(300_000, 0), (6_000_000, 2)])
def test_little_shared_memory(fault, tmp_path, size, workers):
    """A batch takes half a megabyte, and a process has five of them in hand."""
    mount = f"mount -t tmpfs -o size={size} tmpfs /dev/shm"
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f'{mount} && exec "$0" -c "$1"', sys.executable, READ],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(workers), "40"]
    (line,) = done.stderr.splitlines()
    fault(AREA, f"/dev/shm of {size / 1e6:g} MB, and four loader processes", f"warning: {line}")


# --- copied and moved -----------------------------------------------------------------------------


def test_a_copied_project(scene_folder, fault, tmp_path, monkeypatch):
    """Relative paths, the code and the environment are its own."""
    first = tmp_path / "first"
    shutil.copytree(scene_folder, first / "fields")
    monkeypatch.chdir(first)
    download.run(DownloadSlice(dataset="mine", path="fields", source=None), "data/raw/mine")
    second = tmp_path / "second"
    shutil.copytree(first, second)
    raw = second / "data/raw/mine"
    root = Path(raw, json.loads((raw / "manifest.json").read_text())["root"])
    assert root.samefile(second / "fields")
    fault(AREA, "a copied project whose `path` is relative", "it reads its own scenes")

    (second / "src/satseg").mkdir(parents=True)
    status, text = run(second, "-m", "satseg.check", "demo")
    assert status == 1
    line = text.strip().replace(str(ROOT), "project")
    wrong = f"error: {second}/src/satseg: not the code that runs, which is project/src/satseg; run"
    assert line.startswith(wrong)
    fault(AREA, "a copied project, and the code of the first", line.removeprefix("error: "))

    shutil.copy(ROOT / "Makefile", second)
    (second / ".venv").mkdir()
    made = f"command = /usr/bin/python3 -m venv --clear {first}/.venv\n"
    (second / ".venv/pyvenv.cfg").write_text(made)
    # `make test` would have it name the folders that it enters.
    command = ["make", "--no-print-directory", "--dry-run", "anew"]
    done = subprocess.run(command, cwd=second, capture_output=True, text=True, check=True)
    told, _, cleared = done.stdout.strip().partition("\n")
    assert cleared == "rm -rf .venv"
    told = told.removeprefix('echo "').removesuffix('"')
    assert told == f"This .venv is a copy of {first}/.venv; it is made anew."
    fault(AREA, "`make` in a copied project with its `.venv`", told)


# --- configuration --------------------------------------------------------------------------------


def test_what_was_made_is_shared(scene_folder, fault, tmp_path):
    """A second checkout with the first one's data, as a container with its folders mounted: no
    `.snakemake` comes with them."""
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump({"datasets": {"mine": dataset(scene_folder)}}))
    made = tmp_path / "first/data"
    made.mkdir(parents=True)
    (tmp_path / "second").mkdir()
    (tmp_path / "second/data").symlink_to(made)

    snakemake = ["-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    wanted = ["--cores", "1", "--configfile", str(mine), "--", "data/tiles/mine/images.npy"]
    status, said = run(tmp_path / "first", *snakemake, *wanted)
    assert status == 0, said
    status, said = run(tmp_path / "second", *snakemake, *wanted)
    assert status == 0, said
    assert "Nothing to be done" in said
    fault(AREA, "a container started twice with `data` mounted", "it finds nothing to do")


def test_a_key_twice_in_a_configfile(fault, tmp_path):
    """Snakemake itself takes the last."""
    (tmp_path / "mine.yaml").write_text("recipes:\n  demo: {epochs: 3}\n  demo: {epochs: 5}\n")
    dry_run = ["-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--dry-run"]
    status, text = run(tmp_path, *dry_run, "--cores", "1", "demo", "--configfile", "mine.yaml")
    assert status == 1
    line = text.strip().splitlines()[-1]
    assert line.startswith("mine.yaml, line 3: not valid YAML: key 'demo' occurs twice")
    fault(AREA, "a key that occurs twice in a `--configfile`", line)


def test_hidden_files_among_the_studies(fault, tmp_path):
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / "config/studies/._demo.yaml").write_bytes(b"\0\5\26\7Mac OS X\xff")
    (tmp_path / "config/studies/.mine.yaml.swp").write_bytes(b"b0VIM\0")
    assert set(load(tmp_path / "config").study) == set(load(ROOT / "config").study)
    fault(AREA, "hidden files among the studies, as macOS leaves them", "they are no studies")


def test_a_pattern_of_groups_that_matches_nothing(scene_folder, fault, tmp_path):
    config = configured(scene_folder, groups=[["a", "north_*"]])
    with pytest.raises(UserError) as reason:
        look(config, "mine", lambda keys: "mine.yaml", Paths(tmp_path / "data"))
    said = str(reason.value)
    assert said.startswith("mine.yaml: datasets.mine: groups: 'north_*' matches no scene (one is")
    problems = [problem.what for problem in check(config, "mine", scene_folder).problems]
    assert problems == [said.removeprefix("mine.yaml: datasets.mine: ")]
    fault(AREA, "a pattern of `groups` that matches no scene", said)


def test_a_recipe_edited_while_its_job_waits(fault, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(submission.VARIABLE, raising=False)
    shutil.copytree(ROOT / "config", "config")
    recipe = load().recipes["demo"]
    submission.submit(load())
    file = Path("config/recipes.yaml")
    tree = yaml.safe_load(file.read_text())
    tree["recipes"]["demo"]["epochs"] = recipe.epochs + 1
    file.write_text(yaml.safe_dump(tree))
    assert load().recipes["demo"] != recipe
    assert submission.submitted().recipes["demo"] == recipe
    fault(AREA, "a recipe edited while its job waits in a queue", "the job does what was submitted")

    Path(os.environ[submission.VARIABLE]).unlink()
    with pytest.raises(UserError) as reason:
        submission.submitted()
    said = Path(str(reason.value).partition(": ")[0])
    line = str(reason.value).replace(said.name, "….json")
    fault(AREA, "the same, and what was submitted is gone", line)


# --- scenes ---------------------------------------------------------------------------------------


def test_scenes_in_zips(fault, tmp_path):
    model = segmenter()
    scene = write_scene(tmp_path / "scene.tif", noise(70, 80))
    predict_scene(model, scene, tmp_path / "map.tif")
    packed = tmp_path / "packed.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(scene, "delivery/scene.tif")
    for name in (packed, f"/vsizip/{packed}/delivery/scene.tif"):
        predict_scene(model, name, tmp_path / "again.tif")
        assert (tmp_path / "again.tif").read_bytes() == (tmp_path / "map.tif").read_bytes()
    fault(AREA, "`predict` with a GeoTIFF in a zip", "the map of the GeoTIFF itself")
    fault(AREA, "`predict` with a /vsizip/ path", "the map of the GeoTIFF itself")

    with zipfile.ZipFile(packed, "a") as archive:
        archive.write(scene, "delivery/other.tif")
    with pytest.raises(UserError, match="holds 2 images, not one") as reason:
        predict_scene(model, packed, tmp_path / "third.tif")
    assert not (tmp_path / "third.tif").exists()
    fault(AREA, "`predict` with two images in a zip", str(reason.value))


def test_near_infrared_marked_as_transparency_in_a_prediction(fault, tmp_path, caplog):
    bands = noise(64, 64, bands=4)
    bands[3, :20] = 0
    scene = write_scene(tmp_path / "scene.tif", bands)
    with caplog.at_level("WARNING", "satseg"):
        predict_scene(segmenter(), scene, tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as file:
        assert (file.read(1) != 255).all()
    (record,) = caplog.records
    tried = "`predict` by three bands of near infrared that its file calls transparency"
    fault(AREA, tried, f"warning: {record.getMessage()}")


def test_the_same_ground_in_two_zones(fault, tmp_path):
    """Where zones 32 and 33 meet, 12° east, two scenes show one field."""
    rng = np.random.default_rng(2)
    for name, zone in (("west", "EPSG:32632"), ("east", "EPSG:32633")):
        (x,), (y,) = transform("EPSG:4326", zone, [12.0], [48.0])
        place = {"crs": zone, "transform": from_origin(x - 32, y + 32, 1, 1)}
        labels = rng.integers(0, 3, (1, 64, 64), dtype=np.uint8)
        write_raster(tmp_path / f"images/{name}.tif", noise(64, 64, seed=len(name)), **place)
        write_raster(tmp_path / f"masks/{name}.tif", labels, **place)
    # One byte differs, so that neither is a copy of the other.
    found = check(configured(tmp_path), "mine", tmp_path)
    (note,) = [note for note in found.notes if "on the same ground" in note]
    assert note.startswith("1 pair of scenes on the same ground: east and west (")
    fault(AREA, "the same ground in two UTM zones", f"noted: {note}")


def test_scenes_at_the_edges_of_the_world(fault, tmp_path):
    """Pixels of 10 m in the system are as wide on the ground as the projection's scale says."""
    (edge,), (north,) = transform("EPSG:4326", "EPSG:32601", [180.0], [66.0])
    places = {
        "antimeridian": ("EPSG:32601", from_origin(edge - 320, north + 320, 10, 10)),
        "pole": ("EPSG:3413", from_origin(-320, 320, 10, 10)),
    }
    # On UTM's edge about 1 at this latitude; EPSG:3413 is true at 70° north: at the pole
    # 2·a·k0 / (…), which is (1 + sin 70°)/2 on a sphere.
    scales = {"antimeridian": 0.9996 * 1.00085, "pole": (1 + np.sin(np.radians(70))) / 2}
    for name, (crs, place) in places.items():
        scene = write_scene(tmp_path / f"{name}.tif", noise(64, 64), crs=crs, transform=place)
        with rasterio.open(scene) as file:
            assert pixel_size(file) == pytest.approx(10 / scales[name], rel=2e-3)
        predict_scene(
            segmenter(), scene, tmp_path / "map.tif", polygons=tmp_path / f"{name}.geojson"
        )
        features = json.loads((tmp_path / f"{name}.geojson").read_text())["features"]
        lengths = []
        for feature in features:
            rings = [ring for part in feature["geometry"]["coordinates"] for ring in part]
            if feature["geometry"]["type"] == "Polygon":
                rings = feature["geometry"]["coordinates"]
            lengths += [np.ptp(np.array(ring)[:, 0]) for ring in rings]
        assert name == "pole" or max(lengths) < 0.1
        total = sum(feature["properties"]["area_m2"] for feature in features)
        assert total == pytest.approx((640 / scales[name]) ** 2, rel=5e-3)
    fault(AREA, "a scene on the antimeridian", "its pixel size is true, its polygons are cut there")
    fault(AREA, "a scene around a pole", "its pixel size is true, its polygons are cut there")


def test_a_scene_that_states_its_place_by_rpcs(fault, tmp_path):
    scene = tmp_path / "scene.tif"
    write_raster(scene, noise(64, 64))
    axes = ("height", "lat", "line", "long", "samp")
    numbers = {f"{axis}_{kind}": 1.5 for axis in axes for kind in ("off", "scale")}
    terms = ("line_num_coeff", "line_den_coeff", "samp_num_coeff", "samp_den_coeff")
    series = {name: [1.0, *([0.0] * 19)] for name in terms}
    with rasterio.open(scene, "r+") as file:
        file.rpcs = RPC(**numbers, **series, err_bias=0.5, err_rand=0.25)
    predict_scene(segmenter(), scene, tmp_path / "map.tif")
    with rasterio.open(scene) as file, rasterio.open(tmp_path / "map.tif") as mapped:
        assert mapped.rpcs.to_dict() == file.rpcs.to_dict()
    fault(AREA, "a scene that states its place by RPCs", "they travel to its map")
