"""The state of cells, from files as their jobs leave them."""

import json
import os
import socket
from datetime import datetime

import pytest

from satseg.commands.expected import seconds_left, study_left
from satseg.commands.staleness import changed_keys, changes
from satseg.commands.states import _all_there, _json, study_states
from satseg.commands.status import _fitted
from satseg.commands.words import headline, status_text
from satseg.config.reading import load
from satseg.files import sha256, write_json
from satseg.jobs.dependencies import digest, model_code
from satseg.jobs.slices import train_slice
from satseg.records import digest_of, write_record
from satseg.training.history import COLUMNS

STUDY = "mine"
DEAD = 2**22 + 1  # no process has that number


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Four cells: two models, two seeds, five epochs; and an empty working folder."""
    monkeypatch.chdir(tmp_path)
    recipe = {"split": "groups_test", "loss": {"name": "jdt"}, "epochs": 5, "batch_size": 1}
    study = {"datasets": ["demo"], "models": ["unet_tiny", "unet_shallow"], "recipes": ["mine"]}
    overrides = {"recipes": {"mine": recipe}, "study": {STUDY: study | {"seeds": [0, 1]}}}
    return load(overrides=overrides)


def folder(tmp_path, model="unet_tiny", seed=0):
    return tmp_path / f"results/runs/demo/{model}/mine/seed{seed}"


def running(place, pid, host=None, **progress):
    """A cell that a process trains."""
    holder = {"host": host or socket.gethostname(), "pid": pid, "since": "now", "parent": None}
    write_json(place / "checkpoints/lock", holder)
    usual = {"epochs": 5, "may_stop_early": False, "share": 0.0}
    write_json(place / "checkpoints/progress.json", usual | progress)


def finished(place, evaluated=True):
    """A cell that took ten seconds an epoch."""
    place.mkdir(parents=True)
    row = dict.fromkeys(COLUMNS, 0.25) | {"epoch_seconds": 10.0}
    lines = [",".join(COLUMNS), *[",".join(map(str, row.values()))] * 5]
    (place / "history.csv").write_text("\n".join(lines))
    write_json(place / "run.json", {"best_epoch": 4})
    names = ["best.pt", "final.pt"] + ["counts.csv", "confusion.csv", "panels.npz"] * evaluated
    for name in names:
        (place / name).touch()


def logged(tmp_path, rule, text, model="unet_tiny", seed=0):
    file = tmp_path / f"logs/{rule}/demo/{model}/mine/seed{seed}.log"
    file.parent.mkdir(parents=True)
    file.write_text(text)


def test_nothing_has_begun(config):
    states = study_states(config, STUDY)
    assert [state.kind for state in states] == ["waiting"] * 4
    assert study_left(states) == (0.0, 4)
    assert headline(STUDY, states) == "mine: 0 of 4 cells done (4 waiting)"


def test_the_states_of_a_study_that_runs(config, tmp_path):
    finished(folder(tmp_path))
    running(
        folder(tmp_path, seed=1),
        os.getpid(),
        done=2,
        share=0.5,
        epoch_seconds=[30.0, 8.0, 10.0, 12.0],
        val_jaccard=[0.1, 0.2],
    )
    logged(tmp_path, "train", "epoch 1\nerror: recipes.mine: too large\n\n", "unet_shallow")

    states = study_states(config, STUDY)
    assert [state.kind for state in states] == ["done", "training", "failed", "waiting"]
    done, training, failed, waiting = states
    assert (done.score, done.best_epoch, done.epoch_seconds) == (0.25, 4, 10.0)
    # The mean of the last three epochs; two and a half of five are left.
    assert seconds_left(training, states) == 10.0 * 2.5
    assert training.score == 0.2 and failed.note == "error: recipes.mine: too large"
    assert seconds_left(waiting, states) is None  # no epoch of that model is done
    assert study_left(states) == (25.0, 2)

    text = status_text(STUDY, states, datetime(2030, 1, 1, 12, 0))
    assert text.splitlines()[0] == (
        "mine: 1 of 4 cells done (1 training, 1 failed, 1 waiting); "
        "more than 25 s left, 2 cells not measured yet"
    )
    assert "demo/unet_tiny/mine/seed1     training" in text and "3 of 5" in text


def test_cells_of_the_same_model_take_as_long(config, tmp_path):
    finished(folder(tmp_path))
    finished(folder(tmp_path, "unet_shallow"))
    for model in ("unet_tiny", "unet_shallow"):
        running(folder(tmp_path, model, 1), os.getpid(), done=0, epoch_seconds=[], val_jaccard=[])
    states = study_states(config, STUDY)
    assert study_left(states) == (50.0, 0)  # two at once, fifty seconds each
    now = datetime(2030, 1, 1, 23, 59, 30)
    assert headline(STUDY, states, now).endswith("about 50 s left; ends about 02 Jan, 00:00")


@pytest.mark.parametrize(
    ("last", "kind", "note"),
    [
        ("12:00:00 SIGTERM: stopped; run the same command again to resume", "stopped", "resumes"),
        ("12:00:00 epoch 2/5: loss 1", "stopped", "ended without a word"),
        ("torch.OutOfMemoryError: no", "failed", "torch.OutOfMemoryError: no"),
    ],
)
def test_a_run_that_ended_before_its_end(config, tmp_path, last, kind, note):
    place = folder(tmp_path)
    running(place, DEAD, done=2, epoch_seconds=[1.0, 1.0], val_jaccard=[0.1, 0.2])
    logged(tmp_path, "train", f"{last}\n")
    state = study_states(config, STUDY)[0]
    assert (state.kind, state.done) == (kind, 2) and state.note.startswith(note)


def test_files_that_vanish_while_they_are_looked_at(config, tmp_path, monkeypatch):
    cell = folder(tmp_path)
    finished(cell)

    def vanishing(*arguments):
        there = _all_there(*arguments)
        (cell / "history.csv").unlink(missing_ok=True)
        return there

    monkeypatch.setattr("satseg.commands.states._all_there", vanishing)
    assert study_states(config, STUDY)[0].kind == "waiting"


def test_progress_that_vanishes_while_it_is_looked_at(config, tmp_path, monkeypatch):
    cell = folder(tmp_path)
    running(cell, os.getpid(), done=2, epoch_seconds=[10, 20], val_jaccard=[0.1, 0.2])

    def vanishing(file):
        content = _json(file)
        (cell / "checkpoints/progress.json").unlink(missing_ok=True)
        return content

    monkeypatch.setattr("satseg.commands.states._json", vanishing)
    state = study_states(config, STUDY)[0]
    assert (state.kind, state.note) == ("training", "")


def test_another_machine_is_believed_but_its_silence_is_told(config, tmp_path):
    place = folder(tmp_path)
    running(place, DEAD, "elsewhere", done=1, epoch_seconds=[1.0], val_jaccard=[0.1])
    assert study_states(config, STUDY)[0][1:2] == ("training",)
    os.utime(place / "checkpoints/progress.json", (1e9, 1e9))
    state = study_states(config, STUDY)[0]
    assert state.kind == "training" and state.note.startswith("no sign of it for ")


def test_evaluation_fails_or_is_to_come(config, tmp_path):
    finished(folder(tmp_path), evaluated=False)
    assert study_states(config, STUDY)[0].kind == "trained"
    logged(tmp_path, "evaluate", "error: no tile to test\n")
    state = study_states(config, STUDY)[0]
    assert (state.kind, state.note) == ("failed", "error: no tile to test")


def test_a_cell_that_was_stopped_as_it_began_waits(config, tmp_path):
    logged(tmp_path, "train", "Traceback (most recent call last):\nKeyboardInterrupt\n")
    state = study_states(config, STUDY)[0]
    assert (state.kind, state.note) == ("waiting", "")


def test_why_a_cell_is_stale(config, tmp_path):
    place = folder(tmp_path)
    finished(place)
    wanted = train_slice(config, "demo", "unet_tiny", "mine", 0)
    write_json(place / "run.json", {"best_epoch": 4, "slice": json.loads(wanted.model_dump_json())})
    code = digest(model_code("train", config.models["unet_tiny"]))
    split = tmp_path / "data/splits/demo/groups_test.csv"
    split.parent.mkdir(parents=True)
    split.write_text("tile,scene,subset\n")
    name = str(split.relative_to(tmp_path))

    is_wanted = wanted.argument()
    is_there = sha256(split)

    def reason(text=is_wanted, code=code, checksum=is_there):
        inputs = {name: checksum, "data/tiles/demo/images.npy": "0"}
        write_record([place / "run.json"], digest_of(text), code, inputs)
        state = study_states(config, STUDY)[0]
        assert (state.kind == "stale") == bool(state.note)
        return state.note

    assert reason() == ""
    assert reason("{}") == "its configuration has changed"
    assert reason(code="another") == "its code has changed"
    assert reason(code=None) == ""  # a stage run by hand
    assert reason(checksum="0") == f"{name} has changed"
    (place / "run.made.json").write_text("[")
    assert study_states(config, STUDY)[0].note.endswith("run.made.json is damaged")
    (place / "run.made.json").unlink()
    assert study_states(config, STUDY)[0].kind == "done"


def test_changed_keys_are_named_up_to_three(config):
    wanted = train_slice(config, "demo", "unet_tiny", "mine", 0)
    before = json.loads(wanted.model_dump_json())
    before["training"]["epochs"] = 3
    assert changed_keys(before, wanted) == "training.epochs: 3 → 5"
    before["training"] |= {"batch_size": 2, "accumulate": 3, "precision": "bf16"}
    assert changed_keys(before, wanted).endswith(" and 1 more")


def test_changes_name_the_keys_that_both_sides_have():
    before = {"a": 1, "b": {"c": [1], "d": 2}, "old": 1}
    after = {"a": 1, "b": {"c": [2], "d": 2}, "new": 1}
    assert list(changes(before, after)) == ["b.c: [1] → [2]"]
    assert json.loads("[]") == list(changes(before, before))


@pytest.fixture
def tuned():
    """The four trials of the demo's tuning, and the cell that its recipe is for."""
    return load()


