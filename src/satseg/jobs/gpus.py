"""Which GPUs of this machine a job uses: those its scheduler assigned, or ones that no other job
holds."""

import fcntl
import os
import shutil
import stat
import subprocess
import tempfile
from itertools import count
from pathlib import Path
from typing import IO

from satseg.errors import UserError
from satseg.progress import log

VISIBLE = "CUDA_VISIBLE_DEVICES"
# Open as long as this process lives: the kernel releases a lock when its holder ends, however it
# ends.
_held: list[IO] = []


def take_gpu(
    gpus: list[str] | None = None, folder: str | Path | None = None, number: int = 1
) -> str | None:
    """Make one GPU, or `number` of them, the only ones this process sees; call it before CUDA
    starts.

    A `CUDA_VISIBLE_DEVICES` that is already set, by a scheduler or by hand, is kept. Otherwise the
    GPU with the fewest jobs is taken by locking a file: four jobs on four GPUs have one each, a
    fifth shares one.

    Args:
        gpus: the machine's GPUs, as `CUDA_VISIBLE_DEVICES` names them (default: those `nvidia-smi`
            lists).
        folder: where the lock files lie (default: one of this user and machine, below the temporary
            folder).
        number: how many to take, all different.

    Returns:
        The new value of `CUDA_VISIBLE_DEVICES`; None if there is nothing to choose from.
    """
    if VISIBLE in os.environ:
        slurm_job = os.environ.get("SLURM_JOB_ID")
        by = f", by SLURM job {slurm_job}" if slurm_job is not None else ""
        log.info("%s=%s is set%s", VISIBLE, os.environ[VISIBLE], by)
        return os.environ[VISIBLE]

    gpus = list_gpus() if gpus is None else gpus
    if len(gpus) < max(2, number):
        return None

    folder = Path(folder) if folder else _lock_folder()
    folder.mkdir(parents=True, exist_ok=True)
    taken: list[str] = []
    for turn in count():
        for gpu in gpus:
            if len(taken) < number and gpu not in taken and _lock(folder / f"{gpu}.{turn}"):
                taken.append(gpu)
        if len(taken) == number:
            break

    os.environ[VISIBLE] = ",".join(taken)
    log.info("%s=%s, of %d GPUs", VISIBLE, os.environ[VISIBLE], len(gpus))
    return os.environ[VISIBLE]


def list_gpus() -> list[str]:
    """The UUID of every NVIDIA GPU of this machine, without starting CUDA; none if there is no
    driver."""
    if not shutil.which("nvidia-smi"):
        return []
    command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return listed.stdout.split() if listed.returncode == 0 else []


def _lock_folder() -> Path:
    """A folder of this user and machine, in which nobody else can put anything.

    Raises:
        UserError: another user has taken its name.
    """
    folder = Path(tempfile.gettempdir(), f"satseg-gpus-{os.getuid()}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    is_private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o022
    if found.st_uid != os.getuid() or not is_private:
        raise UserError(
            f"{folder}: a link, or another user's; set TMPDIR to a folder of yours, or "
            f"{VISIBLE} to the GPU to use"
        )
    return folder


def _lock(file: Path) -> bool:
    """Lock a file until this process ends; False if another process holds it."""
    lock = os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return False
    _held.append(lock)
    return True
