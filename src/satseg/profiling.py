"""What a model costs: parameters, activations, operations, time and memory on the device at
hand."""

import multiprocessing
import resource
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode
from torchinfo import summary

from satseg.devices import device
from satseg.progress import Pace

INPUT = (3, 512, 512)
# Enough repetitions for a stable median, but not minutes of them if one takes seconds.
FEWEST = 3
MOST = 50
SECONDS = 3.0


def activation_elements(net: nn.Module, shape: tuple[int, ...] = INPUT) -> tuple[int, int]:
    """Output elements per image of shape [C, H, W], from shapes alone: no arithmetic is done.

    Returns:
        The published count, over every module but `Sequential`, `ModuleList`, the model itself and
        modules that return several tensors, so that a block is counted on top of its leaves; and
        the count over leaves only.
    """
    published = 0
    leaves = 0

    def count(module: nn.Module, _, output) -> None:
        nonlocal published, leaves
        if isinstance(output, torch.Tensor):
            published += output.numel()
            leaves += 0 if any(module.children()) else output.numel()

    handles = [
        module.register_forward_hook(count)
        for module in net.modules()
        if module is not net and not isinstance(module, nn.Sequential | nn.ModuleList)
    ]
    try:
        _forward_on_meta(net, shape)
    finally:
        for handle in handles:
            handle.remove()
    return published, leaves


def gflops(net: nn.Module, shape: tuple[int, ...] = INPUT) -> float:
    """Floating-point operations of one forward pass, in 10⁹; a multiply-add is two."""
    with FlopCounterMode(display=False) as counter:
        _forward_on_meta(net, shape)
    return counter.get_total_flops() / 1e9


def _forward_on_meta(net: nn.Module, shape: tuple[int, ...]) -> None:
    """A forward pass of shapes only; the model must be on the meta device."""
    with torch.no_grad():
        net.eval()(torch.empty(1, *shape, device="meta"))


def measure(net: nn.Module, num_classes: int, shape: tuple[int, ...] = INPUT) -> dict[str, float]:
    """Time a forward pass and a training step of one image, in 32-bit, on the device at hand.

    Returns:
        latency_ms, the median of a forward pass, and train_step_ms, that of forward, backward and
        an Adam step; each with its 95th percentile, latency_p95_ms and train_step_p95_ms.
    """
    at = device()
    net = net.to(at, memory_format=torch.channels_last)
    images = torch.rand(1, *shape).to(at, memory_format=torch.channels_last)
    target = torch.zeros(1, *shape[1:], dtype=torch.long, device=at)
    # A single pixel at the deepest level has no variance to normalise by; evaluation mode costs the
    # same.
    net.eval()

    def forward() -> None:
        with torch.inference_mode():
            net(images)

    optimizer = torch.optim.Adam(net.parameters())

    def step() -> None:
        optimizer.zero_grad()
        cross_entropy(net(images), target).backward()
        optimizer.step()

    measured = {}
    for name, unit, work in (
        ("latency", "forward passes", forward),
        ("train_step", "training steps", step),
    ):
        times = repeated(work, unit)
        measured[f"{name}_ms"] = float(np.median(times))
        measured[f"{name}_p95_ms"] = float(np.percentile(times, 95))
    return measured


def repeated(work: Callable[[], None], unit: str) -> list[float]:
    """Milliseconds of repeated calls, after a warm-up; if one takes seconds, progress is logged, in
    this unit."""
    work()
    pace = Pace("profile", FEWEST, unit)
    times: list[float] = []
    while len(times) < FEWEST or (len(times) < MOST and sum(times) < SECONDS * 1e3):
        _wait()
        start = time.perf_counter()
        work()
        _wait()
        times.append((time.perf_counter() - start) * 1e3)
        if len(times) <= FEWEST:
            pace.at(len(times))
    return times


def _wait() -> None:
    if device().type == "cuda":
        torch.cuda.synchronize()


def peak_memory_mb(make: Callable[[], nn.Module], shape: tuple[int, ...] = INPUT) -> float:
    """Most memory a forward pass of one image adds, weights included, MiB.

    On a CPU it is measured in a process of its own, since a process keeps the memory it once took.

    Args:
        make: builds the model.
        shape: of the image, [C, H, W].

    Raises:
        MemoryError: that process ended before it was done.
    """
    if device().type == "cuda":
        return _forward_peak(make, shape)
    context = multiprocessing.get_context("forkserver")
    results = context.SimpleQueue()
    process = context.Process(target=_report_peak, args=(make, shape, results))
    process.start()
    process.join()
    if process.exitcode:
        raise MemoryError(f"a forward pass at {shape} ended with exit status {process.exitcode}")
    return results.get()


def _report_peak(make: Callable[[], nn.Module], shape: tuple[int, ...], results) -> None:
    results.put(_forward_peak(make, shape))


def _forward_peak(make: Callable[[], nn.Module], shape: tuple[int, ...]) -> float:
    at = device()
    if at.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    else:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    net = make().to(at, memory_format=torch.channels_last).eval()
    with torch.inference_mode():
        net(torch.rand(1, *shape).to(at, memory_format=torch.channels_last))

    if at.type == "cuda":
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10


def layer_summary(net: nn.Module, shape: tuple[int, ...] = INPUT) -> str:
    """torchinfo's table of the layers."""
    return str(summary(net, (1, *shape), depth=3, verbose=0, device="meta"))
