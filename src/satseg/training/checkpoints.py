"""Checkpoints of a run: written whole, and resumed from at the very batch."""

import pickle
import signal
import threading
import time
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

from satseg import sealed
from satseg.config.recipes import Training
from satseg.devices import device
from satseg.distributed import highest
from satseg.errors import UserError, is_innocent
from satseg.progress import log
from satseg.text import counted
from satseg.training.limits import PARENT_ENDED, TIME_IS_UP, Limits, Stopped
from satseg.training.optimizer import monitor_mode

NAME = "last.ckpt"
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# By their place here, processes agree on a reason to stop; the first is none.
REASONS = ("", TIME_IS_UP, PARENT_ENDED, *(number.name for number in SIGNALS))
STATE = ("best", "resumed_at", "threads", "done", "epochs", "finished")
UNREADABLE = (
    pickle.UnpicklingError,
    RuntimeError,
    ValueError,
    EOFError,
    OSError,
    AttributeError,
    KeyError,
)


class WholeFiles(TorchCheckpointIO):
    """Lightning's checkpoint writer, except that a file is there whole or as it was before."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint."""
        sealed.save(path, checkpoint)


class Checkpoints(Checkpoint):
    """Saves the state of a run: after every epoch, every few minutes within one, and when the run
    has to stop.

    One file holds the state and the best weights so far, so the two cannot disagree. It is written
    where nothing is pending: after an optimizer step or a validation batch. To Lightning it always
    stands between two epochs; a run that resumes within one gets empty batches in place of those
    that are done.

    Args:
        folder: where the checkpoint lies.
        identity: digest of everything the result depends on.
        settings: the recipe's training settings; what they monitor picks the best epoch.
        loaders: `train` and `val`, with `Batches` as batch samplers.
        limits: when to save, and when to stop.
    """

    def __init__(
        self,
        folder: Path,
        identity: str,
        settings: Training,
        loaders: dict[str, DataLoader],
        limits: Limits,
    ):
        self.path = folder / NAME
        self.identity = identity
        self.monitor = settings.monitor
        self.mode = monitor_mode(settings)
        self.loaders = loaders
        self.limits = limits

        self.best: dict[str, Any] = {}
        self.resumed_at: list[int] = []
        self.threads: list[int] = []
        """CPU threads of the run, and after each time it resumed."""
        self.done = {"train": 0, "val": 0}
        """Batches of the running epoch that are done."""
        self.epochs = 0
        """Epochs that are done."""
        self.finished = False

        self.resumed = False
        self.signal = ""
        """Name of the signal that asks the run to stop, if any."""
        self.saved = time.monotonic()

    # --- what the file holds ----------------------------------------------------------------------

    def resumable(self, shorter: str | Path | None = None) -> Path | None:
        """The checkpoint, if it belongs to this very run.

        Args:
            shorter: folder of a run of the same settings that stopped earlier; its checkpoint is
                taken if there is no own one.

        Raises:
            UserError: it cannot be read, or has changed since it was written.
        """
        own = self._of_this_run(self.path)
        if own or shorter is None:
            return own
        return self._of_this_run(Path(shorter, self.path.parent.name, NAME))

    def _of_this_run(self, path: Path) -> Path | None:
        if not path.exists():
            return None

        try:
            identity = sealed.load(path, mmap=True).get("identity")
        except UNREADABLE as error:
            if is_innocent(error):
                raise
            raise UserError(
                f"{path}: damaged, or not a checkpoint; delete it to train from scratch"
            ) from None

        if identity == self.identity:
            return path
        log.info("%s belongs to an earlier state of this cell; starting from scratch", path)
        return None

    def state_dict(self) -> dict[str, Any]:
        """What the checkpoint keeps of this callback."""
        return {key: getattr(self, key) for key in STATE}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from that state."""
        vars(self).update(state)
        self.resumed = True

        # Before the loaders start: their processes read ahead for whichever epoch is set then.
        self.loaders["train"].batch_sampler.sampler.set_epoch(self.epochs)
        for subset, done in self.done.items():
            self.loaders[subset].batch_sampler.skip = done

    def on_save_checkpoint(
        self, trainer: L.Trainer, task: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Mark the checkpoint, and place it between two epochs for Lightning, which cannot resume
        within one."""
        checkpoint["identity"] = self.identity
        progress = dict.fromkeys(("ready", "started", "processed", "completed"), self.epochs)
        checkpoint["loops"]["fit_loop"]["epoch_progress"] = {
            "total": progress,
            "current": progress.copy(),
        }

    # --- when it is written -----------------------------------------------------------------------

    def on_fit_start(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Do not train further if only the results are missing."""
        trainer.should_stop = self.finished

    def on_train_start(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Log where the run resumes; take over the signals from Lightning, which would stop at any
        batch."""
        self._listen()
        self._note_threads()
        if self.resumed:
            self.resumed_at = [*self.resumed_at, self.epochs + 1]
            within = f", after batch {self.done['train']}" if self.done["train"] else ""
            log.info("resuming in epoch %d%s", self.epochs + 1, within)

    def _note_threads(self) -> None:
        """Record how many threads compute from here on; on a CPU they decide how sums are rounded,
        so that a run which goes on with another number says so."""
        threads = torch.get_num_threads()
        if device().type == "cpu" and self.threads and self.threads[-1] != threads:
            log.warning(
                "resuming with %s, before it were %d: a CPU rounds differently then, so the "
                "weights will not be those of an uninterrupted run; for the same bits, stop and "
                "use the same `--cores` (or OMP_NUM_THREADS) as before",
                counted(threads, "CPU thread"),
                self.threads[-1],
            )
        self.threads = [*self.threads, threads]

    def on_train_batch_end(
        self, trainer: L.Trainer, task: L.LightningModule, outputs, batch, index: int
    ) -> None:
        """Save the state if it is time, unless accumulated gradients wait for their step."""
        if batch is None:
            return

        done = index + 1
        batches = int(trainer.num_training_batches)
        self.done["train"] = done
        if done % trainer.accumulate_grad_batches == 0 or done == batches:
            self._save_if_due(
                trainer, f"in epoch {self.epochs + 1}, after batch {done} of {batches}"
            )

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        task: L.LightningModule,
        outputs,
        batch,
        index: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Save the state if it is time."""
        if len(batch[0]):
            self.done["val"] = index + 1
            self._save_if_due(trainer, f"in epoch {self.epochs + 1}, while validating")

    def on_train_epoch_end(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Save the state, and the weights if they are the best so far; early stopping has decided
        by now."""
        score = trainer.callback_metrics[self.monitor].item()
        if self._is_best(score):
            weights = {
                name: values.detach().cpu().clone() for name, values in task.state_dict().items()
            }
            self.best = {"score": score, "epoch": self.epochs + 1, "state_dict": weights}

        self.epochs += 1
        self.done = {"train": 0, "val": 0}
        # Not if it is the last epoch: a longer run may go on from this checkpoint.
        self.finished = trainer.should_stop
        is_last = self.finished or self.epochs == trainer.max_epochs
        reason = "" if is_last else self._shared_reason()
        self._save(trainer, f"after epoch {self.epochs} of {trainer.max_epochs}", reason)

    def _is_best(self, score: float) -> bool:
        if not self.best:
            return True
        return score < self.best["score"] if self.mode == "min" else score > self.best["score"]

    def _save_if_due(self, trainer: L.Trainer, where: str) -> None:
        reason = self._shared_reason()
        pause = 60 * self.limits.checkpoint_minutes
        if reason or highest(time.monotonic() - self.saved >= pause):
            self._save(trainer, where, reason)

    def _save(self, trainer: L.Trainer, where: str, reason: str) -> None:
        """Write the checkpoint; stop the run there if there is a reason to."""
        trainer.lightning_module.check_losses()
        weights = trainer.lightning_module.state_dict().values()
        finite = torch.stack([torch.isfinite(values).all() for values in weights])
        if highest(not finite.all()):
            raise FloatingPointError(f"{where}, a weight is not finite")

        trainer.save_checkpoint(self.path)
        self.saved = time.monotonic()
        if reason:
            raise Stopped(f"{reason}: stopped {where}")

    def _shared_reason(self) -> str:
        """Why the run has to stop, if any process has a reason; the same in all of them."""
        own_reason = self.limits.reason_to_stop() or self.signal
        return REASONS[highest(REASONS.index(own_reason))]

    # --- signals ----------------------------------------------------------------------------------

    @contextmanager
    def stopping_on_signals(self) -> Iterator[None]:
        """A block in which SIGTERM and SIGINT let the run reach its next step, save and stop."""
        handlers = {number: signal.getsignal(number) for number in SIGNALS}
        self._listen()
        try:
            yield
        except SIGTERMException:  # so early that Lightning still listened
            raise Stopped("SIGTERM: stopped before the first step") from None
        finally:
            if _in_main_thread():
                for number, handler in handlers.items():
                    signal.signal(number, handler)

    def _listen(self) -> None:
        if _in_main_thread():
            for number in SIGNALS:
                signal.signal(number, self._note_signal)

    def _note_signal(self, number: int, _) -> None:
        self.signal = signal.Signals(number).name
        if number == signal.SIGINT:
            signal.signal(number, signal.SIG_DFL)  # a second Ctrl-C ends the run at once


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
