"""Where the time goes in a training step and in the loader: PyTorch's operations, in plain code and
in satseg."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from torch.profiler import ProfilerActivity, profile

from benchmarks.row import Row, Run, Turn, alternate, circumstances, once
from benchmarks.rows import reading, step
from benchmarks.rows.orchestration import nothing

STEP = {
    "make": nothing,
    "sizes": {"batch": 16, "size": 256},
    "quick": {"batch": 2, "size": 64},
    "threads": 2,
}
CASES = {
    "a training step of lab_unet, 16 tiles of 256²": STEP
    | {
        "sides": {
            "plain": partial(step.step, model="lab_unet", **step.PLAIN),
            "satseg": partial(step.step, model="lab_unet"),
        }
    },
    "reading 192 tiles of 512² with the paper's augmentation": {
        "make": reading.make,
        "sizes": reading.FULL,
        "quick": reading.QUICK,
        "threads": 1,
        "sides": {"plain": reading.pillow_augmented, "satseg": reading.satseg_augmented},
    },
}


def traced(folder: Path, side: Callable[..., Run], **sizes: object) -> Run:
    """A side, with the seconds of each of PyTorch's operations, excluding the operations it
    calls."""
    run = side(folder, **sizes)

    def run_traced(turn: int) -> dict:
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            began = time.perf_counter()
            run(turn)
            seconds = time.perf_counter() - began
        events = [event for event in profiled.key_averages() if event.key.startswith("aten::")]
        operations = {
            event.key.removeprefix("aten::"): event.self_cpu_time_total / 1e6 for event in events
        }
        return {"seconds": seconds, "operations": operations}

    return run_traced


def measure(folder: Path, quick: bool) -> dict:
    """Seconds of each of PyTorch's operations and of all else, side by side."""
    cases = {}
    for name, case in CASES.items():
        sizes = case["sizes"] | (case["quick"] if quick else {})
        place = folder / name.split(",")[0].replace(" ", "_")
        place.mkdir()
        case["make"](place, **sizes)

        sides = {side: partial(traced, side=prepare) for side, prepare in case["sides"].items()}
        row = Row(
            name=name,
            what="",
            against="",
            make=case["make"],
            sizes=sizes,
            quick={},
            repeats=3,
            threads=case["threads"],
            sides=sides,
        )
        measured = once(row, place, sizes) if quick else alternate(row, place, sizes)
        cases[name] = {side: shares(measured.turns[side], measured.results[side]) for side in sides}

    return {
        "row": "breakdown",
        "what": "where the time goes",
        "against": "",
        "cases": cases,
        "facts": {},
        "notes": "Medians of three; profiling takes time of its own.",
    } | circumstances()


def shares(turns: list[Turn], results: list[dict]) -> dict:
    """Median seconds of a side and of its operations; `elsewhere` is the rest: Python, NumPy,
    Pillow."""
    wall = float(np.median([turn.wall for turn in turns]))
    names = set().union(*(result["operations"] for result in results))
    operations = {}
    for name in names:
        seconds = [result["operations"].get(name, 0) for result in results]
        operations[name] = float(np.median(seconds))

    ordered = sorted(operations.items(), key=lambda item: (-item[1], item[0]))
    return {
        "seconds": float(f"{wall:.4g}"),
        "elsewhere": float(f"{max(0.0, wall - sum(operations.values())):.4g}"),
        "operations": {name: float(f"{seconds:.4g}") for name, seconds in ordered},
    }
