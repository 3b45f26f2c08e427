"""Downloads from a server on this machine that breaks off, stalls, refuses and lies as servers on
the web do."""

import base64
import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from faults.conftest import contents
from satseg.data.sources import http
from satseg.jobs import program
from satseg.jobs.slices import DownloadSlice
from web import source

AREA = "Downloads"
SECOND = {"kind": "kaggle", "slug": "someone/the-same"}


@pytest.fixture
def fetched(server, archive, command, tmp_path):
    """Download the archive, which must go well: the offsets that were asked for."""

    def call(wanted=None) -> list[int]:
        spec = DownloadSlice(
            dataset="mine", path=None, source=wanted or source(server, archive.content)
        )
        server.asked = []
        assert command("download", spec, out=tmp_path / "raw") == ""
        assert (tmp_path / "raw/scenes/set/images/1.png").read_bytes() == archive.picture
        assert {path.name for path in (tmp_path / "raw").iterdir()} == {
            "manifest.json",
            "manifest.made.json",
            "scenes",
            ".scenes.json",
        }
        return [int(asked[6:-1]) if asked else 0 for _, asked in server.asked]

    return call


@pytest.fixture
def not_fetched(refused, tmp_path):
    """Download something, which must end in one line, with no scenes and no manifest written or
    changed."""

    def call(wanted) -> str:
        said = refused(
            "download",
            DownloadSlice(dataset="mine", path=None, source=wanted),
            out=tmp_path / "raw",
        )
        assert said.startswith("datasets.mine: ")
        return said

    return call


# --- what ends well -------------------------------------------------------------------------------


def test_goes_on_where_the_connection_broke(server, fetched, fault):
    server.faults = [{"cut": 150_000}, {"cut": 100_000}]
    _, second, third = fetched()
    assert 150_000 - http.CHUNK <= second <= 150_000
    assert second + 100_000 - http.CHUNK <= third <= second + 100_000
    fault(
        AREA, "the connection breaks off, twice", "asks for the rest, twice; the archive is whole"
    )


def test_goes_on_after_a_stall(server, fetched, fault):
    server.faults = [{"cut": 200_000, "stall": 60}]
    assert fetched()[1] >= 200_000 - http.CHUNK
    fault(
        AREA,
        "the connection stalls",
        "given up after a minute without a byte, then asks for the rest",
    )


def test_starts_from_scratch_if_the_server_knows_no_ranges(server, fetched, fault):
    server.ranges = False
    server.faults = [{"cut": 150_000}]
    assert fetched()[1] > 0
    fault(
        AREA, "a server that ignores the range asked for", "the whole archive is downloaded again"
    )


@pytest.mark.parametrize("status", [503, 429, 500])
def test_busy_then_well(server, fetched, fault, status):
    server.faults = [{"status": status, "body": b"busy"}] * 2
    assert fetched() == [0, 0, 0]
    fault(
        AREA, f"HTTP {status}, twice, then the archive", "tries again, after a pause that doubles"
    )


def test_goes_on_in_the_next_run(server, archive, fetched, not_fetched, fault):
    server.faults = [{"cut": 250_000}, *[{"status": 502, "body": b""}] * http.ATTEMPTS]
    wanted = source(server, archive.content)
    said = not_fetched(wanted)
    assert (
        f"/data/a.zip: HTTP 502 Bad Gateway, {http.ATTEMPTS} times in a row; try again later"
        in said
    )
    # The first attempt brought something: it is the first of the row.
    assert len(server.asked) == http.ATTEMPTS
    server.faults = []
    (start,) = fetched(wanted)
    assert start >= 250_000 - http.CHUNK
    fault(AREA, "HTTP 502, again and again", f"{said}; the next run resumes where it stopped")


@pytest.mark.parametrize("start", ["whole", "too long", "of another file"])
def test_what_an_earlier_run_left(server, archive, fetched, fault, tmp_path, start):
    wanted = source(server, archive.content)
    part = tmp_path / f"raw/.downloads/{wanted.files[0].checksum.split(':')[1]}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(
        {"whole": archive.content, "too long": archive.content + b"more"}.get(start, bytes(100_000))
    )
    size = part.stat().st_size
    assert fetched(wanted) == ([size] if start == "whole" else [size, 0])
    fault(
        AREA,
        f"what an earlier run left is {start}",
        "used" if start == "whole" else "discarded; starts from scratch",
    )


def test_interrupted_before_its_record(
    server, archive, fetched, command, fault, monkeypatch, tmp_path
):
    """Snakemake deletes the manifest of such a job."""
    wanted = source(server, archive.content)
    job = DownloadSlice(dataset="mine", path=None, source=wanted)
    with monkeypatch.context() as patch:
        patch.setattr(program, "write_record", raise_interrupt)
        with pytest.raises(KeyboardInterrupt):
            command("download", job, out=tmp_path / "raw")
    (tmp_path / "raw/manifest.json").unlink()
    assert fetched(wanted) == []
    fault(
        AREA,
        "interrupted after scenes and manifest, before their record",
        "the archive is still there: nothing is fetched again",
    )


