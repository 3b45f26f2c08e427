"""The history of a run: a row per epoch."""

import time

import lightning as L
from lightning.pytorch.callbacks import Callback

from satseg.metrics.counts import EPOCH_METRICS
from satseg.progress import Pace, log
from satseg.text import duration
from satseg.training.task import Task

COLUMNS = [
    "epoch",
    "lr",
    "epoch_seconds",
    "train_loss",
    "val_loss",
    *(f"train_{name}" for name in EPOCH_METRICS),
    *(f"val_{name}" for name in EPOCH_METRICS),
]
"""Columns of history.csv."""


class History(Callback):
    """Collects a row per epoch; the checkpoint keeps the rows, so a resumed run has them all."""

    def __init__(self, epochs: int):
        self.rows: list[dict] = []
        self.epochs = epochs
        self.seconds = 0.0
        """What the running epoch took before the run was interrupted."""
        self.started: float | None = None
        self.pace: Pace | None = None

    def state_dict(self) -> dict:
        """What the checkpoint keeps."""
        return {"rows": self.rows, "seconds": self._elapsed()}

    def load_state_dict(self, state: dict) -> None:
        """Resume from a checkpoint."""
        self.rows = list(state["rows"])
        self.seconds = state["seconds"]

    def _elapsed(self) -> float:
        if self.started is None:
            return self.seconds
        return self.seconds + time.perf_counter() - self.started

    def on_train_epoch_start(self, trainer: L.Trainer, task: Task) -> None:
        """Start the clock."""
        self.started = time.perf_counter()
        self.lr = trainer.optimizers[0].param_groups[0]["lr"]
        self.pace = None

    def on_train_batch_end(
        self, trainer: L.Trainer, task: Task, outputs: dict, batch: tuple | None, index: int
    ) -> None:
        """Report progress within the epoch from time to time."""
        if batch is not None:  # it was trained on before the interruption
            phase = f"epoch {trainer.current_epoch + 1}/{self.epochs}"
            self._report(phase, index + 1, trainer.num_training_batches)

    def on_validation_start(self, trainer: L.Trainer, task: Task) -> None:
        """Start a new pace."""
        self.pace = None

    def on_validation_batch_end(
        self, trainer: L.Trainer, task: Task, outputs: None, batch: tuple, index: int
    ) -> None:
        """Report progress of the validation from time to time."""
        phase = f"epoch {trainer.current_epoch + 1}/{self.epochs}, validation"
        self._report(phase, index + 1, sum(trainer.num_val_batches))

    def _report(self, phase: str, done: int, batches: int) -> None:
        # From the first batch on, which takes longer and need not be the epoch's first.
        self.pace = self.pace or Pace(phase, batches, "batches", done)
        self.pace.at(done)

    def on_train_epoch_end(self, trainer: L.Trainer, task: Task) -> None:
        """Add the epoch's row; validation has run."""
        row = {
            "epoch": trainer.current_epoch + 1,
            "lr": self.lr,
            "epoch_seconds": self._elapsed(),
        }
        for subset in ("train", "val"):
            for name, value in task.epoch_result(subset).items():
                row[f"{subset}_{name}"] = value

        self.rows.append({column: row[column] for column in COLUMNS})
        self.seconds = 0.0
        self.started = None

        left = row["epoch_seconds"] * (self.epochs - row["epoch"])
        log.info(
            "epoch %d/%d: loss %.4f, val loss %.4f, mIoU %.3f, pixel accuracy %.3f; "
            "%.0f s, at most %s left",
            row["epoch"],
            self.epochs,
            row["train_loss"],
            row["val_loss"],
            row["val_jaccard"],
            row["val_pixel_accuracy"],
            row["epoch_seconds"],
            duration(left),
        )
