"""Snakemake told to stop by SIGTERM or by a closed terminal: its training ends as by Ctrl-C, saved."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from workflow import tiny_study

AREA = "Training"


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there are no terminals to close")
def test_snakemake_is_told_to_stop(tmp_path, fault):
    folder = tmp_path / "project"
    tiny_study.copy_code(folder)
    demo = tiny_study.datasets()["demo"] | {
        "source": {"kind": "demo", "scenes": 6, "size": 128},
        "tile_size": 64,
    }
    recipe = tiny_study.CONFIG["recipes.yaml"]["recipes"]["quick"] | {"epochs": 10_000}
    changes = {
        "datasets.yaml": {"datasets": {"demo": demo}},
        "recipes.yaml": {"recipes": {"quick": recipe}},
    }
    tiny_study.write(folder, tiny_study.CONFIG | changes)
    log = folder / "logs/train/demo/mini/quick/seed0.log"
    checkpoint = folder / tiny_study.CELL / "checkpoints/last.ckpt"
    command = [str(Path(sys.prefix, "bin", "snakemake")), "--cores", "1"]

    def stopped_by(stop) -> str:
        """The last line of a training whose Snakemake is stopped after two more epochs."""
        log.unlink(missing_ok=True)
        with (folder / "said.txt").open("w") as said:
            process = subprocess.Popen(
                [*command, f"{tiny_study.CELL}/history.csv"],
                cwd=folder,
                env=tiny_study.environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        deadline = time.monotonic() + 240
        while not log.exists() or log.read_text().count(": loss ") < 2:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)

        below = psutil.Process(process.pid).children(recursive=True)
        stop(process.pid)
        assert process.wait(120) != 0
        assert psutil.wait_procs(below, 10)[1] == []
        assert checkpoint.exists()
        return log.read_text().splitlines()[-1]

    ways = {
        "Snakemake told to stop by SIGTERM": lambda pid: os.kill(pid, signal.SIGTERM),
        "the terminal of Snakemake closed": lambda pid: os.killpg(pid, signal.SIGHUP),
    }
    for way, stop in ways.items():
        last = stopped_by(stop)
        assert last.endswith("run the same command again to resume")
        fault(AREA, way, "its training saved its state and ended; the same command resumes it")
    assert "resum" in log.read_text()
