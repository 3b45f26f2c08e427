"""Archives of strangers: damaged, or made to do harm."""

import io
import re
import stat
import struct
import zipfile

import pytest

from satseg.data import archives
from satseg.jobs.slices import DownloadSlice

AREA = "Archives"
CONTENT = b"picture " * 100


def packed(*entries, method=zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of entries (name, content, file type as in `stat`)."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content, kind in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = (kind | 0o644) << 16
            info.compress_type = method
            archive.writestr(info, content)
    return made.getvalue()


def one(name, content=CONTENT, kind=stat.S_IFREG, **options) -> bytes:
    """A zip of a sound file and this entry."""
    return packed(("images/a.tif", CONTENT, stat.S_IFREG), (name, content, kind), **options)


def changed(content: bytes, head: bytes, at: int, new: bytes, record: int = -1) -> bytes:
    """An archive with some bytes of a record changed, counted from its head."""
    places = [match.start() for match in re.finditer(re.escape(head), content)]
    at += places[record]
    return content[:at] + new + content[at + len(new) :]


LOCAL = b"PK\x03\x04"
CENTRAL = b"PK\x01\x02"  # how an entry, and its line in the list of entries, begin


def twice() -> bytes:
    with pytest.warns(UserWarning, match="Duplicate name"):
        return packed(*[("images/a.tif", text, stat.S_IFREG) for text in (b"first", b"second")])


def wrong_sum() -> bytes:
    """A checksum that is not that of the content, in both places that have it."""
    return changed(changed(one("b.tif"), LOCAL, 14, b"\0\0\0\1"), CENTRAL, 16, b"\0\0\0\1")


def garbled() -> bytes:
    """Compressed bytes that cannot be unpacked."""
    whole = one("b.tif")
    start = whole.rindex(LOCAL) + 30 + len("b.tif")
    return whole[:start] + b"\xff" * 8 + whole[start + 8 :]


def false_size() -> bytes:
    """Says that an entry has 8 bytes; it has 800."""
    return changed(
        changed(one("b.tif"), LOCAL, 22, struct.pack("<I", 8)), CENTRAL, 24, struct.pack("<I", 8)
    )


OUTSIDE = "leads outside the archive; not unpacked: get another archive, or unpack it yourself"
REFUSED = [
    ("an entry `../evil`", lambda: one("../evil"), OUTSIDE),
    ("an entry `a/../../evil`", lambda: one("a/../../evil"), OUTSIDE),
    ("an absolute name", lambda: one("/evil"), OUTSIDE),
    ("a name with a drive", lambda: one("C:/evil"), OUTSIDE),
    ("a name of `..` and backslashes", lambda: one("..\\evil"), OUTSIDE),
    ("an entry without a name", lambda: one("/"), OUTSIDE),
    (
        "a link",
        lambda: one("link", b"/etc/passwd", stat.S_IFLNK),
        "is a link; not unpacked: get another",
    ),
    (
        "a device",
        lambda: one("disk", b"", stat.S_IFBLK),
        "is a device or a pipe; not unpacked: get another",
    ),
    (
        "a named pipe",
        lambda: one("pipe", b"", stat.S_IFIFO),
        "is a device or a pipe; not unpacked: get another",
    ),
    ("two entries of one name", twice, "would overwrite another one; not unpacked: get another"),
    (
        "a file and a folder of one name",
        lambda: one("images/a.tif/b"),
        "would overwrite another one; not unpacked: get another",
    ),
    (
        "an encrypted entry",
        lambda: changed(changed(one("b.tif"), LOCAL, 6, b"\1"), CENTRAL, 8, b"\1"),
        "is encrypted; unpack it yourself and set the dataset's `path` to its folder",
    ),
    (
        "a way of packing that is not known",
        lambda: changed(changed(one("b.tif"), LOCAL, 8, b"\x63"), CENTRAL, 10, b"\x63"),
        "its compression method is not supported; unpack it yourself",
    ),
    (
        "a wrong checksum inside",
        wrong_sum,
        "not a complete zip archive (Bad CRC-32 for file 'b.tif'); get it again",
    ),
    ("compressed bytes that are garbled", garbled, "not a complete zip archive ("),
    (
        "garbled bytes, packed by LZMA",
        lambda: broken(zipfile.ZIP_LZMA),
        "not a complete zip archive (",
    ),
    (
        "garbled bytes, packed by bzip2",
        lambda: broken(zipfile.ZIP_BZIP2),
        "not a complete zip archive (",
    ),
    ("an entry larger than it says", false_size, "not a complete zip archive ("),
    ("an archive cut off", lambda: one("b.tif")[:-40], "not a complete zip archive ("),
    ("an archive of no bytes", lambda: b"", "not a complete zip archive ("),
]


def broken(method: int) -> bytes:
    """Compressed bytes that cannot be unpacked, past the head of their stream."""
    whole = one("b.tif", bytes(range(256)) * 8, method=method)
    start = whole.rindex(LOCAL) + 30 + len("b.tif") + 12
    return whole[:start] + b"\xff" * 30 + whole[start + 30 :]


@pytest.fixture
def unpacked(tmp_path, refused):
    """Hand in an archive, which must be refused: what is said of it."""

    def call(content: bytes) -> str:
        (tmp_path / "mine.zip").write_bytes(content)
        spec = DownloadSlice(dataset="mine", path=str(tmp_path / "mine.zip"), source=None)
        said = refused("download", spec, out=tmp_path / "raw")
        assert said.startswith(f"datasets.mine: {tmp_path}/mine.zip: ")
        return said

    return call


@pytest.mark.parametrize(("tried", "make", "words"), REFUSED, ids=[case[0] for case in REFUSED])
def test_refused_in_one_line(unpacked, fault, tmp_path, tried, make, words):
    said = unpacked(make())
    assert words in said
    assert not (tmp_path / "evil").exists()
    fault(AREA, tried, said)


def test_a_bomb(unpacked, fault, tmp_path):
    """A kilobyte that says it holds 2 GiB: refused before a byte of it is written."""
    with (
        zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("b.tif", "w") as file,
    ):
        file.write(bytes(2**20))
    # What the list of entries says is what counts; a list that says too little is refused as
    # damaged.
    content = (tmp_path / "bomb.zip").read_bytes()
    said = unpacked(changed(content, CENTRAL, 24, struct.pack("<I", 2**31)))
    assert (
        "would unpack to 2.15 GB, over the limit of 1.07 GB for an archive of this size; if it is genuine, unpack it yourself"
        in said
    )
    fault(AREA, "an archive that unpacks to far more than it should", said)


def test_how_much_is_believed(unpacked, command, tmp_path, monkeypatch):
    """Up to a hundred times its size, however large; a small archive up to a gigabyte."""
    monkeypatch.setattr(archives, "FAIR", 1000)
    filler = bytes(range(256)) * 8
    sound = packed(("b.bin", filler, stat.S_IFREG), method=zipfile.ZIP_STORED)
    (tmp_path / "mine.zip").write_bytes(sound)
    spec = DownloadSlice(dataset="mine", path=str(tmp_path / "mine.zip"), source=None)
    assert command("download", spec, out=tmp_path / "sound") == ""
    assert (tmp_path / "sound/scenes/b.bin").read_bytes() == filler
    flood = packed(("b.bin", bytes(200 * 1000), stat.S_IFREG))
    assert len(flood) * archives.RATIO < 200 * 1000
    assert "over the limit of " in unpacked(flood)
    monkeypatch.setattr(archives, "MOST", len(filler) - 1)
    assert "over the limit of " in unpacked(sound)


def test_an_archive_in_an_archive(command, refused, tile_slice, fault, tmp_path):
    (tmp_path / "mine.zip").write_bytes(one("inner.zip", one("images/b.tif")))
    spec = DownloadSlice(dataset="mine", path=str(tmp_path / "mine.zip"), source=None)
    assert command("download", spec, out=tmp_path / "raw") == ""
    (tmp_path / "raw/scenes/images/a.tif").unlink()
    said = refused("tile", tile_slice, raw=tmp_path / "raw", out=tmp_path / "tiles")
    assert said.endswith("raw/scenes/inner.zip if it holds them")
    fault(AREA, "an archive in an archive", f"not opened; when it is tiled: {said}")
