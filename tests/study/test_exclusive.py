"""Which runs had the machine to themselves."""

import pytest

from satseg.study.claims.exclusive import shared_by


def run(kind: str = "cpu", cpu: float | None = 0.02, gpu: int | None = None) -> dict:
    return {"device": {"kind": kind}, "shared": {"cpu_others": cpu, "gpu_others": gpu}}


@pytest.mark.parametrize(
    ("runs", "reason"),
    [
        ([], ""),
        ([run(), run(cpu=0.1)], ""),
        (
            [run(), run(cpu=0.34)],
            "the machine was shared: other processes took 34 % of the CPU time of an epoch",
        ),
        (
            [run(cpu=None)],
            "it is not known whether the machine was shared: a run did not record it",
        ),
        (
            [{"device": {"kind": "cpu"}}],
            "it is not known whether the machine was shared: a run did not record it",
        ),
        ([run("cuda", gpu=0)], ""),
        ([run("cuda", gpu=1)], "the machine was shared: 1 other job used the GPU"),
        ([run("cuda", cpu=0.5, gpu=0)], "the machine was shared: other processes took 50 %"),
        (
            [run("cuda", gpu=0), run("cuda")],
            "it is not known whether the machine was shared: other processes on the GPU could not",
        ),
    ],
)
def test_the_reason_why_times_say_nothing(runs, reason):
    found = shared_by(runs)
    assert found.startswith(reason) and bool(found) == bool(reason)
