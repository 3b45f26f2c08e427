"""The file that tells how far a run is, while it runs."""

import json
from types import SimpleNamespace

import pytest

from satseg.training import history as module
from satseg.training.history import COLUMNS, History

NAMES = [name.partition("_")[2] for name in COLUMNS if name.startswith("val_")]


@pytest.fixture
def trainer():
    """A run of ten batches an epoch, without a logger."""
    optimizer = SimpleNamespace(param_groups=[{"lr": 0.1}])
    return SimpleNamespace(
        current_epoch=0, num_training_batches=10, logger=None, optimizers=[optimizer]
    )


def epoch(history, trainer, task, number, batches):
    """An epoch, or its beginning."""
    trainer.current_epoch = number
    history.on_train_epoch_start(trainer, task)
    for index in range(batches):
        history.on_train_batch_end(trainer, task, {}, ("batch",), index)


def test_it_tells_epochs_batches_and_scores(trainer, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "WRITE_EVERY", 0.0)
    task = SimpleNamespace(epoch_result=lambda subset: dict.fromkeys(NAMES, 0.25))
    file = tmp_path / "checkpoints/progress.json"
    history = History(3, file, may_stop_early=True)
    epoch(history, trainer, task, 0, 10)
    history.on_train_epoch_end(trainer, task)
    epoch(history, trainer, task, 1, 4)

    told = json.loads(file.read_text(encoding="utf-8"))
    assert (told["epochs"], told["done"], told["share"]) == (3, 1, 0.4)
    assert told["may_stop_early"] and told["val_jaccard"] == [0.25]
    assert told["epoch_seconds"] == [round(history.rows[0]["epoch_seconds"], 3)]


def test_a_folder_that_cannot_be_written_stops_nothing(trainer, tmp_path):
    (tmp_path / "checkpoints").write_text("a file is in the way")
    history = History(3, tmp_path / "checkpoints/progress.json")
    epoch(history, trainer, SimpleNamespace(), 0, 2)
