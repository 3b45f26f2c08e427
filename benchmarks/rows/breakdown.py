"""Where the time goes in a training step and in the loader: PyTorch's operations, plain and as
satseg does it."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from torch.profiler import ProfilerActivity, profile

from benchmarks.row import Row, Run, alternate, circumstances, once
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
    """A side, with the seconds of each of PyTorch's operations, those it calls not included."""
    run = side(folder, **sizes)

    def run_traced(turn: int) -> dict:
        with profile(activities=[ProfilerActivity.CPU]) as found:
            began = time.perf_counter()
            run(turn)
            seconds = time.perf_counter() - began
        events = [event for event in found.key_averages() if event.key.startswith("aten::")]
        operations = {
            event.key.removeprefix("aten::"): event.self_cpu_time_total / 1e6 for event in events
        }
        return {"seconds": seconds, "operations": operations}

    return run_traced


def measure(folder: Path, quick: bool) -> dict:
    """Seconds of each of PyTorch's operations and of what is none, side by side."""
    cases = {}
    for name, case in CASES.items():
        sizes = case["sizes"] | (case["quick"] if quick else {})
        place = folder / name.split(",")[0].replace(" ", "_")
        place.mkdir()
        case["make"](place, **sizes)
        row = Row(
            name=name, what="", against="", make=case["make"], sizes=sizes, quick={}, repeats=3, warmups=1,
            threads=case["threads"], sides={k: partial(traced, side=side) for k, side in case["sides"].items()},
        )  # fmt: skip
        turns, results, _ = (once if quick else alternate)(row, place, sizes)
        cases[name] = {side: shares(turns[side], results[side]) for side in turns}
    return {
        "row": "breakdown",
        "what": "where the time goes",
        "against": "",
        "cases": cases,
        "facts": {},
        "notes": "Medians of three; watching costs time of its own.",
    } | circumstances()


def shares(turns: list[tuple[float, float]], results: list[dict]) -> dict:
    """Median seconds of a side and of its operations; `elsewhere` is the rest: Python, NumPy,
    Pillow."""
    wall = float(np.median([seconds for seconds, _ in turns]))
    names = {name for result in results for name in result["operations"]}
    operations = {
        name: float(np.median([result["operations"].get(name, 0) for result in results]))
        for name in names
    }
    ordered = sorted(operations.items(), key=lambda item: (-item[1], item[0]))
    return {
        "seconds": float(f"{wall:.4g}"),
        "elsewhere": float(f"{max(0.0, wall - sum(operations.values())):.4g}"),
        "operations": {name: float(f"{seconds:.4g}") for name, seconds in ordered},
    }
