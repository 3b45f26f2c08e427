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

# Tiles come from memory: on a CPU, loader processes would only take its cores from the training.
NOISE = (
    ".*does not have many workers.*",
    ".*LeafSpec.*",
    ".*`srun` command.*",
    ".*yielded None.*",
    ".*sync_dist.*",
    # Said where a training goes on after the last step of an epoch
    r".*`lr_scheduler\.step\(\)` before.*",
)


TRAINER_PRECISION = {"32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def build_trainer(
    settings: Training, precision: str, callbacks: list[Callback], folder: Path
) -> L.Trainer:
    """Lightning's loop on the recipe's devices, as quiet as it goes: `History` says a line per
    epoch."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    return L.Trainer(
        accelerator=device().type,
        devices=settings.devices,
        strategy="ddp" if settings.devices > 1 else "auto",
        sync_batchnorm=settings.devices > 1 and device().type == "cuda",
        max_epochs=settings.epochs,
        precision=TRAINER_PRECISION[precision],
        accumulate_grad_batches=settings.accumulate,
        deterministic="warn",
        callbacks=callbacks,
        # The latter, or within a SLURM job Lightning would requeue it by itself, with checkpoints
        # of its own.
        plugins=[WholeFiles(), LightningEnvironment()],
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=sys.stderr.isatty(),
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
