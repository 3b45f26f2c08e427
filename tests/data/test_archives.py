"""Unpacking; what is refused is in tests/faults."""

import zipfile

from satseg.data import archives


def test_unpacks(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x y/", "")
        archive.writestr("x y/ü.txt", "hello")
        archive.writestr("z.bin", b"\0\1")
    archives.unpack(tmp_path / "a.zip", tmp_path / "out")
    assert (tmp_path / "out/x y/ü.txt").read_text() == "hello"
    assert (tmp_path / "out/z.bin").read_bytes() == b"\0\1"
