"""What a model costs: parameters, activations, operations, time and memory on the device at
hand."""

import multiprocessing
import os
import resource
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode
from torchinfo import summary

from satseg.devices import device
from satseg.processes import end_with_parent
from satseg.progress import Pace
from satseg.sharing import Meter

INPUT = (3, 512, 512)
# Enough repetitions for a stable median, but not minutes of them if one takes seconds.
FEWEST = 3
MOST = 50
SECONDS = 3.0
# Rounds are repeated until the medians of two differ by no more than this ratio, up to a number of
# rounds, and of seconds for each model.
AGREEMENT = 1.1
FEWEST_ROUNDS = 2
MOST_ROUNDS = 6
LONGEST = 10.0
SHARE = 0.3  # seconds of a round for each work; a single call may take longer
REFERENCE = (64, 128, 128)
"""Channels and size of the convolution that is timed beside the models."""


def activation_elements(net: nn.Module, shape: tuple[int, ...] = INPUT) -> tuple[int, int]:
    """Output elements per image of shape [C, H, W], from shapes alone: no arithmetic is done.

    Returns:
        The published count, over every module but `Sequential`, `ModuleList`, the model itself and
        modules that return several tensors, so that a block is counted on top of its leaves; and
        the count over leaves only.
    """
    published = 0
    leaves = 0

    def count(module: nn.Module, output: torch.Tensor) -> None:
        nonlocal published, leaves
        if module is not net and not isinstance(module, nn.Sequential | nn.ModuleList):
            published += output.numel()
            leaves += 0 if any(module.children()) else output.numel()

    _each_output(net, shape, count)
    return published, leaves


def activation_levels(net: nn.Module, shape: tuple[int, ...] = INPUT) -> dict[int, int]:
    """Output elements of the leaves for each height of feature maps, the highest first; the model
    must be on the meta device. Outputs that are no maps are left out."""
    levels: Counter[int] = Counter()

    def count(module: nn.Module, output: torch.Tensor) -> None:
        if output.ndim == 4 and not any(module.children()):
            levels[output.shape[2]] += output.numel()

    _each_output(net, shape, count)
    return dict(sorted(levels.items(), reverse=True))


def _each_output(
    net: nn.Module, shape: tuple[int, ...], see: Callable[[nn.Module, torch.Tensor], None]
) -> None:
    """Show every module that returns a tensor, and what it returns in a pass of shapes only."""

    def hook(module: nn.Module, _, output) -> None:
        if isinstance(output, torch.Tensor):
            see(module, output)

    handles = [module.register_forward_hook(hook) for module in net.modules()]
    try:
        _forward_on_meta(net, shape)
    finally:
        for handle in handles:
            handle.remove()


def gflops(net: nn.Module, shape: tuple[int, ...] = INPUT) -> float:
    """Floating-point operations of one forward pass, in 10⁹; a multiply-add is two."""
    with FlopCounterMode(display=False) as counter:
        _forward_on_meta(net, shape)
    return counter.get_total_flops() / 1e9


def _forward_on_meta(net: nn.Module, shape: tuple[int, ...]) -> None:
    """A forward pass of shapes only; the model must be on the meta device."""
    with torch.no_grad():
        net.eval()(torch.empty(1, *shape, device="meta"))