def test_the_trials_of_a_tuning_come_first(config, tuned, tmp_path):
    place = tmp_path / "results/runs/demo/unet_tiny"
    finished(place / "demo_tuned.trial1.rung1/seed0", evaluated=False)
    running(
        place / "demo_tuned.trial2.rung1/seed0",
        os.getpid(),
        epochs=1,
        done=0,
        share=0.5,
        epoch_seconds=[],
        val_jaccard=[],
    )
    states = study_states(tuned, "demo_tuning")
    names = [state.cell.recipe for state in states]
    assert names == [
        *(f"demo_tuned.trial{number}.rung1" for number in (1, 2, 3, 4)),
        *(f"demo_tuned.trial{number}.rung2" for number in (1, 2)),
        "demo_tuned",
    ]
    kinds = [state.kind for state in states]
    assert kinds == ["done", "training", *["waiting"] * 5]
    # Half an epoch is left of the second, one each of four others, two of the cell.
    assert study_left(states).seconds == pytest.approx(10 * (0.5 + 4 + 2))


def test_a_tuning_alone_shows_its_trials(config, tuned):
    names = [state.cell.recipe for state in study_states(tuned, "demo_tuned")]
    assert len(names) == 6 and all(name.startswith("demo_tuned.trial") for name in names)


@pytest.mark.parametrize(("height", "shown"), [(9, 5), (5, 3), (3, 2)])
def test_a_low_terminal_shows_what_happens(monkeypatch, height, shown):
    rows = [f"  demo/a{n}  {kind}  3 of 3" for n, kind in enumerate(("done", "failed", "waiting"))]
    text = "\n".join(["demo: 1 of 3 cells done", "  cell  state  epochs", *rows])
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((60, height)))
    lines = _fitted(text)
    assert len(lines) == shown and lines[0] == "demo: 1 of 3 cells done"
    assert (rows[1] in lines) == (height > 3)


