"""Training one cell with Lightning: loop, checkpoints, history."""

import hashlib
import logging
import math
import sys
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path

import lightning as L
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from torch import nn

from satseg.cli import log
from satseg.config import Training
from satseg.data.augmentation import augment
from satseg.data.loader import TileDataset, loader, normalise, subset_tiles, to_unit
from satseg.data.tiles import Tiles
from satseg.devices import device, peak_memory_mb, resolve_precision
from satseg.files import atomic
from satseg.inference import choose, positions, save_weights
from satseg.losses import build_loss, class_weights
from satseg.metrics import epoch_metrics, tile_counts
from satseg.models import build_model
from satseg.slices import TrainSlice

METRICS = ("jaccard", "dice", "pixel_accuracy", "precision", "recall")
COLUMNS = [
    "epoch",
    "lr",
    "epoch_seconds",
    "train_loss",
    "val_loss",
    *(f"{s}_{m}" for s in ("train", "val") for m in METRICS),
]
# Tiles come from memory: on a CPU, loader processes would only take its cores from the training.
NOISE = (".*does not have many workers.*", "Checkpoint directory .* exists", ".*LeafSpec.*")
TRAINER_PRECISION = {"32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


class Task(L.LightningModule):
    """A model, its loss and optimizer, and the counts of the running epoch."""

    def __init__(self, spec: TrainSlice, model: nn.Module, loss: nn.Module):
        super().__init__()
        self.spec, self.training_spec = spec, spec.training
        self.model = model.to(memory_format=torch.channels_last)
        self.loss = loss
        self.counts: dict[str, torch.Tensor] = {}
        self.losses: dict[str, torch.Tensor] = {}

    def training_step(self, batch: tuple, _: int) -> torch.Tensor:
        """Loss of an augmented batch."""
        return self._step("train", *self._augmented(batch))

    def validation_step(self, batch: tuple, _: int) -> None:
        """Loss and counts of a batch: as it is, but for a recipe that augments everywhere."""
        images, masks, _ = batch
        plain = not self.training_spec.augmentation.everywhere
        self._step("val", *((to_unit(images), masks) if plain else self._augmented(batch)))

    def _augmented(self, batch: tuple) -> tuple[torch.Tensor, torch.Tensor]:
        images, masks, tiles = batch
        settings, seed = self.training_spec.augmentation, self.spec.cell.seed
        return augment(to_unit(images), masks, tiles, settings, seed, self.current_epoch)

    def _step(self, subset: str, images: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        logits = self.model(normalise(images, self.training_spec.scaling))
        target = positions(masks, self.spec.counted)
        # Sums over a tile overflow or lose digits in 16 bits.
        with torch.autocast(logits.device.type, enabled=False):
            loss = self.loss(logits[:, self.spec.counted].float(), target)
        with torch.no_grad():
            counts = tile_counts(choose(logits, self.spec.counted), target, len(self.spec.counted))
            self._add(self.counts, subset, counts.sum(0))
            self._add(self.losses, subset, torch.stack([loss.detach() * len(images), loss.new_tensor(len(images))]))
        return loss

    @staticmethod
    def _add(totals: dict[str, torch.Tensor], subset: str, value: torch.Tensor) -> None:
        totals[subset] = totals[subset] + value if subset in totals else value

    def on_train_epoch_start(self) -> None:
        """Start counting anew, from a random state that depends on seed and epoch alone, resumed or not."""
        self.counts, self.losses = {}, {}
        state = np.random.SeedSequence([self.spec.cell.seed, self.current_epoch]).generate_state(1)
        torch.manual_seed(int(state[0]))

    def epoch_result(self, subset: str) -> dict[str, float]:
        """Mean loss (over tiles) and metrics of the running epoch."""
        total, tiles = self.losses[subset].tolist()
        return {"loss": total / tiles, **epoch_metrics(self.counts[subset].cpu().numpy())}

    def on_validation_epoch_end(self) -> None:
        """Publish what may pick the best epoch."""
        result = self.epoch_result("val")
        self.log_dict({"val_loss": result["loss"], "val_jaccard": result["jaccard"]})

    def configure_optimizers(self) -> dict:
        """The recipe's optimizer and schedule."""
        settings = self.training_spec.optimizer
        kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
        extra = {"momentum": 0.9} if settings.name == "sgd" else {}
        optimizer = kinds[settings.name](
            self.model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, **extra
        )
        plan = self.training_spec.scheduler
        if plan is None:
            return {"optimizer": optimizer}
        if plan.name == "plateau":
            schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
                optimizer, mode=mode(self.training_spec), patience=plan.patience, factor=plan.factor
            )
        else:
            epochs, warmup = self.training_spec.epochs, plan.warmup

            def share(epoch: int) -> float:
                if epoch < warmup:
                    return (epoch + 1) / (warmup + 1)
                return (1 + math.cos(math.pi * (epoch - warmup) / max(1, epochs - warmup))) / 2

            schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {
                "scheduler": schedule,
                "interval": "epoch",
                "monitor": self.training_spec.monitor,
            },
        }


