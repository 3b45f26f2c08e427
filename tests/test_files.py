"""Files appear whole or not at all."""

import hashlib
import json

import pytest

from satseg.files import atomic, sha256, write_json


def test_atomic_replaces_when_the_block_ends_well(tmp_path):
    path = tmp_path / "new" / "table.csv"
    with atomic(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.suffix == ".csv"
        temporary.write_text("a")
        assert not path.exists()
    assert path.read_text() == "a"
    with atomic(path) as temporary:
        temporary.write_text("b")
        assert path.read_text() == "a"
    assert path.read_text() == "b"
    assert list(path.parent.iterdir()) == [path]


def test_atomic_leaves_nothing_behind_when_it_does_not(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="half way"), atomic(path) as temporary:
        temporary.write_text("ne")
        raise RuntimeError("half way")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_complains_when_nothing_was_written(tmp_path):
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "table.csv"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_write_json(tmp_path):
    value = {"name": "Gebäude", "values": [1, 2.5, None]}
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == value
    assert "Gebäude" in text
    assert text.endswith("\n")


def test_sha256(tmp_path):
    content = bytes(range(256)) * 9000
    (tmp_path / "a.bin").write_bytes(content)
    assert sha256(tmp_path / "a.bin") == hashlib.sha256(content).hexdigest()
    (tmp_path / "b.bin").touch()
    assert sha256(tmp_path / "b.bin") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
