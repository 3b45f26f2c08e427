"""Whether runs had the machine to themselves, so that their times say how fast a model is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from satseg.text import counted, percent

MOST = 0.1
"""Share of the CPU time used in an epoch that may go to other processes."""
SHARED = "the machine was shared"
NOT_KNOWN = f"it is not known whether {SHARED}"


def shared_by(runs: Iterable[Mapping]) -> str:
    """Why the epoch times of runs say nothing about their models; empty if each run had the machine
    to itself.

    Args:
        runs: the content of each `run.json`: `device`, and `shared` unless it was written before
            runs recorded it.
    """
    for run in runs:
        shared = run.get("shared")
        recorded = shared if isinstance(shared, dict) else {}
        cpu = recorded.get("cpu_others")
        gpu = recorded.get("gpu_others")
        if not isinstance(cpu, int | float):
            return f"{NOT_KNOWN}: a run did not record it"
        if cpu > MOST:
            return f"{SHARED}: other processes took {percent(cpu)} of the CPU time of an epoch"
        if run["device"]["kind"] != "cuda":
            continue
        if not isinstance(gpu, int):
            return f"{NOT_KNOWN}: other processes on the GPU could not be seen"
        if gpu:
            return f"{SHARED}: {counted(gpu, 'other job')} used the GPU"
    return ""
