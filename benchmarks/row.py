"""Time several ways to the same result: in turn, each in a process of its own."""

import gc
import importlib.util
import json
import os
import re
import subprocess
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from satseg.config.reading import ROOT
from satseg.files import write_json

PACKAGES = [
    "satseg",
    "torch",
    "torchvision",
    "numpy",
    "pillow",
    "rasterio",
    "lightning",
    "snakemake",
]
Run = Callable[[int], dict[str, Any]]


class Turn(NamedTuple):
    """What one run of a side took, in seconds."""

    wall: float
    cpu: float


class Measured(NamedTuple):
    """Turns, results and peak memory (MB) of each side, by its name."""

    turns: dict[str, list[Turn]]
    results: dict[str, list[dict]]
    peaks: dict[str, float]


@dataclass(frozen=True)
class Row:
    """One comparison."""

    name: str
    what: str
    against: str
    sides: dict[str, Callable[..., Run]]
    """Name → function that prepares a side, given the folder and the sizes; the first is ours.

    The function it returns is timed. Its result may hold `seconds` of its own if only a part of the
    run counts.
    """
    make: Callable[..., None]
    """Writes what the sides read, given the folder and the sizes."""
    sizes: dict[str, Any]
    quick: dict[str, Any]
    """Sizes that replace those above when the row is only tried."""
    check: Callable[[dict[str, list[dict]]], dict] = lambda results: {}
    """Facts from the results of every turn; raises if the sides disagree."""
    at_least: float | None = None
    """How many times as fast as the second side the first should be."""
    below_seconds: float | None = None
    """What each side but the last should stay below; the only one too."""
    memory_below_mb: float | None = None
    memory_times: float | None = None
    """How many times the first side's peak memory the second may take: the same work on more
    data."""
    memory: bool = True
    """Whether the memory of a side's process is meaningful: not if a child process does the
    work."""
    gpu: bool = False
    """Whether its times are meaningful on a GPU only."""
    repeats: int = 5
    warmups: int = 1
    threads: int = 1
    peers: tuple[str, ...] = ()
    """Modules that the other sides import and satseg does not require."""
    notes: str = ""
    modules: tuple[str, ...] = field(default=())
    """Packages whose versions are recorded in addition to the usual ones."""


def measure(row: Row, folder: Path, quick: bool) -> dict:
    """Time the sides of a row in turn, A B A B …, and check that they agree.

    Returns:
        The content of the row's JSON file; without times if a peer is not installed.
    """
    sizes = row.sizes | (row.quick if quick else {})
    record = {
        "row": row.name,
        "what": row.what.format(**sizes),
        "against": row.against.format(**sizes),
        "at_least": row.at_least,
        "below_seconds": row.below_seconds,
        "memory_below_mb": row.memory_below_mb,
        "memory_times": row.memory_times,
        "notes": row.notes,
    }

    missing = [peer for peer in row.peers if importlib.util.find_spec(peer) is None]
    if missing:
        return record | {"not_run": f"{', '.join(missing)} not installed"}
    if row.gpu and not quick and not _has_gpu():
        return record | {"not_run": "no GPU available"}

    row.make(folder, **sizes)
    measured = once(row, folder, sizes) if quick else alternate(row, folder, sizes)

    record |= {"sizes": sizes, "threads": row.threads}
    record["sides"] = {side: _side(row, measured, side) for side in row.sides}
    our_name, *other_names = row.sides
    our_turns = measured.turns[our_name]
    record["ratios"] = {side: _ratio(measured.turns[side], our_turns) for side in other_names}
    return record | {"facts": row.check(measured.results)} | circumstances(row.modules)


def _has_gpu() -> bool:
    from satseg.devices import device

    return device().type == "cuda"


def _side(row: Row, measured: Measured, side: str) -> dict:
    """Seconds of a side, wall and CPU, and its peak memory."""
    turns = measured.turns[side]
    record = summary([turn.wall for turn in turns])
    record["cpu_seconds"] = summary([turn.cpu for turn in turns])
    if row.memory:
        record["peak_memory_mb"] = round(measured.peaks[side])
    return record


def _ratio(their_turns: list[Turn], our_turns: list[Turn]) -> dict:
    """Turn by turn, their time over ours, wall and CPU."""
    pairs = list(zip(their_turns, our_turns, strict=True))
    record = summary([theirs.wall / max(ours.wall, 1e-9) for theirs, ours in pairs], "each")
    cpu_ratios = [theirs.cpu / max(ours.cpu, 1e-9) for theirs, ours in pairs]
    record["cpu"] = summary(cpu_ratios, "each")
    return record


