"""Who else used this machine meanwhile."""

from __future__ import annotations

import shutil
import subprocess

import psutil
import torch

from satseg.devices import device

IDLE = ("idle", "iowait", "guest", "guest_nice")  # the guests' time is part of `user` and `nice`
NVIDIA_SMI = ["nvidia-smi", "--query-compute-apps=pid,gpu_uuid", "--format=csv,noheader"]
PATIENCE = 20  # seconds for nvidia-smi


class Meter:
    """Measures how much of the CPU time that is used goes to other processes than this one and
    those it started; what the host of a virtual machine takes away counts as others'."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Measure from now on."""
        self.own = own_seconds()
        self.busy = busy_seconds()

    def others(self) -> float:
        """The others' share of the CPU time used since the start: 0, alone, to 1."""
        busy = busy_seconds() - self.busy
        own = own_seconds() - self.own
        # The kernel counts both in ticks of a hundredth of a second, and not at the same moment.
        return min(1.0, max(0.0, 1 - own / busy)) if busy > 0 else 0.0


def busy_seconds() -> float:
    """CPU seconds that all processes have used since the machine started."""
    times = psutil.cpu_times()._asdict()
    return sum(seconds for name, seconds in times.items() if name not in IDLE)


def own_seconds() -> float:
    """CPU seconds of this process and of all it has started."""
    total = 0.0
    for process in _own_processes():
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue  # it has ended: its parent's time includes it
        total += times.user + times.system + times.children_user + times.children_system
    return total


def gpu_others() -> int | None:
    """How many other processes use the GPU at hand; None without one, or if that cannot be seen."""
    if device().type != "cuda" or not shutil.which(NVIDIA_SMI[0]):
        return None
    try:
        done = subprocess.run(
            NVIDIA_SMI, capture_output=True, text=True, check=True, timeout=PATIENCE
        )
    except (OSError, subprocess.SubprocessError):
        return None
    own = {process.pid for process in _own_processes()}
    return others_in(done.stdout, str(torch.cuda.get_device_properties(device()).uuid), own)


def others_in(listed: str, gpu: str, own: set[int]) -> int | None:
    """How many processes on a GPU are not one's own; None if the list shows none of one's own, as
    in a container, which numbers its processes by itself.

    Args:
        listed: a line `pid, gpu_uuid` for each process on any GPU.
        gpu: the GPU's UUID.
        own: one's own processes.
    """
    found = set()
    for line in listed.splitlines():
        pid, _, uuid = line.partition(",")
        if gpu in uuid and pid.strip().isdigit():
            found.add(int(pid))
    return len(found - own) if found & own else None


def _own_processes() -> list[psutil.Process]:
    this = psutil.Process()
    return [this, *this.children(recursive=True)]
