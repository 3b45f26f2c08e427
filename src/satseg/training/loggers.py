"""Where a run's rows go besides history.csv: one of Lightning's own loggers. It decides no
result."""

from pathlib import Path
from typing import Literal

from lightning.pytorch.loggers import (
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)

from satseg.errors import UserError
from satseg.jobs.slices import TrainSlice

KINDS = ("csv", "tensorboard", "mlflow", "wandb")  # that a configuration may name
PROJECT = "satseg"


def build_logger(
    kind: str, job: TrainSlice, folder: Path, identity: str
) -> Logger | Literal[False]:
    """The logger that the configuration names, told what the run's settings are.

    Args:
        kind: `csv` (history.csv is enough), `tensorboard`, `mlflow` or `wandb`.
        job: the cell.
        folder: of the cell; TensorBoard's and wandb's files go there.
        identity: digest of everything the result depends on; a run that resumes has the same.

    Raises:
        UserError: the package that it writes with is not installed.
    """
    if kind == "csv":
        return False
    name = str(job.cell.path)
    try:
        if kind == "tensorboard":
            logger = TensorBoardLogger(folder, name="tensorboard", version="")
        elif kind == "mlflow":
            # Where to is up to MLFLOW_TRACKING_URI; the folder mlruns by default.
            logger = MLFlowLogger(experiment_name=PROJECT, run_name=name)
        else:
            logger = WandbLogger(
                name=name, project=PROJECT, save_dir=folder, id=identity[:16], resume="allow"
            )
    except ModuleNotFoundError:
        raise UserError(
            f"logger: {kind} is not installed; run `.venv/bin/uv pip install --python "
            f".venv/bin/python --editable '.[{kind}]'`, or set logger: csv"
        ) from None
    logger.log_hyperparams(job.model_dump(mode="json"))
    return logger