def raise_interrupt(*_):
    raise KeyboardInterrupt


def test_a_body_without_a_length(server, fetched, fault):
    server.faults = [{"length": None}]
    assert fetched() == [0]
    fault(AREA, "an answer without a length", "the archive is whole, as its checksum says")


def test_a_body_longer_than_its_length(server, archive, fetched, not_fetched, fault):
    """The client stops at the length; the checksum tells."""
    server.faults = [{"length": 300_000}]
    said = not_fetched(source(server, archive.content))
    assert "/data/a.zip: the file's sha256 is not " in said
    fetched()
    fault(AREA, "a length that is too small", said)


def test_a_body_shorter_than_its_length(server, archive, fetched, fault):
    server.faults = [{"length": len(archive.content) + 1000}]
    first, second = fetched()
    assert (first, second >= len(archive.content) - http.CHUNK) == (0, True)
    fault(AREA, "a length that is too large", "asks for the rest, and the checksum is right")


# --- what no other attempt would mend -------------------------------------------------------------

PAGE = b"<html>please sign in</html>"
REFUSED = [
    ("HTTP 404", {"status": 404, "body": b"gone"}, "HTTP 404 Not Found; correct"),
    ("HTTP 403", {"status": 403, "body": PAGE}, "HTTP 403 Forbidden; correct"),
    (
        "a web page in place of a zip",
        {"body": PAGE, "type": "text/html; charset=utf-8"},
        "the server sent a web page instead of",
    ),
    ("a web page that says it is a zip", {"body": PAGE}, "the file's sha256 is not "),
    (
        "another archive than the one expected",
        {"body": b"PK something else"},
        "the file's sha256 is not ",
    ),
    (
        "a body cut off, of no stated length",
        {"cut": 100_000, "length": None},
        "the file's sha256 is not ",
    ),
]


@pytest.mark.parametrize(("tried", "answer", "words"), REFUSED, ids=[case[0] for case in REFUSED])
def test_refused_in_one_line(
    server, archive, fetched, not_fetched, fault, tmp_path, tried, answer, words
):
    fetched()  # an earlier download stands as it is
    server.faults = [answer]
    server.asked = []
    said = not_fetched(source(server, archive.content))
    assert f"{server.address}/data/a.zip: {words}" in said
    assert said.endswith("or set `path` to your own copy of the data")
    assert len(server.asked) == 1
    # What failed its check has no name that the next run would believe.
    assert not (tmp_path / "raw/.downloads").exists()
    fault(AREA, tried, said)


def test_a_server_that_never_answers(server, archive, not_fetched, fault, monkeypatch):
    monkeypatch.setattr(http, "ATTEMPTS", 2)
    server.faults = [{"cut": 0, "stall": 60}] * 2
    said = not_fetched(source(server, archive.content))
    assert ": no data for 0.5 s, 2 times in a row; " in said
    fault(AREA, "a server that never answers (waits cut short here)", said)


def test_a_server_that_is_not_there(server, archive, not_fetched, fault, monkeypatch):
    monkeypatch.setattr(http, "ATTEMPTS", 2)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        server.address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    said = not_fetched(source(server, archive.content))
    assert ": the connection failed (ConnectionRefusedError), 2 times in a row; " in said
    fault(AREA, "a connection that is refused", said)


def test_checked_and_whole_but_no_zip(server, not_fetched, fault):
    server.files["/data/a.zip"] = b"text"
    said = not_fetched(source(server, b"text"))
    assert "not a complete zip archive" in said
    fault(AREA, "the right file, but no zip", said)


def test_a_redirect_in_a_circle(server, archive, not_fetched, fault, monkeypatch):
    server.redirects = {"/data/a.zip": "/data/a.zip"}
    said = not_fetched(source(server, archive.content))
    assert "/data/a.zip: Exceeded 30 redirects.; correct `source.files`" in said
    fault(AREA, "redirects in a circle", said)


# --- the user's own folder ------------------------------------------------------------------------


def given(path) -> DownloadSlice:
    return DownloadSlice(dataset="mine", path=str(path), source=None)


