"""Several processes that train one model together, a device each: which this one is, what they add
up and agree on.

Alone, every function here gives back what it was given. The others, followers, are the same command
started again by Lightning (its subprocess launcher), within SLURM too.
"""

import ctypes
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch
import torch.distributed as dist

from satseg.errors import UserError

PATIENCE = 20  # seconds a follower gives the first process to tell an error that both have


def rank(devices: int = 2) -> int:
    """Number of this process among those of a training on so many devices; 0 leads, and alone
    writes."""
    return int(os.environ.get("LOCAL_RANK", 0)) if devices > 1 else 0


def world() -> int:
    """How many processes train together, once they have met."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def total(value: torch.Tensor) -> torch.Tensor:
    """Sum of every process's tensor, the same in all of them.

    Gradients flow back to every process, each with the sum of the gradients of all: N times that of
        a loss which all
    have computed from such sums. DDP, which takes the mean of the parameters' gradients, makes them
    those of one process that has the whole batch.
    """
    return value if world() == 1 else _Sum.apply(value)


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, value: torch.Tensor) -> torch.Tensor:
        value = value.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(value)
        return value

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> torch.Tensor:
        return total(gradient)


def highest(number: int) -> int:
    """The highest of every process's numbers: how a decision of one becomes one of all."""
    if world() == 1:
        return number
    shared = torch.tensor(number, device="cuda" if dist.get_backend() == "nccl" else "cpu")
    dist.all_reduce(shared, dist.ReduceOp.MAX)
    return int(shared)


def check_devices(devices: int, at: str) -> None:
    """Refuse more devices than this process sees; on a CPU there are as many as one likes.

    Raises:
        UserError: there are fewer GPUs.
    """
    seen = torch.cuda.device_count()
    if 0 < seen < devices:
        raise UserError(
            f"{at}: {devices} GPUs are wanted, {seen} can be seen; ask for {devices}, or set {seen}"
        )


@contextmanager
def following() -> Iterator[None]:
    """A block of a follower: it ends with the process that leads, and lets that one speak.

    Where the leader has the same error, it tells it, ends, and takes its followers with it.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, of Linux
    try:
        yield
    except BaseException:
        time.sleep(PATIENCE)
        raise
