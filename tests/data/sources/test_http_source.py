"""Archives from a server on this machine; how it can fail is in tests/faults."""

import hashlib
import io
import json
import re
import sys
import time

import pytest

from satseg.config.sources import HttpSource, KaggleSource
from satseg.data.raw import drop_archives
from satseg.data.sources import http
from satseg.errors import UserError
from satseg.jobs.slices import DownloadSlice
from satseg.stages.download import run, tidy
from web import source


@pytest.fixture
def raw(tmp_path):
    """The folder that a download fills; nothing else comes to lie beside it but `.downloads`."""
    folder = tmp_path / "raw" / "scenes"
    folder.mkdir(parents=True)
    return folder


def files(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def refusal(source, folder):
    with pytest.raises(UserError) as caught:
        http.fetch(source, folder)
    assert "\n" not in str(caught.value)
    assert files(folder) == {}
    return str(caught.value)


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_downloads_and_unpacks_and_keeps_the_archive(server, archive, raw, algorithm):
    wanted = source(server, archive.content, algorithm=algorithm)
    assert http.fetch(wanted, raw) == wanted
    assert files(raw) == {"set/images/1.png": archive.picture}
    for _ in range(2):  # until scenes and manifest stand
        assert http.fetch(wanted, raw) == wanted
        assert server.asked == [("/data/a.zip", None)]


def test_waits_for_a_busy_server_longer_each_time(server, archive, raw, monkeypatch):
    server.faults = [
        {"status": 503, "body": b"busy"},
        {"status": 429, "body": b"slower"},
        {"status": 500, "body": b""},
    ]
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    http.fetch(source(server, archive.content), raw)
    assert files(raw) == {"set/images/1.png": archive.picture}
    assert pauses == [0.01, 0.02, 0.04]


def test_an_archive_that_came_whole_is_not_asked_for_again(server, archive, raw):
    first = source(server, archive.content)
    both = HttpSource(
        kind="http", files=[*first.files, *source(server, b"other", "/data/b.zip").files]
    )
    assert f"{server.address}/data/b.zip: HTTP 404 Not Found; correct" in refusal(both, raw)
    server.asked = []
    http.fetch(first, raw)
    assert server.asked == [] and files(raw) == {"set/images/1.png": archive.picture}


class Terminal(io.StringIO):
    """Where a bar may be drawn."""

    def isatty(self):
        return True


def test_progress_is_a_bar_on_a_terminal_and_log_lines_elsewhere(
    server, archive, raw, monkeypatch, caplog
):
    caplog.set_level("INFO")
    shown = io.StringIO()
    monkeypatch.setattr("sys.stderr", shown)
    monkeypatch.setattr("satseg.progress.LOG_EVERY", 0)
    http.fetch(source(server, archive.content), raw)
    assert shown.getvalue() == ""
    lines = re.findall(r"a\.zip: \d+ of 0 MB; about \d+ s left", caplog.text)
    assert len(lines) == -(-len(archive.content) // http.CHUNK)
    caplog.clear()
    drop_archives(raw.parent)
    monkeypatch.setattr("sys.stderr", Terminal())
    http.fetch(source(server, archive.content), raw)
    assert "a.zip: 100%" in sys.stderr.getvalue() and "a.zip" not in caplog.text


# --- the second source ----------------------------------------------------------------------------

SECOND = {"kind": "kaggle", "slug": "someone/the-same"}


def test_the_second_source_steps_in_and_the_manifest_says_so(server, kaggle, archive, tmp_path):
    server.kaggle = archive.content
    server.files = {}
    spec = DownloadSlice(
        dataset="mine", path=None, source=source(server, b"never", fallback=SECOND)
    )
    run(spec, tmp_path / "raw")
    tidy(spec, tmp_path / "raw")
    assert server.asked == [("/data/a.zip", None)]
    manifest = json.loads((tmp_path / "raw/manifest.json").read_text())
    assert manifest["origin"] == KaggleSource(**SECOND).model_dump()
    assert files(tmp_path / "raw/scenes") == {"set/images/1.png": archive.picture}
    assert {p.name for p in (tmp_path / "raw").iterdir()} == {
        "manifest.json",
        "scenes",
        ".scenes.json",
    }


def test_the_second_source_is_not_asked_without_need(server, kaggle, archive, tmp_path):
    server.kaggle = b"not asked for"
    wanted = source(server, archive.content, fallback=SECOND)
    run(DownloadSlice(dataset="mine", path=None, source=wanted), tmp_path / "raw")
    manifest = json.loads((tmp_path / "raw/manifest.json").read_text())
    assert manifest["origin"] == wanted.model_dump()
    sha256 = hashlib.sha256(archive.picture).hexdigest()
    assert manifest["files"] == [{"path": "set/images/1.png", "bytes": 400_000, "sha256": sha256}]
