"""A process ends with the one that started it."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from satseg.processes import OWNER, STARTER, Owner, this_process

# Starts a process as Snakemake does, tells its number, and waits.
START = """
import os, subprocess, sys, time
from satseg.processes import STARTER, this_process
os.environ[STARTER] = str(this_process())
command = [sys.executable, "-c", sys.argv[1]]
if sys.argv[2] == "shell":
    command = ["sh", "-c", '"$@"; true', "sh", *command]
child = subprocess.Popen(command)
time.sleep(60)
"""
STAGE = """
import os, time
from satseg import processes
{before}
processes.end_with_starter()
print(os.getpid(), flush=True)
time.sleep(60)
"""
NO_KERNEL = "processes.PR_SET_PDEATHSIG = -1"  # which the kernel refuses, as other systems do


@pytest.mark.parametrize(("by", "before"), [("", ""), ("", NO_KERNEL), ("shell", "")])
def test_a_job_ends_with_its_starter(by, before):
    starter = subprocess.Popen(
        [sys.executable, "-c", START, STAGE.format(before=before), by],
        stdout=subprocess.PIPE,
        text=True,
    )
    job = psutil.Process(int(starter.stdout.readline()))
    starter.kill()
    starter.wait()
    job.wait(timeout=30)


def test_a_job_whose_starter_has_ended_does_not_begin():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    starter = str(this_process()._replace(pid=gone.pid))
    stage = subprocess.run(
        [sys.executable, "-m", "satseg.stages.split", "--help"],
        env=os.environ | {STARTER: starter},
        capture_output=True,
        text=True,
    )
    assert (stage.returncode, stage.stdout) == (1, "")
    assert stage.stderr == "error: the Snakemake that started this has ended\n"


def test_without_snakemake_nothing_ends_it():
    text = "import os, satseg.stages.split; print(os.getpid(), flush=True); input()"
    start = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {text!r}]).wait()"
    starter = subprocess.Popen(
        [sys.executable, "-c", start], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    job = psutil.Process(int(starter.stdout.readline()))
    starter.send_signal(signal.SIGKILL)
    time.sleep(0.5)
    assert job.is_running()
    job.kill()
    starter.communicate()


def test_a_process_has_a_name_of_its_own():
    here = this_process()
    assert Owner.named(str(here)) == here
    assert (here.pid, here.is_visible, here.has_ended) == (os.getpid(), True, False)
    other = Owner.named("0123abcd-0123abcd-1")
    assert not other.is_visible
    assert not other.has_ended
    assert Owner.named("1234") is None
    assert OWNER.count("(") == 3
