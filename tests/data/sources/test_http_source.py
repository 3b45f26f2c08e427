"""Archives from a server on this machine that behaves as badly as servers on the web do."""

import hashlib
import io
import json
import re
import socket
import sys
import time
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from satseg.config import HttpSource
from satseg.data.sources import http
from satseg.errors import UserError
from satseg.slices import DownloadSlice
from satseg.stages.download import run
from web import serve


@pytest.fixture
def server(monkeypatch):
    """A server, and short waiting times."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setattr(http, "TIMEOUT", 0.5)
    monkeypatch.setattr(http, "BACKOFF", 0.01)
    with serve() as running:
        yield running


@pytest.fixture
def archive(server, tmp_path):
    """A zip of 400 kB on the server: its content, and the file in it."""
    picture = np.random.default_rng(0).bytes(400_000)
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as file:
        file.writestr("set/images/1.png", picture)
    content = (tmp_path / "made.zip").read_bytes()
    server.files["/data/a.zip"] = content
    return SimpleNamespace(content=content, picture=picture)


def source(server, content, path="/data/a.zip", algorithm="sha256", **more):
    digest = hashlib.new(algorithm, content).hexdigest()
    return HttpSource(kind="http", files=[{"url": server.address + path, "checksum": f"{algorithm}:{digest}"}], **more)


@pytest.fixture
def raw(tmp_path):
    """The folder that a download fills; nothing else comes to lie beside it but `.downloads`."""
    folder = tmp_path / "raw" / "scenes"
    folder.mkdir(parents=True)
    return folder


def files(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def refusal(source, folder):
    with pytest.raises(UserError) as caught:
        http.fetch(source, folder)
    assert "\n" not in str(caught.value)
    assert files(folder) == {}
    return str(caught.value)


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_downloads_and_unpacks_and_leaves_no_archive(server, archive, raw, algorithm):
    wanted = source(server, archive.content, algorithm=algorithm)
    assert http.fetch(wanted, raw) == wanted
    assert files(raw.parent) == {"scenes/set/images/1.png": archive.picture}
    assert [p.name for p in raw.parent.iterdir()] == ["scenes"]
    assert server.asked == [("/data/a.zip", None)]


def test_goes_on_where_the_connection_broke(server, archive, raw):
    server.faults = [{"cut": 150_000}, {"cut": 100_000}]
    http.fetch(source(server, archive.content), raw)
    assert files(raw) == {"set/images/1.png": archive.picture}
    starts = [int(asked[6:-1]) for _, asked in server.asked[1:]]
    assert len(starts) == 2
    assert 150_000 - http.CHUNK <= starts[0] <= 150_000
    assert starts[0] + 100_000 - http.CHUNK <= starts[1] <= starts[0] + 100_000


def test_goes_on_after_a_stall(server, archive, raw):
    server.faults = [{"cut": 200_000, "stall": 60}]
    http.fetch(source(server, archive.content), raw)
    assert files(raw) == {"set/images/1.png": archive.picture}
    assert int(server.asked[1][1][6:-1]) >= 200_000 - http.CHUNK


def test_starts_anew_where_the_server_knows_no_ranges(server, archive, raw):
    server.ranges, server.faults = False, [{"cut": 150_000}]
    http.fetch(source(server, archive.content), raw)
    assert files(raw) == {"set/images/1.png": archive.picture}
    assert server.asked[1][1] is not None


def test_waits_for_a_busy_server_longer_each_time(server, archive, raw, monkeypatch):
    server.faults = [{"status": 503, "body": b"busy"}, {"status": 429, "body": b"slower"}, {"status": 500, "body": b""}]
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    http.fetch(source(server, archive.content), raw)
    assert files(raw) == {"set/images/1.png": archive.picture}
    assert pauses == [0.01, 0.02, 0.04]


def test_gives_up_in_the_end_and_the_next_call_goes_on(server, archive, raw):
    server.faults = [{"cut": 250_000}, *[{"status": 502, "body": b""}] * http.ATTEMPTS]
    wanted = source(server, archive.content)
    text = refusal(wanted, raw)
    assert text.startswith(f"{server.address}/data/a.zip: HTTP 502 Bad Gateway, {http.ATTEMPTS} times in a row; try")
    assert "`path`" in text
    # The first attempt brought something: it is the first of the row.
    assert len(server.asked) == http.ATTEMPTS
    server.faults, server.asked = [], []
    http.fetch(wanted, raw)
    assert files(raw) == {"set/images/1.png": archive.picture}
    assert int(server.asked[0][1][6:-1]) >= 250_000 - http.CHUNK


def test_an_archive_that_came_whole_is_not_asked_for_again(server, archive, raw):
    first = source(server, archive.content)
    both = HttpSource(kind="http", files=[*first.files, *source(server, b"other", "/data/b.zip").files])
    assert f"{server.address}/data/b.zip: HTTP 404 Not Found; correct" in refusal(both, raw)
    server.asked = []
    http.fetch(first, raw)
    assert server.asked == [] and files(raw) == {"set/images/1.png": archive.picture}


def test_a_start_that_is_whole_or_too_long_or_another_file(server, archive, raw):
    wanted = source(server, archive.content)
    part = raw.parent / ".downloads" / f"{wanted.files[0].checksum.split(':')[1]}.part"
    for start, requests in ((archive.content, 1), (archive.content + b"more", 2), (bytes(100_000), 2)):
        part.parent.mkdir()
        part.write_bytes(start)
        server.asked = []
        http.fetch(wanted, raw)
        assert files(raw) == {"set/images/1.png": archive.picture}
        assert [asked for _, asked in server.asked] == [f"bytes={len(start)}-", None][:requests]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"status": 404, "body": b"gone"}, "HTTP 404 Not Found; correct"),
        ({"status": 403, "body": b"<html>"}, "HTTP 403 Forbidden; correct"),
        ({"body": b"<html>sign in</html>", "type": "text/html; charset=utf-8"}, "a web page came instead of the"),
        ({"body": b"PK something else"}, "the file has not the sha256 "),
    ],
)
def test_what_no_other_attempt_would_mend_is_one_line(server, archive, raw, fault, said):
    server.faults = [fault]
    text = refusal(source(server, archive.content), raw)
    assert text.startswith(f"{server.address}/data/a.zip: {said}")
    assert text.endswith("or set `path` to your own copy of the data")
    assert len(server.asked) == 1
    assert files(raw.parent) == {}


def test_a_server_that_never_answers_or_is_not_there(server, archive, raw, monkeypatch):
    monkeypatch.setattr(http, "ATTEMPTS", 2)
    server.faults = [{"cut": 0, "stall": 60}] * 2
    assert ": no data for 0.5 s, 2 times in a row; " in refusal(source(server, archive.content), raw)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        server.address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    text = refusal(source(server, archive.content), raw)
    assert ": the connection failed (ConnectionRefusedError), 2 times in a row; " in text


def test_checked_and_whole_but_no_zip(server, raw):
    server.files["/data/a.zip"] = b"text"
    assert "not a whole zip archive" in refusal(source(server, b"text"), raw)


class Terminal(io.StringIO):
    """Where a bar may be drawn."""

    def isatty(self):
        return True


def test_progress_is_a_bar_on_a_terminal_and_log_lines_elsewhere(server, archive, raw, monkeypatch, caplog):
    caplog.set_level("INFO")
    shown = io.StringIO()
    monkeypatch.setattr("sys.stderr", shown)
    monkeypatch.setattr(http, "LOG_EVERY", 0)
    http.fetch(source(server, archive.content), raw)
    assert shown.getvalue() == ""
    lines = re.findall(r"a\.zip: (\d+) MB of 0 MB", caplog.text)
    assert len(lines) == -(-len(archive.content) // http.CHUNK)
    caplog.clear()
    monkeypatch.setattr("sys.stderr", Terminal())
    http.fetch(source(server, archive.content), raw)
    assert "a.zip: 100%" in sys.stderr.getvalue() and "a.zip" not in caplog.text


# --- the second source ---------------------------------------------------------------------------------------

SECOND = {"kind": "kaggle", "slug": "someone/the-same"}


@pytest.fixture
def kaggle(server, monkeypatch, tmp_path):
    """Kaggle's own client, by way of a proxy setting, asks the server, which gives it `server.kaggle`."""
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("KAGGLE_USERNAME", "someone")
    monkeypatch.setenv("KAGGLE_KEY", "0123456789abcdef")
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, server.address)
    from kaggle.api.kaggle_api_extended import KaggleApi

    monkeypatch.setattr(KaggleApi, "args", ["--local"], raising=False)


