"""One GPU for each job: locks that separate processes respect and that a kill gives back."""

import os
import subprocess
import sys

import pytest

from satseg.jobs.gpus import VISIBLE, list_gpus, take_gpu

HOLD = """
import sys
from satseg.jobs.gpus import take_gpu
print(take_gpu(sys.argv[2:], sys.argv[1]), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hold(tmp_path, monkeypatch):
    """A function that starts a process which takes one of these GPUs and keeps it; returns process
    and GPU."""
    monkeypatch.delenv(VISIBLE, raising=False)
    started = []

    def start(*gpus):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, tmp_path, *gpus],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_each_job_has_a_gpu_of_its_own(hold):
    gpus = ["GPU-a", "GPU-b", "GPU-c", "GPU-d"]
    assert sorted(hold(*gpus)[1] for _ in gpus) == gpus


def test_more_jobs_than_gpus_share_evenly(hold):
    taken = [hold("GPU-a", "GPU-b")[1] for _ in range(5)]
    assert sorted(taken[:2]) == sorted(taken[2:4]) == ["GPU-a", "GPU-b"]
    assert taken[4] in taken[:2]


def test_a_kill_gives_the_gpu_back(hold):
    gpus = ["GPU-a", "GPU-b", "GPU-c"]
    _, (killed, freed), _ = [hold(*gpus) for _ in gpus]
    killed.kill()
    killed.wait()
    assert hold(*gpus)[1] == freed


@pytest.mark.parametrize("given", ["3", "GPU-z", ""])
def test_the_schedulers_choice_stands(monkeypatch, tmp_path, caplog, given):
    monkeypatch.setenv(VISIBLE, given)
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    with caplog.at_level("INFO", "satseg"):
        assert take_gpu(["GPU-a", "GPU-b"], tmp_path) == given
    assert os.environ[VISIBLE] == given
    assert caplog.messages == [f"{VISIBLE}={given} is set, by SLURM job 17"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("gpus", [[], ["GPU-a"]])
def test_nothing_to_choose_from(monkeypatch, tmp_path, gpus):
    monkeypatch.delenv(VISIBLE, raising=False)
    assert take_gpu(gpus, tmp_path) is None
    assert VISIBLE not in os.environ


def test_lists_what_the_driver_lists(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\ntest "$1" = --query-gpu=uuid && printf "GPU-1\\nGPU-2\\n"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert list_gpus() == ["GPU-1", "GPU-2"]
    program.write_text("#!/bin/sh\necho NVIDIA-SMI has failed\nexit 9\n")
    assert list_gpus() == []


def test_a_job_may_have_several(monkeypatch, tmp_path):
    gpus = ["GPU-a", "GPU-b", "GPU-c"]
    monkeypatch.setenv(VISIBLE, "")
    for expected in (
        "GPU-a,GPU-b",
        "GPU-c,GPU-a",
        "GPU-b,GPU-c",
    ):  # the least used first, never one twice
        del os.environ[VISIBLE]
        assert take_gpu(gpus, tmp_path, 2) == os.environ[VISIBLE] == expected
