"""Optimizers and learning-rate schedules."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from satseg.config.recipes import Training
from satseg.devices import device, queues

OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
SGD_MOMENTUM = 0.9


def build_optimizer(
    settings: Training, net: nn.Module, further: Iterable[nn.Parameter] = ()
) -> torch.optim.Optimizer:
    """The recipe's optimizer over a model's parameters, and further ones."""
    optimizer = settings.optimizer
    options: dict[str, float | bool] = {
        "lr": optimizer.lr,
        "weight_decay": optimizer.weight_decay,
        # One operation for all weights. In 16 bits, it alone skips a step that overflows without
        # asking the host.
        "fused": queues(device()),
    }
    if optimizer.name == "sgd":
        options["momentum"] = SGD_MOMENTUM

    return OPTIMIZERS[optimizer.name](_groups(settings, net, further), **options)


def _groups(
    settings: Training, net: nn.Module, further: Iterable[nn.Parameter]
) -> list[dict[str, Any]]:
    """Parameter groups: those of the recipe's learning rate first, then an encoder's of its own."""
    optimizer = settings.optimizer
    encoder = getattr(net, "encoder", None)
    if optimizer.encoder_lr == 1 or not isinstance(encoder, nn.Module):
        return [{"params": [*net.parameters(), *further]}]

    slower = list(encoder.parameters())
    known = set(map(id, slower))
    others = [parameter for parameter in net.parameters() if id(parameter) not in known]
    lr = optimizer.lr * optimizer.encoder_lr
    return [{"params": [*others, *further]}, {"params": slower, "lr": lr}]


def step_share(settings: Training, index: int, tiles: int) -> float:
    """What a batch's loss is multiplied by so that each tile of an optimizer step weighs the same.

    Lightning divides every loss by `accumulate`; the last step of an epoch may have fewer batches,
    or a smaller one. Of a full step the share is 1.

    Args:
        settings: the recipe's training settings.
        index: of the batch in its epoch.
        tiles: number of tiles of the epoch.
    """
    step_tiles = settings.batch_size * settings.accumulate
    first = index // settings.accumulate * step_tiles
    of_step = min(step_tiles, tiles - first)
    of_batch = min(settings.batch_size, tiles - index * settings.batch_size)
    return settings.accumulate * of_batch / of_step


def build_schedule(settings: Training, optimizer: torch.optim.Optimizer) -> LRScheduler | None:
    """The recipe's learning-rate schedule, stepped once per epoch; None for a constant rate."""
    scheduler = settings.scheduler
    if scheduler is None:
        return None

    if scheduler.name == "plateau":
        return ReduceLROnPlateau(
            optimizer,
            mode=monitor_mode(settings),
            patience=scheduler.patience,
            factor=scheduler.factor,
        )

    warmup = scheduler.warmup
    cosine_epochs = max(1, settings.epochs - warmup)

    def factor(epoch: int) -> float:
        """A linear warm-up, then half a cosine from 1 towards 0."""
        if epoch < warmup:
            return (epoch + 1) / (warmup + 1)
        return (1 + math.cos(math.pi * (epoch - warmup) / cosine_epochs)) / 2

    return LambdaLR(optimizer, factor)


def monitor_mode(settings: Training) -> str:
    """Whether the monitored value is better when small, `min`, or when large, `max`."""
    return "min" if settings.monitor.endswith("loss") else "max"