def test_the_second_source_steps_in_and_the_manifest_says_so(server, kaggle, archive, tmp_path):
    server.kaggle, server.files = archive.content, {}
    spec = DownloadSlice(dataset="mine", path=None, source=source(server, b"never", fallback=SECOND))
    run(spec, tmp_path / "raw")
    assert server.asked == [("/data/a.zip", None)]
    manifest = json.loads((tmp_path / "raw/manifest.json").read_text())
    assert manifest["origin"] == SECOND
    assert files(tmp_path / "raw/scenes") == {"set/images/1.png": archive.picture}
    assert {p.name for p in (tmp_path / "raw").iterdir()} == {"manifest.json", "scenes"}


def test_the_second_source_is_not_asked_without_need(server, kaggle, archive, tmp_path):
    server.kaggle = b"not asked for"
    wanted = source(server, archive.content, fallback=SECOND)
    run(DownloadSlice(dataset="mine", path=None, source=wanted), tmp_path / "raw")
    manifest = json.loads((tmp_path / "raw/manifest.json").read_text())
    assert manifest["origin"] == wanted.model_dump()
    sha256 = hashlib.sha256(archive.picture).hexdigest()
    assert manifest["files"] == [{"path": "set/images/1.png", "bytes": 400_000, "sha256": sha256}]


def test_both_sources_fail(server, tmp_path, monkeypatch):
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN", "KAGGLE_API_V1_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    spec = DownloadSlice(dataset="mine", path=None, source=source(server, b"never", fallback=SECOND))
    with pytest.raises(UserError) as caught:
        run(spec, tmp_path / "raw")
    text = str(caught.value)
    assert re.match(r"datasets\.mine: http://.*/data/a\.zip: HTTP 404 Not Found; .*; second source: no Kaggle", text)
    assert "\n" not in text
    assert not (tmp_path / "raw/manifest.json").exists()


def test_an_interrupted_stage_keeps_what_came_for_its_next_run(server, archive, tmp_path):
    """The stage empties its working folder when it fails; the archives lie outside it."""
    server.faults = [{"cut": 300_000}, *[{"status": 503, "body": b""}] * http.ATTEMPTS]
    spec = DownloadSlice(dataset="mine", path=None, source=source(server, archive.content))
    with pytest.raises(UserError):
        run(spec, tmp_path / "raw")
    server.faults, server.asked = [], []
    run(spec, tmp_path / "raw")
    assert files(tmp_path / "raw/scenes") == {"set/images/1.png": archive.picture}
    assert int(server.asked[0][1][6:-1]) >= 300_000 - http.CHUNK
