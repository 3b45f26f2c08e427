"""Archives of strangers."""

import zipfile

import pytest

from satseg.data import archives
from satseg.errors import UserError


def make(path, entries, mode=0o644):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content)


def test_unpacks(tmp_path):
    make(tmp_path / "a.zip", {"x y/ü.txt": "hello", "z.bin": b"\0\1"})
    archives.unpack(tmp_path / "a.zip", tmp_path / "out")
    assert (tmp_path / "out/x y/ü.txt").read_text() == "hello"
    assert (tmp_path / "out/z.bin").read_bytes() == b"\0\1"


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "C:/evil", "..\\evil"])
def test_refuses_entries_that_lead_outside(tmp_path, name):
    make(tmp_path / "a.zip", {"fine": "1", name: "2"})
    with pytest.raises(UserError, match="leads outside"):
        archives.unpack(tmp_path / "a.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists() and not (tmp_path / "evil").exists()


def test_refuses_links_floods_and_damage(tmp_path, monkeypatch):
    make(tmp_path / "link.zip", {"link": "/etc/passwd"}, mode=0o120777)
    with pytest.raises(UserError, match="is a link"):
        archives.unpack(tmp_path / "link.zip", tmp_path / "out")
    make(tmp_path / "big.zip", {"a": "x" * 100})
    (tmp_path / "cut.zip").write_bytes((tmp_path / "big.zip").read_bytes()[:60])
    with pytest.raises(UserError, match="not a whole zip"):
        archives.unpack(tmp_path / "cut.zip", tmp_path / "out")
    monkeypatch.setattr(archives, "MOST_BYTES", 99)
    with pytest.raises(UserError, match="would unpack to more"):
        archives.unpack(tmp_path / "big.zip", tmp_path / "out")