def test_a_tuning_that_is_done_shows_its_cell_alone(config, tuned, tmp_path):
    folder = tmp_path / "results/tunings/demo_tuned"
    folder.mkdir(parents=True)
    for name in ("settings.yaml", "recipe.yaml"):
        (folder / name).touch()
    assert [state.cell.recipe for state in study_states(tuned, "demo_tuning")] == ["demo_tuned"]


@pytest.mark.parametrize(
    "content", ["", "[]", "[" * 100_000, '{"epochs": 3}', '{"epochs": "x", "epoch_seconds": 1}']
)
def test_damaged_files_are_no_traceback(config, tmp_path, content):
    """Of a run that trains, of one whose lock is damaged, and of one that has finished."""
    trains = folder(tmp_path)
    running(trains, os.getpid())
    (trains / "checkpoints/progress.json").write_text(content)
    running(folder(tmp_path, seed=1), "no number")
    done = folder(tmp_path, "unet_shallow")
    done.mkdir(parents=True)
    for name in ("best.pt", "final.pt", "run.json"):
        (done / name).write_text(content)
    (done / "history.csv").write_bytes("epoch,val_jaccard\n1,0.5\n".encode("utf-16"))

    states = study_states(config, STUDY)
    kinds = {(state.cell.model, state.cell.seed): state.kind for state in states}
    assert kinds["unet_tiny", 0] == "training"
    assert kinds["unet_tiny", 1] in ("waiting", "stopped")
    assert kinds["unet_shallow", 0] == "trained"
    assert all(state.score is None for state in states)
    assert status_text(STUDY, states)
