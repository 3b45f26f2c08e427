"""A SLURM cluster of this one machine, with one GPU that is only a name; needs root, slurm-wlm and
munge.

By hand: `python tests/slurm/cluster.py start`, later `stop`.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

# The only place where jobs look: Snakemake's plugin hides SLURM_CONF from them.
CONFIG = Path("/etc/slurm")
STATE = Path("/var/tmp/satseg-slurm")
MARK = "# satseg's test cluster; safe to delete"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "runuser")
# Short waits: a lost node is noticed and a requeued job started within seconds; a terminated job has
# ten.
SLURM = """{mark}
ClusterName=satseg
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=cred_expire=5
SlurmUser=root
SlurmdUser=root
StateSaveLocation={state}/controller
SlurmdSpoolDir={state}/node
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/slurmd.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,bf_interval=1,requeue_delay=1,batch_sched_delay=0
ReturnToService=2
MinJobAge=3600
KillWait=10
SlurmdTimeout=10
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=64000 Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=1-00:00:00 State=UP
PartitionName=gpu Nodes={host} MaxTime=1-00:00:00 State=UP
"""
GRES = "{mark}\nNodeName={host} Name=gpu File=/dev/null\n"


def missing() -> str | None:
    """Why no cluster can be started here."""
    absent = [name for name in PROGRAMS if not shutil.which(name, path=_path())]
    if absent:
        return f"SLURM is not installed ({', '.join(absent)}): apt-get install slurm-wlm munge"
    if os.geteuid() != 0:
        return "starting SLURM's daemons needs root"
    config = CONFIG / "slurm.conf"
    if config.exists() and MARK not in config.read_text():
        return f"{config} belongs to another cluster, which the tests leave alone"
    return None


def start() -> None:
    """Start munge, the controller and the node's daemon; return when the node is idle."""
    stop()
    host = socket.gethostname().split(".")[0]
    shutil.rmtree(STATE, ignore_errors=True)
    for folder in (CONFIG, STATE / "controller", STATE / "node"):
        folder.mkdir(parents=True, exist_ok=True)
    values = {"mark": MARK, "host": host, "state": STATE}
    (CONFIG / "slurm.conf").write_text(SLURM.format(**values))
    (CONFIG / "gres.conf").write_text(GRES.format(**values))
    _start_munge()
    run("slurmctld")
    start_node()


def start_node() -> None:
    """Start the node's daemon and wait until the controller counts on it."""
    run("slurmd")
    until(_node_is_up, "the node is up")


def kill_node() -> None:
    """SIGKILL the node's daemon; its jobs' processes live on."""
    _signal(STATE / "slurmd.pid", signal.SIGKILL)


def stop() -> None:
    """Cancel running jobs and stop the daemons started here; munge too, unless it ran before."""
    if (STATE / "slurmctld.pid").exists():
        subprocess.run(["scancel", "--user=root"], capture_output=True, timeout=30, check=False)
    for name in ("slurmd.pid", "slurmctld.pid", "munged.pid"):
        _signal(STATE / name, signal.SIGTERM)
    if MARK in _text(CONFIG / "slurm.conf"):
        (CONFIG / "slurm.conf").unlink()
        (CONFIG / "gres.conf").unlink(missing_ok=True)


def run(*command: str) -> str:
    """The output of a SLURM command.

    Raises:
        RuntimeError: it fails.
    """
    environment = os.environ | {"PATH": _path()}
    # Not captured through a pipe: the daemons would keep it open.
    with (STATE / "said").open("w+") as said:
        done = subprocess.run(
            command, env=environment, stdout=said, stderr=said, timeout=60, check=False
        )
        said.seek(0)
        text = said.read()
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {text}")
    return text


def until(
    happened: Callable[[], bool], what: str, seconds: float = 120, every: float = 0.2
) -> None:
    """Wait until `happened()` is true."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(every)


def _node_is_up() -> bool:
    try:
        return run("sinfo", "--noheader", "--format=%t").split()[0] in ("idle", "mix", "alloc")
    except RuntimeError:  # the controller does not answer yet
        return False


def _start_munge() -> None:
    if subprocess.run(["munge", "--no-input"], capture_output=True, check=False).returncode == 0:
        return
    folder = Path("/run/munge")
    folder.mkdir(exist_ok=True)
    shutil.chown(folder, "munge", "munge")
    if not Path("/etc/munge/munge.key").exists():
        run("mungekey", "--create")
        shutil.chown("/etc/munge/munge.key", "munge", "munge")
    run("runuser", "--user", "munge", "--", "munged")
    shutil.copy(folder / "munged.pid", STATE / "munged.pid")


def _signal(file: Path, number: int) -> None:
    text = _text(file).strip()
    if not text:
        return
    file.unlink(missing_ok=True)
    try:
        os.kill(int(text), number)
        until(lambda: not Path("/proc", text).exists(), f"{file.stem} has ended", 30)
    except ProcessLookupError:
        pass


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def _path() -> str:
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


if __name__ == "__main__":
    if missing():
        sys.exit(missing())
    {"start": start, "stop": stop}[sys.argv[1]]()
