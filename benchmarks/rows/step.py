"""Where a training step's time goes on a CPU: satseg's changes to it, one by one."""

from contextlib import nullcontext
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks.row import Row, Run
from benchmarks.rows.orchestration import nothing
from benchmarks.rows.plain_loop import with_plain_dropout
from satseg.config.reading import load
from satseg.devices import keep_memory
from satseg.models import build_model

CLASSES = 6


def step(
    folder: Path,
    model: str,
    batch: int,
    size: int,
    *,
    channels_last: bool = True,
    bf16: bool = True,
    keep: bool = True,
    dropout: bool = True,
    fused: bool = False,
    compiled: bool = False,
) -> Run:
    """A model's forward, loss, backward and optimizer step on random images."""
    if keep:
        keep_memory()
    torch.manual_seed(0)
    net = build_model(load().models[model], CLASSES, 3)
    if not dropout:
        net = with_plain_dropout(net)
    images = torch.rand(batch, 3, size, size)
    masks = torch.randint(0, CLASSES, (batch, size, size))
    if channels_last:
        net = net.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    forward: nn.Module = torch.compile(net) if compiled else net
    optimizer = torch.optim.Adam(net.parameters(), fused=fused)

    def run(_: int) -> dict:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext():
            logits = forward(images)
        loss = cross_entropy(logits.float(), masks)
        loss.backward()
        optimizer.step()
        return {"loss": float(loss.detach())}

    return run


def losses(results: dict[str, list[dict]]) -> dict:
    """The loss after the same number of steps."""
    return {"loss": {side: round(runs[-1]["loss"], 4) for side, runs in results.items()}}


PLAIN = {"channels_last": False, "bf16": False, "keep": False, "dropout": False}
SIDES = {
    "as satseg trains": partial(step),
    "fp32": partial(step, **PLAIN),
    "fp32, channels last": partial(step, **PLAIN | {"channels_last": True}),
    "bf16, channels last": partial(step, keep=False, dropout=False),
    "the same, keeping freed memory": partial(step, dropout=False),
    "as satseg trains, fused Adam": partial(step, fused=True),
}


def _row(model: str, batch: int, size: int) -> Row:
    return Row(
        name=f"step_{model}",
        what=f"a training step of {model}: forward, loss, backward, Adam",
        against="the same step with fewer or more of these changes",
        sides=SIDES,
        make=nothing,
        sizes={"model": model, "batch": batch, "size": size},
        quick={"batch": 2, "size": 64},
        check=losses,
        threads=2,
        repeats=5,
        warmups=2,
        notes=f"Two threads; {batch} images of {size}².",
    )


ROWS = [
    _row("lab_unet", 16, 256),
    _row("unet_skinny", 4, 512),
    Row(
        name="compiled",
        what="a training step of {model}, as satseg trains",
        against="the same with torch.compile",
        sides={"as satseg trains": partial(step), "compiled": partial(step, compiled=True)},
        make=nothing,
        sizes={"model": "lab_unet", "batch": 16, "size": 256},
        quick={"batch": 2, "size": 64},
        check=losses,
        threads=2,
        repeats=5,
        warmups=2,
        notes="Two threads; 16 images of 256². Compilation needs a C++ compiler; its time is not "
        "counted.",
    ),
]
