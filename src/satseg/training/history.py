"""A row per epoch."""

import time

import lightning as L
from lightning.pytorch.callbacks import Callback

from satseg.progress import Pace, log
from satseg.text import duration
from satseg.training.task import Task

METRICS = ("jaccard", "dice", "pixel_accuracy", "precision", "recall")


COLUMNS = [
    "epoch",
    "lr",
    "epoch_seconds",
    "train_loss",
    "val_loss",
    *(f"{s}_{m}" for s in ("train", "val") for m in METRICS),
]


class History(Callback):
    """Collects a row per epoch; the rows live in the checkpoint, so that a resumed training keeps
    them."""

    def __init__(self, epochs: int):
        self.rows: list[dict] = []
        self.epochs = epochs
        self.seconds = 0.0
        """What the running epoch took before the training was cut off."""
        self.started: float | None = None
        self.pace: Pace | None = None

    def state_dict(self) -> dict:
        """What the checkpoint keeps."""
        return {"rows": self.rows, "seconds": self._elapsed()}

    def load_state_dict(self, state: dict) -> None:
        """Go on from a checkpoint."""
        self.rows, self.seconds = list(state["rows"]), state["seconds"]

    def _elapsed(self) -> float:
        return self.seconds + (0 if self.started is None else time.perf_counter() - self.started)

    def on_train_epoch_start(self, trainer: L.Trainer, task: Task) -> None:
        """Start the clock."""
        self.started = time.perf_counter()
        self.lr = trainer.optimizers[0].param_groups[0]["lr"]
        self.pace = None

    def on_train_batch_end(
        self, trainer: L.Trainer, task: Task, outputs: dict, batch: tuple | None, index: int
    ) -> None:
        """Say now and then how far the epoch is."""
        if batch is not None:  # else it was trained on before the training was cut off
            self._tell(
                f"epoch {trainer.current_epoch + 1}/{self.epochs}",
                index + 1,
                trainer.num_training_batches,
            )

    def on_validation_start(self, trainer: L.Trainer, task: Task) -> None:
        """Begin counting anew."""
        self.pace = None

    def on_validation_batch_end(
        self, trainer: L.Trainer, task: Task, outputs: None, batch: tuple, index: int
    ) -> None:
        """Say now and then how far the validation is."""
        what = f"epoch {trainer.current_epoch + 1}/{self.epochs}, validation"
        self._tell(what, index + 1, sum(trainer.num_val_batches))

    def _tell(self, what: str, done: int, batches: int) -> None:
        # From the first batch on, which takes longer, and need not be the epoch's first.
        self.pace = self.pace or Pace(what, batches, "batches", done)
        self.pace.at(done)

    def on_train_epoch_end(self, trainer: L.Trainer, task: Task) -> None:
        """Add the epoch's row; validation has run."""
        results = {subset: task.epoch_result(subset) for subset in ("train", "val")}
        row = {
            "epoch": trainer.current_epoch + 1,
            "lr": self.lr,
            "epoch_seconds": self._elapsed(),
        }
        row |= {
            f"{s}_{name}": value for s, result in results.items() for name, value in result.items()
        }
        self.rows.append({column: row[column] for column in COLUMNS})
        self.seconds, self.started = 0.0, None
        left = row["epoch_seconds"] * (self.epochs - row["epoch"])
        log.info(
            "epoch %d/%d: loss %.4f, val loss %.4f, mIoU %.3f, pixel accuracy %.3f; %.0f s, at most %s left",
            row["epoch"], self.epochs, row["train_loss"], row["val_loss"], row["val_jaccard"],
            row["val_pixel_accuracy"], row["epoch_seconds"], duration(left),
        )  # fmt: skip
