"""Training one cell of the grid: one dataset × model × recipe × seed."""

import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import lightning as L
import numpy as np
import pandas as pd
from lightning.pytorch.callbacks import EarlyStopping
from torch.utils.data import DataLoader

from satseg.data.exchange import palette
from satseg.data.loader import TileDataset, loader
from satseg.data.store import Tiles
from satseg.devices import device, peak_memory_mb, resolve_precision
from satseg.distributed import rank
from satseg.errors import UserError
from satseg.files import together, write_json
from satseg.jobs.slices import TrainSlice
from satseg.losses import build_loss
from satseg.models import build_model
from satseg.models.segmenter import Segmenter, load_weights, save_weights
from satseg.progress import FILE, log
from satseg.training.checkpoints import Checkpoints
from satseg.training.failures import Diverged, explained_failures
from satseg.training.history import COLUMNS, History
from satseg.training.limits import Limits
from satseg.training.loggers import Tracker
from satseg.training.optimizer import monitor_mode
from satseg.training.sharing import Sharing
from satseg.training.starting import start_from
from satseg.training.subsets import labelled_tiles, loss_weights
from satseg.training.task import Task
from satseg.training.trainer import NOISE, build_trainer, last_epoch

UNLIMITED = Limits()
FILES = ("run.json", "history.csv", "best.pt", "final.pt")


def train(
    job: TrainSlice,
    tiles: Tiles,
    split: pd.DataFrame,
    out: str | Path,
    identity: str,
    workers: int = 0,
    limits: Limits = UNLIMITED,
    teacher: str | Path | None = None,
    shorter: str | Path | None = None,
    logger: str = "csv",
    may_diverge: bool = False,
    record: Callable[[dict], dict] = dict,
) -> dict:
    """Train one cell; write `run.json`, `history.csv`, `best.pt` and `final.pt` into `out`: all or
    none.

    On several devices, Lightning starts the calling command again for each further one; those
    processes write nothing. An interrupted run resumes from its last checkpoint if `identity` is
    still the same.

    Args:
        job: the cell.
        tiles: the tile store.
        split: tile, scene, subset.
        out: the cell's folder; checkpoints are kept in `out/checkpoints` during training.
        identity: digest of everything the result depends on.
        workers: loader processes.
        limits: when to save, and when to stop early.
        teacher: weights of the cell that the recipe's `teacher` names.
        shorter: folder of a run of the same settings that stopped earlier, to go on from.
        logger: where the rows of history.csv go too, one of `loggers.KINDS`; decides no result.
        may_diverge: whether a loss that is not finite ends the run as its last epoch would, with
            the epochs before it as history and `diverged` in the record.
        record: makes the content of `run.json` from what is returned.

    Returns:
        What there is to say about the training; empty in a process that follows another.

    Raises:
        Diverged: a loss is not finite, and must be.
        Stopped: SIGTERM, SIGINT, the deadline or the end of the parent process came first.
        UserError: the data or the recipe cannot be trained with.
    """
    started = datetime.now(UTC)
    clock = time.perf_counter()
    out = Path(out)
    settings = job.training

    # Data
    tile_numbers = {
        subset: labelled_tiles(job, tiles, split, subset) for subset in ("train", "val")
    }
    loaders = build_loaders(job, tiles, tile_numbers, workers)
    bands = tiles.images.shape[-1]

    # Model, loss, optimizer
    L.seed_everything(job.cell.seed, workers=True, verbose=False)
    net = build_model(job.model, len(job.classes), bands, pretrained=not settings.init_from)
    started_from = start_from(net, job, bands)
    loss = build_loss(settings.loss, loss_weights(job, tiles, tile_numbers["train"]))
    colours = palette(tiles, tile_numbers["train"]) if settings.augmentation.exchange else None
    task = Task(job, net, loss, bands, colours, load_teacher(job, teacher))

    # History, checkpoints, early stopping
    progress = None if rank(settings.devices) else out / "checkpoints" / FILE
    history = History(last_epoch(settings), progress, settings.early_stopping is not None)
    checkpoints = Checkpoints(out / "checkpoints", identity, settings, loaders, limits)
    sharing = Sharing()
    callbacks = [sharing, history, checkpoints]
    if logger != "csv" and not rank(settings.devices):
        callbacks.insert(2, Tracker(logger, job, out, identity, history))
    if settings.early_stopping:
        patience = settings.early_stopping
        callbacks.append(
            EarlyStopping(settings.monitor, patience=patience, mode=monitor_mode(settings))
        )

    # The loop
    precision = resolve_precision(settings.precision)
    diverged = {}
    try:
        with (
            warnings.catch_warnings(),
            explained_failures(job, checkpoints.path),
            checkpoints.stopping_on_signals(),
        ):
            for message in NOISE:
                warnings.filterwarnings("ignore", message=message)
            trainer = build_trainer(settings, precision, callbacks, out)
            trainer.fit(
                task,
                loaders["train"],
                loaders["val"],
                ckpt_path=checkpoints.resumable(shorter),
                weights_only=True,
            )
    except Diverged as end:
        if not may_diverge:
            raise
        diverged = {"diverged": str(end.__cause__)}
        log.warning("%s; the run ends there", end.__cause__)

    if rank(settings.devices):
        return {}

    # Results
    best = checkpoints.best or {"epoch": 0, "state_dict": task.state_dict()}
    result = {
        "precision": precision,
        "started": started.isoformat(timespec="seconds"),
        "wall_seconds": round(time.perf_counter() - clock, 1),
        "peak_memory_mb": round(peak_memory_mb(), 1),
        "epochs": len(history.rows),
        "best_epoch": best["epoch"],
        "resumed_at": checkpoints.resumed_at,
        "threads": checkpoints.threads,
        "started_from": started_from,
        "shared": sharing.record(),
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "tiles": {subset: len(numbers) for subset, numbers in tile_numbers.items()},
        **diverged,
    }
    with together(*(out / name for name in FILES)) as (run_file, history_file, best_file, final):
        for file, weights in ((final, task.state_dict()), (best_file, best["state_dict"])):
            task.load_state_dict(weights)
            save_weights(
                file,
                task.judged,
                job.model,
                bands,
                classes=job.classes,
                counted=job.counted,
                padded_tiles=settings.padded_tiles,
                batch_size=settings.batch_size,
                scaling=settings.scaling,
                precision="32" if settings.full_precision_evaluation else precision,
                dataset=job.cell.dataset,
                tile_size=tiles.images.shape[1],
                origin=tiles.origin.model_dump(),
            )
        pd.DataFrame(history.rows, columns=COLUMNS).to_csv(history_file, index=False)
        write_json(run_file, record(result))
    return result


