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
# Enough forward passes for a steady median, but not minutes of them where one takes seconds.
FEWEST, MOST, SECONDS = 3, 50, 3.0


def activation_elements(model: nn.Module, shape: tuple[int, ...] = INPUT) -> tuple[int, int]:
    """Output elements per image of shape [C, H, W], computed without doing the arithmetic.

    Returns:
        The published count, over every module but `Sequential`, `ModuleList`, the model itself and
        modules that return several tensors, so that a block counts again beside its leaves; and the
        count over leaves only.
    """
    totals = [0, 0]

    def count(module: nn.Module, _, output) -> None:
        if isinstance(output, torch.Tensor):
            totals[0] += output.numel()
            totals[1] += 0 if any(module.children()) else output.numel()

    counted = [
        m
        for m in model.modules()
        if m is not model and not isinstance(m, nn.Sequential | nn.ModuleList)
    ]
    handles = [module.register_forward_hook(count) for module in counted]
    try:
        _forward_on_meta(model, shape)
    finally:
        for handle in handles:
            handle.remove()
    return totals[0], totals[1]


def gflops(model: nn.Module, shape: tuple[int, ...] = INPUT) -> float:
    """Floating-point operations of one forward pass, in 10⁹; a multiply-add is two."""
    with FlopCounterMode(display=False) as counter:
        _forward_on_meta(model, shape)
    return counter.get_total_flops() / 1e9


def _forward_on_meta(model: nn.Module, shape: tuple[int, ...]) -> None:
    """A forward pass of shapes only; the model must lie on the meta device."""
    with torch.no_grad():
        model.eval()(torch.empty(1, *shape, device="meta"))


def measure(model: nn.Module, num_classes: int, shape: tuple[int, ...] = INPUT) -> dict[str, float]:
    """Time a forward pass and a training step of one image, in 32-bit, on the device at hand.

    Returns:
        latency_ms, the median of a forward pass, and train_step_ms, that of forward, backward and
        an Adam step; each with its 95th percentile, latency_p95_ms and train_step_p95_ms.
    """
    at = device()
    model = model.to(at, memory_format=torch.channels_last)
    images = torch.rand(1, *shape).to(at, memory_format=torch.channels_last)
    target = torch.zeros(1, *shape[1:], dtype=torch.long, device=at)
    # Batch normalisation over a single deepest pixel has no variance; in evaluation mode it costs
    # the same.
    model.eval()

    def forward() -> None:
        with torch.inference_mode():
            model(images)

    optimizer = torch.optim.Adam(model.parameters())

    def step() -> None:
        optimizer.zero_grad()
        cross_entropy(model(images), target).backward()
        optimizer.step()

    measured = {}
    for name, what, work in (
        ("latency", "forward passes", forward),
        ("train_step", "training steps", step),
    ):
        times = repeated(work, what)
        measured |= {
            f"{name}_ms": float(np.median(times)),
            f"{name}_p95_ms": float(np.percentile(times, 95)),
        }
    return measured


def repeated(work: Callable[[], None], what: str) -> list[float]:
    """Milliseconds of repeated calls, after a warm-up; where one takes seconds, it is said how far
    they are."""
    work()
    pace = Pace("profile", FEWEST, what)
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

    On a CPU it is read off a process of its own, since a process keeps what it once took.
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
    model = make().to(at, memory_format=torch.channels_last).eval()
    with torch.inference_mode():
        model(torch.rand(1, *shape).to(at, memory_format=torch.channels_last))
    if at.type == "cuda":
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10


def layer_summary(model: nn.Module, shape: tuple[int, ...] = INPUT) -> str:
    """torchinfo's table of the layers."""
    return str(summary(model, (1, *shape), depth=3, verbose=0, device="meta"))
