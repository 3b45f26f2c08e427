"""What a run is asked for, and its last line."""

import sys
from pathlib import Path

import pytest

from satseg.config.reading import load
from satseg.jobs import running, slices, targets
from satseg.jobs.arguments import LONGEST_ARGUMENT, parse
from satseg.records import digest_of


def test_a_large_slice_travels_by_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    groups = [[f"scene {i} of the north*", f"scene {i} of the south*"] for i in range(4000)]
    overrides = {"datasets": {"demo": {"groups": groups}}}
    small = slices.tile_slice(load(), "demo")
    large = slices.tile_slice(load(overrides=overrides), "demo")
    assert small.argument() == small.model_dump_json()
    argument = large.argument()
    assert len(argument) < 200 and len(large.model_dump_json()) > LONGEST_ARGUMENT
    assert parse(slices.TileSlice, argument) == large
    assert large.argument() == argument
    content = Path(argument).read_bytes()
    Path(argument).write_bytes(content[:-9])  # damaged: its name is what it should hold
    assert large.argument() == argument
    assert Path(argument).read_bytes() == content
    assert len(list((tmp_path / ".snakemake/satseg").iterdir())) == 1


@pytest.mark.parametrize("encoding", ["ascii", "iso8859-15", "utf-8"])
def test_a_slice_of_other_characters_travels_by_file(tmp_path, monkeypatch, encoding):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: encoding)
    overrides = {"datasets": {"demo": {"groups": [["市*"]]}}}
    job = slices.tile_slice(load(overrides=overrides), "demo")
    argument = job.argument()
    assert argument.isascii() == (encoding != "utf-8")
    assert parse(slices.TileSlice, argument) == job
    assert digest_of(argument) == digest_of(job.model_dump_json())


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (["demo"], ""),
        (["results/x.csv"], ""),
        (["dmeo"], "dmeo: no such study or rule; did you mean 'demo'?"),
        (["DEMO"], "DEMO: no such study or rule; did you mean 'demo'?"),
        (["zzz"], "zzz: no such study or rule; there are all, demo"),
    ],
)
def test_a_misspelt_study_names_the_nearest(wanted, said):
    assert targets.misspelt(wanted, ["demo", "all"]) == said


def test_a_file_is_no_misspelt_study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dmeo").touch()
    assert targets.misspelt(["dmeo"], ["demo"]) == ""


@pytest.mark.parametrize(
    ("last", "after"),
    [("", ""), ("12:00:00 epoch 1/2: loss 0.5\n", " after '12:00:00 epoch 1/2: loss 0.5'")],
)
def test_a_job_that_is_killed_says_nothing_and_the_run_says_what_to_do(tmp_path, last, after):
    log = tmp_path / "train.log"
    log.write_text(last)
    said = tmp_path / "snakemake.log"
    said.write_text(f"Error in rule train:\n    log: {log} (check log file(s))\n")
    assert running.reason([str(said)]) == (
        f"error: the job ended without a word{after}, as one does that is killed, perhaps for lack "
        f"of memory; run the same command again to resume ({log})"
    )


def test_the_reason_is_the_last_line_of_the_failed_job(tmp_path):
    log = tmp_path / "train.log"
    log.write_text("epoch 1\nerror: recipes.demo: too large\n\n")
    said = tmp_path / "snakemake.log"
    said.write_text(
        "Error in rule train:\n    jobid: 4\n    input: a\n"
        f"    log: {log} (check log file(s) for error details)\n    shell:\n"
    )
    assert running.reason([str(said)]) == f"error: recipes.demo: too large ({log})"
    log.write_text("12:00:00 interrupted; run the same command again to resume\n")
    assert running.reason([str(said)]) == f"{log.read_text().strip()} ({log})"
    said.write_text("Nothing to be done\n")
    assert running.reason([str(said), str(tmp_path / "none")]) == ""
