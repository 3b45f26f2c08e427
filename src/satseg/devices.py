"""The device that work runs on: which, how precise, how much memory."""

import ctypes
import os
import platform
import resource
from functools import cache
from pathlib import Path

import torch


@cache
def device() -> torch.device:
    """The device that work runs on: the first CUDA device, or the CPU."""
    return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")


def describe_device() -> dict:
    """Kind and name of the device, and the CPU threads in use."""
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
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )


def peak_memory_mb() -> float:
    """Most memory used so far, MiB: of the GPU's allocator, or of this process on a CPU."""
    if device().type == "cuda":
        return torch.cuda.max_memory_allocated(device()) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def keep_memory() -> None:
    """Let this process keep the memory it frees, for the next step asks for the same again.

    By default glibc hands large blocks back and gets them anew, page by page: a quarter of a
        training step on a CPU.
    Elsewhere, as with another C library, nothing changes.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    trim_threshold, mmap_max = -1, -4  # numbers of malloc.h
    mallopt(mmap_max, 0)
    mallopt(trim_threshold, -1)


def resolve_precision(wanted: str) -> str:
    """`auto` → `bf16` where the hardware computes in it, else `32`; `fp16` → `32` on a CPU; others
    as they are."""
    if wanted == "fp16" and device().type == "cpu":
        return "32"
    if wanted != "auto":
        return wanted
    if device().type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "32"
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if native else "32"