def load_teacher(job: TrainSlice, weights: str | Path | None) -> Segmenter | None:
    """The model that a cell learns from, on the device at hand; None if its recipe names none.

    Raises:
        UserError: there are no such weights, or it was trained on other classes.
    """
    if job.training.teacher is None:
        return None
    if weights is None:
        raise UserError(f"recipes.{job.cell.recipe}.teacher: its weights are missing; give them")
    teacher = load_weights(weights, device())
    teacher.model.requires_grad_(False)
    if teacher.counted != job.counted or teacher.classes != job.classes:
        raise UserError(
            f"{weights}: trained on other classes than {job.cell.dataset} has under this recipe; "
            "choose another teacher"
        )
    return teacher


def build_loaders(
    job: TrainSlice, tiles: Tiles, tile_numbers: dict[str, np.ndarray], workers: int
) -> dict[str, DataLoader]:
    """Loaders of the `train` tiles, shuffled, and of the `val` tiles, in order; in one of several
    processes, of its share of each batch."""
    settings = job.training
    share = {"rank": rank(settings.devices), "world": settings.devices}
    train_tiles = TileDataset(tiles, tile_numbers["train"])
    val_tiles = TileDataset(tiles, tile_numbers["val"])
    return {
        "train": loader(
            train_tiles,
            settings.batch_size,
            workers,
            job.cell.seed,
            settings.epoch_tiles,
            **share,
        ),
        "val": loader(val_tiles, settings.batch_size, workers, **share),
    }
