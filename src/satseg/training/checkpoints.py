"""Checkpoints of a training: written whole, gone on from at the very batch, and by one process at a
time."""

import os
import pickle
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch.utils.data import DataLoader

from satseg.distributed import highest
from satseg.errors import UserError
from satseg.files import atomic
from satseg.progress import log
from satseg.training.lock import Stopped

NAME = "last.ckpt"


SIGNALS = (signal.SIGTERM, signal.SIGINT)


REASONS = (
    "",
    "time budget used up",
    "what started it has ended",
    *(number.name for number in SIGNALS),
)


class WholeFiles(TorchCheckpointIO):
    """Lightning's way to write a checkpoint, but for the file: it is there whole, or as it was
    before."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint."""
        with atomic(path) as temporary:
            torch.save(checkpoint, temporary)


class Checkpoints(Checkpoint):
    """Keeps a training on disk: after every epoch, every few minutes within one, and when it is
    told to stop.

    One file holds the state and the best weights so far: they cannot disagree. It is written where
        nothing is pending,
    after an optimizer step or a batch of validation. For Lightning it always stands before an
    epoch; a training that goes on within one gets empty batches in place of those it has been
    through.

    Args:
        folder: where the checkpoint lies.
        identity: digest of everything the result depends on.
        monitor: what picks the best epoch.
        mode: whether it should be small, `min`, or large, `max`.
        loaders: `train` and `val`, with `Batches` as batch samplers.
        minutes: least time between two checkpoints within an epoch.
        deadline: when to stop, by `time.monotonic`; None for never.
        parent: process whose end ends the training too, if it is what started this one; None for
            none.
    """

    def __init__(
        self,
        folder: Path,
        identity: str,
        monitor: str,
        mode: str,
        loaders: dict[str, DataLoader],
        minutes: float,
        deadline: float | None = None,
        parent: int | None = None,
    ):
        self.path, self.identity, self.monitor, self.mode = folder / NAME, identity, monitor, mode
        self.loaders, self.seconds, self.deadline, self.parent = (
            loaders,
            60 * minutes,
            deadline,
            parent,
        )
        self.best: dict[str, Any] = {}
        self.resumed_at: list[int] = []
        self.done = {"train": 0, "val": 0}
        """Batches of the running epoch that are done."""
        self.epochs = 0
        """Epochs that are done."""
        self.finished = self.resumed = False
        self.told = ""
        self.saved = time.monotonic()

    # --- what the file holds ----------------------------------------------------------------------

    def resumable(self) -> Path | None:
        """The checkpoint, if it is of this very training.

        Raises:
            UserError: it cannot be read.
        """
        if not self.path.exists():
            return None
        try:
            with warnings.catch_warnings(action="ignore"):  # of what is no file of torch's
                content = torch.load(self.path, map_location="cpu", weights_only=True, mmap=True)
            identity = content.get("identity")
        except (
            pickle.UnpicklingError,
            RuntimeError,
            ValueError,
            EOFError,
            OSError,
            AttributeError,
            KeyError,
        ):
            raise UserError(
                f"{self.path}: damaged, or no checkpoint; delete it, and the training starts anew"
            ) from None
        if identity == self.identity:
            return self.path
        log.info("%s belongs to an older state of this cell; starting anew", self.path)
        return None

    def state_dict(self) -> dict[str, Any]:
        """What the checkpoint keeps of this."""
        return {
            key: getattr(self, key) for key in ("best", "resumed_at", "done", "epochs", "finished")
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        vars(self).update(state)
        self.resumed = True
        # Before the loaders start: processes of theirs would at once read for the epoch that is set
        # then.
        self.loaders["train"].batch_sampler.sampler.set_epoch(self.epochs)
        for subset, done in self.done.items():
            self.loaders[subset].batch_sampler.skip = done

    def on_save_checkpoint(
        self, trainer: L.Trainer, task: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Mark the checkpoint, and let it stand between two epochs for Lightning, which repeats no
        part of one."""
        checkpoint["identity"] = self.identity
        done = dict.fromkeys(("ready", "started", "processed", "completed"), self.epochs)
        checkpoint["loops"]["fit_loop"]["epoch_progress"] = {"total": done, "current": done.copy()}

    # --- when it is written -----------------------------------------------------------------------

    def on_fit_start(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Do not train on where only the results are missing."""
        trainer.should_stop = self.finished

    def on_train_start(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Say where the training goes on; listen to signals in Lightning's place, which would end
        it at any batch."""
        self._listen()
        if self.resumed:
            self.resumed_at = [*self.resumed_at, self.epochs + 1]
            within = f", after batch {self.done['train']}" if self.done["train"] else ""
            log.info("going on with epoch %d%s", self.epochs + 1, within)

    def on_train_batch_end(
        self, trainer: L.Trainer, task: L.LightningModule, outputs, batch, index: int
    ) -> None:
        """Keep the state, if it is time and no gradient waits for its step."""
        batches = int(trainer.num_training_batches)
        if batch is None:
            return
        self.done["train"] = index + 1
        if (index + 1) % trainer.accumulate_grad_batches == 0 or index + 1 == batches:
            self._keep(trainer, f"in epoch {self.epochs + 1}, after batch {index + 1} of {batches}")

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        task: L.LightningModule,
        outputs,
        batch,
        index: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the state, if it is time."""
        if len(batch[0]):
            self.done["val"] = index + 1
            self._keep(trainer, f"in epoch {self.epochs + 1}, while validating")

    def on_train_epoch_end(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Keep the state, and the weights if they are the best so far; early stopping has had its
        say."""
        score = trainer.callback_metrics[self.monitor].item()
        if not self.best or (
            score < self.best["score"] if self.mode == "min" else score > self.best["score"]
        ):
            weights = {
                name: value.detach().cpu().clone() for name, value in task.state_dict().items()
            }
            self.best = {"score": score, "epoch": self.epochs + 1, "state_dict": weights}
        self.epochs += 1
        self.done = {"train": 0, "val": 0}
        self.finished = trainer.should_stop or self.epochs == trainer.max_epochs
        reason = "" if self.finished else self._reason()
        self._save(trainer, f"after epoch {self.epochs} of {trainer.max_epochs}", reason)

    def _keep(self, trainer: L.Trainer, where: str) -> None:
        reason = self._reason()
        if reason or highest(time.monotonic() - self.saved >= self.seconds):
            self._save(trainer, where, reason)

    def _save(self, trainer: L.Trainer, where: str, reason: str) -> None:
        """Write the checkpoint; end the training there, for a reason."""
        weights = trainer.lightning_module.state_dict().values()
        if highest(not all(bool(torch.isfinite(values).all()) for values in weights)):
            raise FloatingPointError(f"{where}, a weight is not finite")
        trainer.save_checkpoint(self.path)
        self.saved = time.monotonic()
        if reason:
            raise Stopped(f"{reason}: stopped {where}")

    def _reason(self) -> str:
        """Why the training is to stop, if it is, in one of its processes: then it is in all."""
        return REASONS[highest(REASONS.index(self._own_reason()))]

    def _own_reason(self) -> str:
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return "time budget used up"
        if self.parent is not None and self.parent != os.getppid():
            return "what started it has ended"
        return self.told

    # --- signals ----------------------------------------------------------------------------------

    @contextmanager
    def heeding(self) -> Iterator[None]:
        """A block in which SIGTERM and SIGINT let the training come to its next step, save and
        stop."""
        before = {number: signal.getsignal(number) for number in SIGNALS}
        self._listen()
        try:
            yield
        except SIGTERMException:  # so early that Lightning still listened
            raise Stopped("SIGTERM: stopped before the first step") from None
        finally:
            if _in_main_thread():
                for number, handler in before.items():
                    signal.signal(number, handler)

    def _listen(self) -> None:
        if _in_main_thread():
            for number in SIGNALS:
                signal.signal(number, self._hear)

    def _hear(self, number: int, _) -> None:
        self.told = signal.Signals(number).name
        if number == signal.SIGINT:
            signal.signal(number, signal.SIG_DFL)  # who presses Ctrl-C twice does not want to wait


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
