"""Lightning's own loggers get the rows of history.csv, and change nothing else."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest

from satseg.config.root import Config
from satseg.errors import UserError
from satseg.jobs.running import missing_logger
from satseg.jobs.slices import TrainSlice
from satseg.training import cell, loggers
from satseg.training.history import COLUMNS, History


def test_the_configuration_names_the_kinds_there_are():
    assert get_args(Config.model_fields["logger"].annotation) == loggers.KINDS


def test_no_slice_holds_the_logger():
    assert "logger" not in str(TrainSlice.model_json_schema())


@pytest.mark.parametrize("kind", loggers.KINDS[1:])
def test_a_logger_that_is_not_installed_is_one_line(kind, tmp_path):
    if importlib.util.find_spec(kind):
        pytest.skip(f"{kind} is installed")
    job = SimpleNamespace(cell=SimpleNamespace(path=Path("demo/unet/quick/seed0")))
    with pytest.raises(
        UserError, match=rf"^logger: {kind} is not installed; run .*\[{kind}\]"
    ) as told:
        loggers.build_logger(kind, job, tmp_path, "0" * 64)
    # Before the first job, in the same words.
    assert missing_logger(kind) == str(told.value)


@pytest.mark.parametrize("kind", loggers.KINDS)
def test_a_logger_that_is_installed_is_not_missed(kind, monkeypatch):
    monkeypatch.setattr("satseg.jobs.running.find_spec", lambda name: object())
    assert missing_logger(kind) == ""


def test_csv_needs_no_logger(tmp_path):
    assert loggers.build_logger("csv", None, tmp_path, "") is False


def test_a_logger_gets_every_row():
    logged = []
    logger = SimpleNamespace(log_metrics=lambda row, step: logged.append((step, row)))
    trainer = SimpleNamespace(
        current_epoch=0,
        logger=logger,
        optimizers=[SimpleNamespace(param_groups=[{"lr": 0.1}])],
    )
    names = [name.partition("_")[2] for name in COLUMNS if name.startswith("val_")]
    task = SimpleNamespace(epoch_result=lambda subset: dict.fromkeys(names, 0.5))
    history = History(2)
    for epoch in range(2):
        trainer.current_epoch = epoch
        history.on_train_epoch_start(trainer, task)
        history.on_train_epoch_end(trainer, task)
    assert [step for step, _ in logged] == [1, 2]
    assert [row for _, row in logged] == history.rows
    assert cell.build_logger is loggers.build_logger
