"""What run.json says of code and data."""

import json
import shutil
import subprocess

import pytest

from satseg import provenance


def git(folder, *arguments):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_code_state_follows_the_working_tree(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert provenance.code_state() == {"commit": None, "dirty": None}
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.py").write_text("1\n")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "x")
    state = provenance.code_state()
    assert len(state["commit"]) == 40 and state["dirty"] is False
    (tmp_path / "notes.txt").touch()
    assert provenance.code_state() == state
    (tmp_path / "src/a.py").write_text("2\n")
    assert provenance.code_state() == state | {"dirty": True}


def test_data_is_known_by_content_wherever_it_lies(tmp_path):
    files = [{"path": "a.tif", "bytes": 1, "sha256": "00"}]
    for name, manifest in {
        "here": {"root": "/here", "files": files},
        "there": {"root": "/there", "files": files},
        "other": {"root": "/here", "files": [files[0] | {"sha256": "01"}]},
    }.items():
        (tmp_path / name).write_text(json.dumps(manifest))
    digests = {name: provenance.data_digest(tmp_path / name) for name in ("here", "there", "other")}
    assert digests["here"] == digests["there"] != digests["other"]


def test_versions_name_what_is_installed():
    import torch

    found = provenance.versions()
    assert found["torch"] == torch.__version__.split("+")[0] or found["torch"] == torch.__version__
    assert set(provenance.PACKAGES) < set(found) and all(found.values())
