"""Training one cell with Lightning: loop, schedule, history."""

import time
import warnings
from datetime import UTC, datetime
from pathlib import Path

import lightning as L
import pandas as pd
from lightning.pytorch.callbacks import EarlyStopping

from satseg.data.loader import TileDataset, loader
from satseg.data.store import Tiles
from satseg.devices import peak_memory_mb, resolve_precision
from satseg.distributed import rank
from satseg.files import atomic
from satseg.jobs.slices import TrainSlice
from satseg.losses import build_loss
from satseg.models import build_model
from satseg.models.segmenter import save_weights
from satseg.training.checkpoints import Checkpoints
from satseg.training.failures import explained_failures
from satseg.training.history import COLUMNS, History
from satseg.training.optimizer import mode
from satseg.training.subsets import labelled_tiles, loss_weights
from satseg.training.task import Task
from satseg.training.trainer import NOISE, build_trainer


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

    On several devices the calling command is started again for each further one; those write
    nothing. A training that was cut off goes on from its last checkpoint, if `identity` is still
    the same.

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
        "train": loader(
            sets["train"], size, workers, spec.cell.seed, settings.epoch_tiles, **share
        ),
        "val": loader(sets["val"], size, workers, **share),
    }
    L.seed_everything(spec.cell.seed, workers=True, verbose=False)
    model = build_model(spec.model, len(spec.classes), bands, pretrained=True)
    task = Task(spec, model, build_loss(settings.loss, loss_weights(spec, tiles, numbers["train"])))
    precision, history = resolve_precision(settings.precision), History(settings.epochs)
    watched = (settings.monitor, mode(settings))
    checkpoints = Checkpoints(
        out / "checkpoints", identity, *watched, loaders, checkpoint_minutes, deadline, parent
    )
    callbacks = [history, checkpoints]
    if settings.early_stopping:
        callbacks.append(
            EarlyStopping(settings.monitor, patience=settings.early_stopping, mode=mode(settings))
        )
    with (
        warnings.catch_warnings(),
        explained_failures(spec, checkpoints.path),
        checkpoints.heeding(),
    ):
        for message in NOISE:
            warnings.filterwarnings("ignore", message=message)
        build_trainer(settings, precision, callbacks, out).fit(
            task, *loaders.values(), ckpt_path=checkpoints.resumable(), weights_only=True
        )
    if share["rank"]:
        return {}
    for name, state in (
        ("final.pt", task.state_dict()),
        ("best.pt", checkpoints.best["state_dict"]),
    ):
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
