"""Scenes the user already has, through the download stage."""

import hashlib
import json
import zipfile

import pytest

from satseg.errors import UserError
from satseg.jobs.slices import DownloadSlice
from satseg.stages.download import run


def spec(path):
    return DownloadSlice(dataset="mine", path=str(path), source=None)


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def test_a_folder_is_read_where_it_lies(scene_folder, tmp_path):
    run(spec(scene_folder), tmp_path)
    listed = manifest(tmp_path)
    assert listed["root"] == str(scene_folder)
    files = {
        p.relative_to(scene_folder).as_posix(): p.read_bytes() for p in scene_folder.rglob("*.tif")
    }
    assert {f["path"]: (f["bytes"], f["sha256"]) for f in listed["files"]} == {
        name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in files.items()
    }
    assert [p.name for p in tmp_path.iterdir()] == ["manifest.json"]


def test_a_zip_is_unpacked_and_replaces_what_was_there(scene_folder, tmp_path):
    archive = tmp_path / "my scenes.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in scene_folder.rglob("*.tif"):
            file.write(path, f"inner/{path.relative_to(scene_folder)}")
    out = tmp_path / "raw"
    with zipfile.ZipFile(tmp_path / "old.zip", "w") as file:
        file.writestr("old/old.tif", b"old")
    run(spec(tmp_path / "old.zip"), out)
    assert (out / "scenes/old/old.tif").exists()
    run(spec(archive), out)
    listed = manifest(out)
    assert listed["root"] == "scenes" and len(listed["files"]) == 10
    assert all((out / "scenes" / f["path"]).stat().st_size == f["bytes"] for f in listed["files"])
    assert not (out / "scenes/old").exists()


def test_nothing_there(tmp_path):
    with pytest.raises(UserError, match=r"datasets\.mine: path: .*nowhere: no such folder or zip"):
        run(spec(tmp_path / "nowhere"), tmp_path / "raw")
    assert not (tmp_path / "raw/manifest.json").exists()
