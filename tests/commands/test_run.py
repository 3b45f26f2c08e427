"""The command line that `satseg run` gives Snakemake, and how it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake.cli import get_argument_parser
from snakemake.utils import available_cpu_count

from conftest import ROOT
from satseg.commands import __main__ as command
from satseg.commands import run
from satseg.commands.watching import View, on_screen, watched_run
from satseg.config.reading import load


def parsed(monkeypatch, *words, passed_on=(), visible=None):
    """What Snakemake's own parser makes of the command line."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible or "")
    options = run._parser("satseg run").parse_args(words)
    line = run.snakemake_command(options, list(passed_on))
    assert line[:3] == [sys.executable, "-m", "snakemake"]
    return get_argument_parser().parse_args(line[3:])


@pytest.mark.parametrize(
    "words",
    [
        ("demo", "--configfile", "my.yaml", "--cores", "3"),
        ("--cores", "3", "--configfile", "my.yaml", "demo"),
    ],
)
def test_targets_are_no_values_of_options(monkeypatch, words):
    found = parsed(monkeypatch, *words, passed_on=["--forcerun", "train", "tables"])
    assert set(found.targets) == {"demo"} and found.cores == 3
    assert [Path(file).name for file in found.configfile] == ["my.yaml"]
    assert set(found.forcerun) == {"train", "tables"}


@pytest.mark.parametrize(("visible", "gpus"), [("", 1), ("0", 1), ("0,3,GPU-a", 3)])
def test_all_cores_and_the_gpus_that_are_here(monkeypatch, visible, gpus):
    found = parsed(monkeypatch, "demo", visible=visible)
    assert found.cores == available_cpu_count()
    assert found.resources["gpu"].value == gpus


def test_a_profile_decides_for_itself(monkeypatch):
    found = parsed(monkeypatch, "demo", "--profile", "workflow/profiles/slurm")
    assert Path(found.workflow_profile).name == "slurm"
    options = run._parser("satseg run").parse_args(["demo", "--profile", "p"])
    assert not {"--cores", "--resources"} & set(run.snakemake_command(options, []))


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        (
            ["Error in rule train:", "", "error: too large (logs/a.log)", ""],
            "error: too large (logs/a.log)",
        ),
        (
            ["LockException:", "Error: Directory cannot be locked. Please"],
            "error: another Snakemake works",
        ),
        (["noise"] * 30 + ["Missing input files for rule x:", "a.csv"], "noise\nnoise\n"),
        ([], "error: Snakemake ended without a word"),
    ],
)
def test_the_one_error(lines, error):
    assert run.one_error(lines).startswith(error)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["run", "dmeo"], "error: no study 'dmeo'; did you mean 'demo'?"),
        (["run", "DEMO"], "error: no study 'DEMO'; did you mean 'demo'?"),
        (["status", "results/demo/report.html"], "error: no study 'results/demo/report.html'; did"),
        (
            ["run", "config/studies/demo.yaml"],
            "error: no study 'config/studies/demo.yaml'; did you",
        ),
        (["status", "zzz"], "error: no study 'zzz'; choose from demo, "),
        (["chekc"], "error: satseg chekc: no such command; did you mean 'check'?"),
        (["estimate", "demoo"], "error: no study 'demoo'; did you mean 'demo'?"),
        (["check", "dubay"], "error: no dataset 'dubay'; did you mean 'dubai'?"),
    ],
)
def test_the_nearest_name(monkeypatch, words, error):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as ended:
        command.main(words)
    assert str(ended.value).startswith(error)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["run", "demo", "--forcerun", "train"],
            "error: satseg run: --forcerun train: not its own; options of Snakemake go after --, as "
            "in `-- --forcerun train`; see `satseg run --help`",
        ),
        (
            ["predict", "scene.tif"],
            "error: satseg predict: the following arguments are required: --run, -o/--out; see "
            "`satseg predict --help`",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line(monkeypatch, capsys, words, line):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as ended:
        command.main(words)
    assert ended.value.code == 2 and capsys.readouterr().err == f"{line}\n"


def test_a_folder_inside_the_checkout_is_refused_and_another_named(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(ROOT / "docs")
    with pytest.raises(SystemExit, match=rf"^error: {ROOT}/docs: a folder inside the checkout; "):
        command.main(["status", "demo"])
    monkeypatch.chdir(tmp_path)
    command.main(["status", "demo"])
    said = capsys.readouterr()
    assert said.err == f"{tmp_path}: not a checkout; data/ and results/ here are used\n"
    assert said.out.startswith("demo: 0 of 3 cells done (3 waiting)\n")


@pytest.mark.parametrize("name", command.SUBCOMMANDS)
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main([name, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: satseg {name} ")


def test_the_command_lists_its_commands():
    """Also on a console that lacks a character."""
    said = subprocess.run(
        [sys.executable, "-m", "satseg.commands"],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.startswith("usage: satseg COMMAND ?\n")
    assert all(f"  {name} " in said for name in command.SUBCOMMANDS)


def test_a_run_is_watched_to_its_end(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    script = (
        "import pathlib, sys; log = pathlib.Path('logs/tile/demo.log'); "
        "log.parent.mkdir(parents=True); log.write_text('12:00:00 tiling: 3 of 9 scenes\\n'); "
        "print('noise'); sys.exit('error: the end')"
    )
    config = load()
    status, lines = watched_run([sys.executable, "-c", script], config, ["demo"])
    assert status == 1 and lines == ["noise", "error: the end"]
    said = capfd.readouterr().out
    assert "demo: 0 of 3 cells done (3 waiting)" in said and "noise" not in said
    Path("logs/tile/deleted.log").symlink_to("nowhere")
    view = View(config, ["demo"], 0.0)
    assert view.lines()[1] == "  tile demo: tiling: 3 of 9 scenes"

    view.show()
    Path("logs/tile/demo.log").write_text("12:00:09 tiling: 6 of 9 scenes\n")
    view.shown -= 60
    capfd.readouterr()
    view.show()  # not what it said before
    assert capfd.readouterr().out == "  tile demo: tiling: 6 of 9 scenes\n"


def test_a_run_that_is_ended_from_outside_is_stopped(tmp_path, monkeypatch):
    """And not a failure: what Snakemake says of its end is nobody's error."""
    monkeypatch.chdir(tmp_path)
    script = (
        "import os, signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit('torn')); "
        "os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)"
    )
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        status, lines = watched_run([sys.executable, "-c", script], load(), ["demo"])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert (status, lines) == (130, ["torn"])


def test_a_narrow_terminal_loses_nothing_and_a_low_one_only_what_would_scroll_away():
    line = (
        "  roofs/unet_tiny/roofs/seed0: epoch 4 of 10, validation mIoU 0.229, about 2 min 41 s left"
    )
    rows = on_screen([line], 60, 24)
    assert len(rows) == 2 and max(map(len, rows)) < 60
    assert " ".join(row.strip() for row in rows) == line.strip()
    assert rows[0].startswith("  roofs/") and rows[1].startswith("    ")
    assert on_screen(["a", "b"], 60, 24) == ["a", "b"]
    assert on_screen(list("abcdef"), 60, 4) == ["a", "b", "  …"]


@pytest.mark.parametrize("said", [["noise"], ["Nothing to be done (all requested files are …)."]])
def test_a_second_run_says_that_there_is_nothing_to_do(monkeypatch, capsys, said):
    monkeypatch.setattr(run, "watched_run", lambda *_: (0, said))
    run.main(["demo"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "The report: results/demo/report.html"
    assert lines[:-1] == ["Nothing to be done: all is up to date"] * ("Nothing" in said[0])
