"""A record says what an output was made of, and every reader asks it."""

import hashlib
import json
import os

import pytest

from satseg import records
from satseg.errors import UserError
from satseg.files import atomic
from satseg.readers import read_csv, read_json


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A table with its record, in a process that has read nothing yet."""
    monkeypatch.chdir(tmp_path)
    for name in ("_read", "_seen"):
        monkeypatch.setattr(records, name, {})
    monkeypatch.setattr(records, "_copies", [])
    table = tmp_path / "run/counts.csv"
    table.parent.mkdir()
    table.write_text("tile,tp\n0,1\n")
    records.write_record([table], sha("slice"), "code", {"a.csv": sha("a")})
    return table


def test_what_a_record_holds(made):
    record = json.loads((made.parent / "counts.made.json").read_text())
    assert record == {
        "slice": sha("slice"),
        "code": "code",
        "inputs": {"a.csv": sha("a")},
        "outputs": {
            "counts.csv": {
                "sha256": sha("tile,tp\n0,1\n"),
                "bytes": 12,
                "changed": made.stat().st_ctime_ns,
            }
        },
    }
    assert records.load_record(made) == record


def test_readers_say_what_they_read(made, tmp_path):
    read_csv(made, ["tp"])
    (tmp_path / "own.json").write_text('{"a": 1}')
    read_json("own.json", ["a"])
    out = tmp_path / "out.csv"
    out.write_text("x\n")
    records.write_record([out], sha("x"), None)
    assert records.load_record(out)["inputs"] == {
        "own.json": sha('{"a": 1}'),
        "run/counts.csv": sha("tile,tp\n0,1\n"),
    }


def test_what_a_process_is_writing_is_nothing_it_has_read(made, tmp_path):
    with atomic(tmp_path / "new.csv") as temporary:
        temporary.write_text("tp\n1\n")
        assert len(read_csv(temporary, ["tp"])) == 1
    assert records._read == {}


@pytest.mark.parametrize("content", ["tile,tp\n0,2\n", "tile,tp\n0,11\n"])
def test_a_file_that_was_swapped_is_refused(made, content):
    state = made.stat()
    made.write_text(content)
    os.utime(made, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(UserError, match=r"^run/counts\.csv: changed since it was made; delete"):
        read_csv(made, ["tp"])


def test_another_date_is_no_change(made):
    os.utime(made, (0, 0))
    assert len(read_csv(made, ["tp"])) == 1


def test_content_is_read_once_until_it_changes(made, monkeypatch):
    entry = records.recorded(made)
    os.utime(made, (0, 0))
    assert records.fits(made, entry)
    records.remember()
    records._seen.clear()
    records.recall()
    monkeypatch.setattr(records, "sha256", lambda path: pytest.fail("read again"))
    assert records.fits(made, entry)


def test_a_copy_is_not_taken_for_another_input(made, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "counts.csv").write_bytes(made.read_bytes())
    records.is_copy(copy)
    read_csv(copy / "counts.csv", ["tp"])
    assert records._read == {}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"slice": 1, "code": 1, "inputs": []}'])
def test_a_damaged_record_is_empty(made, text):
    (made.parent / "counts.made.json").write_text(text)
    assert records.load_record(made) == {}
    assert records.load_record(made.with_name("none.csv")) is None


def test_a_slice_has_one_digest_as_text_and_as_file():
    assert records.digest_of('{"a":1}') == sha('{"a":1}')
    assert records.digest_of(f".snakemake/satseg/{sha('x')}.json") == sha("x")


@pytest.mark.parametrize("content", ["[" * 100_000, "[]", '{"slice": 1}', None])
def test_a_record_of_any_content_is_damaged(tmp_path, content):
    record = records.record_of(tmp_path / "out.csv")
    if content is None:
        record.mkdir()
    else:
        record.write_text(content)
    assert records.load_record(tmp_path / "out.csv") == {}


@pytest.mark.parametrize("content", ["[" * 100_000, "[]", '{"a": 5, "b": [1]}', "\x00"])
def test_a_damaged_memory_of_digests_is_forgotten(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(records, "_seen", {})
    records.SEEN.parent.mkdir(parents=True)
    records.SEEN.write_text(content)
    records.recall()
    assert records._seen == {}
