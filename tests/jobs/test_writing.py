"""One writer per output, and no output that is an input."""

import fcntl
import json
import logging
import multiprocessing
import os
import time

import psutil
import pytest

from satseg.errors import UserError
from satseg.jobs import writing
from satseg.jobs.writing import cell, file, folder, refuse_inputs, sole_writer
from satseg.processes import Owner, this_process


class Holder:
    """Another process that writes an output until it is asked to end."""

    def __init__(self, output, parent=None):
        fork = multiprocessing.get_context("fork")
        ready = fork.Event()
        self.over = fork.Event()
        self.process = fork.Process(target=self.run, args=(output, parent, ready))
        self.process.start()
        assert ready.wait(60)

    def run(self, output, parent, ready):
        with sole_writer(output, parent=parent):
            ready.set()
            self.over.wait(60)

    def end(self):
        self.over.set()
        self.process.join()


@pytest.fixture
def hold():
    """Start such a process."""
    started = []
    yield lambda *arguments: started.append(Holder(*arguments)) or started[-1]
    for holder in started:
        holder.process.kill()
        holder.process.join()


def test_the_lock_says_who_holds_it_and_leaves_nothing_behind(tmp_path):
    output = cell(tmp_path / "a/cell")
    with sole_writer(output):
        holder = json.loads(output.lock.read_text())
        assert (holder["pid"], holder["parent"]) == (os.getpid(), None)
    assert list(tmp_path.iterdir()) == []
    with sole_writer(output):
        output.lock.with_name("last.ckpt").touch()
    assert [path.name for path in output.lock.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("kind", [cell, file, folder])
def test_one_writer_at_a_time(tmp_path, hold, kind):
    output = kind(tmp_path / "output")
    holder = hold(output)
    line = f"^{tmp_path}/output: process {holder.process.pid} on .*; wait for it, or stop it first$"
    with pytest.raises(UserError, match=line), sole_writer(output):
        pytest.fail("two writers")
    assert holder.process.is_alive()
    (tmp_path / "link").symlink_to(tmp_path)
    with (
        pytest.raises(UserError, match="stop it first"),
        sole_writer(kind(tmp_path / "link/output")),
    ):
        pytest.fail("two writers, by two names")
    holder.process.kill()
    holder.process.join()
    with sole_writer(output):
        pass


def test_a_run_left_behind_is_waited_for(tmp_path, hold, monkeypatch, caplog):
    """As the parent process has ended, it will end at its next step."""
    gone = next(pid for pid in range(2**22 - 1, 0, -1) if not psutil.pid_exists(pid))
    holder = hold(cell(tmp_path), gone)
    monkeypatch.setattr(writing.time, "sleep", lambda _: holder.end())
    with caplog.at_level(logging.INFO, "satseg"), sole_writer(cell(tmp_path)):
        assert holder.process.exitcode == 0
    assert f"process {holder.process.pid}" in caplog.text
    assert "about to stop; waiting for it" in caplog.text


def test_a_lock_on_a_file_without_a_name_keeps_nobody_out(tmp_path, monkeypatch):
    """The file may be removed by the holder before, between another's opening and locking it."""
    lockf = fcntl.lockf
    calls = []

    def removed(lock, operation):
        lockf(lock, operation)
        calls.append(lock)
        if len(calls) == 1:
            (tmp_path / "checkpoints/lock").unlink()

    monkeypatch.setattr(fcntl, "lockf", removed)
    with sole_writer(cell(tmp_path)):
        assert len(calls) == 2
        assert json.loads((tmp_path / "checkpoints/lock").read_text())["pid"] == os.getpid()


def test_outputs_are_no_inputs(tmp_path):
    """By name, by link or by content; a folder stands for what is read of it."""
    tiles = tmp_path / "tiles"
    tiles.mkdir()
    (tiles / "tiles.csv").touch()
    scene = tmp_path / "scene.tif"
    scene.touch()
    (tmp_path / "linked.tif").symlink_to(scene)
    (tmp_path / "same.tif").hardlink_to(scene)
    for name in ("scene.tif", "linked.tif", "same.tif", "tiles/../scene.tif", "tiles/tiles.csv"):
        output = tmp_path / name
        with pytest.raises(UserError, match=rf"^{output}: would be written over .*another name$"):
            refuse_inputs([tmp_path / "other.tif", output], [scene, tiles])
    refuse_inputs([tmp_path / "new.tif", tiles / "split.csv"], [scene, tiles])


def test_what_killed_writers_left_is_removed(tmp_path):
    """Of this machine at once; of another, whose process none here can see, after a day without a
    change."""
    gone = next(pid for pid in range(2**22 - 1, 0, -1) if not psutil.pid_exists(pid))
    here = this_process()
    owners = {
        "dead": here._replace(pid=gone),
        "alive": here._replace(pid=os.getppid()),
        "elsewhere": Owner("0" * 8, "1" * 8, gone),
        "long ago": Owner("0" * 8, "2" * 8, gone),
    }
    output = tmp_path / "tiles"
    output.mkdir()
    for owner in owners.values():
        (output / f".images.{owner}.tmp.npy").touch()
        (output / f".scenes.{owner}.tmp").mkdir()
    two_days_ago = time.time() - 2 * 86400
    for kind in ("images.{}.tmp.npy", "scenes.{}.tmp"):
        os.utime(output / ("." + kind.format(owners["long ago"])), (two_days_ago, two_days_ago))
    with sole_writer(folder(output)):
        left = [path.name for path in output.iterdir()]
    kept = [str(owners[name]) for name in ("alive", "elsewhere")]
    assert sorted(left) == sorted(
        [
            ".lock",
            *(f".images.{owner}.tmp.npy" for owner in kept),
            *(f".scenes.{owner}.tmp" for owner in kept),
        ]
    )
