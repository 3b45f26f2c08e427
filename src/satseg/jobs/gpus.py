"""Which GPUs of this machine a job works on: those its scheduler gave, or ones that no other job
holds."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from itertools import count
from pathlib import Path
from typing import IO

from satseg.progress import log

VISIBLE = "CUDA_VISIBLE_DEVICES"
# Open as long as this process lives: the kernel takes a lock back when its holder ends, however it
# ends.
_held: list[IO] = []


def take_gpu(
    gpus: list[str] | None = None, folder: str | Path | None = None, number: int = 1
) -> str | None:
    """Make one GPU, or `number` of them, the only ones this process sees; to be called before CUDA
    starts.

    A `CUDA_VISIBLE_DEVICES` that is set already, by a scheduler or by hand, stands. Else the GPU
    with the fewest
    jobs is taken, by a lock on a file: four jobs on four GPUs have one each, a fifth shares one.

    Args:
        gpus: the machine's GPUs, as `CUDA_VISIBLE_DEVICES` names them (default: those `nvidia-smi`
            lists).
        folder: where the lock files lie (default: one of this user and machine, below the temporary
            folder).
        number: how many to take, all different.

    Returns:
        What `CUDA_VISIBLE_DEVICES` says now; None where there is nothing to choose from.
    """
    if VISIBLE in os.environ:
        by = f", by SLURM job {os.environ['SLURM_JOB_ID']}" if "SLURM_JOB_ID" in os.environ else ""
        log.info("%s=%s is set%s", VISIBLE, os.environ[VISIBLE], by)
        return os.environ[VISIBLE]
    gpus = list_gpus() if gpus is None else gpus
    if len(gpus) < max(2, number):
        return None
    folder = Path(folder or Path(tempfile.gettempdir(), f"satseg-gpus-{os.getuid()}"))
    folder.mkdir(parents=True, exist_ok=True)
    taken: list[str] = []
    free = (g for turn in count() for g in gpus if g not in taken and _lock(folder / f"{g}.{turn}"))
    while len(taken) < number:
        taken.append(next(free))
    os.environ[VISIBLE] = ",".join(taken)
    log.info("%s=%s, of %d GPUs", VISIBLE, os.environ[VISIBLE], len(gpus))
    return os.environ[VISIBLE]


def list_gpus() -> list[str]:
    """The UUID of every NVIDIA GPU of this machine, without starting CUDA; none where there is no
    driver."""
    if not shutil.which("nvidia-smi"):
        return []
    command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.split() if done.returncode == 0 else []


def _lock(file: Path) -> bool:
    opened = file.open("w")
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        opened.close()
        return False
    _held.append(opened)
    return True
