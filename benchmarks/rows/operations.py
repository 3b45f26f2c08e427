"""How many operations a training step gives the device: on a CPU, which works tile by tile, and on
a device that works through a queue, where each costs a launch.

Counted on the CPU, which for the second is taken for such a device: the kernels that a GPU would
run are about as many.
"""

import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.row import circumstances
from satseg.config.models import ModelSpec
from satseg.config.reading import load
from satseg.config.recipes import Training
from satseg.data.augmentation import augment
from satseg.data.normalise import normalise
from satseg.losses import build_loss
from satseg.metrics.counts import known_tile_counts
from satseg.models import build_model
from satseg.models.segmenter import choose, positions
from satseg.training.optimizer import build_optimizer

MODEL = "unet_skinny"
CLASSES = 6
BATCHES = (2, 8)
SIZE = 64  # of a tile: the numbers do not depend on it


def asking() -> list[str]:
    """Modules, of those imported, that ask whether the device queues."""
    modules = list(sys.modules.items())
    return [
        name for name, module in modules if name.startswith("satseg.") and hasattr(module, "queues")
    ]


class Operations(TorchDispatchMode):
    """Counts the operations that are no mere views."""

    def __init__(self):
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        """Run the operation."""
        returns = operation._schema.returns
        alias = returns[0].alias_info if returns else None
        if alias is None or alias.is_write:
            self.names.append(operation.overloadpacket.__name__)
        return operation(*arguments, **(options or {}))


def measure(folder: Path, quick: bool) -> dict:
    """Count both paths at each batch size; nothing is timed and nothing is written to `folder`."""
    batches = BATCHES[:1] if quick else BATCHES
    config = load()
    settings = config.recipes["faster_unet"]
    model = config.models[MODEL]
    paths = {}
    for path, queued in (("CPU", False), ("queue", True)):
        paths[path] = {str(batch): _counted(model, settings, batch, queued) for batch in batches}
    return {
        "row": "operations",
        "what": f"operations of a training step of {MODEL}",
        "sizes": {"model": MODEL, "batches": batches},
        "facts": paths,
        **circumstances(),
    }


def _counted(
    model: ModelSpec, settings: Training, batch: int, queued: bool
) -> dict[str, dict[str, int]]:
    """How often each operation runs, by part of the step, the most frequent first."""
    parts: dict[str, dict[str, int]] = {}
    with ExitStack() as stack:
        for module in asking():
            stack.enter_context(patch(f"{module}.queues", lambda at: queued))
        net = build_model(model, CLASSES, 3).to(memory_format=torch.channels_last)
        work = _step(net, settings, batch)
        for part in work.values():  # once for what is sent or made only once
            part()
        for name, part in work.items():
            with Operations() as operations:
                part()
            parts[name] = dict(Counter(operations.names).most_common())
    return parts


def _step(net: torch.nn.Module, settings: Training, batch: int) -> dict[str, Callable[[], None]]:
    """The parts of a training step, to be called in this order."""
    generator = torch.Generator().manual_seed(0)
    tiles = torch.arange(batch)
    images = torch.randint(0, 256, (batch, 3, SIZE, SIZE), generator=generator, dtype=torch.uint8)
    masks = torch.randint(0, CLASSES, (batch, SIZE, SIZE), generator=generator, dtype=torch.uint8)
    loss = build_loss(settings.loss, None)
    optimizer = build_optimizer(settings, net)
    counted = tuple(range(CLASSES))
    state: dict[str, torch.Tensor] = {}

    def augmentation() -> None:
        state["images"], state["masks"] = augment(
            images, masks, tiles, settings.augmentation, seed=0, epoch=0
        )

    def forward() -> None:
        state["logits"] = net(normalise(state["images"], settings.scaling))

    def the_loss() -> None:
        state["target"] = positions(state["masks"], counted)
        state["loss"] = loss(state["logits"].float(), state["target"])

    def counts() -> None:
        with torch.no_grad():
            chosen = choose(state["logits"], counted)
            known_tile_counts(chosen, state["target"], CLASSES).sum(0)

    def backward() -> None:
        state["loss"].backward()

    def optimizer_step() -> None:
        optimizer.step()
        optimizer.zero_grad()

    return {
        "augmentation": augmentation,
        "forward": forward,
        "loss": the_loss,
        "counts": counts,
        "backward": backward,
        "optimizer": optimizer_step,
    }
