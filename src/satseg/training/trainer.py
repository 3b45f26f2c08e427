"""Lightning's trainer, set up for a recipe."""

import logging
import sys
from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.environments import LightningEnvironment

from satseg.config.recipes import Training
from satseg.devices import device
from satseg.training.checkpoints import WholeFiles

# Warnings that do not apply here.
NOISE = (
    # Tiles come from memory: on a CPU, loader processes would only take cores from the training.
    ".*does not have many workers.*",
    ".*LeafSpec.*",
    ".*`srun` command.*",
    ".*yielded None.*",
    ".*sync_dist.*",
    # When a run resumes after the last step of an epoch.
    r".*`lr_scheduler\.step\(\)` before.*",
)
TRAINER_PRECISION = {"32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def last_epoch(settings: Training) -> int:
    """The last epoch that a recipe trains, at most."""
    return settings.stop_after or settings.epochs


def build_trainer(
    settings: Training,
    precision: str,
    callbacks: list[Callback],
    folder: Path,
) -> L.Trainer:
    """Lightning's loop on the recipe's devices, as quiet as possible: `History` logs a line per
    epoch.

    Args:
        settings: the recipe's training settings.
        precision: `32`, `bf16` or `fp16`.
        callbacks: what watches the run.
        folder: of the cell.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    several = settings.devices > 1
    return L.Trainer(
        accelerator=device().type,
        devices=settings.devices,
        strategy="ddp" if several else "auto",
        sync_batchnorm=several and device().type == "cuda",
        max_epochs=last_epoch(settings),
        precision=TRAINER_PRECISION[precision],
        accumulate_grad_batches=settings.accumulate,
        deterministic="warn" if settings.deterministic else False,
        benchmark=not settings.deterministic,
        callbacks=callbacks,
        # Without this environment, Lightning would requeue a SLURM job by itself, with checkpoints
        # of its own.
        plugins=[WholeFiles(), LightningEnvironment()],
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=sys.stderr.isatty(),
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
