"""Timing several ways to the same result: turn by turn, each in a process of its own, medians and
ratios."""

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
from typing import Any

import numpy as np

from satseg.config.reading import ROOT
from satseg.files import write_json

SHOWN = ["satseg", "torch", "torchvision", "numpy", "pillow", "rasterio", "lightning", "snakemake"]
Run = Callable[[int], dict[str, Any]]


@dataclass(frozen=True)
class Row:
    """One comparison."""

    name: str
    what: str
    against: str
    sides: dict[str, Callable[..., Run]]
    """Name → what prepares a side, given the folder and the sizes; the first is ours.

    What it returns is timed; its result may hold `seconds` of its own, where only a part of it
    counts.
    """
    make: Callable[..., None]
    """Writes what the sides read, given the folder and the sizes."""
    sizes: dict[str, Any]
    quick: dict[str, Any]
    """What of the sizes is smaller where only the way there is tried."""
    check: Callable[[dict[str, list[dict]]], dict] = lambda results: {}
    """Facts from the results of every turn; raises where the sides do not agree."""
    at_least: float | None = None
    """How many times as fast as the second side the first should be."""
    below_seconds: float | None = None
    """What each side but the last should stay below; the only one too."""
    memory_below_mb: float | None = None
    memory_times: float | None = None
    """How many times the first side's peak memory the second's may be: the same work on more
    data."""
    memory: bool = True
    """Whether the memory of a side's process says something: it does not where the work is done by
    another."""
    gpu: bool = False
    """Whether its times mean something on a GPU only."""
    repeats: int = 5
    warmups: int = 1
    threads: int = 1
    peers: tuple[str, ...] = ()
    """Modules that the other sides import, besides what satseg itself needs."""
    notes: str = ""
    modules: tuple[str, ...] = field(default=())
    """Packages whose version matters besides the usual ones."""


def measure(row: Row, folder: Path, quick: bool) -> dict:
    """Time the sides of a row in turn, A B A B …, and check that they agree.

    Returns:
        What the row's JSON file holds; without times where a peer is not installed.
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
        return record | {"not_run": "no GPU at hand"}
    row.make(folder, **sizes)
    turns, results, peaks = (once if quick else alternate)(row, folder, sizes)
    record |= {"sizes": sizes, "threads": row.threads, "sides": {}, "ratios": {}}
    (_, ours), *_ = turns.items()
    for side, spent in turns.items():
        wall, cpu = zip(*spent, strict=True)
        record["sides"][side] = summary(wall) | {"cpu_seconds": summary(cpu)}
        if row.memory:
            record["sides"][side]["peak_memory_mb"] = round(peaks[side])
        if spent is not ours:
            wall, cpu = zip(*_ratios(spent, ours), strict=True)
            record["ratios"][side] = summary(wall, "each") | {"cpu": summary(cpu, "each")}
    return record | {"facts": row.check(results)} | circumstances(row.modules)


def _has_gpu() -> bool:
    from satseg.devices import device

    return device().type == "cuda"


def _ratios(theirs: list[tuple], ours: list[tuple]) -> list[list[float]]:
    """Turn by turn, what the others took over what we took, wall and CPU."""
    return [
        [b / max(a, 1e-9) for a, b in zip(*pair, strict=True)]
        for pair in zip(ours, theirs, strict=True)
    ]


def summary(values: Sequence[float], name: str = "seconds") -> dict:
    """Median and range of some values, and themselves."""
    digits = [float(f"{value:.4g}") for value in values]
    return {
        "median": float(f"{np.median(values):.4g}"),
        "low": min(digits),
        "high": max(digits),
        name: digits,
    }


def circumstances(modules: tuple[str, ...] = ()) -> dict:
    """Where, when and with what something was measured."""
    from satseg.devices import describe_device

    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    return {
        "machine": describe_device()
        | {"cores": os.cpu_count(), "load_before": round(os.getloadavg()[0], 1)},
        "versions": {name: version(name) for name in (*SHOWN, *modules) if _installed(name)},
        "commit": commit.stdout.strip() or None,
        "measured": datetime.now(UTC).isoformat(timespec="minutes"),
    }


def _installed(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def once(row: Row, folder: Path, sizes: dict) -> tuple[dict, dict, dict]:
    """As `alternate`, one turn, all in this process: shows in seconds that the sides run and
    agree."""
    turns, results, peaks = {}, {}, {}
    for name, side in row.sides.items():
        turn, result, peaks[name] = _timed(side(folder, **sizes), 0)
        turns[name], results[name] = [turn], [result]
    return turns, results, peaks


def alternate(row: Row, folder: Path, sizes: dict) -> tuple[dict, dict, dict]:
    """Seconds, results and peak memory of each side, a process each."""
    context = get_context("spawn")
    pipes, workers = {}, {}
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(row.threads)
    try:
        for name, side in row.sides.items():
            pipes[name], theirs = context.Pipe()
            workers[name] = context.Process(target=_serve, args=(theirs, side, folder, sizes))
            workers[name].start()
            theirs.close()
            _answer(pipes[name], name)
        turns, results, peaks = {n: [] for n in pipes}, {n: [] for n in pipes}, {}
        for turn in range(-row.warmups, row.repeats):
            for name, pipe in pipes.items():
                pipe.send(turn)
                spent, result, peaks[name] = _answer(pipe, name)
                if turn >= 0:
                    turns[name].append(spent)
                    results[name].append(result)
        return turns, results, peaks
    finally:
        for name, worker in workers.items():
            pipes[name].close()
            worker.join(20)
            worker.kill()
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


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


def _timed(run: Run, turn: int) -> tuple[tuple[float, float], dict, float]:
    """Wall and CPU seconds of a turn, its result, and the process's peak memory in MB."""
    gc.collect()
    began, used = time.perf_counter(), _cpu_seconds()
    result = run(turn)
    seconds, cpu = time.perf_counter() - began, _cpu_seconds() - used
    return (result.pop("seconds", seconds), cpu), result, peak_memory_mb()


def _cpu_seconds() -> float:
    """CPU time of this process and of those it has waited for."""
    return time.process_time() + sum(os.times()[2:4])


def peak_memory_mb() -> float:
    """Most memory that this process itself has used since it started, MB (10⁶ bytes)."""
    # Not `getrusage`, which begins with what the parent held.
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 / 1e6


def write(record: dict, out: Path) -> None:
    """Write a row's JSON file, and say it in a line."""
    write_json(out / f"{record['row']}.json", record)
    print(line(record), flush=True)


def line(record: dict) -> str:
    """A record in a line."""
    if "not_run" in record:
        return f"{record['row']}: not run, {record['not_run']}"
    parts = [
        f"{r['median']:.2f}× ({r['low']:.2f}–{r['high']:.2f}; CPU {r['cpu']['median']:.2f}×) {n}"
        for n, r in record.get("ratios", {}).items()
    ]
    for name, side in record.get("sides", {}).items():
        memory = f", {side['peak_memory_mb']} MB" if "peak_memory_mb" in side else ""
        parts.append(f"{name} {side['median']:.4g} s{memory}")
    return f"{record['row']}: {'; '.join(parts)} {json.dumps(record['facts'])[:300]}"
