"""The record of faults: what each test of this folder tried, what happened, that nothing was lost.

A test proves first, then records, once or several times:

    def test_full_disk(fault, ...):
        ...                                             # the fault, and the asserts
        fault("Full disk", "while tiling", message)     # area, what was tried, what happened

(area, fault) is the row's name: unique and the same in every run. What happened is the real
message, or a short sentence about the correct result (numbers are welcome; times, and paths outside
the test's own folder, are not); the test's own folder, ports and long digests are removed. A row
states that nothing was lost: the test must have asserted it.

`pytest tests/faults --record` (make test-faults) rewrites the tables of docs/faults.md. Without the
option, rows are compared with the page by name: a row missing from the page fails its test, and a
row that no test made fails `test_table.py`, which runs last.
"""

import logging
import re
import runpy
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from satseg import records
from satseg.config.types import Strict
from satseg.pages.markdown import escape, table
from satseg.records import SUFFIX

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "faults.md"
START = "<!-- faults -->"
END = "<!-- end of faults -->"
ROWS = pytest.StashKey[dict[tuple[str, str], str]]()
LEFT_OUT = pytest.StashKey[list[str]]()
VOLATILE = ((r"127\.0\.0\.1:\d+", "server"), (r"\b[0-9a-f]{32,}\b", "…"))


def pytest_addoption(parser):
    parser.addoption("--record", action="store_true", help="rewrite the tables of docs/faults.md")


def pytest_configure(config):
    config.stash[ROWS] = {}
    config.stash[LEFT_OUT] = []


def pytest_collection_modifyitems(config, items):
    items.sort(key=lambda item: item.path.name == "test_table.py")
    missing = set(HERE.glob("test_*.py")) - {item.path for item in items}
    config.stash[LEFT_OUT] += sorted(path.name for path in missing)


