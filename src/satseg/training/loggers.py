"""Where a run's rows go besides history.csv: one of Lightning's own loggers. It decides no
result."""

import json
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from satseg.errors import UserError, one_line
from satseg.files import write_json
from satseg.jobs.running import missing_logger
from satseg.jobs.slices import TrainSlice
from satseg.progress import log
from satseg.training.history import History
from satseg.training.limits import Stopped

KINDS = ("csv", "tensorboard", "mlflow", "wandb")  # that a configuration may name
PROJECT = "satseg"
NOTE = "logger.json"  # which of the logger's own runs this run is; beside the checkpoint
ADVICE = {
    "tensorboard": "make the folder writable",
    "mlflow": "see whether MLFLOW_TRACKING_URI is right and the server answers",
    "wandb": "see whether the network reaches it and `wandb login` was run, or set "
    "WANDB_MODE=offline",
}
# Unless the environment says otherwise: a server that does not answer is given up within minutes,
# and wandb writes nothing into the log, whose last line says why a run failed.
DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "WANDB_CONSOLE": "off",
    "WANDB_FINISH_TIMEOUT": "60",
    "WANDB_SILENT": "true",
}


def open_logger(kind: str, name: str, folder: Path, run: str = "") -> Logger:
    """A logger that is ready to be sent rows.

    Args:
        kind: `tensorboard`, `mlflow` or `wandb`.
        name: of the cell, as people see it.
        folder: of the cell; TensorBoard's and wandb's files go there.
        run: the `version` of the logger to go on with; empty for a new one.

    Raises:
        Exception: of the library that it writes with, which cannot reach what it writes to.
    """
    if kind == "tensorboard":
        version = run or secrets.token_hex(4)
        logger = TensorBoardLogger(folder, "tensorboard", version, default_hp_metric=False)
    elif kind == "mlflow":
        import mlflow

        # Lightning would take the folder mlruns, which MLflow 3 refuses, and create the experiment
        # twice where two runs begin at once.
        mlflow.set_experiment(PROJECT)
        uri = mlflow.get_tracking_uri()
        logger = MLFlowLogger(PROJECT, name, uri, run_id=run or None)
        logger.experiment.update_run(logger.run_id, status="RUNNING")
    else:
        import wandb

        wandb.finish()  # another run of this process
        number = run or secrets.token_hex(4)
        experiment = wandb.init(
            project=PROJECT, name=name, id=number, resume="allow", dir=os.fspath(folder)
        )
        experiment.define_metric("*", step_metric="epoch")
        logger = WandbLogger(experiment=experiment)
    return logger


class Tracker(Callback):
    """Sends the rows of a run's history to a logger, each once: a run that resumes goes on in the
    same one.

    Lightning's trainer knows nothing of it, and so sends nothing of its own. A logger that fails
    after its start is left alone, and the run goes on without.

    Args:
        kind: `tensorboard`, `mlflow` or `wandb`.
        job: the cell.
        folder: of the cell.
        identity: digest of everything the result depends on; a run that resumes has the same.
        history: has the rows.

    Raises:
        UserError: the package that it writes with is not installed; later, that it reaches nothing.
    """

    def __init__(self, kind: str, job: TrainSlice, folder: Path, identity: str, history: History):
        missing = missing_logger(kind)
        if missing:
            raise UserError(missing)
        self.kind = kind
        self.job = job
        self.folder = folder
        self.identity = identity
        self.history = history
        self.note = folder / "checkpoints" / NOTE
        self.logger: Logger | None = None
        self.sent = 0
        """Rows that the logger has."""

    def setup(self, trainer: L.Trainer, task: L.LightningModule, stage: str) -> None:
        """Connect, and say what the run's settings are."""
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)
        try:
            self.logger = self._opened()
            self.logger.log_hyperparams(self.job.model_dump(mode="json"))
        except Exception as error:
            raise UserError(
                f"logger: {self.kind}: {one_line(error)}; {ADVICE[self.kind]}, or set logger: csv"
            ) from error
        address = getattr(self.logger.experiment, "url", None)
        if address:
            log.info("wandb shows the run at %s", address)

    def _opened(self) -> Logger:
        name = str(self.job.cell.path)
        run, sent = self._noted()
        if run:
            with suppress(Exception):  # it has been deleted; if nothing answers, the next fails too
                logger = open_logger(self.kind, name, self.folder, run)
                self.sent = sent
                return logger
        return open_logger(self.kind, name, self.folder)

    def _noted(self) -> tuple[str, int]:
        """What the logger called this run before it was interrupted, and how many rows it has."""
        with suppress(OSError, ValueError, KeyError):
            note = json.loads(self.note.read_text(encoding="utf-8"))
            if (note["kind"], note["identity"]) == (self.kind, self.identity):
                return note["run"], note["sent"]
        return "", 0

    def on_train_start(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Send what was trained before and the logger lacks."""
        self._attempt(self._send)

    def on_train_epoch_end(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Send the epoch's row, which the history has by now."""
        self._attempt(self._send)

    def _send(self) -> None:
        for row in self.history.rows[self.sent :]:
            self.logger.log_metrics(row, step=row["epoch"])
            self.sent += 1
        self.logger.save()

        # Offline, wandb cannot go on: then another of its runs gets all rows.
        if not getattr(self.logger.experiment, "offline", False):
            note = {"kind": self.kind, "identity": self.identity, "run": self.logger.version}
            self.note.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.note, note | {"sent": self.sent})

    def on_fit_end(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Say that the run is complete."""
        self._attempt(lambda: self._end("success"))

    def on_exception(
        self, trainer: L.Trainer, task: L.LightningModule, exception: BaseException
    ) -> None:
        """Say that the run has stopped, or failed."""
        status = "KILLED" if isinstance(exception, Stopped) else "failed"
        self._attempt(lambda: self._end(status))

    def _end(self, status: str) -> None:
        self.logger.finalize(status)
        if self.kind == "wandb":
            self.logger.experiment.finish(exit_code=int(status != "success"))

    def _attempt(self, action: Callable[[], None]) -> None:
        """Do it, unless the logger has failed before."""
        if self.logger is None:
            return
        try:
            action()
        except Exception as error:
            self.logger = None
            log.warning(
                "logger: %s: %s; the run goes on without, history.csv has everything",
                self.kind,
                one_line(error),
            )