def measure(
    nets: Sequence[tuple[nn.Module, tuple[int, ...]]],
    most_rounds: int = MOST_ROUNDS,
    longest: float = LONGEST,
) -> tuple[list[dict[str, float]], dict]:
    """Time a forward pass and a training step of each model with one image, in 32-bit, on the
    device at hand.

    All are timed in turns, in rounds that are repeated until two agree on each of them: what else
    the machine does then falls on all. A convolution that is always the same takes turns too,
    so that two measurements tell whether the machine was as fast for both. Each is warmed up
    once, before the first round, with an image no larger than the smallest.

    Args:
        nets: each model, and the shape [C, H, W] of its image; a model may occur several times, and
            with the same shape it is timed once.
        most_rounds: this many rounds at most, however much they disagree.
        longest: no further round is begun after this many seconds, if there are two.

    Returns:
        For each model, latency_ms, the median of a forward pass, and train_step_ms, that of
        forward, backward and an Adam step, over all rounds; each with the lowest and highest
        median of a round (`_low_ms`, `_high_ms`) and its 95th percentile (`_p95_ms`). Then what
        holds for all: the number of rounds; of the convolution, reference_ms with the same ends;
        the machine's load average before each round (`load`), and the share of other processes in
        the CPU time used during it (`others`).
    """
    at = device()
    distinct = list(dict.fromkeys(nets))
    height = min(shape[1] for _, shape in distinct)
    width = min(shape[2] for _, shape in distinct)
    works: dict[tuple[int, str], Callable[[], None]] = {}
    for i, (net, shape) in enumerate(distinct):
        # A single pixel at the deepest level has no variance to normalise by; evaluation mode costs
        # the same.
        net.to(at, memory_format=torch.channels_last).eval()
        optimizer = torch.optim.Adam(net.parameters())
        images = torch.rand(1, *shape).to(at, memory_format=torch.channels_last)
        target = torch.zeros(1, *shape[1:], dtype=torch.long, device=at)
        works[i, "latency"] = partial(_forward, net, images)
        works[i, "train_step"] = partial(_step, net, images, target, optimizer)
        part = (..., slice(height), slice(width))
        _forward(net, images[part])
        _step(net, images[part], target[part], optimizer)
    channels, *_ = REFERENCE
    convolution = nn.Conv2d(channels, channels, 3, padding=1).to(at)
    works[-1, "reference"] = partial(_forward, convolution, torch.rand(1, *REFERENCE).to(at))
    works[-1, "reference"]()

    rounds, machine = _in_rounds(works, most_rounds, longest)
    measured: list[dict[str, float]] = [{} for _ in distinct]
    for (i, name), times in rounds.items():
        if i >= 0:
            measured[i] |= _summary(name, times)
    reference = _summary("reference", rounds[-1, "reference"])
    times = [measured[distinct.index(pair)] for pair in nets]
    return times, {"rounds": len(machine["load"]), **machine, **reference}


def _forward(net: nn.Module, images: torch.Tensor) -> None:
    with torch.inference_mode():
        net(images)


def _step(
    net: nn.Module, images: torch.Tensor, target: torch.Tensor, optimizer: torch.optim.Optimizer
) -> None:
    optimizer.zero_grad()
    cross_entropy(net(images), target).backward()
    optimizer.step()


def _in_rounds(
    works: dict, most_rounds: int = MOST_ROUNDS, longest: float = LONGEST
) -> tuple[dict, dict[str, list[float]]]:
    """Milliseconds of each work, a list per round; and of each round, the load average before it
    and the share of other processes in the CPU time used during it."""
    rounds: dict = {key: [] for key in works}
    machine: dict[str, list[float]] = {"load": [], "others": []}
    pace = Pace("timing", most_rounds, "rounds at most")
    start = time.perf_counter()
    for done in range(1, most_rounds + 1):
        machine["load"].append(os.getloadavg()[0])
        meter = Meter()
        for key, work in works.items():
            rounds[key].append(repeated(work, SHARE, fewest=1, warm=True))
        machine["others"].append(meter.others())
        pace.at(done)
        is_late = time.perf_counter() - start > longest
        if done >= FEWEST_ROUNDS and (is_late or not _disagree(rounds)):
            break
    return rounds, machine


def _disagree(rounds: dict) -> bool:
    """Whether there is a work of which no two rounds agree."""
    for times in rounds.values():
        medians = np.sort([np.median(each) for each in times])
        if (medians[1:] / medians[:-1]).min() > AGREEMENT:
            return True
    return False


def _summary(name: str, times: list[list[float]]) -> dict[str, float]:
    """Median, range of the rounds' medians, and 95th percentile."""
    medians = [float(np.median(each)) for each in times]
    together = np.concatenate(times)
    return {
        f"{name}_ms": float(np.median(together)),
        f"{name}_low_ms": min(medians),
        f"{name}_high_ms": max(medians),
        f"{name}_p95_ms": float(np.percentile(together, 95)),
    }


def rounded(values: dict) -> dict:
    """Three decimals are enough, of a number or of each in a list."""
    shown = {}
    for name, value in values.items():
        shown[name] = np.round(value, 3).tolist()
    return shown


def repeated(
    work: Callable[[], None], seconds: float = SECONDS, fewest: int = FEWEST, warm: bool = False
) -> list[float]:
    """Milliseconds of repeated calls: for so many seconds, but at least the fewest calls; after a
    warm-up, unless it is `warm` already."""
    if not warm:
        work()
    times: list[float] = []
    while len(times) < fewest or (len(times) < MOST and sum(times) < seconds * 1e3):
        _wait()
        start = time.perf_counter()
        work()
        _wait()
        times.append((time.perf_counter() - start) * 1e3)
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
    end_with_parent()
    results.put(_forward_peak(make, shape))


def _forward_peak(make: Callable[[], nn.Module], shape: tuple[int, ...]) -> float:
    at = device()
    # The libraries it is made with are no part of a model, whoever loads them first.
    with torch.device("meta"):
        make()
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