def pytest_deselected(items):
    for item in items:
        if item.path.parent == HERE:
            item.config.stash[LEFT_OUT].append(item.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if not report.passed:
        item.config.stash[LEFT_OUT].append(item.nodeid)
    return report


@pytest.fixture
def fault(request, tmp_path) -> Callable[[str, str, str], None]:
    """Record a row of the table: its area, what was tried, what happened."""
    config = request.config
    rows = config.stash[ROWS]
    known = None if config.getoption("--record", False) else committed()

    def record(area: str, tried: str, happened: str) -> None:
        text = happened.replace(f"{tmp_path}/", "").replace(str(tmp_path), ".")
        for pattern, plain in VOLATILE:
            text = re.sub(pattern, plain, text)
        assert (area, tried) not in rows, "recorded twice"
        assert "\n" not in text.strip(), text
        rows[area, tried] = text
        if known is not None:
            name = (shown(area), shown(tried))
            assert name in known, (
                f"{PAGE.name} lacks {area} – {tried}; run `make test-faults` and commit the page"
            )

    return record


@pytest.fixture
def unmade(request) -> set[tuple[str, str]]:
    """Rows of the page that no test made, none while it is being written; skips unless every test
    here has passed."""
    config = request.config
    if config.getoption("--record", False):
        return set()
    if config.stash[LEFT_OUT]:
        pytest.skip(f"some faults were not tried: {', '.join(config.stash[LEFT_OUT])}")
    return committed() - {(shown(area), shown(tried)) for area, tried in config.stash[ROWS]}


def contents(folder: Path) -> dict[str, bytes | str]:
    """Every file and link below a folder, with its content, except partial downloads, which the
    next run resumes, and records, which hold times of change."""
    content = {}
    for path in folder.rglob("*"):
        if ".downloads" in path.parts or path.name.endswith(SUFFIX):
            continue
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            content[name] = str(path.readlink())
        elif path.is_file():
            content[name] = path.read_bytes()
    return content


@pytest.fixture
def command(monkeypatch) -> Iterator[Callable[..., str]]:
    """Run a stage by its own command line, in this process: its error message, "" if it
    succeeds."""

    def call(stage: str, job: Strict | Path, **paths: Path) -> str:
        flags = [part for name, path in paths.items() for part in (f"--{name}", str(path))]
        text = job.model_dump_json() if isinstance(job, Strict) else str(job)
        monkeypatch.setattr(sys, "argv", [stage, "--slice", text, *flags])
        monkeypatch.setattr(records, "_read", {})  # a stage's process has read nothing before
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # about a module imported before
            try:
                runpy.run_module(f"satseg.stages.{stage}", run_name="__main__")
            except SystemExit as end:
                return str(end.code)
        return ""

    handlers = logging.root.handlers[:]
    yield call
    logging.root.handlers[:] = handlers


@pytest.fixture
def refused(command, tmp_path) -> Callable[..., str]:
    """Run a stage that must end in one line, with nothing written or changed in the test's folder:
    that line."""

    def empty_folders() -> set[Path]:
        return {path for path in tmp_path.rglob("*") if path.is_dir() and not any(path.iterdir())}

    def call(stage: str, job: Strict | Path, **paths: Path) -> str:
        before = contents(tmp_path)
        empty_before = empty_folders()
        message = command(stage, job, **paths)
        assert message.startswith("error: ") and "\n" not in message
        assert contents(tmp_path) == before
        assert empty_folders() <= empty_before
        return message.removeprefix("error: ")

    return call


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Callable[[int], Path]]:
    """A disk of a given number of bytes, mounted below the test's folder; skips if mounting is not
    allowed."""
    mounted = []

    def mount(size: int) -> Path:
        place = tmp_path / "disk"
        place.mkdir()
        mounting = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place]
        done = subprocess.run(mounting, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
        mounted.append(place)
        return place

    try:
        yield mount
    finally:
        for place in mounted:
            subprocess.run(["umount", "--lazy", place], check=True)


def resize(place: Path, size: int) -> None:
    """Give a mounted small disk another size in bytes."""
    subprocess.run(["mount", "-o", f"remount,size={size}", place], check=True)


def shown(text: str) -> str:
    """A text as a cell of the table."""
    return escape(text)


def committed() -> set[tuple[str, str]]:
    """The names of the rows of the page: area and fault."""
    part = PAGE.read_text(encoding="utf-8").partition(START)[2].partition(END)[0]
    area = ""
    names = set()
    for line in part.splitlines():
        if line.startswith("## "):
            area = line[3:]
        elif line.startswith("| ") and not line.startswith(("| Fault", "| :--")):
            names.add((area, re.split(r"(?<!\\) \| ", line[2:])[0]))
    return names


def page(rows: dict[tuple[str, str], str]) -> str:
    """The part of the page that is made from the rows: a table per area, in the order of the
    tests."""
    areas = dict.fromkeys(area for area, _ in rows)
    parts = [
        f"{len(rows)} faults and bad inputs in {len(areas)} areas; none of them lost any data."
    ]
    for area in areas:
        cells = [
            (shown(tried), shown(happened), "nothing")
            for (its_area, tried), happened in rows.items()
            if its_area == area
        ]
        rows_of_area = table(["Fault", "What happens", "Data lost"], cells, texts=3)
        parts.append(f"## {shown(area)}\n\n{rows_of_area}")
    return "\n\n".join([START, *parts, END])


def pytest_sessionfinish(session):
    config = session.config
    if not config.getoption("--record", False) or config.stash[LEFT_OUT]:
        return
    text = PAGE.read_text(encoding="utf-8")
    before = text.partition(START)[0]
    after = text.partition(END)[2]
    PAGE.write_text(before + page(config.stash[ROWS]) + after, encoding="utf-8")


def pytest_terminal_summary(terminalreporter, config):
    if config.getoption("--record", False):
        left_out = config.stash[LEFT_OUT]
        outcome = f"not written: {', '.join(left_out)} did not pass" if left_out else "written"
        terminalreporter.write_line(f"{PAGE.name} {outcome}; {len(config.stash[ROWS])} rows")
