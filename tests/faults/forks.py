"""Stages started by a process that has imported everything: a fraction of a second each instead of
five."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from satseg.config.types import Strict

# It never trains itself: autograd refuses to work in a child of a process where it has worked.
SERVER = """
import json, os, resource, runpy, sys, traceback
import lightning, pandas, torch
import satseg.stages.train

def run(job):
    place = os.open(job["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(place, stream)
    if job["memory"]:
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + job["memory"],) * 2)
    exec(job["before"], {})
    sys.argv = [job["stage"], *job["arguments"]]
    sys.modules.pop(job["stage"], None)
    runpy.run_module(job["stage"], run_name="__main__")

for line in sys.stdin:
    job = json.loads(line)
    if "pid" in job:
        pid, status = os.waitpid(job["pid"], job["options"])
        print(json.dumps(os.waitstatus_to_exitcode(status) if pid else None), flush=True)
        continue
    child = os.fork()
    if not child:
        code = 1
        try:
            run(job)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    print(child, flush=True)
"""


class Child:
    """A stage that runs, or has ended."""

    def __init__(self, server: "Forks", pid: int, said: Path):
        self.server = server
        self.pid = pid
        self._said = said
        self._code = None

    def wait(self) -> int:
        """Its exit status, negative for a signal, once it has ended."""
        if self._code is None:
            self._code = self.server.ask(pid=self.pid, options=0)
        return self._code

    def ended(self) -> bool:
        """Whether it has."""
        if self._code is None:
            self._code = self.server.ask(pid=self.pid, options=os.WNOHANG)
        return self._code is not None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if not self.ended():
            os.kill(self.pid, number)

    def said(self) -> str:
        """Its output so far."""
        return self._said.read_text() if self._said.exists() else ""


class Forks:
    """The process that starts them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.count = 0
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **job):
        """Put a question and wait for the answer."""
        print(json.dumps(job), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def start(
        self,
        stage: str,
        job: Strict | None,
        *flags: str,
        before: str = "",
        memory: int = 0,
        **paths: Path,
    ) -> Child:
        """Start a stage by its command line.

        Args:
            stage: its name.
            job: its slice; None if it takes none.
            flags: further arguments.
            before: Python to run in it first.
            memory: bytes it may take on top of what it has; 0 for any number.
            paths: its paths.
        """
        self.count += 1
        said = self.folder / f"said{self.count}.txt"
        arguments = ["--slice", job.model_dump_json(), *flags] if job else [*flags]
        for name, path in paths.items():
            arguments += [f"--{name}", str(path)]
        request = {"stage": f"satseg.stages.{stage}", "arguments": arguments, "said": str(said)}
        return Child(self, self.ask(**request, before=before, memory=memory), said)

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