class History(Callback):
    """Collects a row per epoch; the rows live in the checkpoint, so that a resumed training keeps them."""

    def __init__(self, epochs: int):
        self.rows: list[dict] = []
        self.resumed_at: list[int] = []
        self.epochs = epochs
        self.started = 0.0

    def state_dict(self) -> dict:
        """What the checkpoint keeps."""
        return {"rows": self.rows, "resumed_at": self.resumed_at}

    def load_state_dict(self, state: dict) -> None:
        """Go on from a checkpoint."""
        self.rows = list(state["rows"])
        self.resumed_at = [*state["resumed_at"], len(self.rows) + 1]
        log.info("going on with epoch %d", len(self.rows) + 1)

    def on_train_epoch_start(self, trainer: L.Trainer, task: Task) -> None:
        """Start the clock."""
        self.started = time.perf_counter()
        self.lr = trainer.optimizers[0].param_groups[0]["lr"]

    def on_train_epoch_end(self, trainer: L.Trainer, task: Task) -> None:
        """Add the epoch's row; validation has run."""
        results = {subset: task.epoch_result(subset) for subset in ("train", "val")}
        row = {
            "epoch": trainer.current_epoch + 1,
            "lr": self.lr,
            "epoch_seconds": time.perf_counter() - self.started,
        }
        row |= {f"{s}_{name}": value for s, result in results.items() for name, value in result.items()}
        self.rows.append({column: row[column] for column in COLUMNS})
        left = row["epoch_seconds"] * (self.epochs - row["epoch"]) / 60
        log.info(
            "epoch %d/%d: loss %.4f, val loss %.4f, mIoU %.3f, pixel accuracy %.3f; %.0f s, at most %.0f min left",
            row["epoch"], self.epochs, row["train_loss"], row["val_loss"], row["val_jaccard"],
            row["val_pixel_accuracy"], row["epoch_seconds"], left,
        )  # fmt: skip


def mode(training: Training) -> str:
    """Whether the monitored value should be small or large."""
    return "min" if training.monitor.endswith("loss") else "max"


