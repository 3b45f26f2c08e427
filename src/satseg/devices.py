"""The device at hand: which it is, its precision, its memory."""

import ctypes
import os
import platform
import resource
from functools import cache
from pathlib import Path

import numpy as np
import torch

# Of malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


@cache
def device() -> torch.device:
    """The device at hand: the first visible CUDA device, or the CPU."""
    return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")


def queues(at: torch.device) -> bool:
    """Whether the device works through a queue: the host runs ahead of it, and waits for all that
    is queued whenever it asks for a value."""
    return at.type != "cpu"


def send(values: np.ndarray, at: torch.device) -> torch.Tensor:
    """An array of the host as a tensor on the device; the host does not wait for it."""
    tensor = torch.from_numpy(values)
    if at.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(at, non_blocking=True)


def constant(values: tuple, at: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Numbers that every step needs, as a tensor [N] that must not be changed; a device that works
    through a queue is sent them once."""
    return _sent(values, at, dtype) if queues(at) else torch.tensor(values, dtype=dtype)


@cache
def _sent(values: tuple, at: torch.device, dtype: torch.dtype) -> torch.Tensor:
    with torch.inference_mode(False):  # to be of use in training too
        return send(np.array(values), at).to(dtype)


def loader_workers() -> int:
    """How many processes read batches ahead: none on a CPU, where they would take cores from the
    training; beside a GPU four, but no more than there are cores to spare.

    With one process, a step of a small model would wait for its batch to be gathered and copied.
    """
    if device().type == "cpu":
        return 0
    return max(1, min(4, len(os.sched_getaffinity(0)) - 1))


def describe_device() -> dict:
    """Kind and name of the device, CPU threads in use, CPU cores."""
    at = device()
    name = torch.cuda.get_device_name(at) if at.type == "cuda" else _cpu_name()
    return {
        "kind": at.type,
        "name": name,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    for line in lines:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def peak_memory_mb() -> float:
    """Peak memory so far, MiB: of the GPU's allocator, or of this process on a CPU."""
    if device().type == "cuda":
        return torch.cuda.max_memory_allocated(device()) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def keep_memory() -> None:
    """Let this process keep the memory it frees, since the next step asks for the same again.

    By default glibc returns large blocks to the system and fetches them again page by page, which
    takes a quarter of a training step on a CPU. With another C library nothing changes.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, -1)


def resolve_precision(wanted: str) -> str:
    """The precision to compute in: `auto` → `bf16` if the hardware computes in it, otherwise `32`;
    `fp16` → `32` on a CPU; others unchanged."""
    if wanted == "fp16" and device().type == "cpu":
        return "32"
    if wanted != "auto":
        return wanted
    if device().type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "32"
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if native else "32"
