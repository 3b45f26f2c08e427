"""The frame every stage stands in: arguments in, one line out when something is wrong."""

import importlib.util
import io
import logging
import os
import sys
from pathlib import Path

import pytest

from satseg import progress
from satseg.errors import UserError
from satseg.jobs import program
from satseg.jobs.program import prepare, stage
from satseg.jobs.slices import SplitSlice
from satseg.progress import watched
from satseg.records import record_of

SLICE = '{"split": {"unit": "tile", "train": 0.8, "val": 0.2}}'


@pytest.fixture(autouse=True)
def root_logger():
    """Take back the handler a stage sets up."""
    before = logging.root.handlers[:]
    yield
    logging.root.handlers[:] = before


def call(monkeypatch, run, *arguments, **options):
    monkeypatch.setattr(sys, "argv", ["stage", *arguments])
    stage("split", "Divide.", SplitSlice, run, {"tiles": "a folder", "out": "a file"}, **options)


def test_hands_slice_paths_and_options_to_the_work(monkeypatch):
    seen = {}
    call(
        monkeypatch,
        lambda spec, **paths: seen.update(spec=spec, **paths),
        *("--slice", SLICE, "--tiles", "t", "--out", "o", "--loader-workers", "3"),
        loader_workers={"type": int, "help": "processes"},
    )
    assert seen.pop("spec").split.train == 0.8
    assert seen == {"tiles": "t", "out": "o", "loader_workers": 3}


def test_tidies_up_once_the_record_stands(monkeypatch, tmp_path):
    out = tmp_path / "o"
    seen = []

    def run(spec, tiles, out):
        Path(out).write_text("made")
        return [Path(out)]

    def tidy(spec, tiles, out):
        seen.append(record_of(out).is_file())

    call(monkeypatch, run, "--slice", SLICE, "--tiles", "t", "--out", str(out), tidy=tidy)
    assert seen == [True]


def raises(error):
    def run(spec, tiles, out):
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            UserError("tiles.csv: no such file; tile first"),
            "error: tiles.csv: no such file; tile first",
        ),
        (
            FileNotFoundError(2, "No such file or directory", "a/b"),
            "error: a/b: no such file or directory; check the path, or run the stage that writes it",
        ),
        (
            OSError("disk on fire"),
            "error: split: disk on fire; fix that and run the same command again",
        ),
    ],
)
def test_a_mistake_ends_in_one_line(monkeypatch, error, said):
    with pytest.raises(SystemExit) as caught:
        call(monkeypatch, raises(error), "--slice", SLICE, "--tiles", "t", "--out", "o")
    assert caught.value.code == said  # a text: Python prints it and exits with status 1


def test_a_wrong_slice_ends_in_one_line(monkeypatch):
    with pytest.raises(SystemExit) as caught:
        call(
            monkeypatch,
            raises(AssertionError),
            "--slice",
            '{"split": 1}',
            "--tiles",
            "t",
            "--out",
            "o",
        )
    assert caught.value.code.startswith("error: --slice: split: ")
    assert "\n" not in caught.value.code


def test_a_bug_keeps_its_traceback(monkeypatch):
    with pytest.raises(ZeroDivisionError):
        call(
            monkeypatch, raises(ZeroDivisionError()), "--slice", SLICE, "--tiles", "t", "--out", "o"
        )


def test_help_names_every_argument(monkeypatch, capsys):
    with pytest.raises(SystemExit) as caught:
        call(monkeypatch, raises(AssertionError), "--help")
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert "python -m satseg.stages.split" in shown
    assert "SplitSlice" in shown
    assert all(flag in shown for flag in ("--slice", "--tiles", "--out", "a folder"))


def test_the_time_left_is_that_of_what_was_done_here(monkeypatch, caplog):
    """400 of 1000 MB were there before; 100 more in 50 s leave 500 for 250 s."""
    monkeypatch.setattr(progress.time, "monotonic", iter([1000.0, 1050.0]).__next__)
    with caplog.at_level(logging.INFO, logger="satseg"):
        progress.Pace("a.zip", 1000, "MB", 400).at(500)
    (record,) = caplog.records
    assert record.getMessage() == "a.zip: 500 of 1000 MB; about 4 min 10 s left"


def test_a_missing_argument_is_status_2(monkeypatch, capsys):
    with pytest.raises(SystemExit) as caught:
        call(monkeypatch, raises(AssertionError), "--slice", SLICE, "--tiles", "t")
    assert caught.value.code == 2
    assert "--out" in capsys.readouterr().err


@pytest.mark.parametrize(("every", "lines"), [(0.0, 3), (1e9, 0)])
def test_a_log_tells_the_progress_now_and_then(monkeypatch, caplog, every, lines):
    """Where stderr is no terminal, a line when one is due, and none before the first item is
    done."""
    monkeypatch.setattr(progress, "LOG_EVERY", every)
    with caplog.at_level(logging.INFO, logger="satseg"):
        assert list(watched(iter("abcd"), 4, "tiling", "tiles")) == list("abcd")
    said = [record.getMessage() for record in caplog.records]
    assert [line.partition(";")[0] for line in said] == [
        f"tiling: {i} of 4 tiles" for i in (1, 2, 3)
    ][:lines]
    assert all(line.endswith(" s left") for line in said)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_the_console_shows_what_it_has(monkeypatch, encoding):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    prepare()
    print("Straße 市")
    sys.stdout.flush()
    shown = sys.stdout.buffer.getvalue().decode(encoding)
    assert shown == {"ascii": "Stra?e ?", "latin-1": "Straße ?"}.get(encoding, "Straße 市") + "\n"


@pytest.mark.parametrize("bundled", [True, False])
def test_tables_of_another_installation(monkeypatch, tmp_path, bundled):
    """A rasterio that is built against the system's own GDAL needs that one's tables."""
    (tmp_path / "rasterio").mkdir()
    (tmp_path / "rasterio/__init__.py").touch()
    if bundled:
        (tmp_path / "rasterio/proj_data").mkdir()
    found = importlib.util.spec_from_file_location("rasterio", tmp_path / "rasterio/__init__.py")
    monkeypatch.setattr(program.importlib.util, "find_spec", lambda name: found)
    for variable in program.FOREIGN_TABLES:
        monkeypatch.setenv(variable, "/opt/other/share")
    prepare()
    assert [name in os.environ for name in program.FOREIGN_TABLES] == [not bundled] * 4