def train(
    spec: TrainSlice, tiles: Tiles, split: pd.DataFrame, out: str | Path, identity: str, workers: int = 0
) -> dict:
    """Train one cell; write `history.csv`, `best.pt` and `final.pt` into `out`.

    A training that was cut off goes on from its last epoch, if `identity` is still the same.

    Args:
        spec: the cell.
        tiles: the tile store.
        split: tile, scene, subset.
        out: the cell's folder; checkpoints lie in `out/checkpoints` while it trains.
        identity: digest of everything the result depends on.
        workers: loader processes.

    Returns:
        What `run.json` says of the training itself.
    """
    began, started = time.perf_counter(), datetime.now(UTC)
    out, settings = Path(out), spec.training
    checkpoints, bands = out / "checkpoints", tiles.images.shape[-1]
    numbers = {s: subset_tiles(tiles, split, s, settings.padded_tiles) for s in ("train", "val")}
    sets = {s: TileDataset(tiles, chosen) for s, chosen in numbers.items()}
    L.seed_everything(spec.cell.seed, workers=True, verbose=False)
    model = build_model(spec.model, len(spec.classes), bands, pretrained=True)
    task = Task(spec, model, build_loss(settings.loss, _weights(spec, tiles, numbers["train"])))
    precision = resolve_precision(settings.precision)
    history = History(settings.epochs)
    options = {"dirpath": checkpoints, "enable_version_counter": False, "save_on_train_epoch_end": True}
    best = ModelCheckpoint(filename="best", monitor=settings.monitor, mode=mode(settings), **options)
    callbacks = [history, best, ModelCheckpoint(filename="last", **options)]
    if settings.early_stopping:
        callbacks.append(EarlyStopping(settings.monitor, patience=settings.early_stopping, mode=mode(settings)))
    with warnings.catch_warnings():
        for message in NOISE:
            warnings.filterwarnings("ignore", message=message)
        _trainer(settings, precision, callbacks, checkpoints).fit(
            task,
            loader(sets["train"], settings.batch_size, workers, spec.cell.seed, settings.epoch_tiles),
            loader(sets["val"], settings.batch_size, workers),
            ckpt_path=_resumable(checkpoints, identity),
            weights_only=True,
        )
    best_state = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
    for name, state in (("final.pt", task.state_dict()), ("best.pt", best_state["state_dict"])):
        task.load_state_dict(state)
        save_weights(
            out / name, task.model, spec.model, bands,
            classes=spec.classes, counted=spec.counted, padded_tiles=settings.padded_tiles,
            batch_size=settings.batch_size, scaling=settings.scaling, precision=precision,
        )  # fmt: skip
    with atomic(out / "history.csv") as temporary:
        pd.DataFrame(history.rows, columns=COLUMNS).to_csv(temporary, index=False)
    return {
        "precision": precision,
        "started": started.isoformat(timespec="seconds"),
        "wall_seconds": round(time.perf_counter() - began, 1),
        "peak_memory_mb": round(peak_memory_mb(), 1),
        "epochs": len(history.rows),
        "best_epoch": best_state["epoch"] + 1,
        "resumed_at": history.resumed_at,
        "parameters": sum(p.numel() for p in model.parameters()),
        "tiles": {subset: len(chosen) for subset, chosen in numbers.items()},
    }


def _trainer(settings: Training, precision: str, callbacks: list[Callback], folder: Path) -> L.Trainer:
    """Lightning's loop on one device, as quiet as it goes: `History` says a line per epoch."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    return L.Trainer(
        accelerator=device().type,
        devices=1,
        max_epochs=settings.epochs,
        precision=TRAINER_PRECISION[precision],
        accumulate_grad_batches=settings.accumulate,
        deterministic="warn",
        callbacks=callbacks,
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=sys.stderr.isatty(),
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def _weights(spec: TrainSlice, tiles: Tiles, train_tiles: np.ndarray) -> torch.Tensor | None:
    columns = [f"pixels_{spec.classes[i]}" for i in spec.counted]
    pixels = tiles.table.loc[train_tiles, columns].sum().to_numpy()
    return class_weights(torch.tensor(pixels), spec.training.loss.class_weights)


def _resumable(checkpoints: Path, identity: str) -> Path | None:
    """The last checkpoint, if it is of this very training; what is left of another one is removed."""
    mark, last = checkpoints / "identity", checkpoints / "last.ckpt"
    if mark.exists() and mark.read_text() == identity:
        return last if last.exists() else None
    for stale in checkpoints.glob("*"):
        log.info("%s belongs to an older state of this cell; starting anew", stale)
        stale.unlink()
    with atomic(mark) as temporary:
        temporary.write_text(identity)
    return None


def digest(*parts: str) -> str:
    """One digest of several texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
