"""A dataset is looked at before its first job, and again whenever it would be tiled again."""

import errno
from zipfile import ZipFile

import numpy as np
import pytest

from conftest import write_raster
from satseg.check.look import look
from satseg.config.reading import load
from satseg.errors import UserError
from satseg.files import write_json
from satseg.jobs.slices import download_slice, tile_slice
from satseg.paths import Paths
from satseg.records import current, digest_of, write_record

LAYOUT = {
    "images": "images/{n}.tif",
    "masks": "masks/{n}.tif",
    "scene": "{n}",
    "mask_values": "index",
}
MANIFEST = "data/raw/demo/manifest.json"
TABLE = "data/tiles/demo/tiles.csv"


def configured(**changes):
    entry = {"path": "mine", "source": None, "layout": LAYOUT} | changes
    return load(overrides={"datasets": {"demo": entry}})


def look_at(config):
    look(config, "demo", lambda keys: "mine.yaml", Paths())


@pytest.fixture
def tiled(tmp_path, monkeypatch):
    """A folder of one scene, downloaded and tiled as far as the records say."""
    monkeypatch.chdir(tmp_path)
    write_raster(tmp_path / "mine/images/1.tif", np.zeros((3, 70, 64), np.uint8))
    write_raster(tmp_path / "mine/masks/1.tif", np.ones((1, 70, 64), np.uint8))
    config = configured()
    write_json(MANIFEST, {"root": str(tmp_path / "mine"), "files": []})
    write_record([MANIFEST], digest_of(download_slice(config, "demo").model_dump_json()), None, {})
    write_json(TABLE, {})
    job = tile_slice(config, "demo").model_dump_json()
    write_record([TABLE], digest_of(job), None, {MANIFEST: current(MANIFEST)})
    (tmp_path / "mine/masks/1.tif").unlink()  # what a look would see
    return tmp_path


def test_what_is_tiled_as_configured_is_not_looked_at(tiled):
    look_at(configured())
    look_at(configured(title="Another"))


@pytest.mark.parametrize(
    "changes", [{"tile_size": 192}, {"layout": LAYOUT | {"masks": "masks/{n}.png"}}]
)
def test_another_configuration_is_looked_at(tiled, changes):
    with pytest.raises(UserError, match=r"^mine.yaml: datasets.demo: mine/images/1.tif: no mask"):
        look_at(configured(**changes))


def test_another_path_is_looked_at(tiled):
    with pytest.raises(UserError, match=r"^mine.yaml: datasets.demo: path: mime: no such folder"):
        look_at(configured(path="mime"))


def test_files_of_another_download_are_looked_at(tiled):
    write_json(MANIFEST, {"root": str(tiled / "mine"), "files": [1]})
    job = download_slice(configured(), "demo").model_dump_json()
    write_record([MANIFEST], digest_of(job), None, {})
    with pytest.raises(UserError, match=r"no mask belongs to it"):
        look_at(configured())


def test_what_is_fetched_anew_is_not_there_to_be_looked_at(tiled):
    source = {"kind": "demo", "scenes": 3, "size": 128}
    look_at(configured(path=None, source=source))


def test_a_store_without_a_record_is_believed(tiled):
    for path in tiled.rglob("*.made.json"):
        path.unlink()
    look_at(configured(tile_size=192))


def test_a_path_that_is_neither_folder_nor_zip(tiled):
    (tiled / "mine.csv").write_text("scene\n")
    with pytest.raises(
        UserError, match=r"^mine.yaml: datasets.demo: path: mine.csv: neither a folder nor a zip"
    ):
        look_at(configured(path="mine.csv"))
    with ZipFile(tiled / "mine.zip", "w") as archive:
        archive.writestr("images/1.tif", "")
    look_at(configured(path="mine.zip"))  # not unpacked for a look


def test_a_folder_that_may_not_be_read(tiled, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied", "mine")

    monkeypatch.setattr("satseg.check.look.find_scenes", refuse)
    with pytest.raises(
        UserError, match=r"^mine.yaml: datasets.demo: mine: permission denied; change the perm"
    ):
        look_at(configured(tile_size=192))


def test_a_pattern_of_groups_that_matches_nothing(tmp_path, monkeypatch):
    """Unless scenes are known to be missing, or the patterns came with another dataset's files."""
    monkeypatch.chdir(tmp_path)
    write_raster(tmp_path / "mine/images/1.tif", np.zeros((3, 70, 64), np.uint8))
    write_raster(tmp_path / "mine/masks/1.tif", np.ones((1, 70, 64), np.uint8))
    look_at(configured(groups=[["1", "?"]]))
    groups = {"groups": [["1", "north_*"]]}
    with pytest.raises(
        UserError,
        match=r"^mine.yaml: datasets.demo: groups: 'north_\*' matches no scene \(one is called 1\)",
    ):
        look_at(configured(**groups, expected={"scenes": 1, "pixels": 4480}))
    look_at(configured(**groups, expected={"scenes": 2, "pixels": 8960}))

    entry = load().datasets["demo"].model_dump() | {"layout": LAYOUT, "scenes_of": "demo"}
    overrides = {"demo": {"path": "mine", "source": None, "layout": LAYOUT}}
    config = load(overrides={"datasets": overrides | {"part": entry | groups}})
    look(config, "part", lambda keys: "mine.yaml", Paths())


def test_masks_of_0_and_255(tmp_path, monkeypatch):
    """They are read until a second class turns up: here in the last row of the fourth of five."""
    monkeypatch.chdir(tmp_path)
    mask = np.zeros((1, 400, 64), np.uint8)
    mask[:, 180:220] = 255
    for number in range(5):
        write_raster(tmp_path / f"mine/images/{number}.tif", np.zeros((3, 400, 64), np.uint8))
        write_raster(tmp_path / f"mine/masks/{number}.tif", mask)
    with pytest.raises(
        UserError,
        match=r"^mine.yaml: datasets.demo: mine/masks: the masks hold only class 'No data' and 255, "
        r"which means no label; give the class that 255 stands for `value: 255`",
    ):
        look_at(configured())
    look_at(configured(gaps=[255]))
    mask[0, -1] = 1
    write_raster(tmp_path / "mine/masks/3.tif", mask)
    look_at(configured())
