"""The device at hand."""

import os
import platform
import subprocess
import sys

import numpy as np
import pytest
import torch

from satseg import devices


def test_device_is_described():
    found = devices.describe_device()
    assert (
        found["kind"] == devices.device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    )
    assert (
        found["name"]
        and found["threads"] == torch.get_num_threads()
        and found["cores"] == os.cpu_count()
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="reads the memory of a process, not of a GPU")
def test_peak_memory_grows_with_what_is_held():
    before = devices.peak_memory_mb()
    held = np.ones(int((before + 64) * 2**20), np.uint8)
    assert devices.peak_memory_mb() >= held.nbytes / 2**20 > before


KEPT = """
import re
import sys
from pathlib import Path

import numpy as np

from satseg.devices import keep_memory

def held():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

if sys.argv[1] == "keep":
    keep_memory()
before = held()
block = np.ones(200 * 2**20, np.uint8)
del block
print(held() - before)
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep memory"
)
@pytest.mark.parametrize(("how", "least", "most"), [("keep", 190, 260), ("default", -20, 20)])
def test_freed_memory_stays_where_it_is_kept(how, least, most):
    done = subprocess.run(
        [sys.executable, "-c", KEPT, how], capture_output=True, text=True, check=True
    )
    assert least < float(done.stdout) < most


@pytest.mark.parametrize("wanted", ["32", "bf16", "fp16"])
def test_a_named_precision_is_taken_as_it_is(wanted):
    half_on_cpu = (
        wanted == "fp16" and not torch.cuda.is_available()
    )  # a CPU computes in it far too slowly
    assert devices.resolve_precision(wanted) == ("32" if half_on_cpu else wanted)


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks the CPU")
@pytest.mark.parametrize(
    ("avx", "amx", "chosen"), [(True, False, "bf16"), (False, True, "bf16"), (False, False, "32")]
)
def test_auto_takes_bf16_only_where_the_cpu_computes_in_it(monkeypatch, avx, amx, chosen):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert devices.resolve_precision("auto") == chosen
