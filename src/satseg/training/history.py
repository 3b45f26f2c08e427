"""The history of a run: a row per epoch."""

import time
from contextlib import suppress
from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import Callback

from satseg.files import write_json
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

WRITE_EVERY = 5.0  # seconds between two states of the file that tells how far a run is


class History(Callback):
    """Collects a row per epoch; the checkpoint keeps the rows, so a resumed run has them all.

    Args:
        epochs: how many there are at most.
        file: JSON file for how far the run is, which `satseg status` shows; None for none.
        may_stop_early: whether there may be fewer.
    """

    def __init__(self, epochs: int, file: Path | None = None, may_stop_early: bool = False):
        self.rows: list[dict] = []
        self.epochs = epochs
        self.file = file
        self.may_stop_early = may_stop_early
        self.written = -WRITE_EVERY
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
        self._write(trainer.current_epoch, 0.0)

    def on_train_batch_end(
        self, trainer: L.Trainer, task: Task, outputs: dict, batch: tuple | None, index: int
    ) -> None:
        """Report progress within the epoch from time to time."""
        if batch is not None:  # it was trained on before the interruption
            phase = f"epoch {trainer.current_epoch + 1}/{self.epochs}"
            self._report(phase, index + 1, trainer.num_training_batches)
            self._write(trainer.current_epoch, (index + 1) / trainer.num_training_batches)

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
            "%.0f s, about %s left%s",
            row["epoch"],
            self.epochs,
            row["train_loss"],
            row["val_loss"],
            row["val_jaccard"],
            row["val_pixel_accuracy"],
            row["epoch_seconds"],
            duration(left),
            ", or less if it stops early" if self.may_stop_early and left else "",
        )
        self.written = -WRITE_EVERY
        self._write(row["epoch"], 0.0)

    def _write(self, done: int, share: float) -> None:
        """Say in the file how far the run is: epochs that are done, and the share of the running
        one's training batches. A run does not fail for it."""
        now = time.monotonic()
        if self.file is None or now < self.written + WRITE_EVERY:
            return
        self.written = now

        state = {
            "epochs": self.epochs,
            "may_stop_early": self.may_stop_early,
            "done": done,
            "share": round(share, 3),
            "epoch_seconds": [round(row["epoch_seconds"], 3) for row in self.rows],
            "val_jaccard": [row["val_jaccard"] for row in self.rows],
        }
        with suppress(OSError):
            write_json(self.file, state)
