"""Who else used the machine, from what the system counts."""

import os
import subprocess
import sys
from collections import namedtuple

import pytest

from satseg import sharing
from satseg.sharing import Meter, busy_seconds, others_in, own_seconds

SPIN = "import time\nwhile time.process_time() < {}: pass\n"


def spin(seconds: float) -> None:
    subprocess.run([sys.executable, "-S", "-c", SPIN.format(seconds)], check=True)


def test_what_this_process_started_is_its_own():
    before = own_seconds()
    of_system = sum(os.times()[:4])
    spin(0.2)
    found = own_seconds() - before
    assert 0.15 <= found <= 2
    assert found == pytest.approx(sum(os.times()[:4]) - of_system, abs=0.05)


def test_the_time_of_other_processes_is_theirs(monkeypatch):
    """Of ten seconds in use, six are our own."""
    times = iter([100.0, 110.0, 110.0])
    own = iter([20.0, 26.0, 26.0])
    monkeypatch.setattr(sharing, "busy_seconds", lambda: next(times))
    monkeypatch.setattr(sharing, "own_seconds", lambda: next(own))
    meter = Meter()
    assert meter.others() == pytest.approx(0.4)


@pytest.mark.parametrize(("busy", "own", "others"), [(0, 0, 0), (1, 1.02, 0), (1, -0.1, 1)])
def test_shares_stay_between_none_and_all(monkeypatch, busy, own, others):
    monkeypatch.setattr(sharing, "busy_seconds", lambda: 5.0)
    monkeypatch.setattr(sharing, "own_seconds", lambda: 3.0)
    meter = Meter()
    monkeypatch.setattr(sharing, "busy_seconds", lambda: 5.0 + busy)
    monkeypatch.setattr(sharing, "own_seconds", lambda: 3.0 + own)
    assert meter.others() == others


def test_a_machine_is_busy_without_its_idle_time_and_counts_guests_once(monkeypatch):
    fields = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest"]
    times = namedtuple("times", fields)(1, 2, 4, 1000, 1000, 8, 16, 32, 1000)
    monkeypatch.setattr(sharing.psutil, "cpu_times", lambda: times)
    assert busy_seconds() == 63


@pytest.mark.parametrize(
    ("listed", "others"),
    [
        ("11, GPU-a1\n", 0),
        ("11, GPU-a1\n12, GPU-a1\n13, GPU-b2\n", 1),
        ("12, GPU-a1\n", None),  # it does not show our own
        ("11, GPU-b2\n", None),
        ("", None),
    ],
)
def test_other_processes_on_the_same_gpu(listed, others):
    assert others_in(listed, "a1", {10, 11}) == others
