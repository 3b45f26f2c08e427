"""Training one cell with Lightning: loop, schedule, history."""

import logging
import math
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import lightning as L
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping
from lightning.pytorch.plugins.environments import LightningEnvironment
from torch import nn

from satseg.checkpoints import Checkpoints, WholeFiles
from satseg.cli import Pace, duration, log
from satseg.config import Training
from satseg.counts import epoch_metrics, tile_counts
from satseg.data.augmentation import augment
from satseg.data.loader import TileDataset, loader, normalise, subset_tiles, to_unit
from satseg.data.store import Tiles
from satseg.devices import device, peak_memory_mb, resolve_precision
from satseg.distributed import rank, total
from satseg.errors import UserError
from satseg.files import atomic
from satseg.inference import choose, positions, save_weights
from satseg.losses import build_loss, class_weights
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
NOISE = (
    ".*does not have many workers.*",
    ".*LeafSpec.*",
    ".*`srun` command.*",
    ".*yielded None.*",
    ".*sync_dist.*",
    r".*`lr_scheduler\.step\(\)` before.*",  # said where a training goes on after the last step of an epoch
)
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

    def on_before_batch_transfer(self, batch: tuple, dataloader_idx: int) -> tuple | None:
        """None for an empty batch of training: Lightning passes over it, and nothing moves."""
        return batch if len(batch[0]) or not self.trainer.training else None

    def training_step(self, batch: tuple, index: int) -> torch.Tensor:
        """Loss of an augmented batch."""
        # The same draws, wherever in its epoch a training was cut off; others in each process of several.
        others = [self.global_rank] if self.global_rank else []
        state = np.random.SeedSequence([self.spec.cell.seed, self.current_epoch, index, *others]).generate_state(1)
        torch.manual_seed(int(state[0]))
        loss = self._step("train", batch, augmented=True)
        self._check_loss(loss, f"batch {index + 1}")
        return loss

    def validation_step(self, batch: tuple, index: int) -> None:
        """Loss and counts of a batch: as it is, but for a recipe that augments everywhere."""
        if len(batch[0]):
            loss = self._step("val", batch, self.training_spec.augmentation.everywhere)
            self._check_loss(loss, f"batch {index + 1} of the validation")

    def _check_loss(self, loss: torch.Tensor, where: str) -> None:
        if not torch.isfinite(total(loss.detach())):
            raise FloatingPointError(f"in epoch {self.current_epoch + 1}, {where}, the loss is {loss.item()}")

    def _augmented(self, batch: tuple) -> tuple[torch.Tensor, torch.Tensor]:
        images, masks, tiles = batch
        if not len(tiles):  # borrowed
            return to_unit(images), masks
        settings, seed = self.training_spec.augmentation, self.spec.cell.seed
        return augment(images, masks, tiles, settings, seed, self.current_epoch)

    def _step(self, subset: str, batch: tuple, augmented: bool) -> torch.Tensor:
        images, masks = self._augmented(batch) if augmented else (to_unit(batch[0]), batch[1])
        logits = self.model(normalise(images, self.training_spec.scaling))
        target = positions(masks, self.spec.counted)
        # Sums over a tile overflow or lose digits in 16 bits.
        with torch.autocast(logits.device.type, enabled=False):
            loss = self.loss(logits[:, self.spec.counted].float(), target)
        with torch.no_grad():
            counts = tile_counts(choose(logits, self.spec.counted), target, len(self.spec.counted))
            tiles = total(loss.new_tensor(len(batch[2])))
            self._add(self.counts, subset, total(counts.sum(0)))
            self._add(self.losses, subset, torch.stack([loss.detach() * tiles, tiles]))
        return loss

    @staticmethod
    def _add(totals: dict[str, torch.Tensor], subset: str, value: torch.Tensor) -> None:
        totals[subset] = totals[subset].to(value.device) + value if subset in totals else value

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        """Keep what the running epoch has counted."""
        checkpoint["counted"] = {"counts": self.counts, "losses": self.losses}

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        """Go on counting."""
        self.counts, self.losses = checkpoint["counted"]["counts"], checkpoint["counted"]["losses"]

    def epoch_result(self, subset: str) -> dict[str, float]:
        """Mean loss (over tiles) and metrics of the running epoch."""
        total, tiles = self.losses[subset].tolist()
        return {"loss": total / tiles, **epoch_metrics(self.counts[subset].cpu().numpy())}

    def on_validation_epoch_end(self) -> None:
        """Publish what may pick the best epoch."""
        result = self.epoch_result("val")
        self.log_dict({"val_loss": result["loss"], "val_jaccard": result["jaccard"]})

    def on_train_epoch_end(self) -> None:
        """Step the schedule and start counting anew; the epoch's row is written, its checkpoint is not."""
        schedule = self.lr_schedulers()
        if isinstance(schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
            schedule.step(self.trainer.callback_metrics[self.training_spec.monitor])
        elif schedule:
            schedule.step()
        self.counts, self.losses = {}, {}

    def lr_scheduler_step(self, scheduler, metric) -> None:
        """Nothing: Lightning would step a plateau only after the epoch's checkpoint, which would lack that step."""

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
            self._tell(f"epoch {trainer.current_epoch + 1}/{self.epochs}", index + 1, trainer.num_training_batches)

    def on_validation_start(self, trainer: L.Trainer, task: Task) -> None:
        """Begin counting anew."""
        self.pace = None

    def on_validation_batch_end(self, trainer: L.Trainer, task: Task, outputs: None, batch: tuple, index: int) -> None:
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
        row |= {f"{s}_{name}": value for s, result in results.items() for name, value in result.items()}
        self.rows.append({column: row[column] for column in COLUMNS})
        self.seconds, self.started = 0.0, None
        left = row["epoch_seconds"] * (self.epochs - row["epoch"])
        log.info(
            "epoch %d/%d: loss %.4f, val loss %.4f, mIoU %.3f, pixel accuracy %.3f; %.0f s, at most %s left",
            row["epoch"], self.epochs, row["train_loss"], row["val_loss"], row["val_jaccard"],
            row["val_pixel_accuracy"], row["epoch_seconds"], duration(left),
        )  # fmt: skip


def mode(training: Training) -> str:
    """Whether the monitored value should be small or large."""
    return "min" if training.monitor.endswith("loss") else "max"


def train(
    spec: TrainSlice,
    tiles: Tiles,
    split: pd.DataFrame,
    out: str | Path,
    identity: str,
    workers: int = 0,
    checkpoint_minutes: float = 10,
    deadline: float | None = None,
    parent: int | None = None,
) -> dict:
    """Train one cell; write `history.csv`, `best.pt` and `final.pt` into `out`.

    On several devices the calling command is started again for each further one; those write nothing.
    A training that was cut off goes on from its last checkpoint, if `identity` is still the same.

    Args:
        spec: the cell.
        tiles: the tile store.
        split: tile, scene, subset.
        out: the cell's folder; the checkpoint lies in `out/checkpoints` while it trains.
        identity: digest of everything the result depends on.
        workers: loader processes.
        checkpoint_minutes: least time between two checkpoints within an epoch.
        deadline: when to save and stop, by `time.monotonic`; None for never.
        parent: process that started this one, if its end is a reason to stop too.

    Returns:
        What `run.json` says of the training itself; nothing in a process that follows another.

    Raises:
        Stopped: SIGTERM, SIGINT, the deadline or the parent's end came first.
        UserError: the data or the recipe cannot be trained with.
    """
    began, started = time.perf_counter(), datetime.now(UTC)
    out, settings, bands = Path(out), spec.training, tiles.images.shape[-1]
    numbers = {s: labelled_tiles(spec, tiles, split, s) for s in ("train", "val")}
    sets = {s: TileDataset(tiles, chosen) for s, chosen in numbers.items()}
    size, share = settings.batch_size, {"rank": rank(settings.devices), "world": settings.devices}
    loaders = {
        "train": loader(sets["train"], size, workers, spec.cell.seed, settings.epoch_tiles, **share),
        "val": loader(sets["val"], size, workers, **share),
    }
    L.seed_everything(spec.cell.seed, workers=True, verbose=False)
    model = build_model(spec.model, len(spec.classes), bands, pretrained=True)
    task = Task(spec, model, build_loss(settings.loss, _weights(spec, tiles, numbers["train"])))
    precision, history = resolve_precision(settings.precision), History(settings.epochs)
    watched = (settings.monitor, mode(settings))
    checkpoints = Checkpoints(out / "checkpoints", identity, *watched, loaders, checkpoint_minutes, deadline, parent)
    callbacks = [history, checkpoints]
    if settings.early_stopping:
        callbacks.append(EarlyStopping(settings.monitor, patience=settings.early_stopping, mode=mode(settings)))
    with warnings.catch_warnings(), _explained(spec, checkpoints.path), checkpoints.heeding():
        for message in NOISE:
            warnings.filterwarnings("ignore", message=message)
        _trainer(settings, precision, callbacks, out).fit(
            task, *loaders.values(), ckpt_path=checkpoints.resumable(), weights_only=True
        )
    if share["rank"]:
        return {}
    for name, state in (("final.pt", task.state_dict()), ("best.pt", checkpoints.best["state_dict"])):
        task.load_state_dict(state)
        save_weights(
            out / name, task.model, spec.model, bands,
            classes=spec.classes, counted=spec.counted, padded_tiles=settings.padded_tiles,
            batch_size=settings.batch_size, scaling=settings.scaling, precision=precision,
            dataset=spec.cell.dataset, tile_size=tiles.images.shape[1], origin=tiles.origin.model_dump(),
        )  # fmt: skip
    with atomic(out / "history.csv") as temporary:
        pd.DataFrame(history.rows, columns=COLUMNS).to_csv(temporary, index=False)
    return {
        "precision": precision,
        "started": started.isoformat(timespec="seconds"),
        "wall_seconds": round(time.perf_counter() - began, 1),
        "peak_memory_mb": round(peak_memory_mb(), 1),
        "epochs": len(history.rows),
        "best_epoch": checkpoints.best["epoch"],
        "resumed_at": checkpoints.resumed_at,
        "parameters": sum(p.numel() for p in model.parameters()),
        "tiles": {subset: len(chosen) for subset, chosen in numbers.items()},
    }


def _trainer(settings: Training, precision: str, callbacks: list[Callback], folder: Path) -> L.Trainer:
    """Lightning's loop on the recipe's devices, as quiet as it goes: `History` says a line per epoch."""
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
        # The latter, or within a SLURM job Lightning would requeue it by itself, with checkpoints of its own.
        plugins=[WholeFiles(), LightningEnvironment()],
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=sys.stderr.isatty(),
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


@contextmanager
def _explained(spec: TrainSlice, checkpoint: Path) -> Iterator[None]:
    """A block whose numeric failures and lack of memory end in one line that says what to change in the recipe."""
    recipe = f"recipes.{spec.cell.recipe}"
    try:
        yield
    except FloatingPointError as error:
        kept = f" ({checkpoint} keeps the state before)" if checkpoint.exists() else ""
        advice = "lower optimizer.lr, or choose another loss or precision: 32"
        raise UserError(f"{recipe}: {error}{kept}; {advice}") from None
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        raise UserError(f"{recipe}.batch_size: {_smaller(spec.training)}") from None


def _is_out_of_memory(error: Exception) -> bool:
    # On a CPU torch has no class for it.
    told = ("can't allocate memory", "not enough memory", "bad_alloc", "out of memory")
    return isinstance(error, MemoryError) or any(text in str(error) for text in told)


def _smaller(settings: Training) -> str:
    """What to set where a batch does not fit into memory."""
    size = settings.batch_size
    if size == 1:
        return "one tile is too much for the memory; choose a smaller tile_size of the dataset, or a smaller model"
    part = next(n for n in range(2, size + 1) if size % n == 0)
    return (
        f"{size} tiles are too much for the memory; batch_size: {size // part} with accumulate: "
        f"{settings.accumulate * part} makes the same steps of {size * settings.accumulate} tiles"
    )


def labelled_tiles(spec: TrainSlice, tiles: Tiles, split: pd.DataFrame, subset: str) -> np.ndarray:
    """Tile numbers of a subset, ascending.

    Raises:
        UserError: there are none, or they hold no pixel to learn from or to be judged by.
    """
    chosen = subset_tiles(tiles, split, subset, spec.training.padded_tiles)
    if not _pixels(spec, tiles, chosen).sum():
        names = ", ".join(spec.classes[i] for i in spec.counted)
        raise UserError(f"no pixel of subset {subset!r} is labelled {names}; use another split, or label more")
    return chosen


def _pixels(spec: TrainSlice, tiles: Tiles, chosen: np.ndarray) -> np.ndarray:
    """Pixels of each counted class in these tiles."""
    return tiles.table.loc[chosen, [f"pixels_{spec.classes[i]}" for i in spec.counted]].sum().to_numpy()


def _weights(spec: TrainSlice, tiles: Tiles, train_tiles: np.ndarray) -> torch.Tensor | None:
    pixels = torch.tensor(_pixels(spec, tiles, train_tiles))
    return class_weights(pixels, spec.training.loss.class_weights)
