"""Several processes that train one model together, one per device: which this one is, what they
sum up and agree on.

In a process that trains alone, every function returns its argument. The further processes,
followers, are the same command started again by Lightning's subprocess launcher, also within SLURM.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
import torch.distributed as dist

from satseg.errors import UserError
from satseg.processes import end_with_parent

PATIENCE = 20  # seconds a follower gives the leader to report an error that both have


def rank(devices: int = 2) -> int:
    """Number of this process among those of a run on so many devices; 0 leads, and only it
    writes."""
    return int(os.environ.get("LOCAL_RANK", 0)) if devices > 1 else 0


def world() -> int:
    """How many processes train together, once they are connected."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def total(value: torch.Tensor) -> torch.Tensor:
    """Sum of every process's tensor, the same in all of them.

    Gradients flow back to every process: each gets the sum of all processes' gradients, which is N
    times the gradient of a loss that all compute from such sums. DDP, which averages the
    parameters' gradients, turns them into those of one process that has the whole batch.
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
    """The highest of all processes' numbers: how a decision of one becomes a decision of all.

    They agree on the host, where no process waits for what its GPU still has to do.
    """
    if world() == 1:
        return number
    shared = torch.tensor(number)
    dist.all_reduce(shared, dist.ReduceOp.MAX, group=_hosts())
    return int(shared)


@cache
def _hosts() -> dist.ProcessGroup:
    """All processes, connected without their GPUs."""
    return dist.new_group(backend="gloo")


def check_devices(devices: int, key: str) -> None:
    """Refuse more devices than this process sees; without a GPU, any number is fine.

    Args:
        devices: how many are wanted.
        key: the configuration key that says so.

    Raises:
        UserError: there are fewer GPUs.
    """
    visible = torch.cuda.device_count()
    if 0 < visible < devices:
        raise UserError(
            f"{key}: {devices} GPUs are wanted, {visible} visible; "
            f"request {devices}, or set it to {visible}"
        )


@contextmanager
def following() -> Iterator[None]:
    """A block of a follower: it ends with the leader, and leaves it to the leader to report.

    If the leader has the same error, it reports it, ends, and takes its followers with it.
    """
    end_with_parent()
    try:
        yield
    except BaseException:
        time.sleep(PATIENCE)
        raise