def summary(values: Sequence[float], name: str = "seconds") -> dict:
    """Median and range of some values, and the values themselves."""
    rounded = [float(f"{value:.4g}") for value in values]
    return {
        "median": float(f"{np.median(values):.4g}"),
        "low": min(rounded),
        "high": max(rounded),
        name: rounded,
    }


def circumstances(modules: tuple[str, ...] = ()) -> dict:
    """Where, when and with which versions something was measured."""
    from satseg.devices import describe_device

    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    load = round(os.getloadavg()[0], 1)
    return {
        "machine": describe_device() | {"cores": os.cpu_count(), "load_before": load},
        "versions": {name: version(name) for name in (*PACKAGES, *modules) if _installed(name)},
        "commit": commit.stdout.strip() or None,
        "measured": datetime.now(UTC).isoformat(timespec="minutes"),
    }


def _installed(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def once(row: Row, folder: Path, sizes: dict) -> Measured:
    """Like `alternate`, but one turn, all in this process: shows in seconds that the sides run and
    agree."""
    measured = Measured({}, {}, {})
    for name, side in row.sides.items():
        turn, result, peak = _timed(side(folder, **sizes), 0)
        measured.turns[name] = [turn]
        measured.results[name] = [result]
        measured.peaks[name] = peak
    return measured


def alternate(row: Row, folder: Path, sizes: dict) -> Measured:
    """Time the sides in turn, each in a process of its own."""
    context = get_context("spawn")
    pipes = {}
    workers = {}
    threads_before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(row.threads)
    try:
        for name, side in row.sides.items():
            pipes[name], far_end = context.Pipe()
            workers[name] = context.Process(target=_serve, args=(far_end, side, folder, sizes))
            workers[name].start()
            far_end.close()
            _answer(pipes[name], name)

        measured = Measured({name: [] for name in pipes}, {name: [] for name in pipes}, {})
        for number in range(-row.warmups, row.repeats):
            for name, pipe in pipes.items():
                pipe.send(number)
                turn, result, measured.peaks[name] = _answer(pipe, name)
                if number >= 0:
                    measured.turns[name].append(turn)
                    measured.results[name].append(result)
        return measured
    finally:
        for name, worker in workers.items():
            pipes[name].close()
            worker.join(20)
            worker.kill()
        if threads_before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = threads_before


def _answer(pipe: Any, name: str) -> Any:
    answer = pipe.recv()
    if isinstance(answer, str):
        raise RuntimeError(f"side {name!r} failed:\n{answer}")
    return answer


def _serve(pipe: Any, side: Callable[..., Run], folder: Path, sizes: dict) -> None:
    """A side's process: prepare, then run as often as asked."""
    try:
        run = side(folder, **sizes)
        pipe.send(None)
        while True:
            pipe.send(_timed(run, pipe.recv()))
    except EOFError:
        pass
    except Exception:
        pipe.send(traceback.format_exc())


def _timed(run: Run, number: int) -> tuple[Turn, dict, float]:
    """What a turn took, its result, and the process's peak memory in MB."""
    gc.collect()
    cpu_before = _cpu_seconds()
    began = time.perf_counter()
    result = run(number)
    wall = time.perf_counter() - began
    cpu = _cpu_seconds() - cpu_before
    return Turn(result.pop("seconds", wall), cpu), result, peak_memory_mb()


def _cpu_seconds() -> float:
    """CPU time of this process and of the children it has waited for."""
    return time.process_time() + sum(os.times()[2:4])


def peak_memory_mb() -> float:
    """Peak memory of this process since it started, MB (10⁶ bytes)."""
    # `getrusage` would start with what the parent held.
    kilobytes = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(kilobytes[1]) * 1024 / 1e6


def write(record: dict, out: Path) -> None:
    """Write a row's JSON file, and print the row in one line."""
    write_json(out / f"{record['row']}.json", record)
    print(line(record), flush=True)


def line(record: dict) -> str:
    """A record in one line."""
    if "not_run" in record:
        return f"{record['row']}: not run, {record['not_run']}"
    parts = [
        f"{ratio['median']:.2f}× ({ratio['low']:.2f}–{ratio['high']:.2f};"
        f" CPU {ratio['cpu']['median']:.2f}×) {name}"
        for name, ratio in record.get("ratios", {}).items()
    ]
    for name, side in record.get("sides", {}).items():
        memory = f", {side['peak_memory_mb']} MB" if "peak_memory_mb" in side else ""
        parts.append(f"{name} {side['median']:.4g} s{memory}")
    return f"{record['row']}: {'; '.join(parts)} {json.dumps(record['facts'])[:300]}"
