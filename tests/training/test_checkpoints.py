"""Who may write where, and what a stopped run reports; interrupted runs: tests/faults."""

import fcntl
import json
import logging
import multiprocessing
import os

import psutil
import pytest

from satseg.errors import UserError
from satseg.training import lock
from satseg.training.lock import Stopped, sole_writer


class Holder:
    """Another process that holds the lock of a folder until it is asked to end."""

    def __init__(self, folder, parent=None):
        fork = multiprocessing.get_context("fork")
        ready = fork.Event()
        self.over = fork.Event()
        self.process = fork.Process(target=self.run, args=(folder, parent, ready))
        self.process.start()
        assert ready.wait(60)

    def run(self, folder, parent, ready):
        with sole_writer(folder, parent):
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
    folder = tmp_path / "cell/checkpoints"
    with sole_writer(folder):
        holder = json.loads((folder / "lock").read_text())
        assert (holder["pid"], holder["parent"]) == (os.getpid(), None)
    assert not folder.exists()
    with sole_writer(folder):
        (folder / "last.ckpt").touch()
    assert [path.name for path in folder.iterdir()] == ["last.ckpt"]


def test_one_writer_at_a_time(tmp_path, hold):
    folder = tmp_path / "cell/checkpoints"
    holder = hold(folder)
    line = f"^{tmp_path}/cell: process {holder.process.pid} on .*; wait for it, or stop it first$"
    with pytest.raises(UserError, match=line), sole_writer(folder):
        pytest.fail("two writers")
    assert holder.process.is_alive()
    holder.process.kill()
    holder.process.join()
    with sole_writer(folder):
        pass


def test_a_run_left_behind_is_waited_for(tmp_path, hold, monkeypatch, caplog):
    """As the parent process has ended, it will end at its next step."""
    gone = next(pid for pid in range(2**22 - 1, 0, -1) if not psutil.pid_exists(pid))
    holder = hold(tmp_path, gone)
    monkeypatch.setattr(lock.time, "sleep", lambda _: holder.end())
    with caplog.at_level(logging.INFO, "satseg"), sole_writer(tmp_path):
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
            (tmp_path / "lock").unlink()

    monkeypatch.setattr(fcntl, "lockf", removed)
    with sole_writer(tmp_path):
        assert len(calls) == 2
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()


def test_stopping_on_request_is_an_exit_status(caplog):
    with pytest.raises(SystemExit) as ended:
        raise Stopped("SIGTERM: stopped in epoch 3, after batch 17 of 40")
    assert ended.value.code == 75
    assert caplog.messages == [
        "SIGTERM: stopped in epoch 3, after batch 17 of 40; run the same command again to resume"
    ]