def test_a_path_to_nothing(refused, fault, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = refused("download", given("nowhere"), out=tmp_path / "raw")
    assert said.startswith(
        "datasets.mine: path: nowhere: no such folder or zip (relative paths start at "
    )
    fault("Your own copy of the data", "a path to nothing", said)


def test_an_empty_folder(refused, fault, tmp_path):
    (tmp_path / "mine").mkdir()
    said = refused("download", given(tmp_path / "mine"), out=tmp_path / "raw")
    assert said == f"datasets.mine: {tmp_path}/mine: no file in it; check `path` or `source`"
    fault("Your own copy of the data", "an empty folder", said)


def test_a_file_that_is_no_zip(refused, fault, tmp_path):
    (tmp_path / "mine.tar").write_bytes(b"ustar")
    said = refused("download", given(tmp_path / "mine.tar"), out=tmp_path / "raw")
    assert said.startswith(f"datasets.mine: {tmp_path}/mine.tar: not a complete zip archive")
    fault("Your own copy of the data", "a file that is no zip", said)


def test_a_link_to_nothing(refused, fault, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/a.tif").symlink_to(tmp_path / "gone.tif")
    said = refused("download", given(tmp_path / "mine"), out=tmp_path / "raw")
    assert (
        said
        == f"datasets.mine: {tmp_path}/mine/a.tif: a broken link; remove it, or put the file there"
    )
    fault("Your own copy of the data", "a link to nothing in the folder", said)


def test_the_folder_that_the_pipeline_itself_would_write(command, fault, tmp_path):
    """What lies there is the user's, and stays."""
    kept = tmp_path / "raw/scenes/images/a.tif"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    for _ in range(2):
        assert command("download", given(tmp_path / "raw/scenes"), out=tmp_path / "raw") == ""
        assert contents(tmp_path).keys() == {"raw/scenes/images/a.tif", "raw/manifest.json"}
    assert kept.read_text() == "mine"
    fault(
        "Your own copy of the data",
        "`path` is the folder the pipeline keeps its scenes in",
        "used where it lies",
    )


# --- Kaggle ---------------------------------------------------------------------------------------

# The stage, with Kaggle's client made to ask the server on this machine.
STAGE = """
import runpy
from kaggle.api.kaggle_api_extended import KaggleApi
KaggleApi.args = ["--local"]
runpy.run_module("satseg.stages.download", run_name="__main__")
"""
KEY = "0123456789abcdef"
SHOWN = [KEY, base64.b64encode(f"someone:{KEY}".encode()).decode()]


def command_lines() -> str:
    """The command line of every process of this machine, as `ps` shows them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has ended
            continue
    return "\n".join(found)


@pytest.mark.parametrize("refusal", [False, True])
def test_the_kaggle_key_is_shown_nowhere(server, kaggle, archive, fault, tmp_path, refusal):
    listed = []
    server.kaggle = archive.content
    server.asked_for_a_dataset = lambda: listed.append(command_lines())
    if refusal:  # a server that repeats what it was shown
        echo = json.dumps(
            {"message": f"no access for someone:{KEY} ({SHOWN[1]})", "code": 403}
        ).encode()
        server.faults = [(403, echo)]
    spec = DownloadSlice(dataset="mine", path=None, source=SECOND)
    out = tmp_path / "raw"
    done = subprocess.run(
        [sys.executable, "-c", STAGE, "--slice", spec.model_dump_json(), "--out", out],
        capture_output=True,
        text=True,
    )
    assert done.returncode == int(refusal), done.stderr
    # It was used, while the process could be seen.
    (shown,) = server.keys
    assert any(secret in shown for secret in SHOWN)
    assert "satseg.stages.download" in listed[0]
    written = b"\n".join(path.read_bytes() for path in out.rglob("*") if path.is_file()).decode(
        errors="replace"
    )
    for place in (listed[0], done.stdout, done.stderr, written):
        assert not any(secret in place for secret in SHOWN)
    if refusal:
        (said,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert "Traceback" not in done.stderr and not written
        happened = said.removeprefix("error: ")
    else:
        assert json.loads((out / "manifest.json").read_text())["origin"]["slug"] == SECOND["slug"]
        happened = "in no log, no process list, no file"
    fault(
        "Kaggle",
        f"the key, {'with a server that repeats it' if refusal else 'in a download'}",
        happened,
    )


@pytest.fixture
def no_credentials(monkeypatch, tmp_path):
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN", "KAGGLE_API_V1_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))


def test_no_credentials(no_credentials, refused, fault, tmp_path):
    said = refused(
        "download", DownloadSlice(dataset="mine", path=None, source=SECOND), out=tmp_path / "raw"
    )
    assert re.fullmatch(r"datasets\.mine: no Kaggle credentials for .*kaggle\.json.*`path`.*", said)
    fault("Kaggle", "no credentials", said)


def test_both_sources_fail(server, no_credentials, not_fetched, fault):
    said = not_fetched(source(server, b"never", fallback=SECOND))
    assert re.match(
        r"datasets\.mine: http://.*/data/a\.zip: HTTP 404 Not Found; .*; second source: no Kaggle",
        said,
    )
    fault("Kaggle", "the first source fails, and Kaggle as the second", said)


def test_kaggle_gives_a_page(server, kaggle, refused, fault, tmp_path):
    server.kaggle = PAGE
    said = refused(
        "download", DownloadSlice(dataset="mine", path=None, source=SECOND), out=tmp_path / "raw"
    )
    assert "the-same.zip: not a complete zip archive" in said
    fault("Kaggle", "a web page in place of the archive", said)
