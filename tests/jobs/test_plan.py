"""What a record says of a job: it fits, it does not, or that cannot be told."""

import errno
from pathlib import Path
from types import SimpleNamespace

import pytest

from satseg.jobs.plan import FRESH, STALE, judge
from satseg.records import SUFFIX, current, digest_of, write_record

SLICE = '{"tile_size": 64}'


class Input(str):
    """An input as Snakemake has it."""

    is_ancient = False


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A job that has made `out.csv` of `in.csv`, by this code; its verdict and reason."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.csv").write_text("old")
    (tmp_path / "out.csv").write_text("made")

    def verdict(code="a", inputs=("in.csv",), slice_text=SLICE):
        job = SimpleNamespace(
            output=["out.csv"],
            input=[Input("in.csv")],
            params=SimpleNamespace(slice=slice_text, code="a"),
        )
        digests = {name: current("in.csv") for name in inputs}

        def after(change=lambda: None):
            write_record(["out.csv"], digest_of(SLICE), code, digests)
            change()
            return judge(job)

        return after

    return verdict


def rewrite(name):
    return lambda: Path(name).write_text("new")


def test_a_job_of_snakemake(made):
    assert made()() == (FRESH, "")
    assert made(code="b")() == (STALE, "made by other code")
    assert made(slice_text="{}")() == (STALE, "made with another configuration")
    assert made(inputs=["other.csv"])() == (STALE, "made of other inputs: other.csv")
    assert made()(rewrite("in.csv")) == (STALE, "made of other inputs: in.csv")
    assert made()(rewrite("out.csv")) == (STALE, "changed since they were made: out.csv")


def test_a_stage_that_was_run_by_hand(made):
    """It knows no digest of its code, and may have read the same file by another name."""
    assert made(None)() == (None, "")
    assert made(None, inputs=["/elsewhere/in.csv"])() == (None, "")
    assert made(None, slice_text="{}")() == (STALE, "made with another configuration")
    assert made(None)(rewrite("in.csv")) == (STALE, "made of other inputs: in.csv")
    assert made(None)(rewrite("out.csv")) == (STALE, "changed since they were made: out.csv")


def test_a_record_that_may_not_be_read_makes_nothing_stale(made, monkeypatch):
    """It could say that all fits: that error is Snakemake's to report."""
    read_text = Path.read_text

    def refused(path, *arguments, **options):
        if path.name.endswith(SUFFIX):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read_text(path, *arguments, **options)

    with pytest.raises(PermissionError):
        made()(lambda: monkeypatch.setattr(Path, "read_text", refused))
