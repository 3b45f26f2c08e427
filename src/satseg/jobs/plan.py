"""What Snakemake plans: records decide where there are some, its own notes and dates elsewhere."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError
from snakemake.jobs import Job
from snakemake.logging import logger
from snakemake.persistence import NO_PARAMS_CHANGE, ParamsChange

from satseg.files import files_below
from satseg.jobs.program import trouble
from satseg.records import (
    current,
    digest_of,
    fits,
    load_record,
    recall,
    remember,
    write_record,
)

FRESH = "fresh"
STALE = "stale"
SAID = 20  # reasons that are listed one by one


class Misfit(ParamsChange):
    """Why a record does not fit, where Snakemake expects changed parameters."""

    def __init__(self, text: str):
        super().__init__(only_new={text})
        self.text = text

    def __str__(self) -> str:
        return self.text


def follow_records(workflow: Any) -> None:
    """Let records decide, from now on, what this workflow plans.

    A job without a record is left to Snakemake. One whose record does not fit is planned, for a
    reason that a dry run shows. One whose record fits is planned neither for a date nor for the
    parameters and inputs in Snakemake's own notes. `snakemake --touch` writes the records anew, for
    outputs as they are.

    Args:
        workflow: Snakemake's own, before it has built its graph of jobs.
    """
    prepare = workflow._prepare_dag

    def prepare_dag(*arguments: Any, **options: Any) -> None:
        prepare(*arguments, **options)
        if workflow.is_main_process:
            _Plan(workflow)

    workflow._prepare_dag = prepare_dag


class _Plan:
    """The records of a graph's jobs, which come before Snakemake's own decision."""

    def __init__(self, workflow: Any):
        self.workflow = workflow
        self.dag = workflow.dag
        self.fresh: set[Any] = set()
        self.verdicts: dict[Any, tuple[str | None, str]] = {}
        self.decide = self.dag.update_needrun
        self.dag.update_needrun = self.update_needrun
        self._overrule(workflow.persistence)

    def _overrule(self, notes: Any) -> None:
        """Of a job whose record fits, dates and notes say nothing."""
        dated = Job.output_mintime.fget
        params_changed = notes.params_changed
        input_changed = notes.input_changed

        async def output_mintime(job: Any) -> Any:
            return inf if job in self.fresh else await dated(job)

        def fresh_or(job: Any, ask: Any, file: Any, unchanged: Any) -> Any:
            return unchanged if job in self.fresh else ask(job, file)

        Job.output_mintime = property(output_mintime)
        notes.params_changed = lambda job, file=None: fresh_or(
            job, params_changed, file, NO_PARAMS_CHANGE
        )
        notes.input_changed = lambda job, file=None: fresh_or(
            job, input_changed, file, False if file else ()
        )

    async def update_needrun(self, *arguments: Any, **options: Any) -> None:
        """Snakemake's own decision, after the records' one."""
        jobs = [job for job in self._recorded_jobs() if job not in self.verdicts]
        if jobs:
            self._judge(jobs)
        for job, (verdict, reason) in self.verdicts.items():
            if verdict == STALE and not self.dag.finished(job):
                self.dag.reason(job).params_changed = Misfit(reason)

        await self.decide(*arguments, **options)
        if not self.workflow.dryrun:
            for job in self.dag.needrun_jobs():
                bring_to_now(job.input)

    def _judge(self, jobs: list[Any]) -> None:
        """Compare the records of jobs, in this order, and list why some do not fit."""
        recall()
        try:
            for job in jobs:
                self.verdicts[job] = judge(job)
                if self.workflow.touch and self.verdicts[job][0] != FRESH:
                    adopt(job)
                    self.verdicts[job] = judge(job)
        except OSError as error:  # of a file that may not be read, nothing can be told
            raise WorkflowError(trouble(error, "the plan")) from None
        remember()

        self.fresh |= {job for job in jobs if self.verdicts[job][0] == FRESH}
        stale = [job for job in jobs if self.verdicts[job][0] == STALE]
        reasons = Counter(f"{job.rule.name}: {self.verdicts[job][1]}" for job in stale)
        for reason, count in list(reasons.items())[:SAID]:
            logger.info(f"{reason} ({count} jobs)" if count > 1 else reason)
        if len(reasons) > SAID:
            logger.info(f"... and {len(reasons) - SAID} other reasons")

    def _recorded_jobs(self) -> Iterator[Any]:
        """Jobs of stages that write records, from first to last."""
        for level in self.dag.toposorted():
            for job in level:
                if job.output and job.params.get("slice") and not self.dag.finished(job):
                    yield job


def judge(job: Any) -> tuple[str | None, str]:
    """Whether the outputs of a job fit their record (`FRESH`) or not (`STALE`, and why); None if
    that cannot be told."""
    record = load_record(job.output[0])
    if record is None:
        return None, ""
    if not record or record["slice"] != digest_of(job.params.slice):
        return STALE, "made with another configuration"
    if record["code"] not in (None, job.params.code):
        return STALE, "made by other code"

    changed = list(changed_outputs(job, record))
    if changed:
        return STALE, f"changed since they were made: {', '.join(changed)}"
    verdict, reason = compare_inputs(job, record)
    # A stage that was run by hand does not know the digest of its code.
    return (None if verdict == FRESH and record["code"] is None else verdict), reason


def changed_outputs(job: Any, record: dict[str, Any]) -> Iterator[str]:
    """Outputs that are not as a record says; a missing one only if Snakemake does not know it."""
    folder = Path(job.output[0]).parent
    for name, entry in record["outputs"].items():
        path = folder / name
        try:
            if not fits(path, entry):
                yield str(path)
        except (FileNotFoundError, NotADirectoryError):
            if str(path) not in job.output:
                yield str(path)


def compare_inputs(job: Any, record: dict[str, Any]) -> tuple[str | None, str]:
    """As `judge`, of the inputs.

    Those that the rule calls `ancient` are not compared: where they matter, a small one changes
    with them.
    """
    taken = {str(file): file for file in job.input}
    paths = map(Path, taken)
    folders = {path for path in paths if not path.suffix and path.is_dir()}
    changed = []
    verdict = FRESH
    for name, digest in record["inputs"].items():
        file = taken.get(name)
        if file is None and Path(name).parent not in folders:
            if record["code"] is None:  # by hand, the same file may have had another name
                verdict = None
            else:
                changed.append(name)
        elif file is None or not file.is_ancient:
            now = current(name)
            if None in (now, digest):
                verdict = None
            elif now != digest:
                changed.append(name)
    if changed:
        return STALE, f"made of other inputs: {', '.join(changed)}"
    return verdict, ""


def adopt(job: Any) -> None:
    """Write the record of outputs as they are, as if they had been made of what holds now."""
    outputs = list(map(Path, job.output))
    if not all(path.exists() for path in outputs):
        return
    for folder in [path for path in outputs if path.is_dir()]:
        outputs.remove(folder)
        outputs += [path for path in files_below(folder) if not path.name.startswith(".")]
    if not outputs:
        return
    digests = {str(file): current(file) for file in job.input}
    inputs = {name: digest for name, digest in digests.items() if digest is not None}
    write_record(outputs, digest_of(job.params.slice), job.params.code, inputs)


def bring_to_now(files: Any) -> None:
    """Give files of the future today's date: Snakemake takes a job for failed if an output looks
    older than an input."""
    now = time.time()
    for path in map(Path, files):
        if path.exists() and path.stat().st_mtime > now:
            os.utime(path)
