"""Texts that stages leave, damaged at random: where a record names them, no reader believes them;
where none does, a reader ends in one line or takes them, and never in a traceback."""

import csv
import io
import json
import random
import re
import shutil
import warnings
from pathlib import Path

import pytest

from faults.test_bad_inputs import evaluated_cell  # noqa: F401, a fixture
from satseg import records
from satseg.compare.__main__ import main as compare
from satseg.jobs.slices import EvaluateSlice
from satseg.records import write_record
from study_tree import study_slice, write_tree

AREA = "Files between stages"
SEED = 14
TRIALS = {"tables": 25, "report": 60, "compare": 25, "evaluate": 60}
KINDS = (".csv", ".json")


# --- damage: a text and a source of chance → another content, or None if it has nothing to damage --


def cut(text, rng):
    return text[: rng.randrange(len(text))]


def number(other):
    """Another word in the place of a number."""

    def change(text, rng):
        places = [match.span() for match in re.finditer(r"(?<![\w.#-])\d+(\.\d+)?(?![\w.])", text)]
        if not places:
            return None
        start, end = rng.choice(places)
        return text[:start] + other + text[end:]

    return change


def rows(change):
    """A change of the rows of a table, the header in front."""

    def damage(text, rng):
        if text.lstrip().startswith(("{", "[")):
            return None
        table = list(csv.reader(io.StringIO(text)))
        if len(table) < 2:
            return None
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(change(table, rng))
        return out.getvalue()

    return damage


def without_column(table, rng):
    place = rng.randrange(len(table[0]))
    return [row[:place] + row[place + 1 :] for row in table]


def twice(table, rng):
    return [*table, rng.choice(table[1:])]


def with_cell(content):
    def change(table, rng):
        row = rng.choice(table[1:])
        row[rng.randrange(len(row))] = content
        return table

    return change


def keys(change):
    """A change at a key of a JSON file, wherever it lies."""

    def damage(text, rng):
        if not text.lstrip().startswith(("{", "[")):
            return None
        value = json.loads(text)
        waiting = [value]
        places = []
        while waiting:
            inner = waiting.pop()
            names = list(inner) if isinstance(inner, dict) else range(len(inner))
            places += [(inner, name) for name in names]
            waiting += [inner[name] for name in names if isinstance(inner[name], dict | list)]
        if not places:
            return None
        change(*rng.choice(places))
        return json.dumps(value)

    return damage


def put(other):
    def change(inner, name):
        inner[name] = other

    return change


WAYS = {
    "emptied": lambda text, rng: "",
    "cut off": cut,
    "in UTF-16": lambda text, rng: text.encode("utf-16"),
    "with bytes that are no text": lambda text, rng: cut(text, rng).encode() + b"\xe4\xff",
    "with zeros": lambda text, rng: cut(text, rng) + "\0" * 64,
    "nested too deeply": lambda text, rng: "[" * 100_000,
    "NaN": number("NaN"),
    "infinite": number("Infinity"),
    "beyond floats": number("1e999"),
    "beyond 64 bits": number("9" * 30),
    "negative": number("-7"),
    "a fraction": number("0.3"),
    "a column less": rows(without_column),
    "a row twice": rows(twice),
    "an empty cell": rows(with_cell("")),
    "a word": rows(with_cell("wörd")),
    "a key less": keys(lambda inner, name: inner.pop(name)),
    "null": keys(put(None)),
    "a list": keys(put([])),
    "a text": keys(put("x")),
    "true": keys(put(True)),
}


# --- readers --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sound(tmp_path_factory, evaluated_cell):  # noqa: F811
    """A study, and a cell with all that its evaluation reads."""
    folder = tmp_path_factory.mktemp("sound")
    write_tree(folder, study_slice(figures=["losses"]))
    shutil.copytree(evaluated_cell, folder / "cell")
    return folder


@pytest.fixture
def readers(sound, command, tmp_path, monkeypatch):
    """Name → call that returns the error, "" if there is none; in a copy of the sound files."""
    shutil.copytree(sound, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    job = study_slice(figures=["losses"])

    def compared():
        monkeypatch.setattr(records, "_read", {})
        with pytest.raises(SystemExit) as end:
            compare(["mine", "earlier/results/mine", "-o", "out"])
            raise SystemExit("")
        return end.value.code

    cell = {"tiles": "cell/tiles", "split": "cell/split.csv", "run": "cell/run"}
    calls = {
        "tables": lambda: command("tables", job, data="data", results="results"),
        "report": lambda: command("report", job, data="data", results="results"),
        "compare": compared,
        "evaluate": lambda: command("evaluate", EvaluateSlice(evaluate={"subset": "val"}), **cell),
    }
    assert calls["tables"]() == ""
    for part in ("data", "results"):
        shutil.copytree(part, Path("earlier", part))
    for path in tmp_path.rglob("*.made.json"):
        path.unlink()
    return calls


def read_by(call):
    """Texts that a reader reads."""
    assert call() == ""
    names = sorted(records._read)
    for path in Path().rglob("*.made.json"):
        path.unlink()
    return [Path(name) for name in names if Path(name).suffix in KINDS and Path(name).is_file()]


def trials(files, count, rng):
    """A file, the way of damage and its damaged content, so many times; each file in turn."""
    made = 0
    while made < count:
        path = files[made % len(files)]
        text = path.read_text()
        way = rng.choice(list(WAYS))
        content = WAYS[way](text, rng) if text else None
        if content not in (None, text):
            made += 1
            yield path, way, content if isinstance(content, bytes) else content.encode()


@pytest.mark.parametrize("reader", TRIALS)
def test_what_a_record_names_is_never_believed(readers, fault, reader):
    call = readers[reader]
    files = read_by(call)
    for path in files:
        write_record([path], "slice", "code")

    for path, way, content in trials(files, TRIALS[reader], random.Random(SEED)):
        kept = path.read_bytes()
        path.write_bytes(content)
        message = call()
        path.write_bytes(kept)
        assert message.startswith("error: ") and "\n" not in message, (path, way, message)
        assert str(path) in message, (path, way, message)
    fault(AREA, f"files that a record names, damaged at random: {reader}", "none is believed")


@pytest.mark.parametrize("reader", TRIALS)
def test_what_no_record_names_ends_in_one_line(readers, fault, reader):
    call = readers[reader]
    for path, way, content in trials(read_by(call), TRIALS[reader], random.Random(SEED)):
        kept = path.read_bytes()
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            message = call()
        path.write_bytes(kept)
        for record in Path().rglob("*.made.json"):
            record.unlink()
        is_line = message.startswith("error: ") and "\n" not in message
        assert message == "" or is_line, (path, way, message)
    fault(AREA, f"files that no record names, damaged at random: {reader}", "no traceback")
